//! The images of a run, pulled ahead of the steps and services that want them, by each engine that one of its jobs is on.
//!
//! **Invariant:** pulls that were begun for a run end when it does, or when it is told to stop; what a step that runs all the same needs, it pulls itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use crate::base::{JobKey, RunId};
use crate::pipeline::{JobPlan, Pull};
use crate::run::Run;

use super::fleet::Engine;
use super::handle::Shared;

/// The runs whose images are, or were, pulled ahead.
#[derive(Default)]
pub(super) struct Ahead(BTreeMap<RunId, Begun>);

struct Begun {
    stop: CancellationToken,
    engines: BTreeSet<String>,
}

impl Ahead {
    /// Begins to pull: with a run's first job on an engine the images of all its jobs that may come there, with each further one its own.
    pub fn begin(&mut self, shared: &Arc<Shared>, engine: &Engine, run: &Run, job: &JobKey) {
        let anew = || Begun { stop: shared.tasks.ending.child_token(), engines: BTreeSet::new() };
        let begun = self.0.entry(run.id.clone()).or_insert_with(anew);
        let labels = &engine.info.labels;
        let jobs: Vec<&JobPlan> = if begun.engines.insert(engine.info.name.clone()) {
            let may_come = |plan: &JobPlan| plan.skip.is_none() && plan.runs_on.iter().all(|label| labels.contains(label));
            let jobs = run.plan.jobs.iter().zip(&run.jobs);
            jobs.filter(|(plan, job)| may_come(plan) && !job.state.is_ended()).map(|(plan, _)| plan).collect()
        } else {
            run.plan.jobs.get(job.job as usize).into_iter().collect()
        };
        let stop = begun.stop.clone();
        let images = images(jobs);
        if images.is_empty() {
            return;
        }
        let (executor, job) = (Arc::clone(&engine.executor), job.clone());
        shared.tasks.spawn(async move {
            let pulls = images.iter().map(|(image, pull)| {
                let executor = &executor;
                let job = &job;
                async move {
                    // Whoever needs it asks again, and tells.
                    if let Err(error) = executor.pull(job, image, *pull).await {
                        tracing::debug!(%job, image, %error, "an image could not be pulled ahead");
                    }
                }
            });
            tokio::select! {
                _ = join_all(pulls) => {}
                () = stop.cancelled() => {}
            }
        });
    }

    /// A job is released: `run` is its run, unless that has ended.
    pub fn released(&mut self, key: &JobKey, run: Option<&Run>) {
        if run.is_none_or(|run| run.stop.is_some())
            && let Some(Begun { stop, engines: _ }) = self.0.remove(&key.run)
        {
            stop.cancel();
        }
    }
}

/// Every image that is known for certain, once; where its wishes differ, the one that asks most.
fn images(jobs: Vec<&JobPlan>) -> BTreeMap<String, Option<Pull>> {
    let mut images = BTreeMap::new();
    for job in jobs {
        let steps = job.steps.iter().filter(|step| step.skip.is_none());
        let of_steps = steps.filter_map(|step| Some((step.image.as_ref()?.fixed()?.to_owned(), step.pull)));
        let of_services = job.services.iter().map(|service| (service.image.clone(), service.pull));
        for (image, pull) in of_steps.chain(of_services) {
            let wish = images.entry(image).or_insert(pull);
            if asks(pull) > asks(*wish) {
                *wish = pull;
            }
        }
    }
    images
}

/// How much a wish asks for. What the server is set up for may be anything but is said nowhere here; whoever needs more asks itself.
fn asks(pull: Option<Pull>) -> u8 {
    match pull {
        Some(Pull::Never) => 0,
        Some(Pull::Missing) => 1,
        None => 2,
        Some(Pull::Always) => 3,
    }
}
