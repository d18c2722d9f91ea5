//! Docker: whether it answers, and whether it is one that steps can be trusted to.

use std::path::Path;
use std::time::Duration;

use super::{Check, disk};
use crate::base::{Clock, InstanceId, Tasks};
use crate::cli::engines::EngineSetup;
use crate::executor::{Docker, EngineAt, EngineFacts, ImageRules, Limits};

/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Clocks that are further apart put times in logs into a wrong order.
const FEW_MS: u64 = 2_000;
/// And from here on what the engine says of a container's start and end makes no sense beside ours.
const MANY_MS: u64 = 60_000;

/// Of one engine; with its name where there are several.
pub(super) async fn checks(engine: EngineSetup, several: bool) -> Vec<Check> {
    let EngineSetup { name, at, slots: _, labels: _, park: _, sandboxes: _ } = engine;
    let mut checks = at_address(at).await;
    if several {
        checks.iter_mut().for_each(|check| check.found = format!("`{name}`: {}", check.found));
    }
    checks
}

async fn at_address(at: EngineAt) -> Vec<Check> {
    // Only asked, so the instance does not matter.
    let (instance, rules) = (InstanceId::new(&Clock::System), ImageRules::default());
    let docker = Docker::at(at, instance, Tasks::default(), Clock::System, Limits::default(), rules);
    let facts = match tokio::time::timeout(PATIENCE, docker.facts()).await {
        Ok(Ok(facts)) => facts,
        Ok(Err(failure)) => {
            return vec![Check::bad("engine", failure.to_string(), "start Docker, or name another in the settings")];
        }
        Err(_) => {
            let found = format!("Docker did not answer within {} s", PATIENCE.as_secs());
            return vec![Check::bad("engine", found, "see what it does: `docker info` should answer at once")];
        }
    };
    let mut checks = vec![engine(&facts)];
    checks.extend(facts.runc.as_deref().map(runc));
    checks.extend([limits(&facts), network(&facts)]);
    checks.extend(facts.clock_ahead_ms.map(clock));
    if let (true, Some(root)) = (facts.is_local, &facts.root_dir) {
        checks.push(disk::room("engine disk", Path::new(root)));
    }
    checks
}

fn said(fact: &Option<String>) -> &str {
    fact.as_deref().unwrap_or("unknown")
}

fn engine(facts: &EngineFacts) -> Check {
    let EngineFacts { address, version, api, storage_driver, .. } = facts;
    let found = format!("Docker {} at {address}, API {}, storage {}", said(version), said(api), said(storage_driver));
    match storage_driver.as_deref() {
        Some("vfs") => Check::warn("engine", found, "`vfs` copies the whole image for each container: use `overlay2`"),
        Some("devicemapper" | "aufs") => {
            Check::warn("engine", found, "that storage driver is given up by Docker: use `overlay2`")
        }
        _ => Check::ok("engine", found),
    }
}

/// Versions in which what runs in a container can get out of it: before 1.1.12 by CVE-2024-21626, and before 1.2.8 and 1.3.3 by CVE-2025-31133,
/// CVE-2025-52565 and CVE-2025-52881 (runc's own security advisories).
fn runc(version: &str) -> Check {
    let mut numbers = version.split(|char: char| !char.is_ascii_digit()).map_while(|part| part.parse::<u32>().ok());
    let (Some(major), Some(minor), Some(patch)) = (numbers.next(), numbers.next(), numbers.next()) else {
        return Check::ok("runc", version);
    };
    let known = match (major, minor, patch) {
        (..1, _, _) | (1, 0, _) | (1, 1, ..12) => "CVE-2024-21626 and those of November 2025",
        (1, 1, _) | (1, 2, ..8) | (1, 3, ..3) => "CVE-2025-31133, CVE-2025-52565 and CVE-2025-52881",
        _ => return Check::ok("runc", version),
    };
    let todo = "update it to 1.2.8, 1.3.3 or later; a distribution may have mended it under the old number: its notes tell";
    Check::warn("runc", format!("{version} lets what runs in a container get out of it: {known}"), todo)
}

fn limits(facts: &EngineFacts) -> Check {
    let found = format!("cgroups version {}, driver {}", said(&facts.cgroup_version), said(&facts.cgroup_driver));
    if facts.unbounded.is_empty() {
        return Check::ok("limits", found);
    }
    let found = format!("{found}; a step's {} cannot be bounded", facts.unbounded.join(", "));
    Check::warn(
        "limits",
        found,
        "let the kernel have these controllers (see `docker info`), or one step can take the whole machine",
    )
}

fn network(facts: &EngineFacts) -> Check {
    match facts.filters_bridges {
        Some(true) => Check::ok("network", "jobs share a bridge, and the packet filter keeps them apart"),
        Some(false) => Check::ok(
            "network",
            "bridges of this machine do not ask the packet filter (net.bridge.bridge-nf-call-iptables): each job gets a network of its own, 0.3 s dearer",
        ),
        None => Check::ok("network", "the engine is not seen to be on this machine: each job gets a network of its own"),
    }
}

fn clock(ahead_ms: i64) -> Check {
    let (apart, way) = (ahead_ms.unsigned_abs(), if ahead_ms < 0 { "behind" } else { "ahead of" });
    let found = format!("the engine's clock is {}.{:01} s {way} ours", apart / 1000, apart % 1000 / 100);
    let todo = "let both machines keep their time by NTP";
    match apart {
        ..FEW_MS => Check::ok("clock", "the engine's and ours agree"),
        FEW_MS..MANY_MS => Check::warn("clock", found, todo),
        MANY_MS.. => Check::bad("clock", found, todo),
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn versions_that_are_known_to_be_bad_are_told() {
        for (version, state) in [
            ("1.0.3", State::Warn),
            ("1.1.5+ds1", State::Warn),
            ("1.1.15", State::Warn),
            ("1.2.7", State::Warn),
            ("1.2.8", State::Ok),
            ("1.3.2", State::Warn),
            ("1.3.3", State::Ok),
            ("1.4.0", State::Ok),
            ("unknown", State::Ok),
        ] {
            assert_eq!(runc(version).state, state, "{version}");
        }
        assert!(runc("1.1.5").found.contains("CVE-2024-21626"));
    }

    #[test]
    fn clocks_apart_are_told_with_their_distance() {
        assert_eq!((clock(-1_999).state, clock(2_000).state, clock(-60_000).state), (State::Ok, State::Warn, State::Bad));
        assert_eq!(clock(-61_500).found, "the engine's clock is 61.5 s behind ours");
    }

    #[tokio::test]
    async fn an_engine_that_is_not_there_is_told_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let at = EngineAt::host(dir.path().join("docker.sock").to_str().unwrap());
        let checks = checks(EngineSetup { at, ..EngineSetup::local(1) }, false).await;
        assert_eq!((checks.len(), checks[0].state), (1, State::Bad));
        assert!(checks[0].found.contains("docker.sock"), "{checks:?}");
    }
}
