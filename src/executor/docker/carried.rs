//! Jobs on an engine that does not see this machine's directories: their work trees are volumes there, and what steps read and write besides is in their
//! containers. All of it goes by archives, through the engine.
//!
//! **Invariants:** whether a job is carried is decided once, before anything of it is made, and holds until its release, also after a crash; it is seen,
//! not told: an address says nothing of what an engine sees.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bollard::models::{ContainerCreateBody, HostConfig, Mount, MountType, MountVolumeOptions};
use futures_util::StreamExt;

use super::archive::{self, Owner};
use super::names::{self, Labels};
use super::trouble::Trouble;
use super::{Inner, container, release, sandbox};
use crate::base::limits::STEP_FILE_BYTES;
use crate::base::{Tasks, random_hex};
use crate::executor::workspace::WORKSPACE;
use crate::executor::{Archive, ByteStream, Failure, JobSpec, StepSpec, Wrote, pack, wrote};
use crate::pipeline::Action;

/// In a job's directory: the job is carried.
const MARK: &str = "carried";
/// Where the trial's directory is in its container, and the file in it.
const TRIAL: &str = "/gantry-trial";
const TRIAL_FILE: &str = "token";
const TOKEN_BYTES: usize = 16;
/// What an archive of one small file has beside its content, at most.
const AROUND: usize = 16 * 1024;

/// Whether the job is carried, by what was decided.
pub(super) fn is_carried(root: &Path) -> bool {
    root.join(MARK).symlink_metadata().is_ok()
}

/// Decides it, by a trial where this connection has not had one.
pub(super) async fn decide(inner: &Inner, job: &JobSpec) -> Result<bool, Failure> {
    let cannot = |trouble: Trouble| trouble.into_failure("could not be asked whether it sees this machine's directories");
    let link = inner.engine.link().await.map_err(cannot)?;
    // One that mounts overlays of this machine's directories sees them.
    let shares = matches!(inner.layers.get(), Some(Ok(()))) || *link.shares.get_or_try_init(|| trial(inner, job)).await?;
    let root = job.dirs.root.clone();
    let mark = move || {
        std::fs::create_dir_all(&root)?;
        match std::fs::remove_file(root.join(MARK)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        if shares { Ok(()) } else { std::fs::write(root.join(MARK), []) }
    };
    blocking(&inner.tasks, mark).await.map_err(|error| cannot_write(&job.dirs.root, &error))?;
    Ok(!shares)
}

/// Whether the engine sees what is written here: a word that nobody else knows comes back through it.
async fn trial(inner: &Inner, job: &JobSpec) -> Result<bool, Failure> {
    let root = job.dirs.root.clone();
    let token = random_hex(TOKEN_BYTES);
    let written = token.clone();
    let write = move || {
        std::fs::create_dir_all(&root)?;
        let dir = tempfile::Builder::new().prefix("trial-").tempdir_in(&root)?;
        std::fs::write(dir.path().join(TRIAL_FILE), written)?;
        Ok(dir)
    };
    let dir = blocking(&inner.tasks, write).await.map_err(|error| cannot_write(&job.dirs.root, &error))?;
    let name = names::sight_name(&inner.instance, &job.key, &random_hex(4));
    let body = ContainerCreateBody {
        labels: Some(names::job_labels_with_title(&inner.instance, &job.key, &job.title, &job.dirs.root)),
        host_config: Some(HostConfig {
            network_mode: Some("none".to_owned()),
            mounts: Some(vec![container::bind(dir.path(), TRIAL, true)]),
            ..container::hardened(&[])
        }),
        ..sandbox::idle()
    };
    match sandbox::create_named(&inner.engine, &name, &body).await {
        Ok(()) => {}
        // It finds no such directory, or may not use it.
        Err(Trouble::Refused { status, message }) => {
            tracing::debug!(status, message, "the engine does not mount a directory of this machine");
            return told(inner, false);
        }
        Err(unreachable @ Trouble::Unreachable(_)) => return Err(unreachable.into_failure("is gone")),
    }
    let found = read_file(inner, &name, &format!("{TRIAL}/{TRIAL_FILE}"), TOKEN_BYTES * 2).await;
    let removed = release::remove_container(&inner.engine, &name).await;
    removed.map_err(|trouble| trouble.into_failure("could not remove a container that was made for a trial"))?;
    let is_it = found?.is_some_and(|found| found.is_ok_and(|bytes| bytes == token.as_bytes()));
    told(inner, is_it)
}

fn told(inner: &Inner, shares: bool) -> Result<bool, Failure> {
    if !shares {
        tracing::info!(
            host = inner.engine.host,
            "this engine does not see this machine's directories: work trees are carried to it"
        );
    }
    Ok(shares)
}

/// What stands for the work tree in every container of the job.
pub(super) fn mount(name: String, labels: Labels) -> Mount {
    Mount {
        typ: Some(MountType::VOLUME),
        source: Some(name),
        target: Some(WORKSPACE.to_owned()),
        read_only: Some(false),
        volume_options: Some(MountVolumeOptions { no_copy: Some(true), labels: Some(labels), ..MountVolumeOptions::default() }),
        ..Mount::default()
    }
}

/// A whole work tree of this machine, on its way into a volume.
#[derive(Debug)]
pub(super) struct Tree {
    pub workspace: PathBuf,
    pub tasks: Tasks,
}

#[async_trait]
impl Archive for Tree {
    /// Its names begin with `workspace`.
    fn into(&self) -> &str {
        "/"
    }

    async fn open(&self) -> io::Result<ByteStream> {
        let workspace = self.workspace.clone();
        let place = blocking(&self.tasks, move || pack::find(&workspace, Path::new(""))).await?;
        place.map(|place| pack::stream(&self.tasks, place)).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }
}

/// Puts into a container that was made what its step reads and may write to.
pub(super) async fn equip(inner: &Inner, step: &StepSpec, name: &str) -> Result<(), Failure> {
    let text = match &step.action {
        Action::Script { shell: _, text } => Some(text.as_str()),
        Action::EntryPoint => None,
    };
    let packed =
        equipment(text).map_err(|error| Failure::Infrastructure(format!("the step's files cannot be packed: {error}")))?;
    archive::put(&inner.engine, name, &Packed(packed), Owner { uid: 0, gid: 0 }).await
}

#[derive(Debug)]
struct Packed(Vec<u8>);

#[async_trait]
impl Archive for Packed {
    fn into(&self) -> &str {
        "/"
    }

    async fn open(&self) -> io::Result<ByteStream> {
        let bytes = self.0.clone();
        Ok(Box::pin(futures_util::stream::once(async { Ok(bytes.into()) })))
    }
}

fn equipment(script: Option<&str>) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    let private = container::PRIVATE.trim_start_matches('/');
    let mut add = |kind: tar::EntryType, name: String, mode: u32, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(content.len() as u64);
        archive.append_data(&mut header, name, content)
    };
    add(tar::EntryType::Directory, format!("{private}/"), 0o755, &[])?;
    if let Some(text) = script {
        add(tar::EntryType::Regular, format!("{private}/{}", container::SCRIPT), 0o755, text.as_bytes())?;
    }
    // Open to every user, since an image decides as whom its step runs.
    add(tar::EntryType::Directory, format!("{private}/{}/", wrote::DIR), 0o777, &[])?;
    for (_, file) in wrote::FILES {
        add(tar::EntryType::Regular, format!("{private}/{}/{file}", wrote::DIR), 0o666, &[])?;
    }
    archive.into_inner()
}

/// What an ended step has written into its files, as [`wrote::read`] reads it from a directory.
pub(super) async fn read_wrote(inner: &Inner, name: &str) -> Result<(Wrote, Vec<String>), Failure> {
    let mut found = Vec::new();
    for (_, file) in wrote::FILES {
        let path = format!("{}/{}/{file}", container::PRIVATE, wrote::DIR);
        found.push(match read_file(inner, name, &path, STEP_FILE_BYTES + 1).await {
            Ok(read) => read.unwrap_or_else(|| Ok(Vec::new())),
            // It was removed while it ran.
            Err(Failure::Gone) => Ok(Vec::new()),
            Err(Failure::Infrastructure(why)) => Err(why),
            Err(failure @ (Failure::Unreachable(_) | Failure::Stopped)) => return Err(failure),
        });
    }
    Ok(wrote::taken(found))
}

/// The beginning of a plain file of a container; `None` when it is not there, a sentence when it is something else.
async fn read_file(inner: &Inner, name: &str, path: &str, most: usize) -> Result<Option<Result<Vec<u8>, String>>, Failure> {
    let Some(mut pieces) = archive::collect(&inner.engine, name, path).await? else { return Ok(None) };
    let mut bytes = Vec::new();
    while bytes.len() < most + AROUND
        && let Some(piece) = pieces.next().await
    {
        let piece = piece.map_err(|error| Failure::Unreachable(format!("Docker stopped while `{path}` was read: {error}")))?;
        bytes.extend_from_slice(&piece);
    }
    Ok(Some(first_file(&bytes, most)))
}

/// The first entry of an archive, or of its beginning.
fn first_file(archive: &[u8], most: usize) -> Result<Vec<u8>, String> {
    let broken = |error: io::Error| format!("the file cannot be read: {error}");
    let mut archive = tar::Archive::new(archive);
    let mut entries = archive.entries().map_err(broken)?;
    let Some(entry) = entries.next() else { return Ok(Vec::new()) };
    let entry = entry.map_err(broken)?;
    match entry.header().entry_type() {
        tar::EntryType::Regular | tar::EntryType::Continuous => {}
        tar::EntryType::Symlink => return Err(wrote::in_its_place("a symbolic link")),
        tar::EntryType::Directory => return Err(wrote::in_its_place("a directory")),
        tar::EntryType::Fifo => return Err(wrote::in_its_place("a fifo")),
        _ => return Err(wrote::in_its_place("a device")),
    }
    let mut bytes = Vec::new();
    entry.take(most as u64).read_to_end(&mut bytes).map_err(broken)?;
    Ok(bytes)
}

fn cannot_write(root: &Path, error: &io::Error) -> Failure {
    Failure::Infrastructure(format!("the job's directory {} cannot be written to: {error}", root.display()))
}

async fn blocking<T: Send + 'static>(tasks: &Tasks, work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tasks.spawn_blocking(work).await.unwrap_or_else(|panic| Err(io::Error::other(panic)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(kind: tar::EntryType, content: &[u8]) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        archive.append_data(&mut header, "output", content).unwrap();
        archive.into_inner().unwrap()
    }

    #[test]
    fn of_a_file_as_much_is_read_as_may_be_and_of_anything_else_nothing() {
        let long = packed(tar::EntryType::Regular, &[b'x'; 5_000]);
        assert_eq!(first_file(&long, 5_001), Ok(vec![b'x'; 5_000]));
        // The archive was not read to its end.
        assert_eq!(first_file(&long[..3_000], 2_000), Ok(vec![b'x'; 2_000]));
        for (kind, what) in [
            (tar::EntryType::Symlink, "a symbolic link"),
            (tar::EntryType::Directory, "a directory"),
            (tar::EntryType::Fifo, "a fifo"),
            (tar::EntryType::Block, "a device"),
        ] {
            assert_eq!(first_file(&packed(kind, b""), 10), Err(format!("in the file's place is {what}")));
        }
        assert!(first_file(b"no archive at all, but longer than nothing", 10).is_err());
        assert_eq!(first_file(b"", 10), Ok(Vec::new()));
    }

    #[test]
    fn a_step_finds_its_script_and_files_that_every_user_may_write() {
        let bytes = equipment(Some("echo hi")).unwrap();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let found: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                (entry.path().unwrap().display().to_string(), entry.header().mode().unwrap())
            })
            .collect();
        let expected = [
            ("gantry/", 0o755),
            ("gantry/script", 0o755),
            ("gantry/out/", 0o777),
            ("gantry/out/output", 0o666),
            ("gantry/out/env", 0o666),
            ("gantry/out/summary", 0o666),
        ];
        assert_eq!(found, expected.map(|(name, mode)| (name.to_owned(), mode)));
    }
}
