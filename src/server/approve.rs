//! Answers to jobs that wait for approval.
//!
//! **Invariant:** who may answer is decided here and by the plan of that very run; the board only hears answers that count. There is no login yet: the
//! name is what the caller says it is.

use super::core::Refused;
use super::handle::{Handle, Refusal};
use crate::base::{JobIx, RunId, limits};
use crate::run::{Event, JobState, Run, Wait};
use crate::schedule::Input;

/// What was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Approve,
    Reject,
}

impl Handle {
    /// Lets a job go on that waits for approval, or ends it.
    pub async fn approve(&self, run: &RunId, job: &str, by: &str, answer: Answer) -> Result<(), Refusal> {
        let by = check_name(by, "answers")?;
        let found = self.find_run(run).await?;
        let job = asked(&found, job, by)?;
        let at = self.clock().now();
        let by = by.to_owned();
        let event = match answer {
            Answer::Approve => Event::Approved { job, by, at },
            Answer::Reject => Event::Rejected { job, by, at },
        };
        match self.ask(Input::Run(run.clone(), event)).await {
            Ok(()) => Ok(()),
            Err(Refused::Ignored(why)) => Err(Refusal::Conflict(format!("the answer changes nothing: {why}"))),
            Err(Refused::Store(error)) => Err(error.into()),
        }
    }
}

/// The job of that name, if it waits for this person's answer.
fn asked(run: &Run, name: &str, by: &str) -> Result<JobIx, Refusal> {
    let number = run.number;
    let Some((ix, plan)) = run.plan.job_named(name) else {
        let shown: String = name.chars().take(limits::NAME_CHARS).collect();
        return Err(Refusal::NotFound(format!("run #{number} has no job `{shown}`{}", waiting(run))));
    };
    let Some(approval) = &plan.approval else {
        return Err(Refusal::Conflict(format!("`{name}` of run #{number} needs no approval{}", waiting(run))));
    };
    match run.jobs.get(ix as usize).map(|job| &job.state) {
        Some(JobState::Waiting { why: Wait::Approval { .. } }) => {}
        Some(JobState::Waiting { why }) if !why.is_ready() => {
            return Err(Refusal::Conflict(format!("`{name}` of run #{number} does not ask for approval yet: it {why}")));
        }
        Some(JobState::Waiting { .. } | JobState::Preparing { .. } | JobState::Running { .. }) => {
            return Err(Refusal::Conflict(format!("`{name}` of run #{number} is approved already")));
        }
        Some(JobState::Ended { outcome, reason, .. }) => {
            return Err(Refusal::Conflict(format!("`{name}` of run #{number} has ended as {outcome}: {reason}")));
        }
        None => return Err(Refusal::NotFound(format!("run #{number} has no job `{name}`"))),
    }
    if approval.by.is_empty() || approval.by.iter().any(|name| name == by) {
        return Ok(ix);
    }
    Err(Refusal::Forbidden(format!("`{by}` may not answer for `{name}`: only {} may", approval.by.join(" or "))))
}

/// What a person may have meant instead.
fn waiting(run: &Run) -> String {
    let asks = |job: &crate::run::Job| matches!(job.state, JobState::Waiting { why: Wait::Approval { .. } });
    let names: Vec<String> =
        run.plan.jobs.iter().zip(&run.jobs).filter(|(_, job)| asks(job)).map(|(plan, _)| format!("`{}`", plan.name)).collect();
    match names.as_slice() {
        [] => "; none of its jobs waits for approval".to_owned(),
        names => format!("; {} waits for approval", names.join(", ")),
    }
}

/// A name stands in sentences and on pages.
pub(super) fn check_name<'n>(by: &'n str, does: &str) -> Result<&'n str, Refusal> {
    let by = by.trim();
    let fits = !by.is_empty() && by.chars().count() <= limits::NAME_CHARS && !by.chars().any(char::is_control);
    if fits {
        return Ok(by);
    }
    Err(Refusal::Invalid(format!("say who {does}: a name of 1 to {} characters on one line", limits::NAME_CHARS)))
}
