//! `/runs/{id}`: what runs, why, how it goes; and the log of the step that is looked at.
//!
//! `?job=&step=` says which step (default: the first that did not pass, else the one that runs, else the first), `attempt` which attempt, `line` around
//! which line, `fragment` leaves the lines out: the page's module has them already.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;

use super::artifacts::{self, JobArtifacts};
use super::face::Face;
use super::html;
use super::lines::Lines;
use super::moment::{Ago, Took};
use super::row::{first_line, name_of, short};
use super::shell::Shell;
use super::words::Words;
use crate::base::Timestamp;
use crate::pipeline::{Problem as Fault, Severity};
use crate::run::{JobView, Run, RunView, StepView, view};
use crate::web::app::App;
use crate::web::extract::{Asked, At};
use crate::web::log;
use crate::web::problem::Problem;

/// Lines in the page itself; its module loads more as they are scrolled to.
const SHOWN: usize = 400;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    job: Option<String>,
    step: Option<String>,
    attempt: Option<u32>,
    line: Option<u64>,
    fragment: Option<u8>,
}

#[derive(Template)]
#[template(path = "run.html")]
struct RunPage {
    shell: Shell,
    run: RunView,
    face: Face,
    queued: Ago,
    took: Took,
    jobs: Vec<JobPart>,
    artifacts: Vec<JobArtifacts>,
    pane: Option<Pane>,
}

struct JobPart {
    job: JobView,
    face: Face,
    took: Took,
    steps: Vec<StepPart>,
}

struct StepPart {
    step: StepView,
    face: Face,
    took: Took,
    is_chosen: bool,
}

/// The step that is looked at.
struct Pane {
    job: String,
    step: StepView,
    face: Face,
    took: Took,
    /// The attempt whose log this is; 0 when there is none yet.
    attempt: u32,
    /// `None` in a fragment and when there is no log.
    lines: Option<Lines>,
}

impl RunPage {
    fn title(&self) -> &str {
        first_line(&self.run.message)
    }

    /// What the message says after its first line.
    fn more(&self) -> Option<&str> {
        let rest = self.run.message.trim_start().split_once('\n')?.1.trim();
        Some(rest).filter(|rest| !rest.is_empty())
    }

    fn commit(&self) -> &str {
        short(&self.run.commit)
    }

    fn author(&self) -> &str {
        name_of(&self.run.author)
    }

    fn reference(&self) -> &str {
        self.run.tag.as_deref().unwrap_or(&self.run.branch)
    }

    /// The underline of a problem, as long as what it marks.
    fn carets(&self, fault: &Fault) -> String {
        let lead: String =
            fault.source.chars().take(fault.column.saturating_sub(1)).map(|char| if char == '\t' { '\t' } else { ' ' }).collect();
        lead + &"^".repeat(fault.length.clamp(1, 200))
    }

    /// The word before the code.
    fn severity(&self, fault: &Fault) -> &'static str {
        match fault.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

impl JobPart {
    fn reason(&self) -> Option<&str> {
        telling(&self.job.reason, self.face)
    }

    /// What it works on, and who let it.
    fn beside(&self) -> Option<String> {
        let environment = self.job.environment.as_ref().map(|name| format!("on {name}"));
        let approved = self.job.approval.as_ref().and_then(|approval| approval.decision.as_ref());
        let approved = approved.filter(|decision| decision.approved).map(|decision| format!("approved by {}", decision.by));
        let parts: Vec<String> = environment.into_iter().chain(approved).collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

impl StepPart {
    fn reason(&self) -> Option<&str> {
        telling(&self.step.reason, self.face)
    }
}

impl Pane {
    fn reason(&self) -> Option<&str> {
        telling(&self.step.reason, self.face)
    }

    /// Where the reason does not say it already.
    fn exit_code(&self) -> Option<i32> {
        self.step.exit_code.filter(|_| !self.reason().is_some_and(|reason| reason.contains("exited with")))
    }

    /// Where its lines are asked for.
    fn base(&self, run: &str) -> String {
        format!("/runs/{run}/steps/{}/{}", encoded(&self.job), encoded(&self.step.name))
    }

    fn attempts(&self) -> impl Iterator<Item = u32> {
        1..=self.step.attempt
    }
}

/// The reason, where it says more than the state's word.
fn telling(reason: &str, face: Face) -> Option<&str> {
    Some(reason).filter(|reason| !reason.is_empty() && *reason != face.word && face.class != "passed")
}

pub(super) async fn page(State(app): State<App>, At(id): At<String>, Asked(wanted): Asked<Wanted>) -> Result<Response, Problem> {
    let mut shell = Shell::live(&app, "runs", "").await?;
    let run = app.run(&id).await?;
    let now = app.now();
    let shown = view(&run);
    let face = Face::of(shown.state, shown.outcome);
    let chosen = choose(&shown, wanted.job.as_deref(), wanted.step.as_deref());
    let pane = match chosen {
        Some((job, step)) => Some(read_pane(&app, &run, job, step, &wanted, now).await?),
        None => None,
    };
    let reference = shown.tag.as_deref().unwrap_or(&shown.branch);
    shell.title = format!("{} #{} {reference} – {}", face.sign, shown.number, shown.repo);
    shell.live = live_address(&shell.live, &shown.id.to_string(), pane.as_ref());
    html(&RunPage {
        shell: shell.of(face),
        face,
        queued: Ago { at: shown.queued_at, now },
        took: Took { from: shown.started_at, to: shown.ended_at, now },
        jobs: shown.jobs.iter().map(|job| job_part(job, chosen, now)).collect(),
        artifacts: artifacts::read(&app, &run, now).await?,
        pane,
        run: shown,
    })
}

fn job_part(job: &JobView, chosen: Option<(&JobView, &StepView)>, now: Timestamp) -> JobPart {
    let step_part = |step: &StepView| StepPart {
        face: Face::of(step.state, step.outcome),
        took: Took { from: step.started_at, to: step.ended_at, now },
        is_chosen: chosen.is_some_and(|(in_job, chosen)| in_job.name == job.name && chosen.name == step.name),
        step: step.clone(),
    };
    JobPart {
        face: Face::of(job.state, job.outcome),
        took: Took { from: job.started_at, to: job.ended_at, now },
        steps: job.steps.iter().map(step_part).collect(),
        job: job.clone(),
    }
}

/// The step that is asked for; else what a person looks for first.
fn choose<'a>(run: &'a RunView, job: Option<&str>, step: Option<&str>) -> Option<(&'a JobView, &'a StepView)> {
    let in_job = |found: &JobView| job.is_none_or(|name| found.name == name);
    let all = || run.jobs.iter().filter(|found| in_job(found)).flat_map(|job| job.steps.iter().map(move |step| (job, step)));
    if let Some(name) = step {
        return all().find(|(_, step)| step.name == name);
    }
    let is_bad =
        |step: &StepView| step.outcome.is_some_and(|outcome| !outcome.is_good() && outcome != crate::run::Outcome::Skipped);
    let is_live = |step: &StepView| matches!(step.state, "starting" | "running" | "stopping" | "backoff");
    let ended_last = || all().filter(|(_, step)| step.attempt > 0).max_by_key(|(_, step)| step.ended_at);
    let bad = all().find(|(_, step)| is_bad(step) && step.attempt > 0);
    bad.or_else(|| all().find(|(_, step)| is_live(step))).or_else(ended_last).or_else(|| all().next())
}

async fn read_pane(
    app: &App,
    run: &Run,
    job: &JobView,
    step: &StepView,
    wanted: &Wanted,
    now: Timestamp,
) -> Result<Pane, Problem> {
    let log = log::find(run, &job.name, &step.name, wanted.attempt)?;
    let lines = match (&log, wanted.fragment, wanted.line) {
        (None, _, _) | (_, Some(_), _) => None,
        (Some(log), None, None) => Some(Lines::tail(app, log, SHOWN).await?),
        (Some(log), None, Some(line)) => Some(Lines::around(app, log, line, SHOWN).await?),
    };
    Ok(Pane {
        job: job.name.clone(),
        face: Face::of(step.state, step.outcome),
        took: Took { from: step.started_at, to: step.ended_at, now },
        attempt: log.map_or(0, |log| log.key.attempt),
        step: step.clone(),
        lines,
    })
}

/// As a part of an address.
pub(super) fn encoded(text: &str) -> String {
    askama::filters::urlencode_strict(text).map(|text| text.to_string()).unwrap_or_default()
}

/// The live channel of this run, and of the log that is looked at.
fn live_address(base: &str, run: &str, pane: Option<&Pane>) -> String {
    match pane.filter(|pane| pane.attempt > 0) {
        None => format!("{base}&run={run}"),
        Some(pane) => {
            format!("{base}&run={run}&job={}&step={}&attempt={}", encoded(&pane.job), encoded(&pane.step.name), pane.attempt)
        }
    }
}
