//! Random plans.

use std::collections::BTreeMap;
use std::sync::Arc;

use gantry::pipeline::{
    Action, AllowFailure, Approval, Cause, Cell, Concurrency, Event, JobPlan, Late, Need, Plan, Policy, Retry, StepPlan, Text,
    Trigger, When,
};

use super::dice::Dice;

fn when(dice: &mut Dice) -> When {
    dice.pick(&[When::Success, When::Success, When::Success, When::Success, When::Failure, When::Always])
}

/// A random graph of one to four jobs, some of them matrices, with one to four steps each.
pub fn plan(dice: &mut Dice) -> Arc<Plan> {
    let mut jobs: Vec<JobPlan> = Vec::new();
    // Where each job of the file begins and ends in the plan.
    let mut places: Vec<std::ops::Range<u32>> = Vec::new();
    for number in 0..1 + dice.below(4) {
        let files: Vec<u64> = (0..number).filter(|_| dice.chance(40)).collect();
        let needs = files.iter().flat_map(|file| places[*file as usize].clone()).collect();
        let one = job_plan(dice, number, &files, needs);
        let first = jobs.len() as u32;
        match dice.chance(20) {
            true => jobs.extend(matrix(dice, &one)),
            false => jobs.push(one),
        }
        places.push(first..jobs.len() as u32);
    }
    let mut plan = Plan::new("sim", ".gantry.yml", jobs);
    plan.concurrency = dice.chance(45).then(|| concurrency(dice, &["a", "a", "b"]));
    Arc::new(plan)
}

fn concurrency(dice: &mut Dice, groups: &[&str]) -> Concurrency {
    let policy = dice.pick(&[Policy::Queue, Policy::CancelRunning, Policy::CancelPending]);
    Concurrency { group: dice.pick(groups).to_owned(), policy }
}

/// `files` are the jobs that it needs, as the file names them.
fn job_plan(dice: &mut Dice, number: u64, files: &[u64], needs: Vec<u32>) -> JobPlan {
    let steps = (0..1 + dice.below(4) as u32).map(|step| step_plan(dice, step, files)).collect();
    let outcome = |file: &u64| Late::new(format!("needs.job{file}.outcome != \"failed\""));
    JobPlan {
        needs,
        runs_on: dice.pick(&[vec![], vec![], vec![], vec!["a".to_owned()]]),
        when: when(dice),
        skip: dice.chance(8).then(|| "its `if` is false".to_owned()),
        timeout_ms: dice.pick(&[3_600_000, 3_600_000, 60_000, 20_000]),
        allow_failure: dice.chance(10),
        approval: dice.chance(15).then(|| Approval {
            message: dice.chance(50).then(|| match files.first() {
                Some(file) => Text::Late(Late::new(format!("go on after ${{{{ jobs.job{file}.outcome }}}}?"))),
                None => "go on?".into(),
            }),
            by: Vec::new(),
            timeout_ms: dice.pick(&[None, Some(20_000), Some(120_000)]),
        }),
        condition: files.last().filter(|_| dice.chance(20)).map(outcome),
        outputs: match dice.chance(40) {
            true => BTreeMap::from([("v".to_owned(), Text::Late(Late::new("${{ steps.step0.outputs.v }}")))]),
            false => BTreeMap::new(),
        },
        concurrency: dice.chance(25).then(|| concurrency(dice, &["a", "x"])),
        ..JobPlan::new(format!("job{number}"), steps)
    }
}

/// The combinations of one job.
fn matrix(dice: &mut Dice, one: &JobPlan) -> Vec<JobPlan> {
    let (fail_fast, max_parallel) = (dice.chance(50), dice.pick(&[None, Some(1), Some(2)]));
    let cell = |n: u64| JobPlan {
        name: format!("{} ({n})", one.name),
        matrix: Some(Cell {
            of: one.name.clone(),
            values: BTreeMap::from([("n".to_owned(), n.to_string())]),
            fail_fast,
            max_parallel,
        }),
        ..one.clone()
    };
    (0..2 + dice.below(3)).map(cell).collect()
}

fn step_plan(dice: &mut Dice, step: u32, files: &[u64]) -> StepPlan {
    let explicit = dice.chance(40);
    let needs: Vec<u32> = (0..step).filter(|_| !explicit || dice.chance(40)).collect();
    let late = |text: String| Text::Late(Late::new(text));
    let mut env = BTreeMap::from([("FIXED".to_owned(), "1".into())]);
    for need in needs.iter().filter(|_| dice.chance(30)) {
        env.insert(format!("SEEN_{need}"), late(format!("${{{{ steps.step{need}.outputs.v }}}}")));
    }
    for file in files.iter().filter(|_| dice.chance(15)) {
        env.insert(format!("FAR_{file}"), late(format!("${{{{ jobs.job{file}.outputs.v }}}}")));
    }
    StepPlan {
        condition: needs
            .last()
            .filter(|_| dice.chance(15))
            .map(|need| Late::new(format!("steps.step{need}.outcome != \"timed_out\""))),
        needs,
        env,
        need: if explicit { Need::Explicit } else { Need::Position },
        when: when(dice),
        skip: dice.chance(8).then(|| "its `if` is false".to_owned()),
        image: Some("image".into()),
        timeout_ms: dice.chance(30).then(|| 1_000 + dice.below(20_000)),
        retry: Retry {
            max: dice.pick(&[0, 0, 1, 3]),
            when: dice.pick(&[
                vec![Cause::Infrastructure],
                vec![Cause::Failure],
                vec![Cause::Infrastructure, Cause::Failure, Cause::Timeout],
            ]),
            exit_codes: dice.pick(&[vec![], vec![], vec![1]]),
            backoff_ms: dice.below(5_000),
        },
        allow_failure: dice.pick(&[AllowFailure::No, AllowFailure::No, AllowFailure::Any, AllowFailure::Codes(vec![2])]),
        ..StepPlan::new(format!("step{step}"), Action::EntryPoint)
    }
}

pub fn trigger() -> Trigger {
    Trigger {
        event: Event::Push,
        branch: "main".to_owned(),
        tag: None,
        commit: "0".repeat(40),
        message: "m".to_owned(),
        author: "a".to_owned(),
        default_branch: "main".to_owned(),
        repo: "r".to_owned(),
        url: String::new(),
        because: "the dice fell so".to_owned(),
        inputs: Default::default(),
        schedule: None,
        pull_request: None,
    }
}
