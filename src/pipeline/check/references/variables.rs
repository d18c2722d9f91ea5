//! What variables depend on: whether only the run knows their values, whether the matrix changes them.

use std::collections::BTreeMap;

use super::super::spec::{Env, Envs};
use crate::pipeline::expr::{Expression, Name, Template};

/// Variables of one `env`.
pub(super) type Level<'p> = BTreeMap<&'p str, Variable>;

/// What a variable's value depends on, directly or by other variables.
#[derive(Clone, Copy, Default)]
pub(super) struct Variable {
    /// Only the run knows it.
    pub late: bool,
    /// It is another one for each combination.
    pub matrix: bool,
}

/// Each `env` sees those around it, never itself.
pub(super) fn levels(envs: &Envs) -> Vec<Level<'_>> {
    let mut levels: Vec<Level> = Vec::new();
    for env in envs {
        let next = level(env, &levels.iter().collect::<Vec<_>>());
        levels.push(next);
    }
    levels
}

pub(super) fn level<'p>(env: &'p Env, around: &[&Level]) -> Level<'p> {
    let of = |template: &Template| {
        let mut all = Variable::default();
        for reference in template.expressions().flat_map(Expression::references) {
            all.late |= late(&reference.name, around);
            all.matrix |= matches!(reference.name, Name::Matrix(_));
            if let Name::Env(name) = &reference.name {
                all.matrix |= variable(name, around).is_some_and(|variable| variable.matrix);
            }
        }
        all
    };
    env.iter().map(|(name, template)| (name.as_str(), of(template))).collect()
}

pub(super) fn variable(name: &str, around: &[&Level]) -> Option<Variable> {
    around.iter().rev().find_map(|level| level.get(name)).copied()
}

/// Whether only the run will know it.
pub(super) fn late(name: &Name, around: &[&Level]) -> bool {
    match name {
        Name::Env(name) => variable(name, around).is_some_and(|variable| variable.late),
        name => name.is_late(),
    }
}
