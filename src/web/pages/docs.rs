//! `/docs`: the manual, inside the binary. Its Markdown is our own, so it is trusted; nothing of a user's comes here.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use pulldown_cmark::{CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html::push_html};

use super::html;
use super::shell::Shell;
use crate::web::app::App;
use crate::web::problem::Problem;

/// The pages of the manual: name in the address, name in the navigation, text.
const PAGES: [(&str, &str, &str); 2] = [
    ("", "Start", include_str!("../../../web/docs/index.md")),
    ("pipeline", "The pipeline file", include_str!("../../../web/docs/pipeline.md")),
];

#[derive(Template)]
#[template(path = "docs.html")]
struct DocsPage {
    shell: Shell,
    pages: Vec<Link>,
    sections: Vec<Link>,
    body: String,
}

/// An entry of the navigation.
struct Link {
    to: String,
    text: String,
    here: bool,
    /// A section inside of another.
    deeper: bool,
}

pub(super) async fn first(State(app): State<App>) -> Result<Response, Problem> {
    page_of(&app, "")
}

pub(super) async fn page(State(app): State<App>, Path(name): Path<String>) -> Result<Response, Problem> {
    page_of(&app, &name)
}

fn page_of(app: &App, name: &str) -> Result<Response, Problem> {
    let found = PAGES.iter().find(|(known, ..)| *known == name);
    let (_, title, text) = found.ok_or_else(|| Problem::not_found("The manual has no such page."))?;
    let link = |(to, text, _): &(&str, &str, &str)| {
        let path = if to.is_empty() { "/docs".to_owned() } else { format!("/docs/{to}") };
        Link { to: path, text: (*text).to_owned(), here: *to == name, deeper: false }
    };
    let (sections, body) = rendered(text);
    let shell = Shell { here: "docs", ..Shell::still(app, format!("{title} – Gantry")) };
    html(&DocsPage { shell, pages: PAGES.iter().map(link).collect(), sections, body })
}

/// The text as HTML, each heading with an anchor, and the list of its sections.
fn rendered(text: &str) -> (Vec<Link>, String) {
    let mut events: Vec<Event> = Parser::new_ext(text, Options::ENABLE_TABLES).collect();
    let mut sections = Vec::new();
    for at in 0..events.len() {
        let Some(Event::Start(Tag::Heading { level, .. })) = events.get(at) else { continue };
        let level = *level;
        let inside = events.iter().skip(at).take_while(|event| !matches!(event, Event::End(TagEnd::Heading(_))));
        let title: String = inside
            .filter_map(|event| if let Event::Text(text) | Event::Code(text) = event { Some(&**text) } else { None })
            .collect();
        let anchor = anchor_of(&title);
        if level > HeadingLevel::H1 {
            sections.push(Link { to: format!("#{anchor}"), text: title, here: false, deeper: level > HeadingLevel::H2 });
        }
        if let Some(Event::Start(Tag::Heading { id, .. })) = events.get_mut(at) {
            *id = Some(CowStr::from(anchor));
        }
    }
    let mut body = String::new();
    push_html(&mut body, events.into_iter());
    // A wide table or a long line moves inside of its own box, not the whole page.
    (sections, body.replace("<table>", "<div class=\"wide\"><table>").replace("</table>", "</table></div>"))
}

/// `By hand, with inputs` → `by-hand-with-inputs`.
fn anchor_of(title: &str) -> String {
    let plain: String = title.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { ' ' }).collect();
    plain.split_whitespace().collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::pipeline::{check, has_errors, render};

    /// The fenced examples of a language, with the line each begins on.
    fn examples(text: &str, language: &str) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        let mut open: Option<(usize, String)> = None;
        for (at, line) in text.lines().enumerate() {
            match (&mut open, line.strip_prefix("```")) {
                (None, Some(opened)) => open = Some((at + 2, if opened == language { String::new() } else { "\0".to_owned() })),
                (Some(_), Some(_)) => found.extend(open.take().filter(|(_, example)| !example.starts_with('\0'))),
                (Some((_, example)), None) => example.push_str(&format!("{line}\n")),
                (None, None) => {}
            }
        }
        found
    }

    #[test]
    fn every_example_of_the_manual_is_a_pipeline_without_a_problem() {
        let mut seen = 0;
        for (name, _, text) in PAGES {
            for (line, example) in examples(text, "yaml") {
                let problems: Vec<_> =
                    check(".gantry.yml", example.as_bytes()).into_iter().filter(|p| p.code != "no-image").collect();
                assert!(!has_errors(&problems) && problems.is_empty(), "{name}.md:{line}\n{}", render(&problems, false));
                seen += 1;
            }
        }
        assert!(seen > 15, "only {seen} examples were found");
    }

    #[test]
    fn links_of_the_manual_lead_somewhere() {
        let known: BTreeSet<String> =
            PAGES.iter().map(|(name, ..)| format!("/docs/{name}").trim_end_matches('/').to_owned()).collect();
        for (name, _, text) in PAGES {
            for event in Parser::new(text) {
                let Event::Start(Tag::Link { dest_url, .. }) = event else { continue };
                let ours = dest_url.starts_with("/docs") && known.contains(&*dest_url);
                assert!(ours || dest_url.starts_with("/api/") || dest_url.starts_with("/assets/"), "{name}.md: {dest_url}");
            }
        }
    }

    #[test]
    fn headings_have_anchors_and_stand_in_the_list() {
        let (sections, body) = rendered("# T\n\n## By hand, with `inputs`\n\ntext\n\n### More\n");
        assert_eq!(
            sections.iter().map(|link| (link.to.as_str(), link.deeper)).collect::<Vec<_>>(),
            [("#by-hand-with-inputs", false), ("#more", true)]
        );
        assert!(body.contains("<h2 id=\"by-hand-with-inputs\">"), "{body}");
    }
}
