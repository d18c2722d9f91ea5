//! The way from bytes to a plan.
//!
//! **Invariant:** an invalid file is always told, even when its own `on` would not want the trigger: a broken pipeline must not stay unseen until the
//! day it is needed.

use super::check::{
    self as checking,
    spec::{Pipeline, Step},
};
use super::plan::Plan;
use super::planning;
use super::problem::{Problem, Severity};
use super::report::{Report, shown};
use super::trigger::Trigger;
use super::want;
use super::yaml::{self, Source, Tolerance};

/// What the one who asks can offer.
#[derive(Clone, Copy, Default)]
pub struct ReadOptions<'a> {
    /// The executor runs images: a step without one is a problem.
    pub image_needed: bool,
    /// For steps of pipelines that name none.
    pub default_image: Option<&'a str>,
    /// Paths that the trigger's commits changed; `None` when that is not known (a new branch, a tag): then every path counts as changed.
    pub changes: Option<&'a [String]>,
    /// A person asks, whatever the event: `[skip ci]` skips nothing.
    pub by_person: bool,
    /// The files of the commit, for `hash(…)`; without them a pipeline that asks has a problem.
    pub files: Option<&'a dyn Files>,
}

/// The files of a commit or a work tree.
pub trait Files {
    /// All of them, sorted by path.
    ///
    /// # Errors
    /// The sentence says why they cannot be listed.
    fn list(&self) -> Result<Vec<FileEntry>, String>;
}

/// One file of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEntry {
    /// With `/`, relative to the root of the repository.
    pub path: String,
    /// Differs whenever the content differs: the object's id.
    pub id: String,
}

/// What came of reading a file for a trigger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// `warnings` are sorted by place.
    Planned { plan: Plan, warnings: Vec<Problem> },
    /// One sentence without a full stop: why this trigger makes no run.
    NotWanted(String),
    /// One sentence without a full stop: nothing is wrong with the file, but with the inputs that were given.
    Refused(String),
    /// At least one error, sorted by place; warnings are among them.
    Invalid(Vec<Problem>),
}

/// Reads a pipeline file for a trigger. `file` is its path in the repository; pure and total.
#[must_use]
pub fn read(file: &str, text: &[u8], trigger: &Trigger, options: &ReadOptions<'_>) -> Reading {
    let source = Source::new(text);
    let mut report = Report::new(file, &source);
    let pipeline = checked(file, &source, &mut report);
    let Some(pipeline) = pipeline.filter(|_| report.errors() == 0) else { return Reading::Invalid(report.finish()) };
    if let Err(why) = want::wanted(&pipeline.on, trigger, options) {
        return Reading::NotWanted(why);
    }
    let plan = planning::plan(file, &pipeline, trigger, options, &mut report);
    let failed = report.errors() > 0;
    let problems = report.finish();
    match plan {
        Err(why) => Reading::Refused(why),
        Ok(_) if failed => Reading::Invalid(problems),
        Ok(plan) => Reading::Planned { plan, warnings: problems },
    }
}

/// The pipeline of a file without errors.
pub(super) fn sound(file: &str, text: &[u8]) -> Option<Pipeline> {
    let source = Source::new(text);
    let mut report = Report::new(file, &source);
    checked(file, &source, &mut report).filter(|_| report.errors() == 0)
}

/// All problems that can be known without a trigger, sorted by place. Steps without an image are one warning: the executor decides
/// whether it needs one.
#[must_use]
pub fn check(file: &str, text: &[u8]) -> Vec<Problem> {
    let source = Source::new(text);
    let mut report = Report::new(file, &source);
    let pipeline = checked(file, &source, &mut report);
    let sound = pipeline.filter(|_| report.errors() == 0);
    let steps: Vec<&Step> = sound.iter().flat_map(|pipeline| &pipeline.jobs).flat_map(|job| &job.steps).collect();
    let bare: Vec<&&Step> = steps.iter().filter(|step| step.image.is_none()).collect();
    if let Some(first) = bare.first() {
        let message = match bare.len() {
            1 => format!("the step `{}` has no image", shown(&first.name)),
            many => format!("{many} steps have no image, this one is the first"),
        };
        report.warning(
            "no-image",
            first.span,
            message,
            "only an executor with a default image, or one that needs none, can run this",
        );
    }
    report.finish()
}

/// Whether there is an error among the problems.
#[must_use]
pub fn has_errors(problems: &[Problem]) -> bool {
    problems.iter().any(|problem| problem.severity == Severity::Error)
}

fn checked(file: &str, source: &Source, report: &mut Report) -> Option<Pipeline> {
    let document = yaml::read(source, Tolerance::default());
    for fault in document.faults {
        report.fault(fault);
    }
    checking::pipeline(file, &*document.root?, report)
}
