//! Services that ended with their engine: when a step is to start after that, they are started again before it, as its sandbox is. What ended by itself
//! stays ended.

use std::time::Duration;

use bollard::query_parameters::{LogsOptionsBuilder, StartContainerOptions};
use futures_util::StreamExt;
use futures_util::future::try_join_all;

use super::hearing::Heard;
use super::listeners::Listeners;
use super::ready::Waiting;
use super::seen::{self, Phase};
use super::service::{Found, of_job};
use super::trouble::Trouble;
use super::{Inner, ending, names};
use crate::base::JobKey;
use crate::executor::{Failure, not_ready};
use crate::pipeline::{Ready, ServicePlan};
use crate::run::Stream;

/// Starts a job's services again and waits until they are ready, each as it was at first.
pub(super) async fn revive(inner: &Inner, job: &JobKey) -> Result<(), Failure> {
    let sandbox = names::sandbox_name(&inner.instance, job);
    let listeners = Listeners::of(&inner.engine, &sandbox);
    let found = of_job(inner, job).await?;
    try_join_all(found.iter().map(|found| revive_one(inner, found, &listeners))).await?;
    Ok(())
}

async fn revive_one(inner: &Inner, found: &Found, listeners: &Listeners<'_>) -> Result<(), Failure> {
    let name = found.container.as_str();
    let cannot = |trouble: Trouble| trouble.into_failure(&format!("could not start service `{}` again", found.service));
    let Some(seen) = seen::look(&inner.engine, name).await.map_err(cannot)? else { return Ok(()) };
    if seen.phase != Phase::Ended || !ending::went_with_engine(&inner.engine, &seen).await.map_err(cannot)? {
        return Ok(());
    }
    let since = i32::try_from(inner.clock.now().0 / 1_000).unwrap_or(i32::MAX);
    let start = |client: bollard::Docker| async move { client.start_container(name, None::<StartContainerOptions>).await };
    inner.engine.ask(start).await.map_err(cannot)?;
    let Some(plan) = names::service_of(&found.labels) else { return Ok(()) };
    let heard = Heard::listening_for(match &plan.ready {
        Ready::Log(text) => Some(text.as_str()),
        Ready::Health | Ready::Port(_) | Ready::Command(_) => None,
    });
    let waiting = Waiting::new(&inner.engine, name, listeners, &heard);
    tokio::select! {
        ready = waiting.until(&plan.ready) => ready.map_err(cannot),
        ended = listen(inner, name, since, &heard) => Err(match ended.map_err(cannot)? {
            Some(code) => not_ready::ended(&plan, code, heard.last_words()),
            None => Failure::Gone,
        }),
        () = tokio::time::sleep(Duration::from_millis(plan.ready_timeout_ms)) => {
            Err(not_ready::late(&plan, waiting.said(), heard.last_words()))
        }
    }
}

/// Hears what the container says from now on, until it ends; its own log is taken up by whoever follows it. Gives its exit code.
async fn listen(inner: &Inner, name: &str, since: i32, heard: &Heard) -> Result<Option<i64>, Trouble> {
    let link = inner.engine.link().await?;
    let options = LogsOptionsBuilder::new().follow(true).stdout(true).stderr(true).since(since).build();
    let mut pieces = std::pin::pin!(link.client.logs(name, Some(options)));
    while let Some(Ok(piece)) = pieces.next().await {
        heard.take(Stream::Stdout, piece.as_ref());
    }
    loop {
        match seen::look(&inner.engine, name).await? {
            Some(seen) if seen.phase == Phase::Ended => return Ok(Some(seen.exit_code)),
            Some(_) => tokio::time::sleep(Duration::from_secs(1)).await,
            None => return Ok(None),
        }
    }
}

/// What is remembered of a service for this: how it shows that it is ready, and nothing of what it is made of.
pub(super) fn remembered(service: &ServicePlan) -> ServicePlan {
    ServicePlan { env: Default::default(), command: None, ..service.clone() }
}
