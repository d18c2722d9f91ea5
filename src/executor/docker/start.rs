//! Starting an attempt and taking one up again. Where the engine and we share a directory: create, start, open the gate, the first of which may have been
//! done ahead (see [`super::park`]). Elsewhere: create, attach, start, in this order, so that not a byte of the output is missed.
//!
//! **Invariant:** a container whose gate was never opened has done nothing; it is opened, or thrown away and made again. One whose gate was opened, or
//! that was started by the engine alone, is taken up and never made again.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::query_parameters::{AttachContainerOptionsBuilder, StartContainerOptions};
use futures_util::Stream;
use tokio_util::sync::CancellationToken;

use super::archive::{self, Owner};
use super::container::{self, Form};
use super::create::{Created, Waiting, create, create_once};
use super::gate::Shut;
use super::live::{self, Begun, Files, Source};
use super::output::{Output, Passing};
use super::park::Reached;
use super::record::Record;
use super::seen::{self, Phase};
use super::trouble::Trouble;
use super::{Inner, carried, files, fill, gate, names, opening, overlay, park, release, revive, sandbox, segment, service};
use crate::executor::{Archive, Failure, Live, Sink, StepSpec, workspace};
use crate::pipeline::Network;

/// A container's output as it comes.
pub(super) type Pieces = Pin<Box<dyn Stream<Item = Result<LogOutput, Error>> + Send>>;

/// How often a container may die at its gate before it is the engine that is not well.
const TRIES: u32 = 3;

/// Starts an attempt, or takes it up if it was started before.
pub(super) async fn start(
    inner: &Arc<Inner>,
    step: &StepSpec,
    sink: Box<dyn Sink>,
    stop: CancellationToken,
) -> Result<Live, Failure> {
    let name = names::container_name(&inner.instance, &step.key);
    let mut output = Output::new(sink, inner.clock.clone());
    inner.remember(&step.key.job_key(), &step.dirs.root, step.image.as_deref());
    if !carried::is_carried(&step.dirs.root) {
        files::write(inner, step).await?;
    }
    let mut parked = inner.parked.take(&step.key).map(Waiting::of);
    for _ in 0..TRIES {
        let mut waiting = match parked.take() {
            Some(waiting) => waiting,
            None => match create(inner, step, &name, &mut output, &stop).await? {
                Created::Waits(waiting) => waiting,
                Created::Began(seen) => return Ok(live::again(inner, name, &seen, output, stop).await),
            },
        };
        let restored = restore(inner, step, &name, &mut waiting, &mut output, &stop).await;
        let ready = restored.and_then(|()| if stop.is_cancelled() { Err(Failure::Stopped) } else { Ok(()) });
        let begun = match ready {
            Ok(()) => begin(inner, step, &name, waiting, output.passing(), &stop).await,
            Err(failure) => Err(failure),
        };
        match begun {
            Ok(Some(source)) => {
                // By our clock: the engine's is not asked for, since a look at a container that ends just now waits until its end is cleaned up, and
                // with it would wait the first line of a short step.
                let files = if carried::is_carried(&step.dirs.root) {
                    Files::There
                } else {
                    Files::Here(container::private_dir(&step.dirs.root, &step.key))
                };
                let begun = Begun { name, files, started_at: inner.clock.now(), grace_ms: step.grace_ms, source };
                return Ok(live::live(inner, begun, output, stop));
            }
            // Looked at anew: whoever else has a hand in it may have opened the gate.
            Ok(None) => {}
            Err(failure) => {
                discard(inner, &name).await;
                return Err(failure);
            }
        }
    }
    Err(Failure::Infrastructure(format!("the step's container ended {TRIES} times before the step began; is the engine well?")))
}

/// Takes up an attempt that ran before.
pub(super) async fn attach(
    inner: &Arc<Inner>,
    name: String,
    sink: Box<dyn Sink>,
    stop: CancellationToken,
) -> Result<Live, Failure> {
    let cannot_ask = |trouble: Trouble| trouble.into_failure("could not be asked about the step");
    let seen = seen::look(&inner.engine, &name).await.map_err(cannot_ask)?;
    match seen {
        Some(seen) if inner.is_ours(&seen.labels) && seen.phase != Phase::Created => {
            let running = seen.phase == Phase::Running;
            let waits = names::record_dir(&seen.labels).is_some_and(|record| !segment::was_opened(&record, running));
            if waits {
                return Err(Failure::Stopped);
            }
            let output = Output::new(sink, inner.clock.clone());
            Ok(live::again(inner, name, &seen, output, stop).await)
        }
        _ => Err(Failure::Gone),
    }
}

/// Puts into the container what goes there before the step begins. An archive that cannot be put costs the step what is in it and nothing else: the
/// container is made anew, so that the step sees no half of it.
async fn restore(
    inner: &Inner,
    step: &StepSpec,
    name: &str,
    waiting: &mut Waiting,
    output: &mut Output,
    stop: &CancellationToken,
) -> Result<(), Failure> {
    let cannot = |trouble: Trouble| trouble.into_failure("could not make the step's container anew");
    let mut archives: Vec<_> = step.before.iter().collect();
    'container: loop {
        for (at, archive) in archives.iter().enumerate() {
            let into = Archive::into(&***archive);
            let owner = if workspace::relative(into).is_some() {
                fill::owner_of(overlay::top(&step.dirs))
            } else {
                Owner { uid: 0, gid: 0 }
            };
            let put = tokio::select! {
                put = archive::put(&inner.engine, name, &***archive, owner) => put,
                () = stop.cancelled() => return Err(Failure::Stopped),
            };
            match put {
                Ok(()) => {}
                Err(Failure::Infrastructure(why)) => {
                    output.say(&format!("`{into}` is left as it was: {why}"));
                    archives.remove(at);
                    release::remove_container(&inner.engine, name).await.map_err(cannot)?;
                    *waiting = Waiting::made(inner.form(step, false).await?);
                    create_once(inner, step, name, &waiting.form).await.map_err(cannot)?;
                    continue 'container;
                }
                Err(failure) => return Err(failure),
            }
        }
        return Ok(());
    }
}

/// Begins the step in a container that waits; `None` when that is dead.
async fn begin(
    inner: &Inner,
    step: &StepSpec,
    name: &str,
    waiting: Waiting,
    passing: Passing,
    stop: &CancellationToken,
) -> Result<Option<Source>, Failure> {
    let Waiting { form, running, was_there, reached } = waiting;
    if form == Form::Carried {
        carried::equip(inner, step, name).await?;
    }
    let Form::Gate { record, is_parked: _ } = form else {
        let pieces = launch(inner, step, stop, || attach_and_start(inner, name)).await?;
        // Of a container that was there before, the first start may be on its way while we attach: only the log has its output from the first byte on.
        return Ok(Some(if was_there { Source::Log } else { Source::Attached(pieces) }));
    };
    let opening = opening::of(&inner.engine, &inner.entry_points, name, step).await?;
    let reached = match reached {
        Some(reached) => Some(reached),
        None => wait_at_gate(inner, step, name, &record, running, stop).await?,
    };
    let Some(Reached { record, segment, mut gate }) = reached else { return Ok(None) };
    let cannot = |error| Failure::Infrastructure(format!("the step's start cannot be written down: {error}"));
    let is_first = segment::mark_opened(&record).map_err(cannot)?;
    let started_ns = inner.clock.now_ns();
    if gate::open(&mut gate, &opening).await.is_err() {
        // Not all of it arrived, and so nothing was begun by it.
        if is_first {
            segment::unmark_opened(&record).map_err(cannot)?;
        }
        return Ok(None);
    }
    Ok(Some(Source::Record(Box::new(Record::begun(&record, segment, gate, passing, started_ns)))))
}

/// Starts a container, unless it runs, and waits until its first process listens; `None` when that is dead.
pub(super) async fn wait_at_gate(
    inner: &Inner,
    step: &StepSpec,
    name: &str,
    record: &Path,
    running: bool,
    stop: &CancellationToken,
) -> Result<Option<Reached>, Failure> {
    if !running {
        launch(inner, step, stop, || start_only(inner, name)).await?;
    }
    match park::reach(inner, name, record).await {
        Ok(reached) => Ok(Some(reached)),
        Err(Shut::Dead) => Ok(None),
        Err(Shut::Deaf) => {
            tracing::warn!(
                host = inner.engine.host,
                "Docker shares no sockets with this server (a virtual machine?): its steps start in the slower way from now on"
            );
            inner.is_deaf.store(true, std::sync::atomic::Ordering::Relaxed);
            discard(inner, name).await;
            Ok(None)
        }
        Err(Shut::Engine(trouble)) => Err(trouble.into_failure("could not be asked about the step's container")),
    }
}

/// Starts a container. If the sandbox is not there any more (the engine was restarted), it is made to be, with the services in it, and the start tried
/// again.
async fn launch<T, F>(inner: &Inner, step: &StepSpec, stop: &CancellationToken, start: impl Fn() -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Trouble>>,
{
    let cannot = |trouble: Trouble| trouble.into_failure("could not start the step's container");
    let permit = inner.starts.permit(&inner.engine).await.map_err(cannot)?;
    let first = start().await;
    drop(permit);
    let Err(trouble @ Trouble::Refused { .. }) = first else {
        return first.map_err(cannot);
    };
    let key = step.key.job_key();
    if step.network == Network::None || !sandbox::is_lost(inner, &key).await.map_err(cannot)? {
        return Err(cannot(trouble));
    }
    let services = service::of_job(inner, &key).await?;
    let hosts = service::hosts(services.iter().map(|found| found.service.as_str()));
    // What is parked has joined the old one.
    inner.parked.forget(|parked| parked.job_key() == key);
    let (instance, title, root) = (&inner.instance, step.title.as_str(), step.dirs.root.as_path());
    let job = sandbox::Job { instance, key: &key, title, root, hosts, is_single: false };
    sandbox::ensure(inner, &job).await.map_err(cannot)?;
    tokio::select! {
        revived = revive::revive(inner, &key) => revived?,
        () = stop.cancelled() => return Err(Failure::Stopped),
    }
    start().await.map_err(cannot)
}

async fn start_only(inner: &Inner, name: &str) -> Result<(), Trouble> {
    inner.engine.ask(|client| async move { client.start_container(name, None::<StartContainerOptions>).await }).await
}

/// From the first byte on.
pub(super) async fn attach_and_start(inner: &Inner, name: &str) -> Result<Pieces, Trouble> {
    let options = AttachContainerOptionsBuilder::new().stream(true).stdout(true).stderr(true).build();
    let attached = inner.engine.ask(|client| async move { client.attach_container(name, Some(options)).await }).await?;
    start_only(inner, name).await?;
    Ok(attached.output)
}

/// A container that was made and could not or shall not run. If it cannot be removed now, the release of its job removes it.
pub(super) async fn discard(inner: &Inner, name: &str) {
    if let Err(trouble) = release::remove_container(&inner.engine, name).await {
        tracing::debug!(container = name, ?trouble, "a container that did not start stays until its job is released");
    }
}
