//! A terminal in a step's container, by the engine's `exec`: a shell beside the step, under the same user and limits.
//!
//! The engine ends nothing that `exec` began when its connection goes away. So the first line that comes is the shell's process number, which is read
//! and not passed on: by it a second `exec` ends the shell, and with the leader of its session gone the kernel hangs up on what runs in front.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bollard::exec::StartExecOptions;
use bollard::models::ExecConfig;
use bollard::query_parameters::ResizeExecOptionsBuilder;
use bytes::Bytes;
use futures_util::{StreamExt, stream};

use super::hijack::{self, Hijacked};
use super::seen::{self, Phase};
use super::trouble::Trouble;
use super::{Inner, container, names};
use crate::executor::terminal::{Terminal, TerminalAt, TerminalControl, TerminalSize};
use crate::executor::workspace::WORKSPACE;
use crate::executor::{ByteStream, Failure};

pub(super) const SHELL: &str = "/bin/sh";
/// Says who it is, then becomes the best shell that there is.
pub(super) const SCRIPT: &str = "echo $$; if command -v bash >/dev/null 2>&1; then exec bash; fi; exec sh";
/// Until the shell has said who it is: a start takes 50 ms, on a machine under load seconds.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of the first line, and of what the engine says instead.
const FIRST_LINE: usize = 1024;
/// An `exec` is known to have ended a moment after its output has: asked so often, in this pause.
const ASKS: u32 = 100;
/// The exit code of what was killed.
const KILLED: i64 = 137;
/// Looks at the container of a terminal that was killed, a [`PAUSE`] apart.
const LOOKS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(50);

/// Opens one.
pub(super) async fn open(inner: &Arc<Inner>, at: &TerminalAt) -> Result<Terminal, Failure> {
    let name = names::container_name(&inner.instance, &at.key);
    let cannot = |trouble: Trouble| trouble.into_failure("could not open a terminal");
    match seen::look(&inner.engine, &name).await.map_err(cannot)? {
        Some(seen) if seen.phase == Phase::Running => {}
        Some(_) | None => return Err(Failure::Gone),
    }
    let config = ExecConfig {
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        tty: Some(true),
        env: Some(environment(&at.env)),
        working_dir: Some(WORKSPACE.to_owned()),
        cmd: Some(vec![SHELL.to_owned(), "-c".to_owned(), SCRIPT.to_owned()]),
        ..ExecConfig::default()
    };
    let of = &name;
    let made = inner.engine.ask(|client| async move { client.create_exec(of, config).await }).await.map_err(cannot)?;
    let id = made.id;
    let Hijacked { output, input } = hijack::start(&inner.engine, &id).await?;
    let (process, output) = greeted(output).await?;
    let control = Control { inner: Arc::clone(inner), container: name, id, process };
    control.resize(at.size).await?;
    Ok(Terminal { output, input, control: Box::new(control) })
}

/// Waits for the shell to say its process number; with what comes after it.
pub(super) async fn greeted(mut output: ByteStream) -> Result<(u32, ByteStream), Failure> {
    let first = tokio::time::timeout(PATIENCE, first_line(&mut output)).await;
    let (line, rest) = first.map_err(|_| Failure::Infrastructure("its shell does not start".to_owned()))?;
    let Ok(process) = String::from_utf8_lossy(&line).trim().parse::<u32>() else { return Err(no_shell(&line)) };
    let rest = stream::iter((!rest.is_empty()).then(|| Ok(Bytes::from(rest))));
    Ok((process, Box::pin(rest.chain(output))))
}

/// Everything up to the first newline, and what came after it at once.
async fn first_line(output: &mut ByteStream) -> (Vec<u8>, Vec<u8>) {
    let mut line = Vec::new();
    while line.len() < FIRST_LINE {
        if let Some(end) = line.iter().position(|byte| *byte == b'\n') {
            let rest = line.split_off(end + 1);
            return (line, rest);
        }
        match output.next().await {
            Some(Ok(piece)) => line.extend_from_slice(&piece),
            Some(Err(_)) | None => break,
        }
    }
    (line, Vec::new())
}

/// What came instead of a process number: the engine's word that there is no such program, as a rule.
fn no_shell(said: &[u8]) -> Failure {
    let said: String = String::from_utf8_lossy(said).chars().filter(|char| !char.is_control()).take(300).collect();
    Failure::Infrastructure(format!("the step's image has no shell that starts ({SHELL}): {}", said.trim()))
}

/// The step's own, and what programs on a terminal ask for.
pub(super) fn environment(env: &BTreeMap<String, String>) -> Vec<String> {
    let mut env = container::with_ours(env.clone());
    env.insert("TERM".to_owned(), "xterm-256color".to_owned());
    env.into_iter().map(|(name, value)| format!("{name}={value}")).collect()
}

struct Control {
    inner: Arc<Inner>,
    container: String,
    id: String,
    /// The shell's number in its container.
    process: u32,
}

impl Control {
    /// Whether the container of the step ends now: the engine knows it a moment after what ran in it has ended.
    async fn container_ends(&self) -> Result<bool, Failure> {
        for _ in 0..LOOKS {
            let seen = seen::look(&self.inner.engine, &self.container).await;
            let seen = seen.map_err(|trouble| trouble.into_failure("could not be asked about a terminal"))?;
            if seen.is_none_or(|seen| seen.phase != Phase::Running) {
                return Ok(true);
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(false)
    }
}

#[async_trait]
impl TerminalControl for Control {
    async fn resize(&self, size: TerminalSize) -> Result<(), Failure> {
        let TerminalSize { columns, rows } = size;
        let options = ResizeExecOptionsBuilder::new().h(rows.into()).w(columns.into()).build();
        let id = &self.id;
        let done = self.inner.engine.ask(|client| async move { client.resize_exec(id, options).await }).await;
        match done {
            Ok(()) | Err(Trouble::Refused { .. }) => Ok(()),
            Err(trouble) => Err(trouble.into_failure("could not resize a terminal")),
        }
    }

    async fn exit_code(&self) -> Result<Option<i64>, Failure> {
        let id = &self.id;
        for _ in 0..ASKS {
            let seen = match self.inner.engine.ask(|client| async move { client.inspect_exec(id).await }).await {
                Ok(seen) => seen,
                // Its container is gone, and with it who could say.
                Err(Trouble::Refused { .. }) => return Ok(None),
                Err(trouble) => return Err(trouble.into_failure("could not be asked about a terminal")),
            };
            if seen.running != Some(true) {
                // Whoever is killed with its container has not ended by itself.
                let is_over = seen.exit_code == Some(KILLED) && self.container_ends().await?;
                return Ok(seen.exit_code.filter(|_| !is_over));
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(None)
    }

    async fn end(&self) {
        let config = ExecConfig {
            cmd: Some(vec![SHELL.to_owned(), "-c".to_owned(), "kill -9 \"$0\"".to_owned(), self.process.to_string()]),
            ..ExecConfig::default()
        };
        let container = &self.container;
        let ended = async {
            let made = self.inner.engine.ask(|client| async move { client.create_exec(container, config).await }).await?;
            let (id, options) = (&made.id, StartExecOptions { detach: true, tty: false, output_capacity: None });
            self.inner.engine.ask(|client| async move { client.start_exec(id, Some(options)).await }).await
        };
        if let Err(trouble) = ended.await {
            // With its container it has ended anyway.
            tracing::debug!(?trouble, container, "the shell of a terminal could not be ended");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(texts: &[&'static str]) -> ByteStream {
        let pieces: Vec<_> = texts.iter().map(|text| Ok(Bytes::from_static(text.as_bytes()))).collect();
        Box::pin(stream::iter(pieces))
    }

    #[tokio::test]
    async fn the_first_line_is_taken_out_in_whatever_pieces_it_comes() {
        for texts in [&["12\r\n# "][..], &["1", "2\r", "\n# "], &["12\r\n", "# "]] {
            let mut output = pieces(texts);
            let (line, mut rest) = first_line(&mut output).await;
            assert_eq!(line, b"12\r\n", "{texts:?}");
            while let Some(Ok(piece)) = output.next().await {
                rest.extend_from_slice(&piece);
            }
            assert_eq!(rest, b"# ", "{texts:?}");
        }
    }

    #[tokio::test]
    async fn a_line_without_end_comes_to_one() {
        let long: &'static str = Box::leak("x".repeat(5000).into_boxed_str());
        assert_eq!(first_line(&mut pieces(&[long, "\n"])).await.0.len(), 5000);
        assert_eq!(first_line(&mut pieces(&["OCI runtime"])).await.0, b"OCI runtime");
    }
}
