//! Attempts made ahead of their start: their containers run and wait at their gates.
//!
//! **Invariant:** what is remembered here only saves time: the engine's containers, their labels and their records tell the same after a crash.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bollard::models::ContainerSummaryStateEnum as State;
use tokio::net::UnixStream;
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;

use super::container::Form;
use super::create::{Created, Waiting, make_or_find};
use super::engine::Engine;
use super::gate::Shut;
use super::names::Labels;
use super::segment::Segment;
use super::start::{discard, wait_at_gate};
use super::trouble::Trouble;
use super::{Inner, gate, names, segment};
use crate::base::AttemptKey;
use crate::executor::{Failure, StepSpec, Survivor};

/// Steps of a job that are made ready ahead: with steps of a second or more one hides its start behind them, with shorter ones a second helps a little,
/// and a third hardly (`/proc` shows 8 MiB for each that waits).
pub(super) const PARKS: u32 = 2;
/// Starts at the same time for each processor of the engine's machine: more of them only make each one slower.
const STARTS_PER_CPU: usize = 2;
const CPUS: usize = 2;

/// A container whose first process waits at its gate.
pub(super) struct Reached {
    /// The directory of its record.
    pub record: PathBuf,
    pub segment: Segment,
    pub gate: UnixStream,
}

impl Reached {
    /// Whether its process still listens, as far as is known.
    fn is_alive(&self) -> bool {
        matches!(self.gate.try_read(&mut [0]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
    }
}

/// Connects to the gate of a container that runs.
pub(super) async fn reach(inner: &Inner, name: &str, record: &Path) -> Result<Reached, Shut> {
    let gate = gate::reach(&inner.engine, name, record).await?;
    // Made before the gate was; nothing of the step has run that could have changed it.
    let segment = Segment::open(record).map_err(|_| Shut::Dead)?;
    Ok(Reached { record: record.to_owned(), segment, gate })
}

/// Those at their gates, by their attempts.
#[derive(Default)]
pub(super) struct Parked(Mutex<BTreeMap<AttemptKey, Reached>>);

impl Parked {
    pub(super) fn take(&self, key: &AttemptKey) -> Option<Reached> {
        self.all().remove(key)
    }

    pub(super) fn forget(&self, which: impl Fn(&AttemptKey) -> bool) {
        self.all().retain(|key, _| !which(key));
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<AttemptKey, Reached>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many containers are started at the same time.
#[derive(Default)]
pub(super) struct Starts {
    /// With how many there are.
    permits: OnceCell<(Semaphore, usize)>,
    begun: AtomicU64,
}

impl Starts {
    /// Waits for its turn.
    pub(super) async fn permit(&self, engine: &Engine) -> Result<SemaphorePermit<'_>, Trouble> {
        let count = || async {
            let cpus = engine.link().await?.cpus.and_then(|cpus| usize::try_from(cpus).ok());
            let count = cpus.filter(|cpus| *cpus > 0).unwrap_or(CPUS) * STARTS_PER_CPU;
            Ok((Semaphore::new(count), count))
        };
        let (starts, _) = self.permits.get_or_try_init(count).await?;
        self.begun.fetch_add(1, Ordering::Relaxed);
        // Nobody closes it.
        starts.acquire().await.map_err(|closed| Trouble::Unreachable(closed.to_string()))
    }

    /// How many there have been.
    pub(super) fn count(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    /// Whether none is under way.
    pub(super) fn are_idle(&self) -> bool {
        self.permits.get().is_none_or(|(permits, count)| permits.available_permits() == *count)
    }
}

/// Makes an attempt ready: false where it cannot wait at a gate, or its image is not here.
pub(super) async fn park(inner: &Inner, step: &StepSpec) -> Result<bool, Failure> {
    inner.remember(&step.key.job_key(), &step.dirs.root, step.image.as_deref());
    let Some(image) = &step.image else { return Ok(false) };
    // Its name may stand for another image by the time it starts.
    if inner.images.must_ask(&step.key.run, image, step.pull) || !inner.has_gates(step).await? {
        return Ok(false);
    }
    if let Some(reached) = inner.parked.take(&step.key)
        && reached.is_alive()
    {
        inner.parked.all().insert(step.key.clone(), reached);
        return Ok(true);
    }
    let name = names::container_name(&inner.instance, &step.key);
    let cannot = |trouble: Trouble| trouble.into_failure("could not create the step's container");
    let waiting = match make_or_find(inner, step, &name, true, &CancellationToken::new()).await? {
        Ok(Created::Waits(waiting)) => waiting,
        // It was started meanwhile.
        Ok(Created::Began(_)) => return Ok(true),
        Err(trouble) if trouble.is(404) => return Ok(false),
        Err(trouble) => return Err(cannot(trouble)),
    };
    let Waiting { form: Form::Gate { record, is_parked: _ }, running, was_there, reached: _ } = waiting else {
        discard(inner, &name).await;
        return Ok(false);
    };
    let reached = match wait_at_gate(inner, step, &name, &record, running, &CancellationToken::new()).await {
        Ok(Some(reached)) => reached,
        dead => {
            // One that was there may be somebody's start.
            if !was_there {
                discard(inner, &name).await;
            }
            return dead.map(|_| false);
        }
    };
    inner.parked.all().insert(step.key.clone(), reached);
    Ok(true)
}

/// What a container of ours is after a crash; `None` for one that no step has begun in and that does not wait for one either: a start that comes again
/// takes it or makes it anew, a release removes it.
pub(super) fn survivor(labels: &Labels, state: Option<State>) -> Option<Survivor> {
    let running = match state {
        Some(State::CREATED) => return None,
        Some(State::EXITED | State::DEAD | State::REMOVING) => false,
        _ => true,
    };
    let key = names::key_of(labels)?;
    let waits = names::record_dir(labels).is_some_and(|record| !segment::was_opened(&record, running));
    if waits && !(running && names::is_parked(labels)) {
        return None;
    }
    Some(Survivor { key, running, parked: waits })
}
