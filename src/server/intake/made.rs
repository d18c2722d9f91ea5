//! What the files said to a trigger, as runs to be made and notes on what was not.

use std::sync::Arc;

use super::files::{Planned, place, stem};
use super::{note, short};
use crate::base::RunId;
use crate::pipeline::{Plan, Reading, Severity, Trigger};
use crate::run::Outcome;
use crate::server::handle::Shared;
use crate::store::{NewNote, NewRun};

/// What becomes of a trigger.
#[derive(Default)]
pub(super) struct Made {
    pub runs: Vec<NewRun>,
    pub notes: Vec<NewNote>,
}

impl Made {
    pub(super) fn add(&mut self, other: Made) {
        self.runs.extend(other.runs);
        self.notes.extend(other.notes);
    }
}

/// One run for each file that wants the trigger or is not valid; a note for each other.
pub(super) fn made(shared: &Shared, repo_name: &str, trigger: &Trigger, planned: Vec<Planned>) -> Made {
    let place = place(trigger);
    let reference =
        trigger.tag.as_ref().map_or_else(|| format!("refs/heads/{}", trigger.branch), |tag| format!("refs/tags/{tag}"));
    let commit = short(&trigger.commit);
    let mut made = Made::default();
    let mut told = |kind: &str, sentence: String| made.notes.push(note(kind, sentence, &reference, Some(&trigger.commit)));
    if planned.is_empty() {
        told("no-pipeline", format!("{place} at {commit} has no pipeline file: add `.gantry.yml`, or files in `.gantry/`"));
    }
    for Planned { file, trigger, reading } in planned {
        let (plan, problems, ended) = match reading {
            Reading::Planned { plan, warnings } => (plan, warnings, None),
            Reading::NotWanted(why) => {
                told("not-wanted", format!("`{file}` does not want {place} at {commit}: {why}"));
                continue;
            }
            Reading::Refused(why) => {
                told("refused", format!("`{file}` cannot run for {place} at {commit}: {why}"));
                continue;
            }
            Reading::Invalid(problems) => {
                let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
                let plural = if errors == 1 { "problem" } else { "problems" };
                let why = format!("`{file}` is not a valid pipeline: {errors} {plural}");
                let plan = Plan::new(stem(&file), file.clone(), Vec::new());
                (plan, problems, Some((Outcome::Error, why)))
            }
        };
        made.runs.push(NewRun {
            id: RunId::new(&shared.clock),
            repo_name: repo_name.to_owned(),
            trigger,
            plan: Arc::new(plan),
            problems,
            ended,
            rerun_of: None,
            begun: Vec::new(),
        });
    }
    made
}
