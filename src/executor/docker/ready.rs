//! Whether a service is ready, in each of the ways in which it can show it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bollard::exec::{StartExecOptions, StartExecResults};
use bollard::models::ExecConfig;
use futures_util::StreamExt;

use super::engine::Engine;
use super::hearing::Heard;
use super::listeners::Listeners;
use super::seen::{self, Phase};
use super::trouble::Trouble;
use crate::pipeline::{Ready, ServicePlan};
use crate::run::Stream;

/// Between two looks at the sockets: a byte and some lines each.
const LISTEN_EVERY: Duration = Duration::from_millis(25);
/// Between two looks at a container: a millisecond of the engine's each.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Between two runs of a command: 50 ms of the engine's each, and the command's own.
const ASK_EVERY: Duration = Duration::from_millis(250);
/// A service of which nothing else is known counts as ready when it still runs after this: a wrong setting ends most of them at once.
const SETTLED: Duration = Duration::from_millis(250);

/// One service that is waited for.
pub(super) struct Waiting<'a> {
    engine: &'a Engine,
    container: &'a str,
    listeners: &'a Listeners<'a>,
    heard: &'a Heard,
    /// What the way in which it shows its readiness said last.
    said: Mutex<Option<String>>,
}

impl<'a> Waiting<'a> {
    pub(super) fn new(engine: &'a Engine, container: &'a str, listeners: &'a Listeners<'a>, heard: &'a Heard) -> Self {
        Self { engine, container, listeners, heard, said: Mutex::default() }
    }

    /// Waits until it is ready. A service that ends meanwhile is for others to see.
    pub(super) async fn until(&self, ready: &Ready) -> Result<(), Trouble> {
        match ready {
            Ready::Port(port) => {
                while !self.listeners.has(*port).await? {
                    tokio::time::sleep(LISTEN_EVERY).await;
                }
                Ok(())
            }
            Ready::Log(_) => {
                self.heard.text().await;
                Ok(())
            }
            Ready::Command(text) => {
                while !self.passes(text).await? {
                    tokio::time::sleep(ASK_EVERY).await;
                }
                Ok(())
            }
            Ready::Health => self.healthy().await,
        }
    }

    /// What it said last about not being ready.
    pub(super) fn said(&self) -> Option<String> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, said: Option<String>) {
        *self.said.lock().unwrap_or_else(PoisonError::into_inner) = said;
    }

    /// Whether the command exits with 0 inside the service.
    async fn passes(&self, text: &str) -> Result<bool, Trouble> {
        let heard = Heard::listening_for(None);
        match self.exec(text, &heard).await {
            Ok(code) => {
                self.note(heard.last_words().or_else(|| Some(format!("exit code {code}"))));
                Ok(code == 0)
            }
            // It has just ended, or its image has no shell: whoever waits for it is told in the end.
            Err(Trouble::Refused { message, .. }) => {
                self.note(Some(message.trim().to_owned()));
                Ok(false)
            }
            Err(unreachable) => Err(unreachable),
        }
    }

    async fn exec(&self, text: &str, heard: &Heard) -> Result<i64, Trouble> {
        let config = ExecConfig {
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(vec!["/bin/sh".to_owned(), "-c".to_owned(), text.to_owned()]),
            ..ExecConfig::default()
        };
        let container = self.container;
        let made = self.engine.ask(|client| async move { client.create_exec(container, config).await }).await?;
        let id = &made.id;
        let started = self.engine.ask(|client| async move { client.start_exec(id, None::<StartExecOptions>).await }).await?;
        if let StartExecResults::Attached { mut output, .. } = started {
            while let Some(Ok(piece)) = output.next().await {
                heard.take(Stream::Stdout, piece.as_ref());
            }
        }
        let ended = self.engine.ask(|client| async move { client.inspect_exec(id).await }).await?;
        Ok(ended.exit_code.unwrap_or(-1))
    }

    /// By the image's HEALTHCHECK; without one, that it still runs after a moment.
    async fn healthy(&self) -> Result<(), Trouble> {
        let mut settled = false;
        loop {
            let seen = seen::look(self.engine, self.container).await?;
            let pause = match seen.filter(|seen| seen.phase == Phase::Running).map(|seen| seen.health) {
                Some(None) if settled => return Ok(()),
                Some(None) => {
                    settled = true;
                    SETTLED
                }
                Some(Some(health)) if health.is_good => return Ok(()),
                Some(Some(health)) => {
                    self.note(health.said);
                    LOOK_EVERY
                }
                None => LOOK_EVERY,
            };
            tokio::time::sleep(pause).await;
        }
    }
}

/// `port 5432`, as the sentence about a service that is not ready has it.
pub(super) fn way(service: &ServicePlan) -> String {
    match &service.ready {
        Ready::Port(port) => format!("port {port}"),
        Ready::Command(text) => format!("command `{}`", shortened(text)),
        Ready::Log(text) => format!("log `{}`", shortened(text)),
        Ready::Health => "its image's HEALTHCHECK".to_owned(),
    }
}

fn shortened(text: &str) -> String {
    let line = text.trim().lines().next().unwrap_or_default();
    if line.chars().count() > 80 { line.chars().take(80).chain(['…']).collect() } else { line.to_owned() }
}
