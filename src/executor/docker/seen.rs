//! A container as the engine sees it at this moment.

use std::time::Duration;

use bollard::models::{ContainerState, ContainerStateStatusEnum as Status, HealthStatusEnum};
use bollard::query_parameters::InspectContainerOptions;

use super::engine::Engine;
use super::moment;
use super::names::Labels;
use super::trouble::Trouble;

/// A name is taken from the moment at which the engine begins to make a container, which is not there before the end, and the engine goes on with it
/// when whoever asked is gone. So a name that is taken by nobody is asked for again, this often.
pub(super) const MAKING: u32 = 600;
pub(super) const MAKING_PAUSE: Duration = Duration::from_millis(100);

/// Where a container is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Made and never run.
    Created,
    Running,
    Ended,
}

pub(super) struct Seen {
    pub phase: Phase,
    pub exit_code: i64,
    /// The kernel ended it since it used more memory than it may.
    pub out_of_memory: bool,
    /// By the engine's clock, in nanoseconds since 1970.
    pub started_ns: Option<i64>,
    pub finished_ns: Option<i64>,
    pub labels: Labels,
    /// The id of its image.
    pub image: String,
    /// It joined no other container's network.
    pub owns_network: bool,
    /// What its image's HEALTHCHECK says, where it has one.
    pub health: Option<Health>,
}

pub(super) struct Health {
    pub is_good: bool,
    /// The output of the last check.
    pub said: Option<String>,
}

/// Looks at a container by its name; `None` when there is none.
pub(super) async fn look(engine: &Engine, name: &str) -> Result<Option<Seen>, Trouble> {
    let question = |client: bollard::Docker| async move { client.inspect_container(name, None::<InspectContainerOptions>).await };
    let answer = match engine.ask(question).await {
        Ok(answer) => answer,
        Err(trouble) if trouble.is(404) => return Ok(None),
        Err(trouble) => return Err(trouble),
    };
    let state = answer.state.unwrap_or_default();
    let network = answer.host_config.and_then(|host| host.network_mode);
    Ok(Some(Seen {
        phase: phase(&state),
        exit_code: state.exit_code.unwrap_or_default(),
        out_of_memory: state.oom_killed.unwrap_or_default(),
        started_ns: state.started_at.as_deref().and_then(moment::parse_ns),
        finished_ns: state.finished_at.as_deref().and_then(moment::parse_ns),
        health: state.health.and_then(health),
        owns_network: network.is_some_and(|network| !network.starts_with("container:")),
        image: answer.image.unwrap_or_default(),
        labels: answer.config.and_then(|config| config.labels).unwrap_or_default(),
    }))
}

fn health(found: bollard::models::Health) -> Option<Health> {
    let is_good = match found.status {
        Some(HealthStatusEnum::HEALTHY) => true,
        Some(HealthStatusEnum::STARTING | HealthStatusEnum::UNHEALTHY) => false,
        Some(HealthStatusEnum::NONE | HealthStatusEnum::EMPTY) | None => return None,
    };
    let last = found.log.and_then(|mut checks| checks.pop()).and_then(|check| check.output);
    Some(Health {
        is_good,
        said: last.map(|output| output.trim().chars().take(200).collect()).filter(|said: &String| !said.is_empty()),
    })
}

fn phase(state: &ContainerState) -> Phase {
    match state.status {
        Some(Status::CREATED) => Phase::Created,
        Some(Status::RUNNING | Status::PAUSED | Status::RESTARTING | Status::STOPPING) => Phase::Running,
        Some(Status::EXITED | Status::DEAD | Status::REMOVING) => Phase::Ended,
        Some(Status::EMPTY) | None if state.running == Some(true) => Phase::Running,
        Some(Status::EMPTY) | None => Phase::Ended,
    }
}
