//! What stands around the steps of a job: services, approval, concurrency.

use std::collections::BTreeMap;

use super::{Planning, variables};
use crate::pipeline::check::spec::{self, Pipeline};
use crate::pipeline::expr::{Facts, Level};
use crate::pipeline::parts::{Approval, Concurrency, ServicePlan};

impl Planning<'_, '_, '_> {
    /// The group of the whole run.
    pub(super) fn group_of_pipeline(&mut self, pipeline: &Pipeline) -> Option<Concurrency> {
        let concurrency = pipeline.concurrency.as_ref()?;
        let facts = Facts::new(self.shared, None);
        let levels: Vec<Level> = pipeline.envs.iter().map(|env| self.level(env, &facts)).collect();
        let facts = levels.iter().fold(facts, |facts, level| facts.with(level));
        self.group(concurrency, &facts)
    }

    pub(super) fn group(&mut self, concurrency: &spec::Concurrency, facts: &Facts) -> Option<Concurrency> {
        let spec::Concurrency { group: template, policy } = concurrency;
        let group = self.fill_now(template, facts)?;
        if group.trim().is_empty() {
            let hint = "for example `ci-${{ branch }}`";
            self.report.error_hint("value", template.span, "the group's name is empty for this trigger", hint);
            return None;
        }
        Some(Concurrency { group, policy: *policy })
    }

    pub(super) fn approval(&mut self, approval: &spec::Approval, facts: &Facts) -> Approval {
        let spec::Approval { message, by, timeout_ms } = approval;
        let message = message.as_ref().and_then(|message| self.fill(message, facts));
        Approval { message, by: by.clone(), timeout_ms: *timeout_ms }
    }

    pub(super) fn service(&mut self, service: &spec::Service, facts: &Facts) -> Option<ServicePlan> {
        let spec::Service { name, image: template, pull, env, command, ready, ready_timeout_ms } = service;
        let mut values = BTreeMap::new();
        for (variable, template) in env.iter() {
            if let Some(value) = self.fill_now(template, facts) {
                values.insert(variable.clone(), value);
            }
        }
        let image = self.image(template, facts)?;
        let taken = variables::bytes(&image) + values.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        self.takes(taken, template.span);
        Some(ServicePlan {
            name: name.clone(),
            image: image.fixed()?.to_owned(),
            pull: *pull,
            env: values,
            command: command.clone(),
            ready: ready.clone(),
            ready_timeout_ms: *ready_timeout_ms,
        })
    }
}
