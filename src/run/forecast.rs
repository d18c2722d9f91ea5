//! What can be known of a plan before it runs, if nothing goes wrong: what runs, what is skipped, and what is decided on the way.
//!
//! **Invariant:** it goes through the same gate as the run itself, so the two cannot say different things.

use crate::pipeline::{Late, Need, Plan, When};

use super::Outcome;
use super::gate::{Gate, NeedEnd, gate};

/// What will become of a job or a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Forecast {
    /// It runs once its needs have passed.
    Runs,
    /// The sentence says why not.
    Skipped(String),
    /// It runs only if something before it fails.
    AfterFailure,
    /// Its `if` is decided when its needs have ended.
    Decided(Late),
    /// It runs only if all of these do: names of what is decided later itself.
    Follows(Vec<String>),
}

/// A job and its steps, in the plan's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobForecast {
    pub job: Forecast,
    /// Of what the steps do if the job runs.
    pub steps: Vec<Forecast>,
}

/// What will become of each job, and of each step of those that run.
#[must_use]
pub fn forecast(plan: &Plan) -> Vec<JobForecast> {
    let jobs = plan.jobs.iter().map(|job| Part {
        name: &job.name,
        needs: &job.needs,
        need: Need::Explicit,
        when: job.when,
        skip: job.skip.as_deref(),
        condition: job.condition.as_ref(),
    });
    let jobs = all(&jobs.collect::<Vec<_>>());
    let steps = plan.jobs.iter().map(|job| {
        let steps = job.steps.iter().map(|step| Part {
            name: &step.name,
            needs: &step.needs,
            need: step.need,
            when: step.when,
            skip: step.skip.as_deref(),
            condition: step.condition.as_ref(),
        });
        all(&steps.collect::<Vec<_>>())
    });
    jobs.into_iter().zip(steps).map(|(job, steps)| JobForecast { job, steps }).collect()
}

/// What jobs and steps have in common.
struct Part<'a> {
    name: &'a str,
    needs: &'a [u32],
    need: Need,
    when: When,
    skip: Option<&'a str>,
    condition: Option<&'a Late>,
}

/// Jobs may stand before what they need, so each is looked at once its needs are known. A plan has no cycle.
fn all(parts: &[Part<'_>]) -> Vec<Forecast> {
    let mut known: Vec<Option<Forecast>> = vec![None; parts.len()];
    for _ in parts {
        for ix in 0..parts.len() {
            let ready = parts[ix].needs.iter().all(|need| known.get(*need as usize).is_some_and(Option::is_some));
            if known[ix].is_none() && ready {
                known[ix] = Some(one(&parts[ix], parts, &known));
            }
        }
    }
    known.into_iter().map(|known| known.unwrap_or(Forecast::Runs)).collect()
}

fn one(part: &Part<'_>, parts: &[Part<'_>], known: &[Option<Forecast>]) -> Forecast {
    if let Some(why) = part.skip {
        return Forecast::Skipped(why.to_owned());
    }
    let needs: Vec<(&str, &Forecast)> = part
        .needs
        .iter()
        .filter_map(|need| Some((parts.get(*need as usize)?.name, known.get(*need as usize)?.as_ref()?)))
        .collect();
    let ends: Vec<NeedEnd<'_>> = needs
        .iter()
        .map(|(name, forecast)| {
            let outcome = if matches!(forecast, Forecast::Skipped(_)) { Outcome::Skipped } else { Outcome::Passed };
            NeedEnd { name, outcome, held_back: false }
        })
        .collect();
    match (part.when, gate(part.when, part.need, &ends)) {
        (When::Failure, _) if part.needs.is_empty() => Forecast::Skipped("there is nothing before it that could fail".to_owned()),
        (When::Failure, _) => Forecast::AfterFailure,
        (When::Success | When::Always, Gate::Shut { reason: why, held_back: _ }) => {
            Forecast::Skipped(why.strip_prefix("skipped: ").map_or_else(|| why.clone(), ToOwned::to_owned))
        }
        (When::Success | When::Always, Gate::Open) => match part.condition {
            Some(condition) => Forecast::Decided(condition.clone()),
            None if part.when == When::Success && part.need == Need::Explicit => follows(&needs),
            None => Forecast::Runs,
        },
    }
}

/// What was named and may yet be skipped holds back.
fn follows(needs: &[(&str, &Forecast)]) -> Forecast {
    let may_be_skipped = |forecast: &Forecast| match forecast {
        Forecast::Decided(_) | Forecast::AfterFailure | Forecast::Follows(_) => true,
        Forecast::Runs | Forecast::Skipped(_) => false,
    };
    let names: Vec<String> =
        needs.iter().filter(|(_, forecast)| may_be_skipped(forecast)).map(|(name, _)| (*name).to_owned()).collect();
    if names.is_empty() { Forecast::Runs } else { Forecast::Follows(names) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::{Action, JobPlan, StepPlan};

    fn step(name: &str, needs: &[u32]) -> StepPlan {
        StepPlan { needs: needs.to_vec(), ..StepPlan::new(name, Action::EntryPoint) }
    }

    fn of(steps: Vec<StepPlan>) -> Vec<Forecast> {
        forecast(&Plan::new("p", "f", vec![JobPlan::new("j", steps)])).remove(0).steps
    }

    #[test]
    fn what_is_not_wanted_holds_back_what_named_it_and_only_that() {
        let seen = of(vec![
            StepPlan { skip: Some("its `if` is false".to_owned()), ..step("a", &[]) },
            step("b", &[0]),
            StepPlan { need: Need::Position, ..step("c", &[0, 1]) },
            StepPlan { when: When::Always, ..step("d", &[0]) },
        ]);
        let because = |why: &str| Forecast::Skipped(why.to_owned());
        let expected =
            [because("its `if` is false"), because("`a`, which it needs, was skipped"), Forecast::Runs, Forecast::Runs];
        assert_eq!(seen, expected);
    }

    #[test]
    fn what_is_decided_later_is_said_so_and_so_is_what_hangs_on_it() {
        let late = Late { late: "steps.a.outputs.x == '1'".to_owned(), known: Default::default() };
        let seen = of(vec![
            step("a", &[]),
            StepPlan { condition: Some(late.clone()), ..step("b", &[0]) },
            step("c", &[0, 1]),
            StepPlan { when: When::Failure, ..step("d", &[0]) },
            StepPlan { when: When::Failure, ..step("e", &[]) },
            step("f", &[3]),
        ]);
        let follows = |name: &str| Forecast::Follows(vec![name.to_owned()]);
        assert_eq!(
            seen,
            [
                Forecast::Runs,
                Forecast::Decided(late),
                follows("b"),
                Forecast::AfterFailure,
                Forecast::Skipped("there is nothing before it that could fail".to_owned()),
                follows("d")
            ]
        );
    }

    #[test]
    fn jobs_may_stand_before_what_they_need() {
        let job = |name: &str, needs: &[u32], skip: Option<&str>| JobPlan {
            needs: needs.to_vec(),
            skip: skip.map(str::to_owned),
            ..JobPlan::new(name, vec![step("s", &[])])
        };
        let plan = Plan::new("p", "f", vec![job("c", &[1], None), job("b", &[2], None), job("a", &[], Some("no"))]);
        let seen: Vec<Forecast> = forecast(&plan).into_iter().map(|job| job.job).collect();
        assert!(matches!(&seen[0], Forecast::Skipped(why) if why.contains("`b`")), "{seen:?}");
        assert_eq!(seen[2], Forecast::Skipped("no".to_owned()));
    }
}
