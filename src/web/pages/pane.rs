//! The log that is looked at on a run's page: of a step's attempt, or of a service.

use super::encoded;
use super::face::Face;
use super::lines::Lines;
use super::moment::Took;
use super::run::{Wanted, telling};
use super::terminal;
use crate::base::Timestamp;
use crate::run::{JobView, Outcome, Run, RunView, ServiceView, StepView, Usage};
use crate::server::Refusal;
use crate::web::app::App;
use crate::web::log::Of;
use crate::web::problem::Problem;

/// Lines in the page itself; its module loads more as they are scrolled to.
const SHOWN: usize = 400;

/// What is looked at.
#[derive(Clone, Copy)]
pub(super) enum Chosen<'a> {
    Step(&'a JobView, &'a StepView),
    Service(&'a JobView, &'a ServiceView),
}

impl Chosen<'_> {
    pub(super) fn is_step(self, job: &JobView, step: &StepView) -> bool {
        matches!(self, Chosen::Step(in_job, chosen) if in_job.name == job.name && chosen.name == step.name)
    }

    pub(super) fn is_service(self, job: &JobView, service: &ServiceView) -> bool {
        matches!(self, Chosen::Service(in_job, chosen) if in_job.name == job.name && chosen.name == service.name)
    }
}

/// One log and what is to be said of it.
pub(super) struct Pane {
    pub job: String,
    /// Of the step or service.
    pub name: String,
    pub image: Option<String>,
    /// `None` for a service.
    pub step: Option<StepPane>,
    /// There is a log, if only an empty one.
    pub has_log: bool,
    /// `None` in a fragment and when there is no log.
    pub lines: Option<Lines>,
}

/// What only a step has.
pub(super) struct StepPane {
    pub step: StepView,
    pub face: Face,
    pub took: Took,
    /// The attempt whose log this is; 0 when there is none yet.
    pub attempt: u32,
    /// Where the page of its terminal is, when there can be one or somebody may want to know why not.
    pub terminal: Option<String>,
}

impl StepPane {
    pub(super) fn reason(&self) -> Option<&str> {
        telling(&self.step.reason, self.face)
    }

    /// Where the reason does not say it already.
    pub(super) fn exit_code(&self) -> Option<i32> {
        self.step.exit_code.filter(|_| {
            !self
                .reason()
                .is_some_and(|reason| ["exited with", "ended by", "ran out of memory"].iter().any(|words| reason.contains(words)))
        })
    }

    /// Where the time went and what it used, once that is known.
    pub(super) fn facts(&self) -> Vec<String> {
        let times = self.step.times.map(|times| times.before());
        let digest = self.step.image_digest.as_ref().and_then(|image| image.rsplit_once("sha256:"));
        let digest = digest.map(|(_, hash)| format!("image sha256:{}", hash.get(..12).unwrap_or(hash)));
        let usage = self.step.usage.as_ref().map(Usage::words);
        times.into_iter().chain(usage).chain(digest).filter(|fact| !fact.is_empty()).collect()
    }

    pub(super) fn attempts(&self) -> impl Iterator<Item = u32> {
        1..=self.step.attempt
    }
}

impl Pane {
    /// The attempt, for a step that has one.
    pub(super) fn attempt(&self) -> Option<u32> {
        self.step.as_ref().map(|step| step.attempt).filter(|attempt| *attempt > 0)
    }

    /// Where its lines are asked for.
    pub(super) fn base(&self, run: &str) -> String {
        let kind = if self.step.is_some() { "steps" } else { "services" };
        format!("/runs/{run}/{kind}/{}/{}", encoded(&self.job), encoded(&self.name))
    }

    /// What names it in an address, the attempt left out.
    pub(super) fn place(&self) -> String {
        let kind = if self.step.is_some() { "step" } else { "service" };
        format!("job={}&{kind}={}", encoded(&self.job), encoded(&self.name))
    }

    /// The same with the attempt.
    pub(super) fn query(&self) -> String {
        match self.attempt() {
            Some(attempt) => format!("{}&attempt={attempt}", self.place()),
            None => self.place(),
        }
    }

    pub(super) async fn read(app: &App, run: &Run, chosen: Chosen<'_>, wanted: &Wanted, now: Timestamp) -> Result<Self, Problem> {
        let of = match chosen {
            Chosen::Step(job, step) => Of::Step { job: job.name.clone(), step: step.name.clone(), attempt: wanted.attempt },
            Chosen::Service(job, service) => Of::Service { job: job.name.clone(), service: service.name.clone() },
        };
        let log = of.find(run)?;
        let lines = match (&log, wanted.fragment, wanted.line) {
            (None, _, _) | (_, Some(_), _) => None,
            (Some(log), None, None) => Some(Lines::tail(app, log, SHOWN).await?),
            (Some(log), None, Some(line)) => Some(Lines::around(app, log, line, SHOWN).await?),
        };
        let (has_log, attempt) = (log.is_some(), log.map_or(0, |log| log.attempt));
        Ok(match chosen {
            Chosen::Step(job, step) => Self {
                job: job.name.clone(),
                name: step.name.clone(),
                image: step.image.clone(),
                step: Some(StepPane {
                    face: Face::of(step.state, step.outcome),
                    took: Took { from: step.started_at, to: step.ended_at, now },
                    step: step.clone(),
                    attempt,
                    terminal: match app.handle.terminal_offer(run, &job.name, &step.name) {
                        Ok(_) | Err(Refusal::Forbidden(_)) => Some(terminal::address(run.id.as_str(), &job.name, &step.name)),
                        Err(_) => None,
                    },
                }),
                has_log,
                lines,
            },
            Chosen::Service(job, service) => Self {
                job: job.name.clone(),
                name: service.name.clone(),
                image: Some(service.image.clone()),
                step: None,
                has_log,
                lines,
            },
        })
    }
}

/// What is asked for; else what a person looks for first.
pub(super) fn choose<'a>(run: &'a RunView, wanted: &Wanted) -> Option<Chosen<'a>> {
    let in_job = |found: &&JobView| wanted.job.as_ref().is_none_or(|name| found.name == *name);
    let jobs = || run.jobs.iter().filter(in_job);
    let all = || jobs().flat_map(|job| job.steps.iter().map(move |step| (job, step)));
    let step = |(job, step): (&'a JobView, &'a StepView)| Chosen::Step(job, step);
    if let Some(name) = &wanted.service {
        let mut services = jobs().flat_map(|job| job.services.iter().map(move |service| (job, service)));
        return services.find(|(_, service)| service.name == *name).map(|(job, service)| Chosen::Service(job, service));
    }
    if let Some(name) = &wanted.step {
        return all().find(|(_, step)| step.name == *name).map(step);
    }
    let is_bad = |step: &StepView| step.outcome.is_some_and(|outcome| !outcome.is_good() && outcome != Outcome::Skipped);
    let is_live = |step: &StepView| matches!(step.state, "starting" | "running" | "stopping" | "backoff");
    let ended_last = || all().filter(|(_, step)| step.attempt > 0).max_by_key(|(_, step)| step.ended_at);
    let bad = all().find(|(_, step)| is_bad(step) && step.attempt > 0).map(step);
    bad.or_else(|| jobs().find_map(guilty_service))
        .or_else(|| all().find(|(_, step)| is_live(step)).map(step))
        .or_else(|| ended_last().map(step))
        .or_else(|| all().next().map(step))
}

/// The service that kept a job from starting, by the sentence that says so.
fn guilty_service(job: &JobView) -> Option<Chosen<'_>> {
    let is_named = |service: &&ServiceView| job.reason.starts_with(&format!("service `{}`", service.name));
    let ended = job.outcome == Some(Outcome::Error);
    job.services.iter().find(is_named).filter(|_| ended).map(|service| Chosen::Service(job, service))
}
