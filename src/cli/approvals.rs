//! Approvals in `gantry run`: there is nobody to ask but the one who called it, and that one says so beforehand.
//!
//! **Invariant:** what needs an approval on the server does not run here by accident.

use crate::pipeline::Plan;

/// With `approved`, jobs that would ask begin without asking; else they are skipped, and those that need them.
pub(super) fn answered(mut plan: Plan, approved: bool) -> Plan {
    for job in plan.jobs.iter_mut().filter(|job| job.approval.is_some()) {
        if approved {
            job.approval = None;
        } else if job.skip.is_none() {
            job.skip = Some("it needs an approval, which `gantry run --approve` gives".to_owned());
        }
    }
    plan
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::{Approval, JobPlan};

    #[test]
    fn a_job_that_asks_is_skipped_unless_it_is_approved_beforehand() {
        let ask = || Some(Approval { message: None, by: vec!["ops".to_owned()], timeout_ms: None });
        let jobs = vec![
            JobPlan { approval: ask(), ..JobPlan::new("deploy", vec![]) },
            JobPlan { approval: ask(), skip: Some("its `if` is false".to_owned()), ..JobPlan::new("unwanted", vec![]) },
            JobPlan::new("test", vec![]),
        ];
        let plan = Plan::new("ci", ".gantry.yml", jobs);
        let skips = |plan: Plan| plan.jobs.into_iter().map(|job| job.skip).collect::<Vec<_>>();
        let why = Some("it needs an approval, which `gantry run --approve` gives".to_owned());
        assert_eq!(skips(answered(plan.clone(), false)), [why, Some("its `if` is false".to_owned()), None]);
        let approved = answered(plan, true);
        assert!(approved.jobs.iter().all(|job| job.approval.is_none()));
        assert_eq!(skips(approved), [None, Some("its `if` is false".to_owned()), None]);
    }
}
