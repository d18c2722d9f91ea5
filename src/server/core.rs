//! The one loop: input → board → store → perform.
//!
//! **Invariants:** everything that changes a run comes through here, one message at a time; a turn's commands are performed only once its changes
//! are stored; when storing fails the board is thrown away and made anew from the store.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::{Notify, Semaphore, oneshot, watch};

use crate::base::{AttemptKey, Clock, JobKey, Tasks, Timestamp, limits};
use crate::executor::Survivor;
use crate::git::{Bases, Credentials};
use crate::run::{Event, Run};
use crate::schedule::{Board, Input, Turn};
use crate::store::{self, Store};

use super::fleet::{Fleet, Silent};
use super::handle::{Handle, Shared};
use super::keep::{self, Keep, KeepConfig};
use super::outlines::Outlines;
use super::perform::Performer;
use super::{Layout, Source, engine, poll, source, timer};

/// What a server is made of.
pub struct Config {
    /// The data directory, absolute.
    pub data: PathBuf,
    /// From SIGTERM to SIGKILL.
    pub grace_ms: u64,
    /// An engine's silence after which its jobs go on elsewhere, or end; where there are others.
    pub engine_timeout_ms: u64,
    /// Prefix of `CI_RUN_URL`, without a slash at its end; empty where there is no dashboard.
    pub url: String,
    pub credentials: Credentials,
    /// Whether repositories are watched; `gantry run` has none.
    pub watch: bool,
    pub keep: KeepConfig,
    /// Whether terminals open in steps that were given secrets.
    pub shell_secrets: bool,
}

/// What the loop is told.
pub(super) enum Message {
    Input(Input),
    /// Something happened to a live attempt.
    Happened {
        key: AttemptKey,
        event: Event,
    },
    /// The last word of a live attempt: it is live no more. `silent`: its engine did not answer.
    Last {
        key: AttemptKey,
        event: Option<Event>,
        silent: Option<Silent>,
    },
    /// A job is prepared, or not.
    Prepared {
        key: JobKey,
        event: Event,
        silent: Option<Silent>,
    },
    /// What an engine has.
    Compare {
        engine: String,
        survivors: Vec<Survivor>,
        asked_at: Timestamp,
    },
    /// Someone asks for something, and waits for the word that it is stored.
    Ask {
        input: Input,
        answer: oneshot::Sender<Result<(), Refused>>,
    },
}

/// Why an ask was not carried out.
#[derive(Debug)]
pub(super) enum Refused {
    /// It changes nothing, because …
    Ignored(&'static str),
    Store(store::Error),
}

/// A running server.
pub struct Server {
    handle: Handle,
    tasks: Tasks,
    /// Removals and releases: waited for at the end, so that nothing is left behind.
    cleaning: Tasks,
}

impl Server {
    /// Starts the loop and what feeds it. Unfinished runs in the store are taken up.
    pub async fn start(config: Config, store: Store, fleet: Fleet, source: Source, clock: Clock) -> Result<Self, store::Error> {
        let tasks = Tasks::default();
        let cleaning = Tasks::default();
        let (tell, messages) = unbounded_channel();
        let layout = Layout::new(&config.data);
        let keep = Arc::new(Keep::open(&config.keep, &layout, &store, &tasks, &clock).await?);
        let shared = Arc::new(Shared {
            keep,
            bases: Arc::new(Bases::new(&layout.bases(), &layout.work())),
            kept: Arc::default(),
            layout,
            changes: watch::Sender::new(store.last_event().await?),
            watchers: poll::Watchers::default(),
            timer: Notify::new(),
            terminals: Arc::new(Semaphore::new(limits::TERMINALS)),
            outlines: Outlines::default(),
            tasks: tasks.clone(),
            store,
            clock,
            fleet,
            source,
            config,
            tell,
        });
        source::sweep(&shared);
        shared.store.sweep_attempt_secrets().await?;
        shared.store.sweep_terminals(shared.clock.now()).await?;
        let unfinished = shared.store.unfinished().await?;
        if !unfinished.is_empty() {
            tracing::info!(runs = unfinished.len(), "taking up the runs that had not ended");
        }
        let performer = Performer::new(Arc::clone(&shared), cleaning.clone());
        let core = Core { board: new_board(&shared), messages, performer, shared: Arc::clone(&shared) };
        tasks.spawn(core.run(unfinished));
        for engine in shared.fleet.iter() {
            tasks.spawn(engine::watch(Arc::clone(&shared), Arc::clone(engine)));
        }
        tasks.spawn(keep::tidy(Arc::clone(&shared)));
        tasks.spawn(keep::pack_logs(Arc::clone(&shared)));
        if shared.config.watch {
            poll::watch_all(&shared).await?;
            tasks.spawn(timer::watch(Arc::clone(&shared)));
            for engine in shared.fleet.iter() {
                tasks.spawn(keep::record_pulls(Arc::clone(&shared), Arc::clone(engine)));
            }
        }
        Ok(Self { handle: Handle::new(shared), tasks, cleaning })
    }

    /// What others may ask of it.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Ends the loop and its tasks. What runs in the executor goes on; the next start takes it up.
    pub async fn stop(self) {
        self.tasks.end().await;
        self.cleaning.end().await;
        self.handle.store().close().await;
    }
}

struct Core {
    board: Board,
    messages: UnboundedReceiver<Message>,
    performer: Performer,
    shared: Arc<Shared>,
}

impl Core {
    async fn run(mut self, unfinished: Vec<Run>) {
        for run in unfinished {
            // Nothing to answer: what is refused here has been told where it was refused.
            let _ = self.turn(Input::Queued(Box::new(run))).await;
        }
        let ending = self.shared.tasks.ending.clone();
        loop {
            let wake = self.board.wake_at().map(|at| at.until(self.shared.clock.now()));
            // A millisecond more than the deadline, so that it has passed for certain.
            let sleep = wake.unwrap_or_default().saturating_add(Duration::from_millis(1));
            let message = tokio::select! {
                biased;
                () = ending.cancelled() => break,
                message = self.messages.recv() => message,
                () = tokio::time::sleep(sleep), if wake.is_some() => Some(Message::Input(Input::Woken)),
            };
            let Some(message) = message else { break };
            self.hear(message).await;
        }
    }

    async fn hear(&mut self, message: Message) {
        let input = match message {
            Message::Input(input) => input,
            Message::Happened { key, event } => Input::Run(key.run, event),
            Message::Last { key, event, silent } => {
                self.performer.heard_last_of(&key);
                self.went_silent(silent).await;
                let Some(event) = event else { return };
                Input::Run(key.run, event)
            }
            Message::Prepared { key, event, silent } => {
                self.performer.heard_prepared(&key);
                self.went_silent(silent).await;
                Input::Run(key.run, event)
            }
            Message::Compare { engine, survivors, asked_at } => {
                // A live task knows better than the engine's list, which may be older.
                let mut known: Vec<AttemptKey> = survivors.into_iter().map(|survivor| survivor.key).collect();
                known.extend(self.performer.live_attempts(&engine).cloned());
                known.sort();
                known.dedup();
                Input::Survivors { engine, known, asked_at }
            }
            Message::Ask { input, answer } => {
                let done = self.turn(input).await;
                // Whoever asked may have gone away.
                let _ = answer.send(done);
                return;
            }
        };
        match self.turn(input).await {
            Ok(()) | Err(Refused::Store(_)) => {}
            Err(Refused::Ignored(why)) => tracing::debug!(why, "an event changed nothing"),
        }
    }

    /// An engine did not answer someone: nothing more is given out to it until its watch says it is back.
    async fn went_silent(&mut self, silent: Option<Silent>) {
        if let Some(Silent { engine, why }) = silent {
            if let Some(engine) = self.shared.fleet.named(&engine) {
                engine.is_said(Err(why.clone()));
            }
            let _ = self.turn(Input::Engine { name: engine, state: Err(why) }).await;
        }
    }

    async fn turn(&mut self, input: Input) -> Result<(), Refused> {
        let now = self.shared.clock.now();
        let turn = self.board.handle(input, now);
        if !turn.changes.is_empty() {
            match self.shared.store.commit(&turn.changes, now).await {
                Ok(seq) => {
                    self.shared.changes.send_replace(seq);
                }
                Err(error) => {
                    tracing::error!(%error, "a change could not be stored; the runs are read again from the store");
                    self.reload().await;
                    return Err(Refused::Store(error));
                }
            }
        }
        let Turn { changes: _, commands, ended, ignored } = turn;
        for order in commands {
            self.performer.perform(order, &self.board);
        }
        for run in ended {
            tracing::info!(%run, "run ended");
        }
        ignored.map_or(Ok(()), |why| Err(Refused::Ignored(why)))
    }

    /// The same path as after a crash: a new board from the store, then a comparison with each engine.
    async fn reload(&mut self) {
        let mut wait = Duration::from_millis(100);
        let runs = loop {
            match self.shared.store.unfinished().await {
                Ok(runs) => break runs,
                Err(error) => tracing::error!(%error, "the store cannot be read; trying again"),
            }
            tokio::select! {
                () = self.shared.tasks.ending.cancelled() => return,
                () = tokio::time::sleep(wait) => wait = (wait * 2).min(Duration::from_secs(10)),
            }
        };
        self.board = new_board(&self.shared);
        for run in runs {
            // The board counts every engine as silent, so nothing starts here; what changed is stored with each run's next turn.
            self.board.restore(run);
        }
        // Each watch asks its engine anew, says that it answers, and compares.
        for engine in self.shared.fleet.iter() {
            engine.is_said(Err("the store had failed; the engine is being asked again".to_owned()));
        }
    }
}

fn new_board(shared: &Shared) -> Board {
    Board::new(shared.fleet.infos()).patient_for(shared.config.engine_timeout_ms).keeping(shared.config.keep.failed_ms)
}
