//! An attempt whose container runs, or has run: its output to the end, then its exit, wherever both come from.
//!
//! **Invariant:** nothing runs unless the future is polled; when it is dropped, the container goes on.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bollard::query_parameters::LogsOptionsBuilder;
use tokio_util::sync::CancellationToken;

use super::output::{End, Output};
use super::record::Record;
use super::seen::Seen;
use super::start::Pieces;
use super::trouble::Trouble;
use super::{Inner, carried, container, ending, names, seen};
use crate::base::{Timestamp, limits};
use crate::executor::{Ended, Failure, Live, Wrote, wrote};
use crate::run::{Exit, Observed};

/// Where output and exit come from.
pub(super) enum Source {
    /// The record that its first process writes.
    Record(Box<Record>),
    /// The engine's stream from the first byte on.
    Attached(Pieces),
    /// The engine's log.
    Log,
}

/// Where the files are that the step may write to.
pub(super) enum Files {
    /// In the attempt's own directory.
    Here(PathBuf),
    /// In its container.
    There,
    /// Nobody knows.
    Lost,
}

/// A begun attempt.
pub(super) struct Begun {
    pub name: String,
    pub files: Files,
    pub started_at: Timestamp,
    pub grace_ms: u64,
    pub source: Source,
}

/// One that began before, as the engine tells of it.
pub(super) async fn again(inner: &Arc<Inner>, name: String, seen: &Seen, output: Output, stop: CancellationToken) -> Live {
    let started_ns = seen.started_ns.unwrap_or_else(|| inner.clock.now_ns());
    let files = files_of(seen);
    let source = match names::record_dir(&seen.labels) {
        Some(record) => Source::Record(Box::new(Record::again(&record, output.passing(), started_ns).await)),
        None => Source::Log,
    };
    let grace_ms = names::grace_of(&seen.labels).unwrap_or(limits::GRACE_MS);
    live(inner, Begun { name, files, started_at: Timestamp(started_ns.div_euclid(1_000_000)), grace_ms, source }, output, stop)
}

/// By a container's labels.
fn files_of(seen: &Seen) -> Files {
    if names::is_carried(&seen.labels) {
        return Files::There;
    }
    let attempt = names::root_of(&seen.labels).zip(names::key_of(&seen.labels));
    attempt.map_or(Files::Lost, |(root, key)| Files::Here(container::private_dir(root, &key)))
}

/// Reads the output to the end, then the exit, and stops the attempt when told to.
pub(super) fn live(inner: &Arc<Inner>, begun: Begun, mut output: Output, stop: CancellationToken) -> Live {
    let Begun { name, files, started_at, grace_ms, source } = begun;
    let inner = Arc::clone(inner);
    let grace = Duration::from_millis(grace_ms);
    let exit = async move {
        let reading = async {
            match source {
                Source::Record(record) => record.end(&inner.engine, &name, &stop, &mut output).await,
                Source::Attached(pieces) => {
                    let end = output.follow(pieces).await;
                    by_log(&inner, &name, &stop, &mut output, end).await
                }
                Source::Log => {
                    let end = follow_log(&inner, &name, &mut output).await?;
                    by_log(&inner, &name, &stop, &mut output, end).await
                }
            }
        };
        let (exit, observed) = tokio::select! {
            ended = reading => ended.map_err(|trouble: Trouble| trouble.into_failure("could not be asked about the step"))?,
            never = ending::stop_when(&inner.engine, &name, &stop, grace) => match never {},
        };
        let wrote = read_wrote(&inner, &name, files, &mut output).await?;
        output.finish()?;
        Ok(Ended { exit, wrote, observed })
    };
    Live { started_at, exit: Box::pin(exit) }
}

/// The exit of a container whose output the engine keeps; `end` is how its stream ended.
async fn by_log(
    inner: &Inner,
    name: &str,
    stop: &CancellationToken,
    output: &mut Output,
    mut end: End,
) -> Result<(Exit, Observed), Trouble> {
    loop {
        if end == End::Broken {
            return Err(Trouble::Unreachable(format!(
                "the connection to Docker at {} broke while the step ran",
                inner.engine.host
            )));
        }
        match ending::exit(&inner.engine, name, stop, output).await? {
            Some(exit) => {
                // Here the engine's word is all that there is.
                let seen = if exit == Exit::Code(0) { None } else { seen::look(&inner.engine, name).await? };
                let oom_kills = seen.filter(|seen| seen.out_of_memory).map(|_| 1);
                return Ok((exit, Observed { oom_kills, ..Observed::default() }));
            }
            None => end = follow_log(inner, name, output).await?,
        }
    }
}

/// What the ended attempt wrote into its files; what cannot be taken is told in its log.
async fn read_wrote(inner: &Inner, name: &str, files: Files, output: &mut Output) -> Result<Wrote, Failure> {
    let (wrote, left_out) = match files {
        Files::Here(dir) => match inner.tasks.spawn_blocking(move || wrote::read(&dir)).await {
            Ok(read) => read,
            Err(panic) => (Wrote::default(), vec![format!("nothing is taken from the step's files: {panic}")]),
        },
        Files::There => carried::read_wrote(inner, name).await?,
        Files::Lost => return Ok(Wrote::default()),
    };
    left_out.iter().for_each(|sentence| output.say(sentence));
    Ok(wrote)
}

/// The engine's log of a container, as long as it runs.
pub(super) async fn follow_log(inner: &Inner, name: &str, output: &mut Output) -> Result<End, Trouble> {
    let link = inner.engine.link().await?;
    let options = LogsOptionsBuilder::new().follow(true).stdout(true).stderr(true).timestamps(true).build();
    Ok(output.follow_log(Box::pin(link.client.logs(name, Some(options)))).await)
}
