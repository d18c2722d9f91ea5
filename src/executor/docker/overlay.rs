//! A job's work tree as a volume that the engine mounts: an overlay of the job's own layer over a kept base. So it costs what a mount costs, and we need
//! no rights of our own for it: the engine has them.
//!
//! **Invariants:** the mount says itself what the volume is made of, so that no container ever finds an empty one in its place; a volume's name follows
//! from the job alone, its labels say whose it is, and it goes with the job; paths that the engine or the kernel might read otherwise are never put
//! into the options.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use bollard::models::{ContainerCreateBody, HostConfig, Mount, MountType, MountVolumeOptions, MountVolumeOptionsDriverConfig};
use bollard::query_parameters::{ListVolumesOptionsBuilder, RemoveVolumeOptions, UploadToContainerOptionsBuilder};
use futures_util::TryStreamExt;
use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::engine::Engine;
use super::names::{self, Labels};
use super::trouble::Trouble;
use super::{Inner, archive, container, release, sandbox};
use crate::base::{InstanceId, JobKey, random_hex};
use crate::executor::workspace::WORKSPACE;
use crate::executor::{Failure, JobDirs, Layers};

/// What the kernel takes for all options together is a page; some of it is its own.
const OPTIONS_BYTES: usize = 3_500;

/// What stands for `/workspace` in every container of a job.
pub(super) fn workspace(instance: &InstanceId, job: &JobKey, title: &str, dirs: &JobDirs) -> Mount {
    match &dirs.layers {
        None => container::bind(&dirs.workspace, WORKSPACE, false),
        Some(layers) => {
            let labels = names::job_labels_with_title(instance, job, title, &dirs.root);
            volume(names::sandbox_name(instance, job), labels, layers)
        }
    }
}

/// Whose the top of the work tree is on this machine.
pub(super) fn top(dirs: &JobDirs) -> &Path {
    dirs.layers.as_ref().map_or(&dirs.workspace, |layers| &layers.upper)
}

fn volume(name: String, labels: Labels, layers: &Layers) -> Mount {
    let options = [("type", "overlay".to_owned()), ("device", "overlay".to_owned()), ("o", options(layers))];
    Mount {
        typ: Some(MountType::VOLUME),
        source: Some(name),
        target: Some(WORKSPACE.to_owned()),
        read_only: Some(false),
        volume_options: Some(MountVolumeOptions {
            no_copy: Some(true),
            labels: Some(labels),
            driver_config: Some(MountVolumeOptionsDriverConfig {
                name: Some("local".to_owned()),
                options: Some(HashMap::from(options.map(|(name, value)| (name.to_owned(), value)))),
            }),
            ..MountVolumeOptions::default()
        }),
        ..Mount::default()
    }
}

/// Said in full, since each has a default of the kernel's build: with `redirect_dir` a directory of the base can be renamed; without `metacopy` and
/// `index` a layer is nothing but files, which we may write and read while it is not mounted.
fn options(layers: &Layers) -> String {
    let Layers { base, upper, work } = layers;
    let (base, upper, work) = (base.display(), upper.display(), work.display());
    format!("lowerdir={base},upperdir={upper},workdir={work},redirect_dir=on,metacopy=off,index=off")
}

/// Whether a directory, and what Gantry puts below it, can stand in the options: `,` and `:` part them, `\` escapes, and a space is read by someone on
/// the way.
fn is_plain(dir: &Path) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.' | b'+' | b'@' | b'=' | b'~');
    let bytes = dir.as_os_str().as_encoded_bytes();
    dir.is_absolute() && bytes.iter().copied().all(plain) && 3 * (bytes.len() + 200) < OPTIONS_BYTES
}

/// Tries it: a file of the base is seen, one that the layer says is gone is not, and what is written arrives in the layer.
///
/// # Errors
/// The engine does not answer. `Ok(Err(why))`: it does not work here.
pub(super) async fn probe(inner: &Inner, dir: &Path) -> Result<Result<(), String>, Failure> {
    let engine = &inner.engine;
    if !engine.is_local() {
        return Ok(Err(format!("the engine at {} may be on another machine", engine.host)));
    }
    if !is_plain(dir) {
        return Ok(Err(format!(
            "the path {} has characters that mount options give a meaning to, or is too long",
            dir.display()
        )));
    }
    let cannot = |trouble: Trouble| trouble.into_failure("could not be asked whether it mounts overlays");
    let info = engine.ask(|client| async move { client.info().await }).await.map_err(cannot)?;
    if info.live_restore_enabled == Some(true) {
        // It would mount the same layer twice once it is back.
        return Ok(Err(
            "the engine keeps containers running while it is restarted (`live-restore`), and forgets what it mounted".to_owned(),
        ));
    }
    sweep(inner).await.map_err(cannot)?;
    let (place, token) = (dir.to_owned(), random_hex(16));
    let laid = {
        let token = token.clone();
        inner.tasks.spawn_blocking(move || Trial::lay(&place, &token)).await
    };
    let trial = match laid.unwrap_or_else(|panic| Err(std::io::Error::other(panic))) {
        Ok(trial) => trial,
        Err(error) => return Ok(Err(format!("{} cannot hold a layer: {error}", dir.display()))),
    };
    let tried = trial.run(inner, &token).await;
    sweep(inner).await.map_err(cannot)?;
    let dir = trial.dir;
    // What it leaves is swept with the directory of jobs; nothing of it is in the way.
    let _ = inner.tasks.spawn_blocking(move || fs::remove_dir_all(dir)).await;
    match tried {
        Ok(()) => Ok(Ok(())),
        Err(unreachable @ Trouble::Unreachable(_)) => Err(cannot(unreachable)),
        Err(Trouble::Refused { message, .. }) => Ok(Err(message)),
    }
}

/// A layer over a base, to try.
struct Trial {
    dir: PathBuf,
    layers: Layers,
}

impl Trial {
    fn lay(dir: &Path, token: &str) -> std::io::Result<Self> {
        let dir = dir.join(format!(".overlay-{token}"));
        let layers = Layers { base: dir.join("base"), upper: dir.join("upper"), work: dir.join("work") };
        for path in [&layers.base, &layers.upper, &layers.work, &layers.base.join("both"), &layers.upper.join("both")] {
            fs::create_dir_all(path)?;
        }
        fs::write(layers.base.join("both/kept"), token)?;
        fs::write(layers.base.join("gone"), token)?;
        mknodat(CWD, layers.upper.join("gone"), FileType::CharacterDevice, Mode::empty(), 0)?;
        Ok(Self { dir, layers })
    }

    async fn run(&self, inner: &Inner, token: &str) -> Result<(), Trouble> {
        let (engine, name) = (&inner.engine, names::trial_name(&inner.instance, token));
        let body = ContainerCreateBody {
            labels: Some(names::trial_labels(&inner.instance)),
            host_config: Some(HostConfig {
                network_mode: Some("none".to_owned()),
                mounts: Some(vec![volume(name.clone(), names::trial_labels(&inner.instance), &self.layers)]),
                ..container::hardened(&[])
            }),
            ..sandbox::idle()
        };
        sandbox::create_named(engine, &name, &body).await?;
        let no = |message: &str| Trouble::Refused { status: 501, message: message.to_owned() };
        let kept = format!("{WORKSPACE}/both/kept");
        if read(engine, &name, &kept).await?.as_deref() != Some(token.as_bytes()) {
            return Err(no("what is in the base is not seen in a container"));
        }
        if read(engine, &name, &format!("{WORKSPACE}/gone")).await?.is_some() {
            return Err(no("what is gone in the layer is still seen in a container"));
        }
        let mut packed = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(token.len() as u64);
        header.set_mode(0o644);
        let packed = packed.append_data(&mut header, "new", token.as_bytes()).and_then(|()| packed.into_inner());
        let packed = packed.map_err(|error| no(&error.to_string()))?;
        let (to, content) = (UploadToContainerOptionsBuilder::new().path(&format!("{WORKSPACE}/both")).build(), packed.into());
        let container = name.as_str();
        let put = |client: bollard::Docker| async move {
            client.upload_to_container(container, Some(to), bollard::body_full(content)).await
        };
        engine.ask(put).await?;
        match fs::read(self.layers.upper.join("both/new")) {
            Ok(found) if found == token.as_bytes() => Ok(()),
            Ok(_) | Err(_) => Err(no("what a container writes does not arrive in the layer on this machine")),
        }
    }
}

/// The content of a file in a container, if it is there.
async fn read(engine: &Engine, container: &str, path: &str) -> Result<Option<Vec<u8>>, Trouble> {
    let refused = |message: String| Trouble::Refused { status: 500, message };
    let found = archive::collect(engine, container, path).await.map_err(|failure| match failure {
        Failure::Unreachable(why) => Trouble::Unreachable(why),
        other => refused(other.to_string()),
    })?;
    let Some(pieces) = found else { return Ok(None) };
    let pieces: Vec<_> = pieces.try_collect().await.map_err(|error: std::io::Error| refused(error.to_string()))?;
    let mut content = Vec::new();
    let packed = pieces.concat();
    let mut packed = tar::Archive::new(packed.as_slice());
    let first = packed.entries().and_then(|mut entries| entries.next().transpose());
    if let Some(mut file) = first.map_err(|error| refused(error.to_string()))? {
        file.read_to_end(&mut content).map_err(|error| refused(error.to_string()))?;
    }
    Ok(Some(content))
}

/// Removes what a trial left, this one or one that a crash cut off.
async fn sweep(inner: &Inner) -> Result<(), Trouble> {
    let labels = [(names::INSTANCE, Some(inner.instance.as_str())), (names::TRIAL, Some("1"))];
    for container in release::list(&inner.engine, &labels).await? {
        if let Some(id) = container.id {
            release::remove_container(&inner.engine, &id).await?;
        }
    }
    remove_all(&inner.engine, &labels).await.map(drop)
}

/// Removes all volumes that bear these labels; gives the directories of the jobs that they were of.
pub(super) async fn remove_all(engine: &Engine, labels: &[(&str, Option<&str>)]) -> Result<BTreeSet<PathBuf>, Trouble> {
    let mut roots = BTreeSet::new();
    for (name, labels) in list(engine, labels).await? {
        remove(engine, &name).await?;
        roots.extend(names::root_of(&labels).map(Path::to_owned));
    }
    Ok(roots)
}

/// Volumes that bear these labels: name and labels.
pub(super) async fn list(engine: &Engine, labels: &[(&str, Option<&str>)]) -> Result<Vec<(String, Labels)>, Trouble> {
    let options = ListVolumesOptionsBuilder::new().filters(&names::label_filter(labels)).build();
    let found = engine.ask(|client| async move { client.list_volumes(Some(options)).await }).await?;
    Ok(found.volumes.unwrap_or_default().into_iter().map(|volume| (volume.name, volume.labels)).collect())
}

/// Removes what a preparation that a crash cut off has left of a job's work tree: it may be made of other layers than this one's.
pub(super) async fn remove_earlier(engine: &Engine, instance: &InstanceId, job: &JobKey) -> Result<(), Trouble> {
    let volume = names::sandbox_name(instance, job);
    match remove(engine, &volume).await {
        // The container that fills the work tree holds it.
        Err(trouble) if trouble.is(409) => {
            release::remove_container(engine, &names::filler_name(instance, job)).await?;
            remove(engine, &volume).await
        }
        done => done,
    }
}

/// Removes a volume; none of that name is fine.
async fn remove(engine: &Engine, name: &str) -> Result<(), Trouble> {
    match engine.ask(|client| async move { client.remove_volume(name, None::<RemoveVolumeOptions>).await }).await {
        Err(trouble) if !trouble.is(404) => Err(trouble),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Clock, RunId};

    #[test]
    fn only_paths_that_nobody_reads_otherwise_are_mounted() {
        for path in ["/srv/gantry", "/var/lib/gantry-data/x_1.2+b@c=d~", "/"] {
            assert!(is_plain(Path::new(path)), "{path}");
        }
        let long = format!("/{}", "x".repeat(1_100));
        for path in
            ["", "relative/x", "/a,b", "/a:b", "/a b", "/a\\b", "/a\tb", "/a\nb", "/a\"b", "/a'b", "/ä", "/a%b", "/a$b", &long]
        {
            assert!(!is_plain(Path::new(path)), "{path}");
        }
    }

    #[test]
    fn a_layered_work_tree_is_a_volume_that_says_itself_what_it_is_made_of() {
        let (instance, job) = (InstanceId::new(&Clock::System), JobKey { run: RunId::new(&Clock::System), job: 3 });
        let at = |path: &str| PathBuf::from(path);
        let layers = Layers { base: at("/d/bases/r/c/tree"), upper: at("/d/work/j/upper"), work: at("/d/work/j/work") };
        let dirs = JobDirs { root: at("/d/work/j"), workspace: at("/d/work/j/workspace"), shared: Vec::new(), layers: None };
        let plain = workspace(&instance, &job, "t", &dirs);
        assert_eq!((plain.typ, plain.source.as_deref()), (Some(MountType::BIND), Some("/d/work/j/workspace")));
        assert_eq!(top(&dirs), Path::new("/d/work/j/workspace"));

        let dirs = JobDirs { layers: Some(layers), ..dirs };
        let mount = workspace(&instance, &job, "t", &dirs);
        assert_eq!(mount.typ, Some(MountType::VOLUME));
        assert_eq!((mount.source, mount.target.as_deref()), (Some(names::sandbox_name(&instance, &job)), Some("/workspace")));
        let volume = mount.volume_options.unwrap();
        let labels = volume.labels.unwrap();
        assert_eq!(names::job_of(&labels), Some(job));
        assert_eq!(names::root_of(&labels), Some(Path::new("/d/work/j")));
        assert_eq!(volume.no_copy, Some(true));
        assert_eq!(
            volume.driver_config.unwrap().options.unwrap()["o"],
            "lowerdir=/d/bases/r/c/tree,upperdir=/d/work/j/upper,workdir=/d/work/j/work,redirect_dir=on,metacopy=off,index=off"
        );
        assert_eq!(top(&dirs), Path::new("/d/work/j/upper"));
    }
}
