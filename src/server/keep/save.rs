//! Caches out of the containers of a job that has passed, once nobody waits for it any more.
//!
//! **Invariants:** only a job that passed writes, and of it only steps that did; what is there under a key stays; nothing here fails anything.

use super::Keep;
use super::cache::{Place, Wish, scope_of};
use super::restore::find_exact;
use crate::base::{AttemptKey, CacheId, Clock, JobKey, Size, limits};
use crate::executor::Executor;
use crate::run::{JobState, Run, StepState, fill_step};
use crate::secrets::Masks;
use crate::server::attempt::say;
use crate::server::handle::Shared;
use crate::store::{NewCache, NewPart, PutError};

/// Whether this attempt's container may be needed once its job has passed.
pub(in crate::server) fn wants_container(run: &Run, key: &AttemptKey) -> bool {
    let plan = run.plan.jobs.get(key.job as usize).and_then(|job| job.steps.get(key.step as usize));
    plan.is_some_and(|plan| !plan.cache.is_empty()) && passed_with(run, key)
}

/// Whether the step passed, with this attempt.
fn passed_with(run: &Run, key: &AttemptKey) -> bool {
    let step = run.jobs.get(key.job as usize).and_then(|job| job.steps.get(key.step as usize));
    matches!(step.map(|step| &step.state), Some(StepState::Ended(end)) if end.outcome.is_good() && end.attempt == key.attempt)
}

fn has_passed(run: &Run, job: &JobKey) -> bool {
    let job = run.jobs.get(job.job as usize);
    matches!(job.map(|job| &job.state), Some(JobState::Ended { outcome, .. }) if outcome.is_good())
}

/// Saves the caches of these attempts, all of one job that has ended.
pub(in crate::server) async fn save(shared: &Shared, executor: &dyn Executor, job: &JobKey, attempts: &[AttemptKey]) {
    let Shared { keep, store, clock, .. } = shared;
    let run = match store.run(&job.run).await {
        Ok(Some(run)) => run,
        Ok(None) => return,
        Err(error) => return tracing::warn!(%job, %error, "caches were not saved: the run cannot be read"),
    };
    if !has_passed(&run, job) {
        return;
    }
    for key in attempts.iter().filter(|key| passed_with(&run, key)) {
        let saver = Saver { keep, executor, clock, run: &run, key };
        for line in saver.all().await {
            // Of names that the plan knows, and of outputs, which were masked when they were stored.
            say(key, store.logs(), clock, &Masks::default(), &line);
        }
    }
}

struct Saver<'a> {
    keep: &'a Keep,
    executor: &'a dyn Executor,
    clock: &'a Clock,
    run: &'a Run,
    key: &'a AttemptKey,
}

impl Saver<'_> {
    /// What to say in the step's log.
    async fn all(&self) -> Vec<String> {
        let AttemptKey { run: _, job, step, attempt: _ } = self.key;
        let plans = &self.run.plan.jobs[*job as usize].steps[*step as usize].cache;
        let filled = match fill_step(self.run, *job, *step) {
            Ok(filled) => filled.cache,
            Err(why) => return vec![format!("its caches were not saved: {why}")],
        };
        let mut lines = Vec::new();
        for wish in plans.iter().zip(&filled).map(|(plan, filled)| Wish::of(plan, filled)) {
            let line = self.one(&wish).await.unwrap_or_else(|why| Some(format!("cache `{}` was not saved: {why}", wish.key)));
            lines.extend(line);
        }
        lines
    }

    /// Saves one cache; `None` when there is nothing to say.
    async fn one(&self, wish: &Wish) -> Result<Option<String>, String> {
        let Wish { key, restore: _, paths } = wish;
        if key.is_empty() || key.len() > limits::CACHE_KEY_BYTES {
            return Err(format!("a key has 1 to {} bytes", limits::CACHE_KEY_BYTES));
        }
        let scope = scope_of(&self.run.trigger);
        let found = find_exact(self.keep, &self.run.repo, &scope, wish).await.map_err(|error| error.to_string())?;
        if found.is_some() {
            return Ok(None);
        }
        let (mut parts, mut missing) = (Vec::new(), Vec::new());
        for path in paths {
            let place = Place::of(path)?;
            let archive = self.executor.collect(self.key, &place.path).await.map_err(|failure| failure.to_string())?;
            let Some(archive) = archive else {
                missing.push(format!("`{path}`"));
                continue;
            };
            let content = self.keep.caches.put(archive, limits::CACHE_BYTES).await;
            let content = content.map_err(|error| match error {
                PutError::TooLarge(_) => format!("`{path}` is larger than {}", Size(limits::CACHE_BYTES)),
                error @ (PutError::Content(_) | PutError::Store(_)) => error.to_string(),
            })?;
            parts.push(NewPart { path: path.clone(), content });
        }
        if parts.is_empty() {
            return Err(format!("{} is not there", missing.join(", ")));
        }
        let id = CacheId::new(self.clock);
        let (repo, run) = (&self.run.repo, &self.run.id);
        let cache = NewCache { id, repo, scope: &scope, key, paths, run, parts };
        let (size, stored) = (cache.parts.iter().map(|part| part.content.size).sum(), cache.stored());
        if stored > self.keep.quota {
            let quota = Size(self.keep.quota);
            return Err(format!("it has {} compressed, and all caches of a repository may have {quota}", Size(stored)));
        }
        let now = self.clock.now();
        let kept = self.keep.caches.keep_cache(&cache, now).await.map_err(|error| error.to_string())?;
        if !kept {
            return Ok(None);
        }
        let evicted = self.keep.caches.store().evict_caches(repo, self.keep.quota, now).await;
        for gone in evicted.map_err(|error| error.to_string())? {
            tracing::info!(key = %gone.key, "a cache went: the repository's quota is used up");
        }
        let without = if missing.is_empty() { String::new() } else { format!("; {} is not there", missing.join(", ")) };
        Ok(Some(format!("cache `{key}`: saved {} ({} compressed){without}", Size(size), Size(stored))))
    }
}
