//! What opens a step's gate: its command, its environment and its secrets, which nothing else of the engine's ever sees.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::engine::Engine;
use super::trouble::Trouble;
use super::wire::{MESSAGE_BYTES, Opening};
use super::{container, seen};
use crate::base::limits::LOG_BYTES;
use crate::executor::{Failure, StepSpec};
use crate::pipeline::Action;

/// More than the sink keeps, so that it is the sink that says where the log ends.
const RECORD_BYTES: u64 = LOG_BYTES + 1024 * 1024;

/// The commands of images, by the images' ids: an id's image never changes.
#[derive(Default)]
pub(super) struct EntryPoints(Mutex<BTreeMap<String, Vec<String>>>);

/// Images whose commands are remembered.
const REMEMBERED: usize = 1000;

/// The opening for a step whose container is made.
pub(super) async fn of(engine: &Engine, known: &EntryPoints, container: &str, step: &StepSpec) -> Result<Opening, Failure> {
    let argv = match &step.action {
        Action::Script { shell, .. } => shell.iter().cloned().chain([container::script()]).collect(),
        Action::EntryPoint => known.of_container(engine, container).await?,
    };
    let bytes = |text: String| text.into_bytes();
    let env = container::environment(step).into_iter().map(|(name, value)| (bytes(name), bytes(value))).collect();
    let opening = Opening { argv: argv.into_iter().map(bytes).collect(), env, log_bytes: RECORD_BYTES };
    if opening.encode().len() > MESSAGE_BYTES {
        return Err(Failure::Infrastructure(format!(
            "the step's command and environment are larger than {} MiB; write large values into files",
            MESSAGE_BYTES / 1024 / 1024
        )));
    }
    Ok(opening)
}

impl EntryPoints {
    /// What the image of this container runs by itself.
    async fn of_container(&self, engine: &Engine, container: &str) -> Result<Vec<String>, Failure> {
        let cannot = |trouble: Trouble| trouble.into_failure("could not be asked what the step's image runs");
        let image = seen::look(engine, container).await.map_err(cannot)?.ok_or(Failure::Gone)?.image;
        if let Some(argv) = self.known().get(&image) {
            return Ok(argv.clone());
        }
        let id = image.as_str();
        let found = engine.ask(|client| async move { client.inspect_image(id).await }).await.map_err(cannot)?;
        let config = found.config.unwrap_or_default();
        let argv: Vec<String> = config.entrypoint.into_iter().chain(config.cmd).flatten().collect();
        if argv.is_empty() {
            return Err(Failure::Infrastructure(
                "the step's image has neither an entry point nor a command of its own; give the step a `run`".to_owned(),
            ));
        }
        let mut known = self.known();
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(image, argv.clone());
        Ok(argv)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Vec<String>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
