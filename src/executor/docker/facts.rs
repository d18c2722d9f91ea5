//! What the engine says of itself, for whoever wants to know whether it will do. **Invariant:** asks only, changes nothing.

use bollard::models::SystemInfo;

use super::engine::Engine;
use super::trouble::Trouble;
use super::{Docker, moment, network};
use crate::base::Clock;
use crate::executor::Failure;

/// What is known of an engine. `None` where it does not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineFacts {
    pub address: String,
    /// Its files are on this machine.
    pub is_local: bool,
    pub version: Option<String>,
    pub api: Option<String>,
    pub storage_driver: Option<String>,
    pub root_dir: Option<String>,
    pub runc: Option<String>,
    pub cgroup_version: Option<String>,
    pub cgroup_driver: Option<String>,
    /// Bounds of a step that this engine cannot keep: `memory`, `processors`, `processes`.
    pub unbounded: Vec<&'static str>,
    /// How much later it is by its clock than by ours, in milliseconds.
    pub clock_ahead_ms: Option<i64>,
    /// Whether packets between containers of one bridge pass the packet filter; `None` where that cannot be seen from here.
    pub filters_bridges: Option<bool>,
}

impl Docker {
    /// What the engine says of itself.
    ///
    /// # Errors
    /// It does not answer or refuses.
    pub async fn facts(&self) -> Result<EngineFacts, Failure> {
        let (engine, clock) = (&self.inner.engine, &self.inner.clock);
        ask(engine, clock).await.map_err(|trouble| trouble.into_failure("could not be asked about itself"))
    }
}

async fn ask(engine: &Engine, clock: &Clock) -> Result<EngineFacts, Trouble> {
    // The first answer brings the connection; the time is asked for when that is there.
    let version = engine.ask(|client| async move { client.version().await }).await?;
    let before = clock.now_ns();
    let info: SystemInfo = engine.ask(|client| async move { client.info().await }).await?;
    let asked = before / 2 + clock.now_ns() / 2;
    let runc = version.components.into_iter().flatten().find(|part| part.name == "runc");
    let no = |has: Option<bool>| has == Some(false);
    let bounds = [(no(info.memory_limit), "memory"), (no(info.cpu_cfs_quota), "processors"), (no(info.pids_limit), "processes")];
    let time = info.system_time.as_deref().and_then(moment::parse_ns);
    Ok(EngineFacts {
        address: engine.host.clone(),
        is_local: engine.is_local(),
        version: info.server_version.or(version.version),
        api: version.api_version,
        storage_driver: info.driver,
        root_dir: info.docker_root_dir,
        runc: runc.map(|part| part.version),
        cgroup_version: info.cgroup_version.map(|version| version.to_string()),
        cgroup_driver: info.cgroup_driver.map(|driver| driver.to_string()),
        unbounded: bounds.into_iter().filter_map(|(missing, what)| missing.then_some(what)).collect(),
        clock_ahead_ms: time.map(|time| time.saturating_sub(asked) / 1_000_000),
        filters_bridges: engine.is_local().then(network::filter_is_asked),
    })
}
