//! The services of the fake engine, steered by their own `env`:
//!
//! | Variable | Meaning |
//! |---|---|
//! | `FAKE_OUTPUT` | what it says; default: a line with its name |
//! | `FAKE_READY_MS` | how long until it is ready, default 0; `never` |
//! | `FAKE_EXIT` | set: it ends with this code when it would have become ready |
//!
//! What it says is said at once, so its log is complete from its start on.

use std::time::Duration;

use crate::base::{Clock, JobKey, Timestamp};
use crate::executor::{Failure, JobSpec, ServiceSinks, not_ready};
use crate::pipeline::ServicePlan;
use crate::run::Stream;

use super::{Fake, write};

/// One service that was started.
#[derive(Clone)]
pub(super) struct Service {
    output: String,
    started_ns: i64,
    /// `None`: never.
    ready_at: Option<Timestamp>,
    exit: Option<i64>,
}

impl Service {
    fn of(plan: &ServicePlan, clock: &Clock) -> Self {
        let env = |name: &str| plan.env.get(name).map(String::as_str);
        let after = match env("FAKE_READY_MS") {
            Some("never") => None,
            ms => Some(ms.and_then(|ms| ms.parse().ok()).unwrap_or(0)),
        };
        Self {
            output: env("FAKE_OUTPUT").map_or_else(|| format!("{}\n", plan.name), str::to_owned),
            started_ns: clock.now_ns(),
            ready_at: after.map(|ms| clock.now().plus_ms(ms)),
            exit: env("FAKE_EXIT").and_then(|code| code.parse().ok()),
        }
    }

    fn last_words(&self) -> Option<String> {
        self.output.lines().last().map(str::to_owned)
    }
}

impl Fake {
    /// Starts the services of a job, or finds them, and waits until they are ready.
    pub(super) async fn start_services(&self, job: &JobSpec, sinks: &dyn ServiceSinks) -> Result<(), Failure> {
        for plan in &job.services {
            let service = self.start_service(&job.key, plan);
            let cannot =
                |error| Failure::Infrastructure(format!("the log of service `{}` cannot be written: {error}", plan.name));
            let mut sink = sinks.open(&plan.name).map_err(cannot)?;
            let had = usize::try_from(sink.received(Stream::Stdout)).unwrap_or(usize::MAX).min(service.output.len());
            write(&mut *sink, service.started_ns, Stream::Stdout, &service.output.as_bytes()[had..])?;
            sink.finish().map_err(cannot)?;
        }
        let patience = |plan: &ServicePlan| self.clock.now().plus_ms(plan.ready_timeout_ms);
        for (plan, until) in job.services.iter().map(|plan| (plan, patience(plan))) {
            self.until_ready(&job.key, plan, until).await?;
        }
        Ok(())
    }

    fn start_service(&self, job: &JobKey, plan: &ServicePlan) -> Service {
        let mut engine = self.engine();
        let key = (job.clone(), plan.name.clone());
        if let Some(service) = engine.services.get(&key) {
            return service.clone();
        }
        let service = Service::of(plan, &self.clock);
        engine.services.insert(key.clone(), service.clone());
        engine.service_starts.push(key);
        service
    }

    async fn until_ready(&self, job: &JobKey, plan: &ServicePlan, until: Timestamp) -> Result<(), Failure> {
        loop {
            self.ask()?;
            let service = self.engine().services.get(&(job.clone(), plan.name.clone())).cloned().ok_or(Failure::Gone)?;
            let now = self.clock.now();
            match (service.ready_at.filter(|at| *at <= now), service.exit) {
                (Some(_), None) => return Ok(()),
                (Some(_), Some(code)) => return Err(not_ready::ended(plan, code, service.last_words())),
                (None, _) if now >= until => return Err(not_ready::late(plan, None, service.last_words())),
                (None, _) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    }
}
