//! Random plans, and the simulation's own generator of random numbers.

use std::sync::Arc;

use gantry::pipeline::{Action, AllowFailure, Cause, Event, JobPlan, Need, Plan, Retry, StepPlan, Trigger, When};

/// Splitmix64: the same seed gives the same world on every machine.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD1B5_4A32_D192_ED03)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// From 0 to `n` − 1.
    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }

    /// True in `percent` of 100 throws.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize].clone()
    }
}

fn when(dice: &mut Dice) -> When {
    dice.pick(&[When::Success, When::Success, When::Success, When::Success, When::Failure, When::Always])
}

/// A random graph of one to four jobs with one to four steps each.
pub fn plan(dice: &mut Dice) -> Arc<Plan> {
    let jobs = (0..1 + dice.below(4) as u32)
        .map(|job| JobPlan {
            needs: (0..job).filter(|_| dice.chance(40)).collect(),
            when: when(dice),
            skip: dice.chance(8).then(|| "its `if` is false".to_owned()),
            timeout_ms: dice.pick(&[3_600_000, 3_600_000, 60_000, 20_000]),
            allow_failure: dice.chance(10),
            ..JobPlan::new(format!("job{job}"), (0..1 + dice.below(4) as u32).map(|step| step_plan(dice, step)).collect())
        })
        .collect();
    Arc::new(Plan::new("sim", ".gantry.yml", jobs))
}

fn step_plan(dice: &mut Dice, step: u32) -> StepPlan {
    let explicit = dice.chance(40);
    StepPlan {
        needs: (0..step).filter(|_| !explicit || dice.chance(40)).collect(),
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
