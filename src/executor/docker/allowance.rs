//! What a container may use: of what the pipeline asks for and what the server allows, the smaller.

use bollard::models::HostConfig;

use super::Limits;
use crate::pipeline::Resources;

/// Processes and threads: far beyond a parallel build, far below what starves the machine.
pub(super) const PIDS: i64 = 2048;

/// What one container may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Allowance {
    nano_cpus: Option<i64>,
    memory_bytes: Option<i64>,
    pids: i64,
}

impl Allowance {
    /// `machine_cpus`: the engine refuses more than its machine has, so as many as that is no limit.
    pub(super) fn of(resources: &Resources, limits: &Limits, machine_cpus: Option<i64>) -> Self {
        let Resources { cpu_millis, memory_bytes, pids } = *resources;
        let wanted = cpu_millis.map(|millis| i64::try_from(millis.saturating_mul(1_000_000)).unwrap_or(i64::MAX));
        let nano_cpus = smaller(wanted, limits.nano_cpus);
        let all = machine_cpus.map_or(i64::MAX, |cpus| cpus.saturating_mul(1_000_000_000));
        Self {
            nano_cpus: nano_cpus.filter(|nano_cpus| *nano_cpus < all),
            memory_bytes: smaller(memory_bytes.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX)), limits.memory_bytes),
            pids: pids.map_or(PIDS, |pids| PIDS.min(pids.into())),
        }
    }

    /// The same in a container's configuration. Swap counts as memory: a step that swaps makes everybody slow.
    pub(super) fn within(self, config: HostConfig) -> HostConfig {
        HostConfig {
            nano_cpus: self.nano_cpus,
            memory: self.memory_bytes,
            memory_swap: self.memory_bytes,
            pids_limit: Some(self.pids),
            ..config
        }
    }
}

fn smaller(wanted: Option<i64>, allowed: Option<i64>) -> Option<i64> {
    match (wanted, allowed) {
        (Some(wanted), Some(allowed)) => Some(wanted.min(allowed)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Resources = Resources { cpu_millis: None, memory_bytes: None, pids: None };

    #[test]
    fn the_smaller_of_what_is_asked_for_and_what_is_allowed_counts() {
        let server = Limits { memory_bytes: Some(1_000), nano_cpus: Some(1_500_000_000) };
        let of = |resources: Resources, limits: Limits| {
            let Allowance { nano_cpus, memory_bytes, pids } = Allowance::of(&resources, &limits, Some(4));
            (nano_cpus, memory_bytes, pids)
        };
        let small = Resources { cpu_millis: Some(500), memory_bytes: Some(900), pids: Some(10) };
        let large = Resources { cpu_millis: Some(3_000), memory_bytes: Some(u64::MAX), pids: Some(u32::MAX) };
        assert_eq!(of(NONE, Limits::default()), (None, None, 2048));
        assert_eq!(of(NONE, server), (Some(1_500_000_000), Some(1_000), 2048));
        assert_eq!(of(small, server), (Some(500_000_000), Some(900), 10));
        assert_eq!(of(large, server), (Some(1_500_000_000), Some(1_000), 2048));
        assert_eq!(of(large, Limits::default()), (Some(3_000_000_000), Some(i64::MAX), 2048));
    }

    #[test]
    fn as_many_processors_as_the_machine_has_are_no_limit() {
        let four = Resources { cpu_millis: Some(4_000), ..NONE };
        assert_eq!(Allowance::of(&four, &Limits::default(), Some(4)).nano_cpus, None);
        assert_eq!(Allowance::of(&four, &Limits::default(), Some(8)).nano_cpus, Some(4_000_000_000));
        assert_eq!(Allowance::of(&four, &Limits::default(), None).nano_cpus, Some(4_000_000_000));
    }

    #[test]
    fn swap_counts_as_memory() {
        let config =
            Allowance::of(&Resources { memory_bytes: Some(7), ..NONE }, &Limits::default(), None).within(HostConfig::default());
        assert_eq!((config.memory, config.memory_swap), (Some(7), Some(7)));
    }
}
