//! `/runs/{id}/summary`: what steps wrote for people, whole; and as much of it as the run's own page shows.

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::face::Face;
use super::html;
use super::row::first_line;
use super::shell::Shell;
use crate::run::{Run, RunView, view};
use crate::web::app::App;
use crate::web::extract::{Asked, At};
use crate::web::pages::repos::Nothing;
use crate::web::problem::Problem;
use crate::web::{markdown, summaries};

/// Bytes of Markdown that the run's own page shows, all steps together: it is made anew at every change of the run.
const SHOWN: usize = 16 * 1024;
/// Bytes of one step's that are shown at all; a step may write more than a browser is glad of.
const WHOLE: usize = 256 * 1024;

/// One step's, ready to be shown.
pub(super) struct SummaryPart {
    pub job: String,
    pub step: String,
    /// Safe.
    pub html: String,
    pub is_cut: bool,
}

/// What the run's page shows.
pub(super) async fn read(app: &App, run: &Run) -> Result<Vec<SummaryPart>, Problem> {
    parts(app, run, SHOWN).await
}

/// The summaries, up to so many bytes together. Those that have no room any more are named.
async fn parts(app: &App, run: &Run, room: usize) -> Result<Vec<SummaryPart>, Problem> {
    let summaries = summaries::latest(app.store().summaries(&run.id).await?);
    let mut left = room;
    let part = |summary: &crate::store::Summary| {
        let (job, step) = summaries::names(run, &summary.key);
        let shown = beginning(&summary.text, left.min(WHOLE));
        left -= shown.len();
        let is_cut = shown.len() < summary.text.len();
        SummaryPart { job: job.to_owned(), step: step.to_owned(), html: markdown::to_html(shown), is_cut }
    };
    Ok(summaries.iter().map(part).collect())
}

/// Whole lines of a text, at most so many bytes.
fn beginning(text: &str, bytes: usize) -> &str {
    if text.len() <= bytes {
        return text;
    }
    let cut = &text[..text.floor_char_boundary(bytes)];
    cut.rfind('\n').map_or("", |end| &cut[..=end])
}

#[derive(Template)]
#[template(path = "run_summary.html")]
struct SummaryPage {
    shell: Shell,
    run: RunView,
    face: Face,
    summaries: Vec<SummaryPart>,
}

impl SummaryPage {
    fn title(&self) -> &str {
        first_line(&self.run.message)
    }
}

pub(super) async fn page(
    State(app): State<App>,
    At(id): At<String>,
    Asked(Nothing {}): Asked<Nothing>,
) -> Result<Response, Problem> {
    let mut shell = Shell::live(&app, "runs", "").await?;
    let run = app.run(&id).await?;
    let shown = view(&run);
    let face = Face::of(shown.state, shown.outcome);
    shell.title = format!("Summary of #{} – {}", shown.number, shown.repo);
    shell.live = format!("{}&run={}", shell.live, run.id);
    let summaries = parts(&app, &run, usize::MAX).await?;
    html(&SummaryPage { shell: shell.of(face), face, summaries, run: shown })
}

#[cfg(test)]
mod tests {
    use super::beginning;

    #[test]
    fn a_beginning_is_whole_lines() {
        assert_eq!(beginning("one\ntwo\n", 8), "one\ntwo\n");
        assert_eq!(beginning("one\ntwo\n", 7), "one\n");
        assert_eq!(beginning("öne\ntwo", 1), "");
    }
}
