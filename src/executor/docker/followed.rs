//! Who follows the output of which service. **Invariant:** one reader for each container at a time, whatever ends it: what is claimed is given back when
//! the claim is dropped.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::Inner;
use super::hearing::Heard;
use super::live::follow_log;
use super::output::{End, Output};
use super::seen::{self, Phase};
use super::start::Pieces;
use crate::base::JobKey;

/// Between two tries to follow a container whose output has ended and that still runs: it closed it.
const STILL_RUNNING: Duration = Duration::from_secs(1);

/// The services whose output is being followed, by the names of their containers.
#[derive(Default)]
pub(super) struct Followed {
    by_name: Mutex<BTreeMap<String, Arc<Following>>>,
}

/// What is known of one service by its output.
pub(super) struct Following {
    pub heard: Arc<Heard>,
    fate: watch::Sender<Fate>,
}

/// How far a service's output has been followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Followed,
    /// The engine or this server went away; another reader may go on.
    Broken,
    Ended {
        code: i64,
    },
    /// Its container is no more.
    Gone,
}

/// The right to follow one service.
pub(super) struct Claim {
    inner: Arc<Inner>,
    job: JobKey,
    name: String,
    following: Arc<Following>,
}

impl Followed {
    fn by_name(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Following>>> {
        self.by_name.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Following {
    /// Waits until nobody follows it any more.
    pub(super) async fn end(&self) -> Fate {
        let mut fate = self.fate.subscribe();
        let ended = fate.wait_for(|fate| *fate != Fate::Followed).await;
        ended.map_or(Fate::Broken, |fate| *fate)
    }
}

impl Claim {
    /// Claims a container by its name, listening for `sought`; an error is whoever has it already.
    pub(super) fn of(inner: &Arc<Inner>, job: &JobKey, name: &str, sought: Option<&str>) -> Result<Self, Arc<Following>> {
        let mut by_name = inner.followed.by_name();
        if let Some(following) = by_name.get(name) {
            return Err(Arc::clone(following));
        }
        let heard = Arc::new(Heard::listening_for(sought));
        let following = Arc::new(Following { heard, fate: watch::Sender::new(Fate::Followed) });
        by_name.insert(name.to_owned(), Arc::clone(&following));
        Ok(Self { inner: Arc::clone(inner), job: job.clone(), name: name.to_owned(), following })
    }

    pub(super) fn following(&self) -> Arc<Following> {
        Arc::clone(&self.following)
    }

    /// Follows the output in the background until it ends: the attached stream, or else the engine's log.
    pub(super) fn follow(self, output: Output, pieces: Option<Pieces>) {
        let tasks = self.inner.tasks.clone();
        let output = output.heard_by(Arc::clone(&self.following.heard));
        tasks.clone().spawn(async move {
            let fate = tokio::select! {
                fate = self.read(output, pieces) => fate,
                // Its log stays open: the next server goes on with it.
                () = tasks.ending.cancelled() => Fate::Broken,
            };
            self.following.fate.send_replace(fate);
        });
    }

    async fn read(&self, mut output: Output, pieces: Option<Pieces>) -> Fate {
        let mut end = match pieces {
            Some(pieces) => Ok(output.follow(pieces).await),
            None => follow_log(&self.inner, &self.name, &mut output).await,
        };
        loop {
            if !matches!(end, Ok(End::Closed)) {
                return Fate::Broken;
            }
            let fate = match seen::look(&self.inner.engine, &self.name).await {
                Err(_) => return Fate::Broken,
                Ok(None) => Fate::Gone,
                Ok(Some(seen)) => match seen.phase {
                    Phase::Running => {
                        tokio::time::sleep(STILL_RUNNING).await;
                        end = follow_log(&self.inner, &self.name, &mut output).await;
                        continue;
                    }
                    Phase::Created | Phase::Ended => Fate::Ended { code: seen.exit_code },
                },
            };
            // With its job it ends in any case; that is nothing to tell.
            if let Fate::Ended { code } = fate
                && self.inner.knows(&self.job)
            {
                output.say(&format!("the service ended with {code}"));
            }
            if let Err(failure) = output.finish() {
                tracing::warn!(container = self.name, %failure, "the log of a service is not complete");
            }
            return fate;
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.inner.followed.by_name().remove(&self.name);
        self.following.fate.send_if_modified(|fate| {
            let unfinished = *fate == Fate::Followed;
            if unfinished {
                *fate = Fate::Broken;
            }
            unfinished
        });
    }
}
