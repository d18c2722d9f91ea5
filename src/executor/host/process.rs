//! One attempt as a process group: started behind a gate, read to its end, stopped, and its rest killed.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use super::record::Attempt;
use crate::base::Clock;
use crate::executor::{Ended, Failure, Sink, wrote};
use crate::run::{Exit, Stream};

/// The gate: a shell that becomes the step's own when it gets a line, and ends when the server is gone before that.
const GATE: &str = r#"read -r _ || exit 125; exec "$@" </dev/null"#;

/// What a step gets of the server's own environment: what programs need to be found and to know where they are. No secrets live there.
const INHERITED: [&str; 8] = ["PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TMPDIR", "TZ"];

/// How long output is waited for after the step and its group have ended: only a process that left the group can still hold it open.
const LAST_OUTPUT: Duration = Duration::from_secs(2);

/// A started process group. Dropping it kills the group.
pub(super) struct Group {
    attempt: Attempt,
    child: Child,
    /// 0 once it is over: the number may soon be another's.
    pgid: i32,
    stdout: tokio::process::ChildStdout,
    stderr: tokio::process::ChildStderr,
    gate: tokio::process::ChildStdin,
}

impl Drop for Group {
    fn drop(&mut self) {
        kill_group(self.pgid);
    }
}

/// Kills every process of a group; none is fine.
pub(super) fn kill_group(pgid: i32) {
    signal_group(pgid, libc::SIGKILL);
}

#[expect(unsafe_code, reason = "std cannot signal a process group; kill(2) takes two numbers and touches no memory of ours")]
fn signal_group(pgid: i32, signal: i32) {
    // To 0, 1 and -1 kill(2) gives a meaning of its own: our own group, everybody.
    if pgid > 1 {
        // SAFETY: no pointers are involved, and every value is allowed; a group that is gone gives an error, which is what is wanted.
        unsafe {
            libc::kill(-pgid, signal);
        }
    }
}

impl Group {
    /// Starts the shell behind the gate and puts it on record; the script runs once [`Self::follow`] is polled.
    pub(super) fn spawn(
        shell: &[String],
        attempt: Attempt,
        workspace: &Path,
        env: &BTreeMap<String, String>,
    ) -> Result<Self, Failure> {
        let cannot = |error: io::Error| Failure::Infrastructure(format!("the step's process cannot be started: {error}"));
        let workspace = std::path::absolute(workspace).map_err(cannot)?;
        let inherited = INHERITED.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        let mut child = Command::new("/bin/sh")
            .args(["-c", GATE, "gantry"])
            .args(shell)
            .arg(attempt.script())
            .env_clear()
            .envs(inherited)
            .envs(env)
            .env("CI_WORKSPACE", &workspace)
            .envs(wrote::variables(&attempt.dir().join(wrote::DIR).display().to_string()))
            .current_dir(&workspace)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(cannot)?;
        let pgid = child.id().and_then(|pid| i32::try_from(pid).ok());
        let (Some(pgid), Some(gate), Some(stdout), Some(stderr)) =
            (pgid, child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(cannot(io::Error::other("it has no number or no pipes")));
        };
        let group = Self { attempt, child, pgid, stdout, stderr, gate };
        group.attempt.note_group(pgid).map_err(cannot)?;
        Ok(group)
    }

    /// Opens the gate, reads the output to its end, and gives the exit and what the step wrote into its files. `stop` ends it by SIGTERM and, after the grace, SIGKILL.
    pub(super) async fn follow(
        mut self,
        mut sink: Box<dyn Sink>,
        clock: Clock,
        stop: CancellationToken,
        grace: Duration,
    ) -> Result<Ended, Failure> {
        let pgid = self.pgid;
        // A step that was stopped by now has no reader any more; its exit tells.
        let _ = self.gate.write_all(b"go\n").await;
        let mut output = Output { sink: &mut sink, clock, error: None };
        let ended = {
            let Self { child, stdout, stderr, .. } = &mut self;
            let mut reading = std::pin::pin!(output.read(stdout, stderr));
            let mut read = false;
            let ended = async {
                tokio::select! {
                    status = child.wait() => status,
                    never = stop_when(pgid, &stop, grace) => match never {},
                }
            };
            let mut ended = std::pin::pin!(ended);
            let status = loop {
                tokio::select! {
                    () = &mut reading, if !read => read = true,
                    status = &mut ended => break status,
                }
            };
            // The leader is gone: so is the step. What it left in the background would be nobody's.
            kill_group(pgid);
            if !read && tokio::time::timeout(LAST_OUTPUT, reading).await.is_err() {
                tracing::info!(process_group = pgid, "a process that left the step's group keeps the step's output open");
            }
            status
        };
        self.pgid = 0;
        let (wrote, left_out) = wrote::read(self.attempt.dir());
        if let Err(error) = self.attempt.note_end() {
            tracing::warn!(%error, "the end of a step cannot be put on record");
        }
        let status =
            ended.map_err(|error| Failure::Infrastructure(format!("the step's process cannot be waited for: {error}")))?;
        let Output { sink, clock, error } = output;
        let finished = match error {
            Some(error) => Err(error),
            None => say(&mut **sink, clock.now_ns(), &left_out).and_then(|()| sink.finish()),
        };
        finished.map_err(|error| Failure::Infrastructure(format!("its log cannot be written: {error}")))?;
        Ok(Ended { wrote, ..Ended::with(Exit::Code(code(status))) })
    }
}

/// Lines of our own.
fn say(sink: &mut dyn Sink, at_ns: i64, sentences: &[String]) -> io::Result<()> {
    sentences.iter().try_for_each(|sentence| sink.write(at_ns, Stream::System, format!("{sentence}\n").as_bytes()))
}

/// The shell's way to put it: 128 + N after signal N.
fn code(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(255)
}

async fn stop_when(pgid: i32, stop: &CancellationToken, grace: Duration) -> std::convert::Infallible {
    stop.cancelled().await;
    signal_group(pgid, libc::SIGTERM);
    tokio::time::sleep(grace).await;
    kill_group(pgid);
    std::future::pending().await
}

/// The pipes' way into the sink. A sink that cannot write loses the output, but never blocks the step.
struct Output<'a> {
    sink: &'a mut Box<dyn Sink>,
    clock: Clock,
    error: Option<io::Error>,
}

impl Output<'_> {
    async fn read(&mut self, stdout: &mut (impl AsyncRead + Unpin), stderr: &mut (impl AsyncRead + Unpin)) {
        let (mut out, mut err) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
        let (mut out_open, mut err_open) = (true, true);
        while out_open || err_open {
            tokio::select! {
                read = stdout.read(&mut out), if out_open => out_open = self.take(Stream::Stdout, read, &out),
                read = stderr.read(&mut err), if err_open => err_open = self.take(Stream::Stderr, read, &err),
            }
        }
    }

    /// Passes on what was read; gives whether there may be more.
    fn take(&mut self, stream: Stream, read: io::Result<usize>, buffer: &[u8]) -> bool {
        match read {
            Ok(0) | Err(_) => false,
            Ok(bytes) => {
                if self.error.is_none() {
                    self.error = self.sink.write(self.clock.now_ns(), stream, &buffer[..bytes]).err();
                }
                true
            }
        }
    }
}
