//! `/runs/{id}/steps/{job}/{step}/terminal`: the page of a terminal. It only says what can be had; its module opens one over the API's WebSocket when
//! somebody presses the button, so a link to this page opens nothing.

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::face::Face;
use super::shell::Shell;
use super::words::Words;
use super::{encoded, html};
use crate::base::shell_word;
use crate::run::RunView;
use crate::server::TerminalOffer;
use crate::web::app::App;
use crate::web::extract::At;
use crate::web::problem::Problem;

#[derive(Template)]
#[template(path = "terminal.html")]
struct TerminalPage {
    shell: Shell,
    run: RunView,
    job: String,
    step: String,
    face: Face,
    /// What it is, or the sentence that says why there is none.
    offer: Result<TerminalOffer, String>,
}

impl TerminalPage {
    /// The step, in the address of the run's page.
    fn place(&self) -> String {
        format!("job={}&step={}", encoded(&self.job), encoded(&self.step))
    }

    fn socket(&self) -> String {
        format!("/api/v1{}", address(&self.run.id.to_string(), &self.job, &self.step))
    }

    /// A repository's name is a word for every shell.
    fn command(&self) -> String {
        let (job, step) = (shell_word(&self.job), shell_word(&self.step));
        format!("gantry shell {}#{} {job} {step}", self.run.repo, self.run.number)
    }
}

/// Where the page of a step's terminal is.
pub(super) fn address(run: &str, job: &str, step: &str) -> String {
    format!("/runs/{run}/steps/{}/{}/terminal", encoded(job), encoded(step))
}

pub(super) async fn page(State(app): State<App>, At((id, job, step)): At<(String, String, String)>) -> Result<Response, Problem> {
    let mut shell = Shell::live(&app, "runs", "").await?;
    let run = app.run(&id).await?;
    let shown = app.handle.view(&run);
    let found = shown.jobs.iter().find(|found| found.name == job);
    let found = found.and_then(|found| found.steps.iter().find(|found| found.name == step));
    let missing = || Problem::not_found(format!("Run #{} has no step `{step}` in a job `{job}`.", run.number));
    let found = found.ok_or_else(missing)?;
    let face = Face::of(found.state, found.outcome);
    let offer = app.handle.terminal_offer(&run, &job, &step).map_err(|refusal| Problem::from(refusal).detail);
    shell.title = format!("{step} – terminal – {} #{}", shown.repo, shown.number);
    shell.live = format!("{}&run={}", shell.live, shown.id);
    html(&TerminalPage { shell: shell.of(face), run: shown, job, step, face, offer })
}
