//! `gantry plan`: what would run for a trigger, and why everything else would not. Nothing is run, and no server is asked.
//!
//! | File | What |
//! |---|---|
//! | `text` | for people |
//! | `mermaid` | as a graph |
//! | `notes` | what there is to say of a job, a step or a service, in a few words each |

mod mermaid;
mod notes;
mod text;

use std::io::IsTerminal;
use std::path::Path;

use serde::Serialize;

use super::asked::{Answered, Asked, CHANGED, How};
use super::client::Colour;
use super::engine::Kind;
use super::{Ended, INVALID, OK, USAGE, out};
use crate::git::WorkTree;
use crate::pipeline::{JobPlan, Plan, Problem, Reading, Trigger};
use crate::run::{Forecast, JobForecast, forecast};
use crate::server::Planned;

#[derive(clap::Args)]
#[command(after_help = CHANGED)]
pub(super) struct Args {
    #[command(flatten)]
    asked: Asked,
    /// What would run the steps: docker needs an image for each
    #[arg(long, env = "GANTRY_EXECUTOR", default_value = "docker")]
    executor: Kind,
    /// Image of steps that name none
    #[arg(long)]
    image: Option<String>,
    /// In which form [default: text; --json is `--format json`]
    #[arg(long, value_enum)]
    format: Option<Format>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
    /// A flowchart as Mermaid draws it
    Mermaid,
}

/// The whole answer as JSON.
#[derive(Serialize)]
struct Document<'a> {
    trigger: &'a Trigger,
    /// Null: everything counts as changed.
    changes: &'a Option<Vec<String>>,
    pipelines: Vec<Pipeline<'a>>,
}

/// One file.
#[derive(Serialize)]
struct Pipeline<'a> {
    file: &'a str,
    /// `runs`, `not_wanted`, `refused` or `invalid`.
    verdict: &'static str,
    /// Why it does not run.
    reason: Option<&'a str>,
    /// Sorted by place; of one that runs they are warnings.
    problems: &'a [Problem],
    plan: Option<&'a Plan>,
    /// What will become of the plan's jobs, in their order.
    jobs: Vec<Fate<'a>>,
}

/// What will become of a job or a step.
#[derive(Serialize)]
struct Fate<'a> {
    name: &'a str,
    /// `runs`, `skipped`, `after_failure`, `decided_later` or `follows`: only if something that is decided later runs.
    fate: &'static str,
    /// Why it is skipped, what decides it, or what it follows.
    reason: Option<String>,
    /// Of a job that may run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    steps: Vec<Fate<'a>>,
}

impl<'a> Fate<'a> {
    fn new(name: &'a str, forecast: Forecast) -> Self {
        let (fate, reason) = match forecast {
            Forecast::Runs => ("runs", None),
            Forecast::Skipped(why) => ("skipped", Some(why)),
            Forecast::AfterFailure => ("after_failure", None),
            Forecast::Decided(late) => ("decided_later", Some(late.late)),
            Forecast::Follows(names) => ("follows", Some(names.join(", "))),
        };
        Self { name, fate, reason, steps: Vec::new() }
    }

    fn of(plan: &'a Plan) -> Vec<Self> {
        let job = |(job, seen): (&'a JobPlan, JobForecast)| {
            let fate = Self::new(&job.name, seen.job);
            let steps = job.steps.iter().zip(seen.steps).map(|(step, seen)| Self::new(&step.name, seen));
            let steps = if fate.fate == "skipped" { Vec::new() } else { steps.collect() };
            Self { steps, ..fate }
        };
        plan.jobs.iter().zip(forecast(plan)).map(job).collect()
    }
}

impl<'a> From<&'a Planned> for Pipeline<'a> {
    fn from(planned: &'a Planned) -> Self {
        let none = Self { file: &planned.file, verdict: "", reason: None, problems: &[], plan: None, jobs: Vec::new() };
        match &planned.reading {
            Reading::Planned { plan, warnings } => {
                Self { verdict: "runs", problems: warnings, plan: Some(plan), jobs: Fate::of(plan), ..none }
            }
            Reading::NotWanted(why) => Self { verdict: "not_wanted", reason: Some(why), ..none },
            Reading::Refused(why) => Self { verdict: "refused", reason: Some(why), ..none },
            Reading::Invalid(problems) => Self { verdict: "invalid", problems, ..none },
        }
    }
}

/// Plans and prints; 3 when a file is not valid, 2 when one does not take the inputs.
pub(super) fn plan(args: &Args, json: bool) -> Result<u8, Ended> {
    let tree = WorkTree::discover(Path::new(".")).map_err(Ended::usage)?;
    let how = How {
        image_needed: args.executor == Kind::Docker,
        default_image: args.image.as_deref(),
        by_person: false,
        because: "`gantry plan` was called",
    };
    let answered = args.asked.answer(&tree, &how)?;
    let format = args.format.unwrap_or(if json { Format::Json } else { Format::Text });
    match format {
        Format::Json => {
            let Answered { trigger, changes, planned } = &answered;
            out::json(&Document { trigger, changes, pipelines: planned.iter().map(Pipeline::from).collect() })?;
        }
        Format::Text => {
            let colour =
                Colour(std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()));
            out::text_as_is(&text::render(&answered, colour));
        }
        Format::Mermaid => out::text_as_is(&mermaid::render(&answered)),
    }
    let has = |wanted: fn(&Reading) -> bool| answered.planned.iter().any(|planned| wanted(&planned.reading));
    Ok(if has(|reading| matches!(reading, Reading::Invalid(_))) {
        INVALID
    } else if has(|reading| matches!(reading, Reading::Refused(_))) {
        USAGE
    } else {
        OK
    })
}
