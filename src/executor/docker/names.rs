//! Names and labels: how what Gantry made is found again. **Invariant:** a container's name follows from its key alone, so that a start that comes
//! twice meets its first container by the name; and only what bears our instance's label is ours.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use bollard::models::ContainerSummary;

use super::{container, revive};
use crate::base::{AttemptKey, InstanceId, JobKey};
use crate::executor::{JobSpec, StepSpec};
use crate::pipeline::ServicePlan;

pub(super) const INSTANCE: &str = "io.gantry.instance";
pub(super) const RUN: &str = "io.gantry.run";
pub(super) const JOB: &str = "io.gantry.job";
const STEP: &str = "io.gantry.step";
const ATTEMPT: &str = "io.gantry.attempt";
/// The attempt's key in one piece. Only containers of steps bear it.
pub(super) const KEY: &str = "io.gantry.key";
/// Of the sandbox containers.
pub(super) const SANDBOX: &str = "io.gantry.sandbox";
/// The service's name. Only containers of services bear it.
pub(super) const SERVICE: &str = "io.gantry.service";
/// Of the network that all sandboxes share.
pub(super) const NETWORK: &str = "io.gantry.network";
/// Of sandboxes that were made ahead; they bear no job, which they learn by their name alone.
pub(super) const POOL: &str = "io.gantry.pool";
/// The directory of the server that such a one belongs to.
const HOME: &str = "io.gantry.data";
/// Of what is made to try whether something works, and removed again.
pub(super) const TRIAL: &str = "io.gantry.trial";
/// How the service shows that it is ready, for when it is started again.
const READY: &str = "io.gantry.ready";
/// Of containers that were made for a terminal. They bear no attempt's key: nothing takes them for attempts.
const TERMINAL: &str = "io.gantry.terminal";
const TITLE: &str = "io.gantry.title";
/// From SIGTERM to SIGKILL in ms: an attempt taken up after a crash is stopped with the grace it was started with.
const GRACE: &str = "io.gantry.grace-ms";
/// The job's directory, for a release after a crash.
const ROOT: &str = "io.gantry.root";
/// The name of its record's directory in the attempt's own. Only containers that wait at a gate bear it.
const RECORD: &str = "io.gantry.record";
/// Its files are in it, its work tree is a volume.
const CARRIED: &str = "io.gantry.carried";
/// It was made ahead of its start.
const PARKED: &str = "io.gantry.parked";

/// Labels by name, as the engine takes and gives them.
pub(super) type Labels = HashMap<String, String>;

/// `gantry-INSTANCE8-RUN-JOB-STEP-ATTEMPT`.
pub(super) fn container_name(instance: &InstanceId, key: &AttemptKey) -> String {
    format!("gantry-{}-{key}", short(instance))
}

/// `gantry-INSTANCE8-RUN-JOB`: the job's sandbox, its network where it has one of its own, and its work tree where that is a volume.
pub(super) fn sandbox_name(instance: &InstanceId, job: &JobKey) -> String {
    format!("gantry-{}-{job}", short(instance))
}

/// `gantry-INSTANCE8-terminal-TOKEN`: a fresh container for a terminal.
pub(super) fn terminal_name(instance: &InstanceId, token: &str) -> String {
    format!("gantry-{}-terminal-{token}", short(instance))
}

/// The job whose sandbox has this name.
pub(super) fn job_of_sandbox(instance: &InstanceId, name: &str) -> Option<JobKey> {
    let (run, job) = name.strip_prefix(&format!("gantry-{}-", short(instance)))?.split_once('-')?;
    Some(JobKey { run: run.parse().ok()?, job: job.parse().ok()? })
}

/// `gantry-INSTANCE8-pool-TOKEN`: a sandbox that nobody has taken.
pub(super) fn pool_name(instance: &InstanceId, token: &str) -> String {
    format!("{}{token}", untaken(instance))
}

fn untaken(instance: &InstanceId) -> String {
    format!("gantry-{}-pool-", short(instance))
}

pub(super) fn is_untaken(instance: &InstanceId, name: &str) -> bool {
    name.starts_with(&untaken(instance))
}

pub(super) fn pool_labels(instance: &InstanceId, home: &Path) -> Labels {
    let home = home.display().to_string();
    [(INSTANCE, instance.as_str()), (POOL, "1"), (SANDBOX, "1"), (HOME, home.as_str())]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

/// A container's name, as we gave it.
pub(super) fn name_of(container: &ContainerSummary) -> Option<String> {
    container.names.as_ref()?.first().map(|name| name.trim_start_matches('/').to_owned())
}

/// `gantry-INSTANCE8-RUN-JOB-service-NUMBER`
pub(super) fn service_name(instance: &InstanceId, job: &JobKey, number: u32) -> String {
    format!("{}-service-{number}", sandbox_name(instance, job))
}

/// `gantry-INSTANCE8-RUN-JOB-fill`: the container through which the job's workspace is filled.
pub(super) fn filler_name(instance: &InstanceId, job: &JobKey) -> String {
    format!("{}-fill", sandbox_name(instance, job))
}

/// `gantry-INSTANCE8-RUN-JOB-sees-TOKEN`
pub(super) fn sight_name(instance: &InstanceId, job: &JobKey, token: &str) -> String {
    format!("{}-sees-{token}", sandbox_name(instance, job))
}

/// `gantry-INSTANCE8-trial-TOKEN`
pub(super) fn trial_name(instance: &InstanceId, token: &str) -> String {
    format!("gantry-{}-trial-{token}", short(instance))
}

pub(super) fn trial_labels(instance: &InstanceId) -> Labels {
    [(INSTANCE, instance.as_str()), (TRIAL, "1")].map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

fn short(instance: &InstanceId) -> &str {
    &instance.as_str()[..8]
}

pub(super) fn step_labels(instance: &InstanceId, step: &StepSpec) -> Labels {
    let mut labels = job_labels(instance, &step.key.job_key(), &step.dirs.root);
    for (name, value) in [
        (STEP, step.key.step.to_string()),
        (ATTEMPT, step.key.attempt.to_string()),
        (KEY, step.key.to_string()),
        (TITLE, step.title.clone()),
        (GRACE, step.grace_ms.to_string()),
    ] {
        labels.insert(name.to_owned(), value);
    }
    labels
}

pub(super) fn sandbox_labels(instance: &InstanceId, job: &JobKey, title: &str, root: &Path) -> Labels {
    let mut labels = job_labels_with_title(instance, job, title, root);
    labels.insert(SANDBOX.to_owned(), "1".to_owned());
    labels
}

pub(super) fn service_labels(instance: &InstanceId, job: &JobSpec, service: &ServicePlan) -> Labels {
    let mut labels = job_labels_with_title(instance, &job.key, &job.title, &job.dirs.root);
    labels.insert(SERVICE.to_owned(), service.name.clone());
    // Plain data always becomes JSON; without it, a service that is started again is not waited for.
    labels.insert(READY.to_owned(), serde_json::to_string(&revive::remembered(service)).unwrap_or_default());
    labels
}

pub(super) fn terminal_labels(instance: &InstanceId, step: &StepSpec) -> Labels {
    let mut labels = job_labels_with_title(instance, &step.key.job_key(), &step.title, &step.dirs.root);
    labels.insert(TERMINAL.to_owned(), step.key.to_string());
    labels
}

/// Of whatever else a job has: its release removes it.
pub(super) fn job_labels_with_title(instance: &InstanceId, job: &JobKey, title: &str, root: &Path) -> Labels {
    let mut labels = job_labels(instance, job, root);
    labels.insert(TITLE.to_owned(), title.to_owned());
    labels
}

fn job_labels(instance: &InstanceId, job: &JobKey, root: &Path) -> Labels {
    [
        (INSTANCE, instance.to_string()),
        (RUN, job.run.to_string()),
        (JOB, job.job.to_string()),
        (ROOT, std::path::absolute(root).unwrap_or_else(|_| root.to_owned()).display().to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// The filter that finds what bears all these labels.
pub(super) fn label_filter(labels: &[(&str, Option<&str>)]) -> HashMap<String, Vec<String>> {
    let wanted = labels.iter().map(|(name, value)| match value {
        Some(value) => format!("{name}={value}"),
        None => (*name).to_owned(),
    });
    HashMap::from([("label".to_owned(), wanted.collect())])
}

pub(super) fn key_of(labels: &Labels) -> Option<AttemptKey> {
    labels.get(KEY)?.parse().ok()
}

pub(super) fn job_of(labels: &Labels) -> Option<JobKey> {
    Some(JobKey { run: labels.get(RUN)?.parse().ok()?, job: labels.get(JOB)?.parse().ok()? })
}

pub(super) fn root_of(labels: &Labels) -> Option<&Path> {
    labels.get(ROOT).map(Path::new).filter(|root| root.is_absolute() && root.components().count() > 2)
}

/// Marks a step's container as one that waits at its gate; `record` is the directory in which that is.
pub(super) fn add_record(labels: &mut Labels, record: &str, is_parked: bool) {
    labels.insert(RECORD.to_owned(), record.to_owned());
    if is_parked {
        labels.insert(PARKED.to_owned(), "1".to_owned());
    }
}

/// The directory of a container's record, where it has one.
pub(super) fn record_dir(labels: &Labels) -> Option<PathBuf> {
    let name = labels.get(RECORD).filter(|name| !name.is_empty() && !name.contains(['/', '.']))?;
    Some(container::private_dir(root_of(labels)?, &key_of(labels)?).join(name))
}

pub(super) fn add_carried(labels: &mut Labels) {
    labels.insert(CARRIED.to_owned(), "1".to_owned());
}

pub(super) fn is_carried(labels: &Labels) -> bool {
    labels.contains_key(CARRIED)
}

pub(super) fn is_parked(labels: &Labels) -> bool {
    labels.contains_key(PARKED)
}

/// What is remembered of a service in its labels.
pub(super) fn service_of(labels: &Labels) -> Option<ServicePlan> {
    serde_json::from_str(labels.get(READY)?).ok()
}

pub(super) fn grace_of(labels: &Labels) -> Option<u64> {
    labels.get(GRACE)?.parse().ok()
}
