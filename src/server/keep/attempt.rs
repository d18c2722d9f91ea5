//! What an attempt finds before it starts, and leaves when it has ended.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::Keep;
use super::cache::{Wish, scope_of};
use super::collect::{Collector, NotKept};
use super::restore::restore;
use crate::base::{AttemptKey, Clock, RepoId, Size, Tasks};
use crate::executor::{Executor, StepSpec};
use crate::pipeline::ArtifactsPlan;
use crate::run::{Exit, FilledCache, Run};

/// What one attempt keeps, and finds kept.
pub(in crate::server) struct StepFiles {
    keep: Arc<Keep>,
    tasks: Tasks,
    repo: RepoId,
    scope: String,
    has_caches: bool,
    wishes: Vec<Wish>,
    artifacts: Option<ArtifactsPlan>,
}

/// What became of what an attempt left.
#[derive(Debug, Default)]
pub(in crate::server) struct Left {
    /// For its log.
    pub lines: Vec<String>,
    /// A step that would have passed fails by this.
    pub problem: Option<String>,
    /// It is not the step's doing.
    pub trouble: Option<String>,
    /// The engine does not answer: the attempt is taken up again once it does.
    pub silent: Option<String>,
}

impl StepFiles {
    /// `caches` are filled in only where they are needed: before a start.
    pub fn of(keep: &Arc<Keep>, tasks: &Tasks, run: &Run, key: &AttemptKey, caches: &[FilledCache]) -> Option<Self> {
        let plan = run.plan.jobs.get(key.job as usize)?.steps.get(key.step as usize)?;
        Some(Self {
            keep: Arc::clone(keep),
            tasks: tasks.clone(),
            repo: run.repo.clone(),
            scope: scope_of(&run.trigger),
            has_caches: !plan.cache.is_empty(),
            wishes: plan.cache.iter().zip(caches).map(|(plan, filled)| Wish::of(plan, filled)).collect(),
            artifacts: plan.artifacts.clone(),
        })
    }

    pub fn has_caches(&self) -> bool {
        self.has_caches
    }

    /// Puts the caches that there are in front of the start; answers lines for its log.
    pub async fn before(&self, spec: &mut StepSpec, clock: &Clock) -> Vec<String> {
        let restored = restore(&self.keep, &self.repo, &self.scope, &self.wishes, clock.now()).await;
        spec.before.extend(restored.archives);
        restored.lines
    }

    /// Keeps the artifacts of an attempt that ended by itself.
    pub async fn after(
        &self,
        executor: &dyn Executor,
        key: &AttemptKey,
        exit: &Exit,
        stop: &CancellationToken,
        clock: &Clock,
    ) -> Left {
        let (Some(plan), Exit::Code(_)) = (&self.artifacts, exit) else { return Left::default() };
        let collector = Collector { keep: &self.keep, executor, tasks: &self.tasks, clock };
        let collected = tokio::select! {
            biased;
            // It was told to end, and its reason says more than its files.
            () = stop.cancelled() => return Left::default(),
            collected = collector.collect(key, plan) => collected,
        };
        match collected {
            Ok(collected) if collected.files == 0 => {
                Left { lines: vec!["no file matches its artifacts' paths".to_owned()], ..Left::default() }
            }
            Ok(collected) => {
                let files = if collected.files == 1 { "artifact" } else { "artifacts" };
                Left { lines: vec![format!("kept {} {files}, {}", collected.files, Size(collected.bytes))], ..Left::default() }
            }
            Err(NotKept::Faults(faults)) => {
                let problem = format!("its artifacts cannot be kept: {}", faults.join("; "));
                let lines = faults.iter().map(|fault| format!("not kept: {fault}")).collect();
                Left { lines, problem: Some(problem), ..Left::default() }
            }
            Err(NotKept::Trouble(why)) => {
                let why = format!("its artifacts could not be kept: {why}");
                Left { lines: vec![why.clone()], trouble: Some(why), ..Left::default() }
            }
            Err(NotKept::Silent(why)) => Left { silent: Some(why), ..Left::default() },
        }
    }
}
