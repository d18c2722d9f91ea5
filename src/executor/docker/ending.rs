//! The end of an attempt: stopping it, and reading its exit.
//!
//! **An exit is taken only from a look at the container over a connection made after the output ended.** An engine that shuts down closes its door
//! first and ends its containers then, so whoever still gets in afterwards gets the exit of a step that ended by itself. The others find the engine
//! gone and ask the next one, which must be able to tell what its predecessor did: that is what [`was_lost`] is for.

use std::time::Duration;

use bollard::query_parameters::{KillContainerOptionsBuilder, WaitContainerOptions};
use futures_util::StreamExt;
use tokio_util::sync::CancellationToken;

use super::engine::Engine;
use super::output::Output;
use super::seen::{self, Phase, Seen};
use super::trouble::Trouble;
use crate::run::Exit;

/// 128 + SIGKILL: the engine ended it ([`super::container::ENGINE_STOP_SIGNAL`]).
const KILLED: i64 = 137;
/// 128 + SIGTERM: the machine's shutdown may send it to every process, past the engine.
const TERMINATED: i64 = 143;
/// What the engine writes down for a container that was gone when the engine came back, after a crash of the machine.
const UNKNOWN: i64 = 255;

/// Said in the log of a step that was killed for want of memory.
pub(super) const OUT_OF_MEMORY: &str = "killed: the step used more memory than it may";

/// The engine's own word of an exit comes up to 65 ms after the end of the output.
const PATIENCE: Duration = Duration::from_secs(1);

/// Waits for `stop`, then ends the container: SIGTERM, the grace, SIGKILL. Never returns; whoever reads the output sees the end.
pub(super) async fn stop_when(
    engine: &Engine,
    name: &str,
    stop: &CancellationToken,
    grace: Duration,
) -> std::convert::Infallible {
    stop.cancelled().await;
    // A signal that does not arrive (it has just ended, the engine is gone) changes nothing: the reader of the output learns either.
    let _ = signal(engine, name, "SIGTERM").await;
    tokio::time::sleep(grace).await;
    let _ = signal(engine, name, "SIGKILL").await;
    std::future::pending().await
}

async fn signal(engine: &Engine, name: &str, signal: &str) -> Result<(), Trouble> {
    let options = KillContainerOptionsBuilder::new().signal(signal).build();
    engine.ask(|client| async move { client.kill_container(name, Some(options)).await }).await
}

/// The exit of a container whose output has ended; `None` if it still runs after a little patience: it closed its output and goes on, or it is the
/// engine that let go of the output.
pub(super) async fn exit(
    engine: &Engine,
    name: &str,
    stop: &CancellationToken,
    output: &mut Output,
) -> Result<Option<Exit>, Trouble> {
    for patience in [Some(PATIENCE), None] {
        match seen::look(engine, name).await? {
            None => {
                return Ok(Some(Exit::Lost("its container was removed while it ran, not by this server".to_owned())));
            }
            Some(seen) => match seen.phase {
                Phase::Created => return Ok(Some(Exit::Lost("its container never ran".to_owned()))),
                Phase::Ended => return judge(engine, &seen, stop.is_cancelled(), output).await.map(Some),
                Phase::Running => {}
            },
        }
        if let Some(patience) = patience {
            let link = engine.link().await?;
            let mut ended = link.client.wait_container(name, None::<WaitContainerOptions>);
            // The answer is not used (see above), and an error of the connection shows in the next look.
            let _ = tokio::time::timeout(patience, ended.next()).await;
        }
    }
    Ok(None)
}

async fn judge(engine: &Engine, seen: &Seen, stopped_by_us: bool, output: &mut Output) -> Result<Exit, Trouble> {
    if seen.out_of_memory {
        output.say(OUT_OF_MEMORY);
    }
    let explained = seen.out_of_memory || stopped_by_us;
    if !explained && went_with_engine(engine, seen).await? {
        return Ok(Exit::Lost("Docker was stopped while the step ran, which ended it".to_owned()));
    }
    Ok(Exit::Code(i32::try_from(seen.exit_code).unwrap_or(i32::from(u8::MAX))))
}

/// Whether it was the engine's end, or the machine's, that ended this container.
pub(super) async fn went_with_engine(engine: &Engine, seen: &Seen) -> Result<bool, Trouble> {
    Ok(matches!(seen.exit_code, KILLED | TERMINATED | UNKNOWN) && was_lost(seen.finished_ns, engine.started_ns().await?))
}

/// Whether a container that was killed ended with an earlier life of the engine: it ended before this engine was ready.
fn was_lost(finished_ns: Option<i64>, engine_started_ns: Option<i64>) -> bool {
    matches!((finished_ns, engine_started_ns), (Some(finished), Some(started)) if finished <= started)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_ended_before_the_engine_began_was_lost_with_it() {
        assert!(was_lost(Some(10), Some(20)));
        assert!(!was_lost(Some(30), Some(20)));
        assert!(!was_lost(None, Some(20)));
        assert!(!was_lost(Some(10), None));
    }
}
