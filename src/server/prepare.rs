//! Making a job ready for its steps: its workspace, and what the engine has to have for it.
//!
//! **Invariant:** once stopped, it waits for the checkout alone, which ends soon and cannot be left behind: it would write where the release has removed.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::executor::{Archive, Executor, Failure, JobSpec};
use crate::git;
use crate::run::Run;

use super::handle::Shared;
use super::keep;
use super::secrets;
use super::sink::ServiceLogs;

/// Why a job was not prepared.
pub(super) enum NotPrepared {
    Silent(String),
    Failed(String),
}

/// What the jobs that this one needs have left for its workspace.
pub(super) async fn needed(shared: &Shared, run: &Run, spec: &JobSpec) -> Result<Vec<Arc<dyn Archive>>, NotPrepared> {
    let (keep, root) = (&shared.keep, &spec.dirs.root);
    let fill = keep::for_job(keep, &shared.tasks, &shared.clock, run, spec.key.job, root).await;
    fill.map_err(|error| NotPrepared::Failed(format!("the artifacts of the jobs that it needs are not to be had: {error}")))
}

/// Workspace and network, side by side; one after the other where something goes into the workspace beside the commit, or the workspace to another
/// machine.
pub(super) async fn prepare(
    (shared, executor): (&Shared, &dyn Executor),
    run: Run,
    spec: JobSpec,
    stop: &CancellationToken,
) -> Result<(), NotPrepared> {
    let plan =
        run.plan.jobs.get(spec.key.job as usize).ok_or_else(|| NotPrepared::Failed("the plan has no such job".to_owned()))?;
    let masks = secrets::masks_of_job(shared, &run, spec.key.job).await.map_err(NotPrepared::Failed)?;
    let services = ServiceLogs::of(shared.store.logs(), spec.key.clone(), plan, masks);
    let is_carried = match executor.carries(&spec).await {
        Ok(is_carried) => is_carried,
        Err(Failure::Unreachable(why)) => return Err(NotPrepared::Silent(why)),
        Err(failure) => return Err(NotPrepared::Failed(failure.to_string())),
    };
    let filling = shared.filling(executor, &run, &spec.key).await;
    let run = Arc::new(run);
    let fill = {
        let (run, workspace) = (Arc::clone(&run), spec.dirs.workspace.clone());
        shared.tasks.spawn_blocking(move || {
            filling.make(&run)?;
            if is_carried { git::own_objects(&workspace).map_err(|error| error.to_string()) } else { Ok(()) }
        })
    };
    let checked_out = async {
        match fill.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(why)) => Err(NotPrepared::Failed(why)),
            Err(panic) => Err(NotPrepared::Failed(format!("the checkout broke: {panic}"))),
        }
    };
    let in_engine = async |spec: &JobSpec| {
        let prepared = tokio::select! {
            prepared = executor.prepare(spec, &services) => prepared,
            () = stop.cancelled() => Err(Failure::Stopped),
        };
        match prepared {
            Ok(()) => Ok(()),
            Err(Failure::Unreachable(why)) => Err(NotPrepared::Silent(why)),
            Err(failure) => Err(NotPrepared::Failed(failure.to_string())),
        }
    };
    if spec.fill.is_empty() && !is_carried {
        let (checked_out, prepared) = tokio::join!(checked_out, in_engine(&spec));
        prepared.and(checked_out)
    } else {
        checked_out.await?;
        // Only now is it known what the work tree is made of.
        let dirs = shared.dirs(&run, &spec.key);
        in_engine(&JobSpec { dirs, ..spec }).await
    }
}
