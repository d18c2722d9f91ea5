//! A job's services: containers in the network of its sandbox, started before its steps and followed until they end, which is with the job.
//!
//! **Invariants:** a service's container is found again by its name and labels, so that it is never started twice; it bears no attempt's key, so that
//! nobody takes it for an attempt; its output is followed by one reader at a time, who goes on where the log ends, also after a crash.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::CreateContainerOptionsBuilder;
use futures_util::future::try_join_all;

use super::allowance::Allowance;
use super::engine::Link;
use super::followed::{Claim, Fate, Following};
use super::hearing::Heard;
use super::listeners::Listeners;
use super::names::{self, Labels};
use super::output::Output;
use super::pulls::For;
use super::ready::Waiting;
use super::seen::{self, Phase, Seen};
use super::start::{Pieces, attach_and_start};
use super::trouble::Trouble;
use super::{Inner, container, ending, pulls, release};
use crate::base::JobKey;
use crate::executor::{Failure, JobSpec, ServiceSinks, Sink, not_ready};
use crate::pipeline::{Ready, Resources, ServicePlan};

/// Starts all services of a job, or finds them, and waits until they are ready.
pub(super) async fn start_all(inner: &Arc<Inner>, job: &JobSpec, sinks: &dyn ServiceSinks) -> Result<(), Failure> {
    let sandbox = names::sandbox_name(&inner.instance, &job.key);
    let listeners = Listeners::of(&inner.engine, &sandbox);
    let starts = (0..).zip(&job.services).map(|(number, service)| {
        let name = names::service_name(&inner.instance, &job.key, number);
        let one = One { inner, job, service, name, listeners: &listeners };
        async move { one.start(sinks).await }
    });
    try_join_all(starts).await?;
    Ok(())
}

/// Goes on with the logs of a job's services that nobody follows: after a crash of the server, or when the engine is back.
pub(super) async fn follow_all(inner: &Arc<Inner>, job: &JobKey, sinks: &dyn ServiceSinks) -> Result<(), Failure> {
    for found in of_job(inner, job).await? {
        let Ok(claim) = Claim::of(inner, job, &found.container, None) else { continue };
        if let Some(root) = names::root_of(&found.labels) {
            inner.remember(job, root, None);
        }
        let output = Output::new(open(sinks, &found.service)?, inner.clock.clone());
        claim.follow(output, None);
    }
    Ok(())
}

/// A service that the engine holds.
pub(super) struct Found {
    pub service: String,
    /// The name of its container.
    pub container: String,
    pub labels: Labels,
}

/// A job's services, by what the engine holds.
pub(super) async fn of_job(inner: &Inner, job: &JobKey) -> Result<Vec<Found>, Failure> {
    let number = job.job.to_string();
    let labels = [
        (names::INSTANCE, Some(inner.instance.as_str())),
        (names::RUN, Some(job.run.as_str())),
        (names::JOB, Some(number.as_str())),
        (names::SERVICE, None),
    ];
    let cannot = |trouble: Trouble| trouble.into_failure("could not list the job's services");
    let found = release::list(&inner.engine, &labels).await.map_err(cannot)?;
    let named = found.into_iter().filter_map(|container| {
        let name = container.names?.first()?.trim_start_matches('/').to_owned();
        let labels = container.labels?;
        Some(Found { service: labels.get(names::SERVICE)?.clone(), container: name, labels })
    });
    Ok(named.collect())
}

/// `name:127.0.0.1`, for each service that has a name which a host can have.
pub(super) fn hosts<'a>(services: impl Iterator<Item = &'a str>) -> Vec<String> {
    let can_be_host = |name: &&str| {
        let known = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.');
        !name.is_empty() && name.len() <= 63 && name.chars().all(known)
    };
    services.filter(can_be_host).map(|name| format!("{name}:127.0.0.1")).collect()
}

fn open(sinks: &dyn ServiceSinks, service: &str) -> Result<Box<dyn Sink>, Failure> {
    let cannot = |error| Failure::Infrastructure(format!("the log of service `{service}` cannot be written: {error}"));
    sinks.open(service).map_err(cannot)
}

/// One service on its way.
struct One<'a> {
    inner: &'a Arc<Inner>,
    job: &'a JobSpec,
    service: &'a ServicePlan,
    /// Of its container.
    name: String,
    listeners: &'a Listeners<'a>,
}

impl One<'_> {
    async fn start(&self, sinks: &dyn ServiceSinks) -> Result<(), Failure> {
        let following = match Claim::of(self.inner, &self.job.key, &self.name, self.sought()) {
            Ok(claim) => self.begin(claim, sinks).await?,
            // A preparation before this one, which was given up, has left it followed.
            Err(following) => following,
        };
        let waiting = Waiting::new(&self.inner.engine, &self.name, self.listeners, &following.heard);
        let patience = Duration::from_millis(self.service.ready_timeout_ms);
        let name = &self.service.name;
        tokio::select! {
            biased;
            fate = following.end() => Err(self.ended(fate, &following.heard)),
            ready = waiting.until(&self.service.ready) => {
                ready.map_err(|trouble| trouble.into_failure(&format!("could not be asked whether service `{name}` is ready")))
            }
            () = tokio::time::sleep(patience) => Err(not_ready::late(self.service, waiting.said(), following.heard.last_words())),
        }
    }

    fn ended(&self, fate: Fate, heard: &Heard) -> Failure {
        let name = &self.service.name;
        match fate {
            Fate::Ended { code } => not_ready::ended(self.service, code, heard.last_words()),
            Fate::Gone => Failure::Infrastructure(format!("the container of service `{name}` was removed, not by this server")),
            Fate::Broken | Fate::Followed => {
                let host = &self.inner.engine.host;
                Failure::Unreachable(format!("the connection to Docker at {host} broke while service `{name}` started"))
            }
        }
    }

    /// Makes and starts the container, or finds it; its output is followed from here on.
    async fn begin(&self, claim: Claim, sinks: &dyn ServiceSinks) -> Result<Arc<Following>, Failure> {
        let mut output = Output::new(open(sinks, &self.service.name)?, self.inner.clock.clone());
        let following = claim.following();
        match self.run(&mut output).await {
            Ok(pieces) => {
                claim.follow(output, pieces);
                Ok(following)
            }
            Err(failure @ Failure::Unreachable(_)) => Err(failure),
            Err(failure) => {
                output.say(&failure.to_string());
                output.finish()?;
                Err(failure)
            }
        }
    }

    fn sought(&self) -> Option<&str> {
        match &self.service.ready {
            Ready::Log(text) => Some(text),
            Ready::Health | Ready::Port(_) | Ready::Command(_) => None,
        }
    }

    /// Gives its output from the first byte on; of one that was there before, nothing: the engine's log has it.
    async fn run(&self, output: &mut Output) -> Result<Option<Pieces>, Failure> {
        let name = &self.service.name;
        let cannot = |trouble: Trouble| trouble.into_failure(&format!("could not start service `{name}`"));
        let found = self.create(output).await?;
        let was_there = found.is_some();
        if let Some(seen) = found {
            let has_run = match seen.phase {
                Phase::Created => false,
                Phase::Running => true,
                Phase::Ended => !ending::went_with_engine(&self.inner.engine, &seen).await.map_err(cannot)?,
            };
            if has_run {
                return Ok(None);
            }
        }
        let pieces = attach_and_start(self.inner, &self.name).await.map_err(cannot)?;
        Ok((!was_there).then_some(pieces))
    }

    /// Makes the container; pulls the image when it is missing. Gives the one that was there before, if there was one.
    async fn create(&self, output: &mut Output) -> Result<Option<Seen>, Failure> {
        let name = &self.service.name;
        let cannot = |trouble: Trouble| trouble.into_failure(&format!("could not create service `{name}`"));
        let engine = &self.inner.engine;
        let (run, wanted) = (&self.job.key.run, (self.service.image.as_str(), self.service.pull));
        let pull = |failure| match failure {
            Failure::Infrastructure(why) => Failure::Infrastructure(format!("service `{name}`: {why}")),
            other => other,
        };
        if self.inner.images.must_ask(run, wanted.0, wanted.1) && seen::look(engine, &self.name).await.map_err(cannot)?.is_none()
        {
            pulls::provide(self.inner, For::Run(run), wanted, Some(&mut *output)).await.map_err(pull)?;
        }
        let mut pulled = false;
        let mut making = 0;
        loop {
            let trouble = match self.create_once().await {
                Ok(()) => return Ok(None),
                Err(trouble) => trouble,
            };
            if trouble.is(409) {
                match seen::look(engine, &self.name).await.map_err(cannot)? {
                    Some(seen) if self.inner.is_ours(&seen.labels) => return Ok(Some(seen)),
                    None if making < seen::MAKING => {
                        making += 1;
                        tokio::time::sleep(seen::MAKING_PAUSE).await;
                        continue;
                    }
                    Some(_) | None => return Err(cannot(trouble)),
                }
            }
            if pulled || !trouble.is(404) {
                return Err(cannot(trouble));
            }
            pulled = pulls::provide(self.inner, For::Run(run), wanted, Some(&mut *output)).await.map_err(pull)?;
            if !pulled {
                // The image is here: something else was not found.
                return Err(cannot(trouble));
            }
        }
    }

    async fn create_once(&self) -> Result<(), Trouble> {
        let link = self.inner.engine.link().await?;
        let options = CreateContainerOptionsBuilder::new().name(&self.name).build();
        let body = self.body(&link);
        self.inner.engine.ask(|client| async move { client.create_container(Some(options), body).await }).await?;
        Ok(())
    }

    /// Hardened as a step is, without its mounts: a service has nothing to do with the work tree.
    fn body(&self, link: &Link) -> ContainerCreateBody {
        let Self { inner, job, service, name: _, listeners: _ } = self;
        let mut env: BTreeMap<_, _> = service.env.clone();
        env.insert("CI".to_owned(), "true".to_owned());
        let sandbox = names::sandbox_name(&inner.instance, &job.key);
        // What a job asks for is for each of its steps; its services have what the server allows.
        let allowance = Allowance::of(&Resources::default(), &inner.limits, link.cpus);
        ContainerCreateBody {
            image: Some(service.image.clone()),
            cmd: service.command.clone(),
            env: Some(env.into_iter().map(|(name, value)| format!("{name}={value}")).collect()),
            labels: Some(names::service_labels(&inner.instance, job, service)),
            stop_signal: Some(container::ENGINE_STOP_SIGNAL.to_owned()),
            host_config: Some(allowance.within(HostConfig {
                network_mode: Some(format!("container:{sandbox}")),
                log_config: Some(container::log()),
                init: Some(link.has_init),
                ..container::hardened(&container::CAPABILITIES)
            })),
            ..ContainerCreateBody::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_a_host_can_have_become_hosts() {
        let long = "x".repeat(64);
        let names = ["db", "my-db_2.x", "two words", "evil\n1.2.3.4 registry", "a:b", "", &long];
        assert_eq!(hosts(names.into_iter()), ["db:127.0.0.1", "my-db_2.x:127.0.0.1"]);
    }
}
