//! Making a step's container, or finding the one that an earlier call made.

use bollard::query_parameters::CreateContainerOptionsBuilder;
use tokio_util::sync::CancellationToken;

use super::container::{self, Form};
use super::output::Output;
use super::park::Reached;
use super::pulls::For;
use super::seen::{self, Phase, Seen};
use super::trouble::Trouble;
use super::{Inner, files, names, pulls, release, sandbox, segment};
use crate::executor::{Failure, StepSpec};
use crate::pipeline::Network;

/// What a start has before it.
pub(super) enum Created {
    /// A container in which nothing of the step has run yet.
    Waits(Waiting),
    /// One whose step has begun.
    Began(Box<Seen>),
}

pub(super) struct Waiting {
    pub form: Form,
    /// It runs, and waits at its gate.
    pub running: bool,
    /// It was made by an earlier call.
    pub was_there: bool,
    /// The connection to its gate, where there is one already.
    pub reached: Option<Reached>,
}

impl Waiting {
    /// A new one.
    pub(super) fn made(form: Form) -> Self {
        Self { form, running: false, was_there: false, reached: None }
    }

    fn found(form: Form, phase: Phase) -> Self {
        Self { form, running: phase == Phase::Running, was_there: true, reached: None }
    }

    /// A parked one.
    pub(super) fn of(reached: Reached) -> Self {
        let form = Form::Gate { record: reached.record.clone(), is_parked: true };
        Self { form, running: true, was_there: true, reached: Some(reached) }
    }
}

/// Makes the container; pulls the image when it is missing.
pub(super) async fn create(
    inner: &Inner,
    step: &StepSpec,
    name: &str,
    output: &mut Output,
    stop: &CancellationToken,
) -> Result<Created, Failure> {
    let Some(image) = &step.image else {
        return Err(Failure::Infrastructure("the step has no image to run in".to_owned()));
    };
    let cannot = |trouble: Trouble| trouble.into_failure("could not create the step's container");
    if stop.is_cancelled() {
        let seen = seen::look(&inner.engine, name).await.map_err(cannot)?.ok_or(Failure::Stopped)?;
        return judge(inner, step, name, seen).await?.ok_or(Failure::Stopped);
    }
    tokio::select! {
        done = pulls::refresh(inner, step, name, output) => done?,
        () = stop.cancelled() => return Err(Failure::Stopped),
    }
    let mut pulled = false;
    loop {
        let trouble = match make_or_find(inner, step, name, false, stop).await? {
            Ok(created) => return Ok(created),
            Err(trouble) => trouble,
        };
        if pulled || !trouble.is(404) {
            return Err(cannot(trouble));
        }
        pulled = tokio::select! {
            done = pulls::provide(inner, For::Attempt(&step.key), (image, step.pull), Some(output)) => done?,
            () = stop.cancelled() => return Err(Failure::Stopped),
        };
        if !pulled {
            // The image is here: something else was not found.
            return Err(cannot(trouble));
        }
    }
}

/// Makes the container if its image is here. What the engine refuses is given back, so that whoever can pull may do so.
pub(super) async fn make_or_find(
    inner: &Inner,
    step: &StepSpec,
    name: &str,
    is_parked: bool,
    stop: &CancellationToken,
) -> Result<Result<Created, Trouble>, Failure> {
    let cannot = |trouble: Trouble| trouble.into_failure("could not create the step's container");
    let form = inner.form(step, is_parked).await?;
    let mut making = 0;
    let done = loop {
        let trouble = match create_once(inner, step, name, &form).await {
            Ok(()) => return Ok(Ok(Created::Waits(Waiting::made(form)))),
            Err(trouble) => trouble,
        };
        if !trouble.is(409) {
            break Err(trouble);
        }
        match seen::look(&inner.engine, name).await.map_err(cannot)? {
            Some(seen) if inner.is_ours(&seen.labels) => {
                if let Some(created) = judge(inner, step, name, seen).await? {
                    break Ok(created);
                }
            }
            None if making < seen::MAKING && !stop.is_cancelled() => {
                making += 1;
                tokio::time::sleep(seen::MAKING_PAUSE).await;
            }
            Some(_) | None => break Err(trouble),
        }
    };
    if let Form::Gate { record, is_parked: _ } = form {
        files::forget(inner, record).await;
    }
    Ok(done)
}

/// What a container is to a start that finds it. One of which nothing can come any more is removed, and is none.
async fn judge(inner: &Inner, step: &StepSpec, name: &str, seen: Seen) -> Result<Option<Created>, Failure> {
    let phase = seen.phase;
    let Some(record) = names::record_dir(&seen.labels) else {
        return Ok(Some(match phase {
            Phase::Created if names::is_carried(&seen.labels) => Created::Waits(Waiting::found(Form::Carried, phase)),
            Phase::Created => Created::Waits(Waiting::found(Form::Log, phase)),
            Phase::Running | Phase::Ended => Created::Began(Box::new(seen)),
        }));
    };
    if phase != Phase::Created && segment::was_opened(&record, phase == Phase::Running) {
        return Ok(Some(Created::Began(Box::new(seen))));
    }
    let cannot = |trouble: Trouble| trouble.into_failure("could not look after the step's container");
    let is_dead = match phase {
        Phase::Created => false,
        Phase::Running => has_lost_network(inner, step, &seen).await.map_err(cannot)?,
        Phase::Ended => true,
    };
    if is_dead {
        release::remove_container(&inner.engine, name).await.map_err(cannot)?;
        return Ok(None);
    }
    let form = Form::Gate { record, is_parked: names::is_parked(&seen.labels) };
    Ok(Some(Created::Waits(Waiting::found(form, phase))))
}

/// Whether the sandbox that it joined is gone, or was started again since.
async fn has_lost_network(inner: &Inner, step: &StepSpec, seen: &Seen) -> Result<bool, Trouble> {
    if step.network == Network::None || seen.owns_network {
        return Ok(false);
    }
    let sandbox = seen::look(&inner.engine, &names::sandbox_name(&inner.instance, &step.key.job_key())).await?;
    Ok(sandbox.is_none_or(|sandbox| sandbox.phase != Phase::Running || sandbox.started_ns > seen.started_ns))
}

pub(super) async fn create_once(inner: &Inner, step: &StepSpec, name: &str, form: &Form) -> Result<(), Trouble> {
    let link = inner.engine.link().await?;
    let joins = sandbox::joined_by(inner, step).await?;
    let body = container::of_step(step, &inner.instance, &joins, &inner.limits, &link, form);
    let options = CreateContainerOptionsBuilder::new().name(name).build();
    inner.engine.ask(|client| async move { client.create_container(Some(options), body).await }).await?;
    Ok(())
}
