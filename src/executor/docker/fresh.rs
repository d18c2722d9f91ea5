//! A terminal in a fresh container of a step, in the work tree that its failed job left: made as the step's own was, but that a shell runs in it.
//!
//! **Invariants:** it is nobody's attempt; it goes when its terminal ends, with the network when it was the job's last one, and what a crash leaves of it
//! bears the job's labels, by which the job's next [`super::super::Executor::keep`] finds it; nothing of the work tree goes with it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bollard::models::{ContainerCreateBody, HostConfig, HostConfigLogConfig};
use bollard::query_parameters::{CreateContainerOptionsBuilder, ResizeContainerTTYOptionsBuilder, StartContainerOptions};
use tokio::sync::Mutex;

use super::container::{self, Form};
use super::engine::Link;
use super::hijack::{self, Hijacked};
use super::pulls::{self, For};
use super::sandbox::{self, Joins};
use super::seen::{self, Phase};
use super::terminal::{self, SCRIPT, SHELL};
use super::trouble::Trouble;
use super::{Inner, files, names, release};
use crate::base::{InstanceId, JobKey, random_hex};
use crate::executor::terminal::{Terminal, TerminalControl, TerminalSize};
use crate::executor::{Failure, StepSpec};
use crate::pipeline::Network;

/// A container has ended a moment after its output has: asked so often, in this pause.
const ASKS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(50);

/// Such containers by name, with whose they are. Held while one is made or removed, so that nobody removes the network that another is about to join.
#[derive(Default)]
pub(super) struct Fresh(Mutex<BTreeMap<String, JobKey>>);

impl Fresh {
    /// Whatever the job had is gone.
    pub(super) async fn forget(&self, job: &JobKey) {
        self.0.lock().await.retain(|_, of| of != job);
    }
}

/// Opens one.
pub(super) async fn open(inner: &Arc<Inner>, step: &StepSpec, size: TerminalSize) -> Result<Terminal, Failure> {
    let Some(image) = &step.image else {
        return Err(Failure::Infrastructure("the step has no image for a container".to_owned()));
    };
    pulls::provide(inner, For::Run(&step.key.run), (image, step.pull), None).await?;
    files::write(inner, step).await?;
    let name = names::terminal_name(&inner.instance, &random_hex(8));
    let control = Control { inner: Arc::clone(inner), job: step.key.job_key(), name };
    match begin(inner, step, &control, size).await {
        Ok((output, input)) => Ok(Terminal { output, input, control: Box::new(control) }),
        Err(failure) => {
            control.remove().await;
            Err(failure)
        }
    }
}

type Ends = (crate::executor::ByteStream, std::pin::Pin<Box<dyn tokio::io::AsyncWrite + Send>>);

async fn begin(inner: &Inner, step: &StepSpec, control: &Control, size: TerminalSize) -> Result<Ends, Failure> {
    let cannot = |trouble: Trouble| trouble.into_failure("could not make a container for a terminal");
    let (job, name) = (&control.job, control.name.as_str());
    {
        let mut made = inner.fresh.0.lock().await;
        made.insert(control.name.clone(), job.clone());
        if step.network != Network::None {
            let wanted = sandbox::Job {
                instance: &inner.instance,
                key: job,
                title: &step.title,
                root: &step.dirs.root,
                hosts: Vec::new(),
                is_single: false,
            };
            sandbox::ensure(inner, &wanted).await.map_err(cannot)?;
        }
        let link = inner.engine.link().await.map_err(cannot)?;
        let body = container(inner, step, &link);
        let options = CreateContainerOptionsBuilder::new().name(name).build();
        inner.engine.ask(|client| async move { client.create_container(Some(options), body).await }).await.map_err(cannot)?;
    }
    // Before its start, so that not a byte is missed.
    let Hijacked { output, input } = hijack::attach(&inner.engine, name).await?;
    let started =
        inner.engine.ask(|client| async move { client.start_container(name, None::<StartContainerOptions>).await }).await;
    started.map_err(cannot)?;
    let (_, output) = terminal::greeted(output).await?;
    control.resize(size).await?;
    Ok((output, input))
}

fn container(inner: &Inner, step: &StepSpec, link: &Link) -> ContainerCreateBody {
    let sandbox = Joins::Sandbox(names::sandbox_name(&inner.instance, &step.key.job_key()));
    of_terminal(container::of_step(step, &inner.instance, &sandbox, &inner.limits, link, &Form::Log), step, &inner.instance)
}

/// The step's container, made one for a terminal: nothing of what keeps it in its place is otherwise.
fn of_terminal(of_step: ContainerCreateBody, step: &StepSpec, instance: &InstanceId) -> ContainerCreateBody {
    let host_config = of_step.host_config.map(|host| HostConfig {
        // What a terminal shows is not kept.
        log_config: Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: None }),
        ..host
    });
    ContainerCreateBody {
        labels: Some(names::terminal_labels(instance, step)),
        entrypoint: Some(vec![SHELL.to_owned(), "-c".to_owned(), SCRIPT.to_owned()]),
        cmd: None,
        env: Some(terminal::environment(&step.env)),
        tty: Some(true),
        open_stdin: Some(true),
        stdin_once: Some(true),
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        host_config,
        ..of_step
    }
}

struct Control {
    inner: Arc<Inner>,
    job: JobKey,
    name: String,
}

impl Control {
    /// Removes the container, and what was made for the job's terminals when it was the last one.
    async fn remove(&self) {
        let Inner { engine, instance, fresh, .. } = &*self.inner;
        let mut made = fresh.0.lock().await;
        let removed = async {
            release::remove_container(engine, &self.name).await?;
            made.remove(&self.name);
            if made.values().all(|job| *job != self.job) {
                release::remove_job(engine, instance, &self.job).await?;
            }
            Ok::<(), Trouble>(())
        };
        if let Err(trouble) = removed.await {
            tracing::debug!(?trouble, container = self.name, "what was made for a terminal is removed by the next comparison");
        }
    }
}

#[async_trait]
impl TerminalControl for Control {
    async fn resize(&self, size: TerminalSize) -> Result<(), Failure> {
        let TerminalSize { columns, rows } = size;
        let options = ResizeContainerTTYOptionsBuilder::new().h(rows.into()).w(columns.into()).build();
        let name = self.name.as_str();
        match self.inner.engine.ask(|client| async move { client.resize_container_tty(name, options).await }).await {
            Ok(()) | Err(Trouble::Refused { .. }) => Ok(()),
            Err(trouble) => Err(trouble.into_failure("could not resize a terminal")),
        }
    }

    async fn exit_code(&self) -> Result<Option<i64>, Failure> {
        for _ in 0..ASKS {
            let seen = seen::look(&self.inner.engine, &self.name).await;
            match seen.map_err(|trouble| trouble.into_failure("could not be asked about a terminal"))? {
                Some(seen) if seen.phase == Phase::Ended => {
                    self.remove().await;
                    return Ok(Some(seen.exit_code));
                }
                Some(_) => tokio::time::sleep(PAUSE).await,
                None => return Ok(None),
            }
        }
        Ok(None)
    }

    async fn end(&self) {
        self.remove().await;
    }
}
