//! A matrix written out: its combinations, and whether the jobs and steps are too many.
//!
//! **Invariant:** no more combinations are made than the limits allow, whatever the axes multiply to.

use std::collections::BTreeMap;

use crate::base::limits;
use crate::pipeline::check::spec::{Matrix, Pipeline, Values};
use crate::pipeline::report::{Report, shown};

/// One combination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::pipeline) struct Combination {
    pub values: BTreeMap<String, String>,
    /// The keys in the order in which its name tells their values: the axes, then what `include` added.
    pub order: Vec<String>,
}

/// All combinations, in order: the last axis changes first; what `include` adds comes at the end. `Err` says what there is too much of.
pub(in crate::pipeline) fn combinations(matrix: &Matrix) -> Result<Vec<Combination>, String> {
    let Matrix { axes, exclude, include, fail_fast: _, max_parallel: _, span: _ } = matrix;
    let product = axes.iter().map(|(_, values)| values.len()).fold(1_usize, usize::saturating_mul);
    if product > limits::MATRIX_PRODUCT {
        let most = limits::MATRIX_PRODUCT;
        return Err(format!("the matrix has more than {most} combinations before `exclude`"));
    }
    let mut found: Vec<Combination> = Vec::new();
    if !axes.is_empty() {
        found.push(Combination { values: BTreeMap::new(), order: Vec::new() });
    }
    for (axis, values) in axes {
        found = found.iter().flat_map(|combination| values.iter().map(|value| combination.with(axis, value))).collect();
    }
    found.retain(|combination| !exclude.iter().any(|entry| combination.matches(entry)));
    let written = found.len();
    for entry in include {
        let mut extended = false;
        for combination in found.iter_mut().take(written) {
            let is_axis = |key: &str| axes.iter().any(|(axis, _)| axis == key);
            if entry.iter().all(|(key, value)| !is_axis(key) || combination.values.get(key) == Some(value)) {
                extended = true;
                for (key, value) in entry {
                    combination.set(key, value);
                }
            }
        }
        if !extended {
            let mut added = Combination { values: BTreeMap::new(), order: Vec::new() };
            // Its axes first, in their order.
            let of_axes = axes.iter().filter_map(|(axis, _)| entry.iter().find(|(key, _)| key == axis));
            for (key, value) in of_axes.chain(entry) {
                added.set(key, value);
            }
            found.push(added);
        }
        if found.len() > limits::JOBS {
            break;
        }
    }
    if found.len() > limits::JOBS {
        return Err(format!("the matrix makes more than {} jobs", limits::JOBS));
    }
    Ok(found)
}

impl Combination {
    fn with(&self, key: &str, value: &str) -> Self {
        let mut next = self.clone();
        next.set(key, value);
        next
    }

    fn set(&mut self, key: &str, value: &str) {
        if self.values.insert(key.to_owned(), value.to_owned()).is_none() {
            self.order.push(key.to_owned());
        }
    }

    fn matches(&self, entry: &Values) -> bool {
        entry.iter().all(|(key, value)| self.values.get(key) == Some(value))
    }
}

/// Tells what a pipeline has too much of once its matrices are written out. How much is written in the file has been checked.
pub(in crate::pipeline) fn check(pipeline: &Pipeline, report: &mut Report) {
    let (mut jobs, mut steps) = (0_usize, 0_usize);
    let hint = "split it: each file in `.gantry/` is a pipeline of its own";
    for job in &pipeline.jobs {
        let (cells, span) = match &job.matrix {
            None => (1, job.span),
            Some(matrix) => match combinations(matrix) {
                Ok(found) if found.is_empty() => {
                    let message = "the matrix has no combination left";
                    let hint = "`exclude` takes all of them out: remove it, or the matrix";
                    report.error_hint("empty-matrix", matrix.span, message, hint);
                    return;
                }
                Ok(found) => (found.len(), matrix.span),
                Err(message) => {
                    report.error_hint("matrix-too-large", matrix.span, message, "give it fewer values, or split the pipeline");
                    return;
                }
            },
        };
        jobs += cells;
        steps += cells.saturating_mul(job.steps.len());
        let name = shown(&job.name);
        if jobs > limits::JOBS {
            let message = format!("with the matrix of `{name}` the pipeline has more than {} jobs", limits::JOBS);
            report.error_hint("too-many-jobs", span, message, hint);
            return;
        }
        if steps > limits::PLANNED_STEPS {
            let message = format!("with the matrix of `{name}` the pipeline has more than {} steps", limits::PLANNED_STEPS);
            report.error_hint("too-many-steps", span, message, hint);
            return;
        }
    }
}
