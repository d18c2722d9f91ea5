//! Starting an attempt and taking one up again: pull, create, attach, start, in this order, so that not a byte of the output is missed.

use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, CreateContainerOptionsBuilder, LogsOptionsBuilder, StartContainerOptions,
};
use futures_util::Stream;
use tokio_util::sync::CancellationToken;

use super::archive::{self, Owner};
use super::output::{End, Output};
use super::seen::{self, Phase, Seen};
use super::trouble::Trouble;
use super::{Inner, container, ending, fill, image, names, overlay, release, sandbox, service};
use crate::base::{Timestamp, limits};
use crate::executor::{Archive, Ended, Failure, Live, Sink, StepSpec, Wrote, workspace, wrote};
use crate::pipeline::Action;
use crate::run::Observed;

/// A container's output as it comes.
pub(super) type Pieces = Pin<Box<dyn Stream<Item = Result<LogOutput, Error>> + Send>>;

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
    write_script(inner, step).await?;
    let was_there = match create(inner, step, &name, &mut output, &stop).await? {
        Some(seen) if seen.phase != Phase::Created => return Ok(take_up(inner, name, &seen, output, stop)),
        found => found.is_some(),
    };
    let restored = restore(inner, step, &name, &mut output, &stop).await;
    if let Err(failure) = restored.and_then(|()| if stop.is_cancelled() { Err(Failure::Stopped) } else { Ok(()) }) {
        discard(inner, &name).await;
        return Err(failure);
    }
    let pieces = match launch(inner, step, &name).await {
        Ok(pieces) => pieces,
        Err(failure) => {
            discard(inner, &name).await;
            return Err(failure);
        }
    };
    // By our clock: the engine's is not asked for, since a look at a container that ends just now waits until its end is cleaned up, and with it
    // would wait the first line of a short step.
    // Of a container that was there before, the first start may be on its way while we attach: only the log has its output from the first byte on.
    let attached = (!was_there).then_some(pieces);
    let dir = Some(container::private_dir(&step.dirs.root, &step.key));
    let begun = Begun { name, dir, started_at: inner.clock.now(), grace_ms: step.grace_ms, attached };
    Ok(live(inner, begun, output, stop))
}

/// Takes up an attempt that ran before: its output comes from the engine's log.
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
            let output = Output::new(sink, inner.clock.clone());
            Ok(take_up(inner, name, &seen, output, stop))
        }
        _ => Err(Failure::Gone),
    }
}

fn take_up(inner: &Arc<Inner>, name: String, seen: &Seen, output: Output, stop: CancellationToken) -> Live {
    let started_at = Timestamp(seen.started_ns.unwrap_or_else(|| inner.clock.now_ns()).div_euclid(1_000_000));
    let grace_ms = names::grace_of(&seen.labels).unwrap_or(limits::GRACE_MS);
    let place = names::root_of(&seen.labels).zip(names::key_of(&seen.labels));
    let dir = place.map(|(root, key)| container::private_dir(root, &key));
    live(inner, Begun { name, dir, started_at, grace_ms, attached: None }, output, stop)
}

/// The attempt's directory with its script, readable by all, and the files that it may write to.
async fn write_script(inner: &Inner, step: &StepSpec) -> Result<(), Failure> {
    let dir = container::private_dir(&step.dirs.root, &step.key);
    let text = match &step.action {
        Action::Script { text, .. } => Some(text.clone()),
        Action::EntryPoint => None,
    };
    let write = move || {
        std::fs::create_dir_all(&dir)?;
        open_to_all(&dir, 0o755)?;
        wrote::make(&dir)?;
        let Some(text) = text else { return Ok(()) };
        // Never in place: after a crash the step may be reading it at this moment, and a script cut off in the middle passes.
        let mut draft = tempfile::NamedTempFile::new_in(&dir)?;
        draft.write_all(text.as_bytes())?;
        open_to_all(draft.path(), 0o755)?;
        draft.persist(dir.join(container::SCRIPT)).map(drop).map_err(|error| error.error)
    };
    let written = inner.tasks.spawn_blocking(write).await.unwrap_or_else(|panic| Err(io::Error::other(panic)));
    written.map_err(|error| Failure::Infrastructure(format!("the step's script cannot be written: {error}")))
}

fn open_to_all(path: &Path, mode: u32) -> io::Result<()> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

/// Makes the container; pulls the image when it is missing. Gives the container that was there before, if there was one.
async fn create(
    inner: &Inner,
    step: &StepSpec,
    name: &str,
    output: &mut Output,
    stop: &CancellationToken,
) -> Result<Option<Seen>, Failure> {
    let Some(image) = &step.image else {
        return Err(Failure::Infrastructure("the step has no image to run in".to_owned()));
    };
    let cannot = |trouble: Trouble| trouble.into_failure("could not create the step's container");
    if stop.is_cancelled() {
        let seen = seen::look(&inner.engine, name).await.map_err(cannot)?;
        return seen.map(Some).ok_or(Failure::Stopped);
    }
    let mut pulled = false;
    let mut making = 0;
    loop {
        let trouble = match create_once(inner, step, name).await {
            Ok(()) => return Ok(None),
            Err(trouble) => trouble,
        };
        if trouble.is(409) {
            let seen = seen::look(&inner.engine, name).await.map_err(cannot)?;
            match seen {
                Some(seen) if inner.is_ours(&seen.labels) => return Ok(Some(seen)),
                None if making < seen::MAKING && !stop.is_cancelled() => {
                    making += 1;
                    tokio::time::sleep(seen::MAKING_PAUSE).await;
                    continue;
                }
                _ => return Err(cannot(trouble)),
            }
        }
        if pulled || !trouble.is(404) || image::has(&inner.engine, image).await.map_err(cannot)? {
            return Err(cannot(trouble));
        }
        tokio::select! {
            done = image::pull(&inner.engine, image, output) => done?,
            () = stop.cancelled() => return Err(Failure::Stopped),
        }
        pulled = true;
    }
}

async fn create_once(inner: &Inner, step: &StepSpec, name: &str) -> Result<(), Trouble> {
    let link = inner.engine.link().await?;
    let sandbox = names::sandbox_name(&inner.instance, &step.key.job_key());
    let body = container::of_step(step, &inner.instance, &sandbox, &inner.limits, &link);
    let options = CreateContainerOptionsBuilder::new().name(name).build();
    inner.engine.ask(|client| async move { client.create_container(Some(options), body).await }).await?;
    Ok(())
}

/// Puts into the made container what goes there before it starts. An archive that cannot be put costs the step what is in it and nothing else: the
/// container is made anew, so that the step sees no half of it.
async fn restore(
    inner: &Inner,
    step: &StepSpec,
    name: &str,
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
                    create_once(inner, step, name).await.map_err(cannot)?;
                    continue 'container;
                }
                Err(failure) => return Err(failure),
            }
        }
        return Ok(());
    }
}

/// Attaches and starts. If the sandbox is not there any more (the engine was restarted), it is made to be, and the start tried again.
async fn launch(inner: &Inner, step: &StepSpec, name: &str) -> Result<Pieces, Failure> {
    let cannot = |trouble: Trouble| trouble.into_failure("could not start the step's container");
    let first = attach_and_start(inner, name).await;
    let Err(trouble @ Trouble::Refused { .. }) = first else {
        return first.map_err(cannot);
    };
    let job = step.key.job_key();
    if sandbox::runs(&inner.engine, &inner.instance, &job).await.map_err(cannot)? {
        return Err(cannot(trouble));
    }
    let services = service::of_job(inner, &job).await?;
    let hosts = service::hosts(services.iter().map(|found| found.service.as_str()));
    let job = sandbox::Job { instance: &inner.instance, key: &job, title: &step.title, root: &step.dirs.root, hosts };
    sandbox::ensure(&inner.engine, &inner.network, &job).await.map_err(cannot)?;
    attach_and_start(inner, name).await.map_err(cannot)
}

/// From the first byte on.
pub(super) async fn attach_and_start(inner: &Inner, name: &str) -> Result<Pieces, Trouble> {
    let options = AttachContainerOptionsBuilder::new().stream(true).stdout(true).stderr(true).build();
    let attached = inner.engine.ask(|client| async move { client.attach_container(name, Some(options)).await }).await?;
    inner.engine.ask(|client| async move { client.start_container(name, None::<StartContainerOptions>).await }).await?;
    Ok(attached.output)
}

/// A container that was made and could not or shall not run. If it cannot be removed now, the release of its job removes it.
async fn discard(inner: &Inner, name: &str) {
    if let Err(trouble) = release::remove_container(&inner.engine, name).await {
        tracing::debug!(container = name, ?trouble, "a container that did not start stays until its job is released");
    }
}

/// An attempt whose container runs, or has run.
struct Begun {
    name: String,
    /// The attempt's own directory.
    dir: Option<PathBuf>,
    started_at: Timestamp,
    grace_ms: u64,
    /// Its output from the first byte on; without it the engine's log is read.
    attached: Option<Pieces>,
}

/// The running attempt: reads its output to the end, then its exit, and stops it when told to. Nothing runs unless the future is polled; when it is
/// dropped, the container goes on.
fn live(inner: &Arc<Inner>, begun: Begun, mut output: Output, stop: CancellationToken) -> Live {
    let Begun { name, dir, started_at, grace_ms, attached } = begun;
    let inner = Arc::clone(inner);
    let grace = Duration::from_millis(grace_ms);
    let exit = async move {
        let reading = async {
            let mut end = match attached {
                Some(pieces) => output.follow(pieces).await,
                None => follow_log(&inner, &name, &mut output).await?,
            };
            loop {
                if end == End::Broken {
                    return Err(Trouble::Unreachable(format!(
                        "the connection to Docker at {} broke while the step ran",
                        inner.engine.host
                    )));
                }
                match ending::exit(&inner.engine, &name, &stop, &mut output).await? {
                    Some(exit) => return Ok(exit),
                    None => end = follow_log(&inner, &name, &mut output).await?,
                }
            }
        };
        let exit = tokio::select! {
            exit = reading => exit.map_err(|trouble: Trouble| trouble.into_failure("could not be asked about the step"))?,
            never = ending::stop_when(&inner.engine, &name, &stop, grace) => match never {},
        };
        let wrote = read_wrote(&inner, dir, &mut output).await;
        output.finish()?;
        Ok(Ended { exit, wrote, observed: Observed::default() })
    };
    Live { started_at, exit: Box::pin(exit) }
}

/// What the ended attempt wrote into its files; what cannot be taken is told in its log.
async fn read_wrote(inner: &Inner, dir: Option<PathBuf>, output: &mut Output) -> Wrote {
    let Some(dir) = dir else { return Wrote::default() };
    match inner.tasks.spawn_blocking(move || wrote::read(&dir)).await {
        Ok((wrote, left_out)) => {
            left_out.iter().for_each(|sentence| output.say(sentence));
            wrote
        }
        Err(panic) => {
            output.say(&format!("nothing is taken from the step's files: {panic}"));
            Wrote::default()
        }
    }
}

/// The engine's log of a container, as long as it runs.
pub(super) async fn follow_log(inner: &Inner, name: &str, output: &mut Output) -> Result<End, Trouble> {
    let link = inner.engine.link().await?;
    let options = LogsOptionsBuilder::new().follow(true).stdout(true).stderr(true).timestamps(true).build();
    Ok(output.follow_log(Box::pin(link.client.logs(name, Some(options)))).await)
}
