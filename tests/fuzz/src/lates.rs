//! The run's part: everything late of a plan is evaluated, with ends and outputs that a fuzzer made up.
//!
//! **Invariant:** what the checks let through needs no more than what has ended by then: a sentence may say that an output was not written or that a
//! value is wrong, never that a name is unknown or that something has not ended.

use std::collections::BTreeMap;

use libfuzzer_sys::arbitrary::Unstructured;

use crate::base::limits;
use crate::pipeline::{JobPlan, KnownEnd, Late, Plan, Scope, StepPlan, Text, Trigger};
use crate::problems::sentence;
use crate::world::text;

const OUTCOMES: [&str; 8] = ["passed", "failed", "warning", "skipped", "cancelled", "timed_out", "lost", "error"];

/// What a sound plan never makes the run say.
const NEVER: [&str; 8] = [
    "has not ended",
    "there is no input",
    "there is no variable",
    "is not a name that expressions know",
    "known only when the plan is made",
    "known only while the run is under way",
    "is never closed",
    "refer to each other too deeply",
];

/// How a job or a step ended.
struct End {
    outcome: &'static str,
    outputs: BTreeMap<String, String>,
}

/// Evaluates all that is late in the plan. `written` is the file, whose words the sentences may quote.
pub fn evaluate(plan: &Plan, trigger: &Trigger, written: &str, bytes: &mut Unstructured<'_>) {
    let ends: Vec<End> = plan.jobs.iter().map(|_| End::new(bytes)).collect();
    for (at, job) in plan.jobs.iter().enumerate() {
        let needed = reach(plan.jobs.len(), at, |at| &plan.jobs[at].needs);
        let scope = Scope {
            trigger,
            run_id: "01RUN",
            run_number: 12,
            inputs: &plan.inputs,
            matrix: job.matrix.as_ref().map(|cell| &cell.values),
            env: BTreeMap::new(),
            jobs: known(plan.jobs.iter().map(named), &ends, &needed),
            steps: BTreeMap::new(),
        };
        let job_itself = Evaluation { scope: &scope, written };
        job_itself.condition(job.condition.as_ref());
        job_itself.texts(job.environment.iter().chain(job.approval.iter().filter_map(|approval| approval.message.as_ref())));
        let ends: Vec<End> = job.steps.iter().map(|_| End::new(bytes)).collect();
        let steps = |needed: &[bool]| known(job.steps.iter().map(|step| step.name.as_str()), &ends, needed);
        let all = Scope { steps: steps(&vec![true; ends.len()]), ..scope.clone() };
        Evaluation { scope: &all, written }.texts(job.outputs.values());
        for (at, step) in job.steps.iter().enumerate() {
            let needed = reach(job.steps.len(), at, |at| &job.steps[at].needs);
            let scope = Scope { steps: steps(&needed), ..scope.clone() };
            Evaluation { scope: &scope, written }.step(step);
        }
    }
}

impl End {
    fn new(bytes: &mut Unstructured<'_>) -> Self {
        let outcome = bytes.choose(&OUTCOMES).copied().unwrap_or("passed");
        let keys = ["x", "y", "z"].into_iter().filter(|_| bytes.ratio(2, 3).unwrap_or(true)).collect::<Vec<_>>();
        Self { outcome, outputs: keys.into_iter().map(|key| (key.to_owned(), text(bytes))).collect() }
    }
}

/// The name by which expressions reach a job.
fn named(job: &JobPlan) -> &str {
    job.matrix.as_ref().map_or(&job.name, |cell| &cell.of)
}

/// What an expression may look at.
fn known<'e>(names: impl Iterator<Item = &'e str>, ends: &'e [End], needed: &[bool]) -> BTreeMap<&'e str, KnownEnd<'e>> {
    let known = |end: &'e End| KnownEnd { outcome: end.outcome, outputs: &end.outputs };
    names.zip(ends).zip(needed).filter(|(_, needed)| **needed).map(|((name, end), _)| (name, known(end))).collect()
}

/// Which of `count` are needed by one of them, near or far.
fn reach<'p>(count: usize, from: usize, needs: impl Fn(usize) -> &'p Vec<u32>) -> Vec<bool> {
    let mut seen = vec![false; count];
    let mut open = vec![from];
    while let Some(at) = open.pop() {
        for need in needs(at) {
            let need = *need as usize;
            if !std::mem::replace(&mut seen[need], true) {
                open.push(need);
            }
        }
    }
    seen
}

/// Expressions that stand at one place, with what has ended by then.
struct Evaluation<'a> {
    scope: &'a Scope<'a>,
    written: &'a str,
}

impl Evaluation<'_> {
    fn step(&self, step: &StepPlan) {
        self.condition(step.condition.as_ref());
        self.texts(step.image.iter().chain(step.env.values()));
        for cache in &step.cache {
            self.texts(std::iter::once(&cache.key).chain(&cache.restore));
        }
    }

    fn condition(&self, condition: Option<&Late>) {
        let Some(condition) = condition else { return };
        match condition.holds(self.scope) {
            Ok(why) => why.iter().for_each(|why| sentence(why)),
            Err(why) => self.lawful(condition, &why),
        }
    }

    fn texts<'t>(&self, texts: impl Iterator<Item = &'t Text>) {
        for text in texts {
            match text.fill(self.scope) {
                Ok(value) => assert!(value.len() <= limits::SCRIPT_BYTES && !value.contains('\0'), "{text:?}: {value:?}"),
                Err(why) => match text {
                    Text::Fixed(text) => panic!("a text without a value: {text:?}: {why}"),
                    Text::Late(late) => self.lawful(late, &why),
                },
            }
        }
    }

    fn lawful(&self, late: &Late, why: &str) {
        sentence(why);
        for phrase in NEVER {
            assert!(!why.contains(phrase) || self.written.contains(phrase), "{late:?}: {why}");
        }
    }
}
