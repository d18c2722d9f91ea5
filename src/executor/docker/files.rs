//! An attempt's own directory on this machine: the script, readable by all, the files that the step may write to, and what waits at its gate.

use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::{Inner, container, program, segment};
use crate::base::random_hex;
use crate::executor::{Failure, StepSpec, wrote};
use crate::pipeline::Action;

/// Random bytes in the name of a record's directory: each container has one of its own, so that nothing of an earlier one is ever read.
const NAME_BYTES: usize = 8;

/// Makes the directory with all that a start needs.
pub(super) async fn write(inner: &Inner, step: &StepSpec) -> Result<(), Failure> {
    let dir = container::private_dir(&step.dirs.root, &step.key);
    let text = match &step.action {
        Action::Script { text, .. } => Some(text.clone()),
        Action::EntryPoint => None,
    };
    let write = move || {
        make(&dir)?;
        let Some(text) = text else { return Ok(()) };
        // Never in place: after a crash the step may be reading it at this moment, and a script cut off in the middle passes.
        let mut draft = tempfile::NamedTempFile::new_in(&dir)?;
        draft.write_all(text.as_bytes())?;
        open_to_all(draft.path(), 0o755)?;
        draft.persist(dir.join(container::SCRIPT)).map(drop).map_err(|error| error.error)
    };
    blocking(inner, write).await.map_err(|error| Failure::Infrastructure(format!("the step's script cannot be written: {error}")))
}

/// Makes a directory for the record of a container that is made next, with the program that writes it beside.
pub(super) async fn record(inner: &Inner, step: &StepSpec) -> Result<PathBuf, Failure> {
    let root = step.dirs.root.clone();
    let dir = container::private_dir(&root, &step.key);
    let record = dir.join(random_hex(NAME_BYTES));
    let wanted = record.clone();
    let write = move || {
        make(&dir)?;
        program::put(&root, &dir)?;
        // What it is mounted on: the engine can make nothing in a directory that is itself mounted read-only.
        make_dir(&dir.join(container::RECORD))?;
        make_dir(&wanted)?;
        // The image decides as whom its first process runs.
        open_to_all(&wanted, 0o777)
    };
    let written = blocking(inner, write).await;
    written.map_err(|error| Failure::Infrastructure(format!("the step's directory cannot be made: {error}")))?;
    Ok(record)
}

/// Removes the directory of a record that no container was made for.
pub(super) async fn forget(inner: &Inner, record: PathBuf) {
    // It is empty, or goes with its job.
    let _ = blocking(inner, move || std::fs::remove_dir(record)).await;
}

/// Gives the room back that the records of an attempt take whose log is stored: what it printed is as large as its log. The rest goes with its job.
pub(super) async fn forget_output(inner: &Inner, attempt: PathBuf) {
    let forget = move || {
        for record in std::fs::read_dir(attempt)?.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            // A link that a step has put in its place goes, and not what it leads to.
            let _ = std::fs::remove_file(record.path().join(segment::NAME));
        }
        Ok(())
    };
    let _ = blocking(inner, forget).await;
}

fn make(dir: &Path) -> io::Result<()> {
    std::fs::create_dir_all(dir)?;
    open_to_all(dir, 0o755)?;
    wrote::make(dir)
}

fn make_dir(dir: &Path) -> io::Result<()> {
    match std::fs::create_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        done => done,
    }
}

fn open_to_all(path: &Path, mode: u32) -> io::Result<()> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

async fn blocking<T: Send + 'static>(inner: &Inner, work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    inner.tasks.spawn_blocking(work).await.unwrap_or_else(|panic| Err(io::Error::other(panic)))
}
