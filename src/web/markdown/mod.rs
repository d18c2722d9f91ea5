//! Markdown that a step wrote → safe HTML.
//!
//! **Invariants:** what is shown is decided event by event, before there is any HTML: of the HTML in the text only a few elements are known, made anew
//! here without attributes and always closed; everything else of it is shown as text. Links lead to http and https only, and nothing is loaded from
//! anywhere. No style and no id comes through, so a summary changes nothing around it.

mod tags;

use pulldown_cmark::{CodeBlockKind, CowStr, Event, HeadingLevel, LinkType, Options, Parser, Tag, TagEnd, html};

use self::tags::Tags;

/// Nesting of quotes and lists: what is deeper is shown without its frame, since browsers have trouble with thousands.
const DEPTH: usize = 24;

/// The text as HTML, for the inside of a block.
#[must_use]
pub fn to_html(text: &str) -> String {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS | Options::ENABLE_GFM;
    let mut safe = Safe::default();
    for event in Parser::new_ext(text, options) {
        safe.hear(event);
    }
    safe.close_html(0);
    let mut out = String::with_capacity(text.len() * 3 / 2);
    html::push_html(&mut out, safe.events.into_iter());
    out
}

/// The events that are let through.
#[derive(Default)]
struct Safe<'t> {
    events: Vec<Event<'t>>,
    depth: usize,
    tags: Tags,
    /// Of each open link and image, whether an element was made of it.
    links: Vec<bool>,
}

impl<'t> Safe<'t> {
    fn hear(&mut self, event: Event<'t>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Html(text) => self.html(&text, true),
            Event::InlineHtml(text) => self.html(&text, false),
            Event::Text(text) => self.events.push(Event::Text(readable(text))),
            Event::Code(text) => self.events.push(Event::Code(readable(text))),
            // Not asked for; as text should they come.
            Event::InlineMath(text) | Event::DisplayMath(text) | Event::FootnoteReference(text) => {
                self.events.push(Event::Text(readable(text)))
            }
            Event::SoftBreak | Event::HardBreak | Event::Rule | Event::TaskListMarker(_) => self.events.push(event),
        }
    }

    fn start(&mut self, tag: Tag<'t>) {
        let tag = match tag {
            // Its lines come by themselves, and what they open may be closed by another block.
            Tag::HtmlBlock => return,
            Tag::Link { link_type, dest_url, title: _, id: _ } => return self.open_link(link_type, &dest_url, None),
            Tag::Image { link_type, dest_url, title: _, id: _ } => return self.open_link(link_type, &dest_url, Some("Image: ")),
            // The page has headings of its own above these; an id would be one of the page's.
            Tag::Heading { level, id: _, classes: _, attrs: _ } => {
                Tag::Heading { level: below(level), id: None, classes: Vec::new(), attrs: Vec::new() }
            }
            // Alignment would be an inline style.
            Tag::Table(columns) => Tag::Table(columns.iter().map(|_| pulldown_cmark::Alignment::None).collect()),
            // The language would be a class.
            Tag::CodeBlock(_) => Tag::CodeBlock(CodeBlockKind::Indented),
            other => other,
        };
        self.depth += 1;
        if self.depth <= DEPTH {
            self.events.push(Event::Start(tag));
        }
    }

    fn end(&mut self, tag: TagEnd) {
        let tag = match tag {
            TagEnd::HtmlBlock => return,
            TagEnd::Link | TagEnd::Image => {
                self.close_html(self.depth);
                self.depth = self.depth.saturating_sub(1);
                if self.links.pop().unwrap_or(false) {
                    self.raw("</a>");
                }
                return;
            }
            TagEnd::Heading(level) => TagEnd::Heading(below(level)),
            other => other,
        };
        self.close_html(self.depth);
        if self.depth <= DEPTH {
            self.events.push(Event::End(tag));
        }
        self.depth = self.depth.saturating_sub(1);
    }

    /// A link, or an image as a link to it: nothing is loaded.
    fn open_link(&mut self, kind: LinkType, url: &str, before: Option<&'static str>) {
        let is_inside = self.links.contains(&true);
        let is_shown = !is_inside && leads_to_web(kind, url);
        if is_shown {
            let href = askama::filters::escape(url, askama::filters::Html).map(|url| url.to_string()).unwrap_or_default();
            self.raw(format!(r#"<a href="{href}" rel="nofollow noopener noreferrer">"#));
        }
        if let Some(before) = before.filter(|_| !is_inside) {
            self.events.push(Event::Text(CowStr::Borrowed(before)));
        }
        self.links.push(is_shown);
        self.depth += 1;
    }

    /// HTML in the text: known elements are made anew, the rest is text.
    fn html(&mut self, text: &str, is_block: bool) {
        let depth = self.depth;
        for piece in self.tags.read(text, is_block, depth) {
            match piece {
                tags::Piece::Element(markup) => self.raw(markup),
                tags::Piece::Text(text) => self.events.push(Event::Text(readable(text.into()))),
            }
        }
    }

    /// Closes the HTML elements that were opened at this depth or deeper.
    fn close_html(&mut self, depth: usize) {
        while let Some(markup) = self.tags.close_at(depth) {
            self.raw(markup);
        }
    }

    /// Markup that is made here.
    fn raw(&mut self, markup: impl Into<CowStr<'t>>) {
        self.events.push(Event::InlineHtml(markup.into()));
    }
}

/// Whether it leads to a page of the web; not to a script, a file, a mail, or somewhere on this server.
fn leads_to_web(kind: LinkType, url: &str) -> bool {
    let starts = |scheme: &str| url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    match kind {
        LinkType::Email => false,
        LinkType::Inline
        | LinkType::Reference
        | LinkType::ReferenceUnknown
        | LinkType::Collapsed
        | LinkType::CollapsedUnknown
        | LinkType::Shortcut
        | LinkType::ShortcutUnknown
        | LinkType::Autolink
        | LinkType::WikiLink { .. } => starts("http://") || starts("https://"),
    }
}

/// Two levels further down.
fn below(level: HeadingLevel) -> HeadingLevel {
    match level {
        HeadingLevel::H1 => HeadingLevel::H3,
        HeadingLevel::H2 => HeadingLevel::H4,
        HeadingLevel::H3 => HeadingLevel::H5,
        HeadingLevel::H4 | HeadingLevel::H5 | HeadingLevel::H6 => HeadingLevel::H6,
    }
}

/// Without the characters that reorder what is read.
fn readable(text: CowStr<'_>) -> CowStr<'_> {
    let reorders = |char: char| matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if text.contains(reorders) { text.replace(reorders, "\u{fffd}").into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::to_html;

    #[test]
    fn what_people_write_is_shown() {
        let text = "# Coverage\n\n| file | lines |\n|---|--:|\n| `a.rs` | **93 %** |\n\n- [x] done\n- [ ] ~~open~~\n\n> [!WARNING]\n> slow\n\n```rust\nlet x = 1 < 2;\n```\n\nSee [the report](https://ci.example.org/r?a=1&b=2 \"t\") and <https://example.org>.\n\n![badge](https://img.example.org/b.svg)\n[![inner](https://img.example.org/c.svg)](https://example.org/d)\n\n<details><summary>More <b>here</b></summary>\n\n*inside*\n\n</details>\n\n<!-- hidden -->\nline<br>break\n";
        insta::assert_snapshot!(to_html(text));
    }

    /// Every tag and attribute that comes out, for any input, is one of these.
    #[track_caller]
    fn check(text: &str) {
        let html = to_html(text);
        let mut rest = html.as_str();
        let mut open: Vec<&str> = Vec::new();
        while let Some((before, after)) = rest.split_once('<') {
            assert!(!before.contains('>'), "{text:?}: {html}");
            let (tag, after) = after.split_once('>').unwrap_or_else(|| panic!("{text:?}: {html}"));
            rest = after;
            let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap_or_default();
            let known = [
                "h3",
                "h4",
                "h5",
                "h6",
                "p",
                "a",
                "em",
                "strong",
                "del",
                "code",
                "pre",
                "ul",
                "ol",
                "li",
                "table",
                "thead",
                "tbody",
                "tr",
                "th",
                "td",
                "blockquote",
                "br",
                "hr",
                "input",
                "details",
                "summary",
                "b",
                "i",
                "s",
                "ins",
                "kbd",
                "sub",
                "sup",
            ];
            assert!(known.contains(&name), "<{tag}> of {text:?}: {html}");
            let attributes = &tag.trim_start_matches('/')[name.len()..];
            let is_fine = attributes.is_empty()
                || attributes == " /"
                || (name == "a"
                    && attributes.starts_with(" href=\"http")
                    && attributes.ends_with("\" rel=\"nofollow noopener noreferrer\"")
                    && attributes.matches('"').count() == 4)
                || (name == "input" && attributes.starts_with(" disabled=\"\" type=\"checkbox\""))
                || (name == "ol"
                    && attributes.starts_with(" start=\"")
                    && attributes[8..attributes.len() - 1].bytes().all(|b| b.is_ascii_digit()))
                || (name == "blockquote" && attributes.starts_with(" class=\"markdown-alert-"));
            assert!(is_fine, "<{tag}> of {text:?}: {html}");
            match tag.strip_prefix('/') {
                Some(name) => assert_eq!(open.pop(), Some(name), "{text:?}: {html}"),
                None if matches!(name, "br" | "hr" | "input") => {}
                None => open.push(name),
            }
        }
        assert!(open.is_empty(), "{open:?} of {text:?}: {html}");
    }

    #[test]
    fn nothing_hostile_comes_through() {
        for text in [
            "<script>alert(1)</script>",
            "<img src=x onerror=alert(1)>",
            "a <svg/onload=alert(1)> b",
            "<details open ontoggle=alert(1)>x</details>",
            "<details><script>alert(1)</script></details>",
            "[a](javascript:alert(1)) [b](JaVaScRiPt:alert(1)) [c](data:text/html,x) [d](//evil.example) [e](/repos) [f](#main) [g](mailto:a@b.c)",
            "[a](java\tscript:alert(1)) [b](&#106;avascript:alert(1)) [c](\x01javascript:alert(1))",
            "[x](https://a\"onmouseover=alert(1)//) [y](<https://a\" onclick=x>) [z](https://a'b \"t\\\" onclick=x\")",
            "<javascript:alert(1)> <https://a\"b> <a@b.example>",
            "![x](https://a\"onerror=alert(1)) ![y](javascript:alert(1)) ![\"onerror=\"](https://a)",
            "# h {#main .x onclick=alert(1)}",
            "```\"><script>alert(1)</script>\nx\n```",
            "| a |\n|:-:|\n| <b> |",
            "</div></main></body></html>",
            "</details></details></p>",
            "[a <b> c](https://x) d </b> [<b>](x) ![<i>](https://y) [![<b>](https://y)](https://z)",
            "<b><i>x</b></i> <table><tr><td>x",
            "- <details>\n\n</details>\n\n1. <table>\n2. </table>",
            "> <details>\n\nx\n\n</details>",
            "<style>*{display:none}</style><link rel=stylesheet href=//x><base href=//x><meta http-equiv=refresh content=0>",
            "<iframe src=//x></iframe><form action=//x><input name=q><button>",
            "<!-- <b> --> <!--> <b>x</b> -->",
            "<!-- open\n\n<b>never closed",
            "<?php x ?> <![CDATA[ <b> ]]> <!DOCTYPE x>",
            "\u{0}<b\u{0}>x",
            "<b\n>x</b\n>",
            "&lt;script&gt; &#60;script&#62; &amp;lt;",
            "[a]: javascript:alert(1)\n\n[a] [a][] [b][a]",
            "[^1]\n\n[^1]: note <script>",
            "$x$ $$<script>$$",
            "\u{202e}txet",
        ] {
            check(text);
        }
    }

    #[test]
    fn no_mixture_of_pieces_breaks_out() {
        let pieces = [
            "<b>",
            "</b>",
            "<details>",
            "</details>",
            "<summary>",
            "<table>",
            "<tr>",
            "</td>",
            "[a](",
            "https://x",
            ")",
            "![",
            "](",
            "[",
            "](https://x)",
            "](x)",
            "\n\n",
            "\n",
            "> ",
            "- ",
            "```\n",
            "`",
            "**",
            "<",
            ">",
            "\"",
            "'",
            "|a|\n|-|\n",
            "<!--",
            "-->",
            "&#x3c;",
            "\\",
            "# ",
            "<br>",
            "~~",
            "    ",
            "<script>",
            "1. ",
            "[ ] ",
            "javascript:",
        ];
        let mut seed = 88_172_645_463_325_252_u64;
        let mut roll = |below: usize| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            usize::try_from(seed % below as u64).unwrap()
        };
        for _ in 0..6_000 {
            let count = 1 + roll(14);
            let text: String = (0..count).map(|_| pieces[roll(pieces.len())]).collect();
            check(&text);
        }
    }

    #[test]
    fn what_is_nested_without_end_stays_small() {
        for piece in ["> ", "- ", "<details>\n\n", "<b>", "[", "*a ", "![a](", "<table><tr><td>\n\n"] {
            let text = piece.repeat(20_000);
            let html = to_html(&text);
            assert!(html.len() < text.len() * 8 + 4_000, "{piece:?} made {} bytes", html.len());
            check(&piece.repeat(300));
        }
    }
}
