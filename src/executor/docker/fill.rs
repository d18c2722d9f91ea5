//! What goes into a job's workspace beside the commit: unpacked there by the engine, in a container that is made for it and never started. So whatever
//! an archive holds, it is confined to that container, which has nothing but the workspace.

use std::path::Path;

use bollard::models::{ContainerCreateBody, HostConfig};

use super::archive::{self, Owner};
use super::carried::{self, Tree};
use super::{Inner, container, names, overlay, release, sandbox};
use crate::executor::workspace;
use crate::executor::{Archive, Failure, JobSpec};

/// Carries the job's work tree to the engine, if that does not see it, and unpacks the job's archives in it. What a crash cut off is simply done again.
pub(super) async fn fill(inner: &Inner, job: &JobSpec) -> Result<(), Failure> {
    let is_carried = carried::is_carried(&job.dirs.root);
    if job.fill.is_empty() && !is_carried {
        return Ok(());
    }
    if let Some(stray) = job.fill.iter().map(|archive| Archive::into(&**archive)).find(|into| workspace::relative(into).is_none())
    {
        let sentence = format!("what goes into the job's work tree cannot go into `{stray}`, outside of it");
        return Err(Failure::Infrastructure(sentence));
    }
    let name = names::filler_name(&inner.instance, &job.key);
    let labels = names::job_labels_with_title(&inner.instance, &job.key, &job.title, &job.dirs.root);
    let workspace = if is_carried {
        carried::mount(names::sandbox_name(&inner.instance, &job.key), labels.clone())
    } else {
        overlay::workspace(&inner.instance, &job.key, &job.title, &job.dirs)
    };
    let body = ContainerCreateBody {
        labels: Some(labels),
        host_config: Some(HostConfig {
            network_mode: Some("none".to_owned()),
            mounts: Some(vec![workspace]),
            ..container::hardened(&[])
        }),
        ..sandbox::idle()
    };
    match sandbox::create_named(&inner.engine, &name, &body).await {
        // Of an earlier start that was cut off.
        Err(trouble) if trouble.is(409) => {}
        made => made.map_err(|trouble| trouble.into_failure("could not make a container to fill the workspace"))?,
    }
    let owner = owner_of(overlay::top(&job.dirs));
    if is_carried {
        let tree = Tree { workspace: job.dirs.workspace.clone(), tasks: inner.tasks.clone() };
        archive::put(&inner.engine, &name, &tree, owner).await?;
    }
    for archive in &job.fill {
        archive::put(&inner.engine, &name, &**archive, owner).await?;
    }
    let removed = release::remove_container(&inner.engine, &name).await;
    removed.map_err(|trouble| trouble.into_failure("could not remove the container that filled the workspace"))
}

/// Directories that are made in the workspace belong to whom it belongs.
pub(super) fn owner_of(workspace: &Path) -> Owner {
    use std::os::unix::fs::MetadataExt;
    match workspace.metadata() {
        Ok(found) => Owner { uid: found.uid().into(), gid: found.gid().into() },
        Err(_) => Owner { uid: 0, gid: 0 },
    }
}
