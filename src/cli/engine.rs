//! Which executor, made ready.

use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;

use crate::base::{Clock, InstanceId, Tasks};
use crate::executor::{Ahead, Docker, EngineAt, Executor, Fake, Host, ImageRules, Limits};

/// The executors that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// Every step in its own container
    #[default]
    Docker,
    /// Every step as a process on this machine, with this user's rights
    Host,
    /// For Gantry's own tests: runs nothing
    #[value(hide = true)]
    Fake,
}

/// Makes the executor. `state` is a directory of its own that outlives the process.
pub(super) fn make(
    kind: Kind,
    (at, ahead, images): (EngineAt, Ahead, ImageRules),
    instance: InstanceId,
    state: &Path,
    tasks: &Tasks,
) -> std::io::Result<Arc<dyn Executor>> {
    Ok(match kind {
        Kind::Docker => {
            let docker = Docker::at(at, instance, tasks.clone(), Clock::System, Limits::default(), images);
            Arc::new(docker.with_ahead(ahead))
        }
        Kind::Host => Arc::new(Host::new(state.to_owned(), tasks.clone(), Clock::System)?),
        Kind::Fake => Arc::new(Fake::new(Clock::System)),
    })
}
