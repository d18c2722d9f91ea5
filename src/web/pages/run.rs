//! `/runs/{id}`: what runs, why, how it goes; and the log of the step that is looked at.
//!
//! `?job=&step=` says which step (default: the first that did not pass, else the one that runs, else the first), or `?job=&service=` which service,
//! `attempt` which attempt, `line` around which line, `fragment` leaves the lines out: the page's module has them already.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;

use super::artifacts::{self, JobArtifacts};
use super::face::Face;
use super::html;
use super::moment::{Ago, Ahead, Took};
use super::pane::{Chosen, Pane, choose};
use super::row::{first_line, name_of, short};
use super::run_summary::{self, SummaryPart};
use super::run_tests::TestsPart;
use super::shell::Shell;
use super::terminals::{self, TerminalRow};
use super::words::Words;
use crate::base::{Timestamp, shell_word};
use crate::pipeline::{Problem as Fault, Severity};
use crate::run::{JobView, Outcome, RunView, ServiceView, StepView};
use crate::schedule::EngineInfo;
use crate::web::app::App;
use crate::web::extract::{Asked, At};
use crate::web::problem::Problem;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    pub job: Option<String>,
    pub step: Option<String>,
    pub service: Option<String>,
    pub attempt: Option<u32>,
    pub line: Option<u64>,
    pub fragment: Option<u8>,
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
    tests: Option<TestsPart>,
    summaries: Vec<SummaryPart>,
    terminals: Vec<TerminalRow>,
}

struct JobPart {
    job: JobView,
    face: Face,
    took: Took,
    /// Its work tree is kept until then.
    kept: Option<Ahead>,
    steps: Vec<StepPart>,
    services: Vec<ServicePart>,
}

struct ServicePart {
    service: ServiceView,
    is_chosen: bool,
}

struct StepPart {
    step: StepView,
    face: Face,
    took: Took,
    is_chosen: bool,
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

    /// Something of it can be done again alone: it has ended, and not well.
    fn has_failed(&self) -> bool {
        !self.run.jobs.is_empty() && self.run.outcome.is_some_and(|outcome| !outcome.is_good() && outcome != Outcome::Skipped)
    }

    /// Whether the work tree of the job of that name is there.
    fn is_kept(&self, job: &str) -> bool {
        self.run.jobs.iter().any(|found| found.name == job && found.kept_until.is_some())
    }

    fn open_terminals(&self) -> usize {
        self.terminals.iter().filter(|row| row.reason.is_none()).count()
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

    /// Its name, as a shell reads it.
    fn word(&self) -> String {
        shell_word(&self.job.name)
    }

    /// Where the time before its first step went.
    fn before(&self) -> Option<String> {
        self.job.times.map(|times| times.before()).filter(|before| !before.is_empty())
    }

    /// Where it is or was, if that needs a name.
    fn engine(&self) -> Option<&str> {
        self.job.engine.as_deref().filter(|engine| *engine != EngineInfo::LOCAL)
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

/// The reason, where it says more than the state's word.
pub(super) fn telling(reason: &str, face: Face) -> Option<&str> {
    Some(reason).filter(|reason| !reason.is_empty() && *reason != face.word && face.class != "passed")
}

pub(super) async fn page(State(app): State<App>, At(id): At<String>, Asked(wanted): Asked<Wanted>) -> Result<Response, Problem> {
    let mut shell = Shell::live(&app, "runs", "").await?;
    let run = app.run(&id).await?;
    let now = app.now();
    let shown = app.handle.view(&run);
    let face = Face::of(shown.state, shown.outcome);
    let chosen = choose(&shown, &wanted);
    let pane = match chosen {
        Some(chosen) => Some(Pane::read(&app, &run, chosen, &wanted, now).await?),
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
        tests: TestsPart::read(&app, &run).await?,
        summaries: run_summary::read(&app, &run).await?,
        terminals: terminals::read(&app, &run, now).await?,
        run: shown,
    })
}

fn job_part(job: &JobView, chosen: Option<Chosen<'_>>, now: Timestamp) -> JobPart {
    let step_part = |step: &StepView| StepPart {
        face: Face::of(step.state, step.outcome),
        took: Took { from: step.started_at, to: step.ended_at, now },
        is_chosen: chosen.is_some_and(|chosen| chosen.is_step(job, step)),
        step: step.clone(),
    };
    let service_part = |service: &ServiceView| ServicePart {
        is_chosen: chosen.is_some_and(|chosen| chosen.is_service(job, service)),
        service: service.clone(),
    };
    JobPart {
        face: Face::of(job.state, job.outcome),
        took: Took { from: job.started_at, to: job.ended_at, now },
        kept: job.kept_until.map(|at| Ahead { at, now }),
        steps: job.steps.iter().map(step_part).collect(),
        services: job.services.iter().map(service_part).collect(),
        job: job.clone(),
    }
}

/// The live channel of this run, and of the log that is looked at.
fn live_address(base: &str, run: &str, pane: Option<&Pane>) -> String {
    match pane.filter(|pane| pane.has_log) {
        None => format!("{base}&run={run}"),
        Some(pane) => format!("{base}&run={run}&{}", pane.query()),
    }
}
