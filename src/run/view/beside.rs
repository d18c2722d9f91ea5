//! What stands beside jobs and steps: inputs, concurrency groups, approvals.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::base::JobIx;
use crate::pipeline::{Concurrency, InputValue, JobPlan};
use crate::run::fill::approval_message;
use crate::run::{Decision, Job, JobState, Run, Wait};

use super::{ApprovalView, ConcurrencyView, DecisionView};

pub(super) fn view_inputs(run: &Run) -> BTreeMap<String, Value> {
    run.plan.inputs.iter().map(|(name, value)| (name.clone(), view_input(value))).collect()
}

fn view_input(value: &InputValue) -> Value {
    match value {
        InputValue::Text(text) => Value::from(text.as_str()),
        // Written as a decimal number; one that JSON writes in another way is shown as it stands.
        InputValue::Number(text) => {
            serde_json::from_str(text).ok().filter(Value::is_number).unwrap_or_else(|| Value::from(text.as_str()))
        }
        InputValue::Boolean(value) => Value::from(*value),
    }
}

/// The run waits for its group when none of its jobs could pass that.
pub(super) fn view_run_concurrency(run: &Run) -> Option<ConcurrencyView> {
    let concurrency = run.plan.concurrency.as_ref()?;
    let waits_for = run.jobs.iter().find_map(|job| match &job.state {
        JobState::Waiting { why: Wait::Group { run, job: None, .. } | Wait::Turn { run, job: None, .. } } => Some(*run),
        JobState::Waiting { .. } | JobState::Preparing { .. } | JobState::Running { .. } | JobState::Ended { .. } => None,
    });
    Some(view_concurrency(concurrency, waits_for))
}

pub(super) fn view_job_concurrency(plan: &JobPlan, job: &Job) -> Option<ConcurrencyView> {
    let concurrency = plan.concurrency.as_ref()?;
    let waits_for = match &job.state {
        JobState::Waiting { why: Wait::Group { run, job: Some(_), .. } | Wait::Turn { run, job: Some(_), .. } } => Some(*run),
        JobState::Waiting { .. } | JobState::Preparing { .. } | JobState::Running { .. } | JobState::Ended { .. } => None,
    };
    Some(view_concurrency(concurrency, waits_for))
}

fn view_concurrency(concurrency: &Concurrency, waits_for: Option<u64>) -> ConcurrencyView {
    let Concurrency { group, policy } = concurrency;
    ConcurrencyView { group: group.clone(), policy: *policy, waits_for }
}

pub(super) fn view_approval(run: &Run, ix: JobIx, plan: &JobPlan, job: &Job) -> Option<ApprovalView> {
    let approval = plan.approval.as_ref()?;
    let written = || approval.message.as_ref().map(|message| message.shown().to_owned());
    let (asked, until, message) = match &job.state {
        JobState::Waiting { why: Wait::Approval { message, until, .. } } => (true, *until, message.clone()),
        JobState::Waiting { why } if !why.is_ready() => (false, None, written()),
        JobState::Waiting { .. } | JobState::Preparing { .. } | JobState::Running { .. } | JobState::Ended { .. } => {
            (false, None, approval_message(run, ix as usize, approval).unwrap_or_else(|_| written()))
        }
    };
    let decision = job.decision.as_ref().map(|decision| match decision {
        Decision::Approved { by, at } => DecisionView { approved: true, by: by.clone(), at: *at },
        Decision::Rejected { by, at } => DecisionView { approved: false, by: by.clone(), at: *at },
    });
    Some(ApprovalView { message, by: approval.by.clone(), asked, until, decision })
}
