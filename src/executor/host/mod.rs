//! Steps as processes of this machine, without any isolation: for machines without Docker, and only when asked for.
//!
//! **Invariants:**
//! * A step runs only once it is on record (`record`), so that a later server finds and ends what an earlier one left running.
//! * A step is a process group. When its first process ends, the rest of the group is killed: nothing stays behind. (A process that leaves the group
//!   by `setsid` stays; the host gives no means against it.)
//! * After a crash nothing is taken up: the output went into pipes that died with the server. Such attempts are lost, and never run twice.

mod process;
mod record;
mod unpack;

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use self::record::Record;
use super::{ByteStream, Ended, Executor, Failure, JobSpec, Live, ServiceSinks, Sink, StepSpec, Survivor, pack, workspace};
use crate::base::{AttemptKey, Clock, JobKey, Tasks};
use crate::pipeline::{Action, Network, Resources};
use crate::run::{Exit, Stream};

/// Runs steps as process groups of this machine. Cheap to clone.
#[derive(Clone)]
pub struct Host {
    inner: Arc<Inner>,
}

struct Inner {
    record: Record,
    tasks: Tasks,
    clock: Clock,
    /// Attempts that this process started and whose end it waits for.
    running: Mutex<BTreeSet<AttemptKey>>,
}

impl Host {
    /// Keeps its records in `state_dir`, and first ends what an earlier server left running there. Blocking, for a moment.
    ///
    /// # Errors
    /// The directory cannot be made or read.
    pub fn new(state_dir: PathBuf, tasks: Tasks, clock: Clock) -> io::Result<Self> {
        let record = Record::open(state_dir)?;
        for left in record.left_behind()? {
            tracing::warn!(process_group = left, "ending the processes of a step that an earlier server left running");
            process::kill_group(left);
        }
        Ok(Self { inner: Arc::new(Inner { record, tasks, clock, running: Mutex::default() }) })
    }

    /// Puts what comes before the step's start into the work tree. What cannot be put costs the step that and nothing else.
    async fn restore(&self, step: &StepSpec, sink: &mut dyn Sink, stop: &CancellationToken) -> Result<(), Failure> {
        for archive in &step.before {
            match unpack::put(&self.inner.tasks, &step.dirs.workspace, &**archive, stop).await {
                Ok(()) => {}
                Err(Failure::Infrastructure(why)) => {
                    self.say(sink, &why)?;
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(())
    }

    fn say(&self, sink: &mut dyn Sink, sentence: &str) -> Result<(), Failure> {
        let written = sink.write(self.inner.clock.now_ns(), Stream::System, format!("{sentence}\n").as_bytes());
        written.map_err(|error| Failure::Infrastructure(format!("its log cannot be written: {error}")))
    }

    async fn blocking<T: Send + 'static>(
        &self,
        doing: &str,
        work: impl FnOnce(&Record) -> io::Result<T> + Send + 'static,
    ) -> Result<T, Failure> {
        let inner = Arc::clone(&self.inner);
        let done = self.inner.tasks.spawn_blocking(move || work(&inner.record)).await;
        let done = done.unwrap_or_else(|panic| Err(io::Error::other(panic)));
        done.map_err(|error| Failure::Infrastructure(format!("{doing}: {error}")))
    }
}

#[async_trait]
impl Executor for Host {
    fn name(&self) -> &'static str {
        "host"
    }

    fn needs_image(&self) -> bool {
        false
    }

    async fn health(&self) -> Result<(), Failure> {
        Ok(())
    }

    async fn prepare(&self, job: &JobSpec, _services: &dyn ServiceSinks) -> Result<(), Failure> {
        if !job.services.is_empty() {
            let names: Vec<_> = job.services.iter().map(|service| format!("`{}`", service.name)).collect();
            let names = names.join(", ");
            let sentence =
                format!("the job has services ({names}), which are containers: the host executor runs none; use `docker`");
            return Err(Failure::Infrastructure(sentence));
        }
        let (key, dirs) = (job.key.clone(), job.dirs.clone());
        self.blocking("the job cannot be put on record", move |record| record.job(&key, &dirs)).await?;
        let never = CancellationToken::new();
        for archive in &job.fill {
            unpack::put(&self.inner.tasks, &job.dirs.workspace, &**archive, &never).await?;
        }
        Ok(())
    }

    async fn follow_services(&self, _job: &JobKey, _services: &dyn ServiceSinks) -> Result<(), Failure> {
        Ok(())
    }

    async fn start(&self, step: &StepSpec, mut sink: Box<dyn Sink>, stop: CancellationToken) -> Result<Live, Failure> {
        let Action::Script { shell, text } = &step.action else {
            let sentence = "a step without `run` needs an image; the host executor cannot run the entry point of one";
            return Err(Failure::Infrastructure(sentence.to_owned()));
        };
        if self.inner.is_running(&step.key) {
            return Err(Failure::Infrastructure("this attempt runs already".to_owned()));
        }
        let (key, dirs, text) = (step.key.clone(), step.dirs.clone(), text.clone());
        let attempt = self.blocking("the step cannot be put on record", move |record| record.attempt(&key, &dirs, &text)).await?;
        if attempt.ran_before() {
            let sentence = "the server ended while the step ran on this machine; what was left of it was killed";
            let exit = Exit::Lost(sentence.to_owned());
            return Ok(Live { started_at: self.inner.clock.now(), exit: Box::pin(std::future::ready(Ok(Ended::with(exit)))) });
        }
        if step.network == Network::None || step.resources != Resources::default() {
            self.say(
                &mut *sink,
                "this machine's processes are not confined: `network` and `resources` do not hold without containers",
            )?;
        }
        self.restore(step, &mut *sink, &stop).await?;
        if stop.is_cancelled() {
            return Err(Failure::Stopped);
        }
        let group = process::Group::spawn(shell, attempt, &step.dirs.workspace, &step.env)?;
        let guard = Running::new(&self.inner, &step.key);
        let clock = self.inner.clock.clone();
        let grace = std::time::Duration::from_millis(step.grace_ms);
        Ok(Live {
            started_at: self.inner.clock.now(),
            exit: Box::pin(async move {
                let ended = group.follow(sink, clock, stop, grace).await;
                drop(guard);
                ended
            }),
        })
    }

    async fn attach(&self, _key: &AttemptKey, _sink: Box<dyn Sink>, _stop: CancellationToken) -> Result<Live, Failure> {
        Err(Failure::Gone)
    }

    async fn collect(&self, key: &AttemptKey, path: &str) -> Result<Option<ByteStream>, Failure> {
        let Some(below) = workspace::relative(path) else {
            let sentence = format!("`{path}` is not in the work tree, and the host executor reads nothing else");
            return Err(Failure::Infrastructure(sentence));
        };
        let key = key.clone();
        let place = self.blocking("the step's files cannot be read", move |record| {
            record.workspace_of(&key)?.map(|root| pack::find(&root, &below)).transpose()
        });
        Ok(place.await?.ok_or(Failure::Gone)?.map(|place| pack::stream(&self.inner.tasks, place)))
    }

    async fn remove(&self, key: &AttemptKey) -> Result<(), Failure> {
        let key = key.clone();
        self.blocking("the step's record cannot be removed", move |record| {
            if let Some(group) = record.group_of(&key)? {
                process::kill_group(group);
            }
            record.remove_attempt(&key)
        })
        .await
    }

    async fn survivors(&self) -> Result<Vec<Survivor>, Failure> {
        Ok(Vec::new())
    }

    async fn jobs(&self) -> Result<Vec<JobKey>, Failure> {
        self.blocking("the records of jobs cannot be read", Record::jobs).await
    }

    async fn release(&self, job: &JobKey) -> Result<(), Failure> {
        let job = job.clone();
        self.blocking("the job's directory cannot be removed", move |record| {
            for group in record.groups_of(&job)? {
                process::kill_group(group);
            }
            record.remove_job(&job)
        })
        .await
    }
}

impl Inner {
    fn is_running(&self, key: &AttemptKey) -> bool {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).contains(key)
    }
}

/// Marks an attempt as running for as long as its end is waited for.
struct Running {
    inner: Arc<Inner>,
    key: AttemptKey,
}

impl Running {
    fn new(inner: &Arc<Inner>, key: &AttemptKey) -> Self {
        inner.running.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone());
        Self { inner: Arc::clone(inner), key: key.clone() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.inner.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}
