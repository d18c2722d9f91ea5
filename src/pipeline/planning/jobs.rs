//! Jobs: one for each combination of a matrix.

use std::collections::BTreeMap;
use std::ops::Range;

use super::matrix::{self, Combination};
use super::names::Names;
use super::steps::{Around, Planned};
use super::{Planning, variables};
use crate::base::{JobIx, limits};
use crate::pipeline::check::spec::Job;
use crate::pipeline::expr::{Facts, Level};
use crate::pipeline::parts::Cell;
use crate::pipeline::plan::{JobPlan, StepPlan};

impl Planning<'_, '_, '_> {
    /// All jobs, in the file's order, each with its combinations beside each other.
    pub(super) fn jobs(&mut self, jobs: &[Job]) -> Vec<JobPlan> {
        // Too many of them, or none, has been told; then this is not reached.
        let cells: Vec<Vec<Option<Combination>>> = jobs
            .iter()
            .map(|job| match &job.matrix {
                Some(matrix) => matrix::combinations(matrix).unwrap_or_default().into_iter().map(Some).collect(),
                None => vec![None],
            })
            .collect();
        let mut next: JobIx = 0;
        let positions: Vec<Range<JobIx>> = cells
            .iter()
            .map(|cells| {
                let first = next;
                next += JobIx::try_from(cells.len()).unwrap_or(JobIx::MAX - first);
                first..next
            })
            .collect();
        let mut names = Names::of(jobs.iter().filter(|job| job.matrix.is_none()).map(|job| job.name.as_str()));
        let mut planned = Vec::new();
        for (job, cells) in jobs.iter().zip(&cells) {
            let needs: Vec<JobIx> =
                job.needs.iter().filter_map(|need| positions.get(usize::try_from(*need).ok()?)).flat_map(Clone::clone).collect();
            let mut steps = Planned::of(job);
            for cell in cells {
                if self.is_lost() {
                    return planned;
                }
                let name = match cell {
                    Some(cell) => names.give(&job.name, cell),
                    None => job.name.clone(),
                };
                planned.push(self.job(job, name, needs.clone(), cell.as_ref(), &mut steps));
            }
        }
        planned
    }

    fn job(&mut self, job: &Job, name: String, needs: Vec<JobIx>, cell: Option<&Combination>, planned: &mut Planned) -> JobPlan {
        let Job {
            name: of,
            needs: _,
            when,
            condition,
            timeout_ms,
            allow_failure,
            span,
            runs_on,
            envs,
            matrix,
            axes_are_known: _,
            services,
            resources,
            checkout,
            approval,
            environment,
            concurrency,
            outputs,
            steps,
        } = job;
        let facts = Facts::new(self.shared, cell.map(|cell| &cell.values));
        let mut levels: Vec<Level> = Vec::new();
        for env in envs {
            let facts = levels.iter().fold(facts.clone(), |facts, level| facts.with(level));
            let level = self.level(env, &facts);
            levels.push(level);
        }
        let facts = levels.iter().fold(facts, |facts, level| facts.with(level));
        let (skip, condition) = self.condition(condition.as_ref(), &facts);
        let services = services.iter().filter_map(|service| self.service(service, &facts)).collect();
        let approval = approval.as_ref().map(|approval| self.approval(approval, &facts));
        let environment = environment.as_ref().and_then(|environment| self.fill(environment, &facts));
        let concurrency = concurrency.as_ref().and_then(|concurrency| self.group(concurrency, &facts));
        let mut written = BTreeMap::new();
        for (key, template) in outputs {
            if let Some(text) = self.fill(template, &facts) {
                self.takes(key.len() + variables::bytes(&text), *span);
                written.insert(key.clone(), text);
            }
        }
        let late = condition.as_ref().map_or(0, variables::late_bytes) + environment.as_ref().map_or(0, variables::bytes);
        self.takes(needs.len() * size_of::<JobIx>() + late, *span);
        let around = Around::new(levels.iter(), envs.len(), &facts);
        let made: Vec<StepPlan> = steps.iter().enumerate().map(|(at, step)| self.step_of(at, step, &around, planned)).collect();
        self.distinct(steps, &made);
        let matrix = matrix.as_ref().zip(cell).map(|(matrix, cell)| Cell {
            of: of.clone(),
            values: cell.values.clone(),
            fail_fast: matrix.fail_fast,
            max_parallel: matrix.max_parallel,
        });
        JobPlan {
            name,
            needs,
            when: *when,
            skip,
            condition,
            timeout_ms: timeout_ms.unwrap_or(limits::JOB_TIMEOUT_MS),
            allow_failure: *allow_failure,
            runs_on: runs_on.clone(),
            matrix,
            services,
            resources: *resources,
            checkout: *checkout,
            approval,
            environment,
            concurrency,
            outputs: written,
            steps: made,
        }
    }
}
