//! The server's side of the gate: a parked container's first process waits for its opening on a socket in the attempt's record directory, and nudges
//! whoever is connected when the segment has grown.
//!
//! **Invariants:** once a step runs, everything in that directory is its own to change: no link is followed, nothing but a socket is connected to, and
//! what comes over it counts as a nudge whatever it is. An opening that comes twice opens once.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;

use super::engine::Engine;
use super::seen::{self, Phase};
use super::trouble::Trouble;
use super::wire::Opening;

/// The socket's name in the record directory.
const NAME: &str = "gate";
/// Between two tries to connect to a gate that is not there yet.
const PAUSE: Duration = Duration::from_millis(2);
/// A process that was started listens within milliseconds; on a machine under load it may take seconds. Counted in [`PAUSE`]s.
const TRIES: u32 = 15_000;
/// Tries between two looks at the container.
const LOOK_EVERY: u32 = 100;

/// Why a gate could not be opened.
#[derive(Debug)]
pub(super) enum Shut {
    /// The container's process has ended, or there is no such container.
    Dead,
    /// It runs and nobody listens: engine and server do not see the same directory.
    Deaf,
    Engine(Trouble),
}

/// Connects to a gate, wherever its path leads from and however long it is.
pub(super) async fn connect(dir: &Path) -> io::Result<UnixStream> {
    // The path of a socket has room for 108 bytes; that of an open file does not need them.
    let parent = open_path(dir, libc::O_DIRECTORY)?;
    let socket = open_path(format!("/proc/self/fd/{}/{NAME}", parent.as_raw_fd()), 0)?;
    if !socket.metadata()?.file_type().is_socket() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "in the gate's place is something else"));
    }
    UnixStream::connect(format!("/proc/self/fd/{}", socket.as_raw_fd())).await
}

fn open_path(path: impl AsRef<Path>, flags: i32) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_PATH | libc::O_NOFOLLOW | flags).open(path)
}

/// Connects to the gate of a container that was just started.
pub(super) async fn reach(engine: &Engine, container: &str, dir: &Path) -> Result<UnixStream, Shut> {
    for tried in 1..=TRIES {
        if let Ok(stream) = connect(dir).await {
            return Ok(stream);
        }
        if tried % LOOK_EVERY == 0 {
            let seen = seen::look(engine, container).await.map_err(Shut::Engine)?;
            if seen.is_none_or(|seen| seen.phase == Phase::Ended) {
                return Err(Shut::Dead);
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(Shut::Deaf)
}

/// Opens the gate. An error is one of the connection: whoever listened is gone.
pub(super) async fn open(stream: &mut UnixStream, opening: &Opening) -> io::Result<()> {
    stream.write_all(&opening.encode()).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[tokio::test]
    async fn a_gate_behind_a_path_longer_than_a_sockets_is_connected_to() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("d".repeat(120));
        std::fs::create_dir(&deep).unwrap();
        assert!(connect(&deep).await.is_err(), "there is none yet");
        let short = dir.path().join("s");
        let listener = std::os::unix::net::UnixListener::bind(&short).unwrap();
        std::fs::rename(&short, deep.join(NAME)).unwrap();
        let mut stream = connect(&deep).await.unwrap();
        let opening = Opening { argv: vec![b"true".to_vec()], ..Opening::default() };
        open(&mut stream, &opening).await.unwrap();
        let (mut accepted, _) = listener.accept().unwrap();
        let mut heard = vec![0; opening.encode().len()];
        io::Read::read_exact(&mut accepted, &mut heard).unwrap();
        assert_eq!(Opening::decode(&heard[12..]), Some(opening));
    }

    #[tokio::test]
    async fn a_link_in_the_gates_place_or_its_directorys_leads_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        let elsewhere = dir.path().join("elsewhere");
        let _listener = std::os::unix::net::UnixListener::bind(&elsewhere).unwrap();
        let run = dir.path().join("run");
        std::fs::create_dir(&run).unwrap();
        symlink(&elsewhere, run.join(NAME)).unwrap();
        assert!(connect(&run).await.is_err());
        std::fs::remove_file(run.join(NAME)).unwrap();
        std::fs::write(run.join(NAME), "no socket").unwrap();
        assert!(connect(&run).await.is_err());
        std::fs::remove_file(run.join(NAME)).unwrap();
        std::fs::rename(&elsewhere, run.join(NAME)).unwrap();
        connect(&run).await.expect("that is a gate");
        symlink(&run, dir.path().join("link")).unwrap();
        assert!(connect(&dir.path().join("link")).await.is_err());
    }
}
