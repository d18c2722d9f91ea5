//! Volumes that hold the work trees of carried jobs. **Invariants:** a volume's name follows from its job alone, its labels say whose it is, and it goes
//! with the job.

use bollard::models::VolumeCreateRequest;
use bollard::query_parameters::{ListVolumesOptionsBuilder, RemoveVolumeOptions};

use super::engine::Engine;
use super::names::{self, Labels};
use super::trouble::Trouble;

/// Makes an empty one, whatever was there.
pub(super) async fn make_anew(engine: &Engine, name: &str, labels: Labels) -> Result<(), Trouble> {
    remove(engine, name).await?;
    let wanted = VolumeCreateRequest { name: Some(name.to_owned()), labels: Some(labels), ..VolumeCreateRequest::default() };
    engine.ask(|client| async move { client.create_volume(wanted).await }).await?;
    Ok(())
}

/// Name and labels of each that bears these labels.
pub(super) async fn list(engine: &Engine, labels: &[(&str, Option<&str>)]) -> Result<Vec<(String, Labels)>, Trouble> {
    let options = ListVolumesOptionsBuilder::new().filters(&names::label_filter(labels)).build();
    let found = engine.ask(|client| async move { client.list_volumes(Some(options)).await }).await?;
    Ok(found.volumes.unwrap_or_default().into_iter().map(|volume| (volume.name, volume.labels)).collect())
}

/// None is fine.
pub(super) async fn remove(engine: &Engine, name: &str) -> Result<(), Trouble> {
    match engine.ask(|client| async move { client.remove_volume(name, None::<RemoveVolumeOptions>).await }).await {
        Err(trouble) if !trouble.is(404) => Err(trouble),
        _ => Ok(()),
    }
}
