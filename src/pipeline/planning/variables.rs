//! Environments: each `env` sees those around it, never itself; the nearest wins.

use super::Planning;
use crate::pipeline::check::spec::Env;
use crate::pipeline::expr::{Facts, Level};
use crate::pipeline::plan::{Late, Text};

/// What a variable costs beside its name and value.
const VARIABLE_BYTES: usize = 64;

impl Planning<'_, '_, '_> {
    /// The values of one `env`.
    pub(super) fn level(&mut self, env: &Env, facts: &Facts) -> Level {
        let mut level = Level::new();
        for (name, template) in env {
            if self.is_lost() {
                return level;
            }
            if let Some(value) = self.fill(template, facts) {
                level.insert(name.clone(), value);
            }
        }
        level
    }
}

/// What variables take in the plan.
pub(super) fn bytes_of<'v>(variables: impl Iterator<Item = (&'v String, &'v Text)>) -> usize {
    variables.map(|(name, value)| name.len() + bytes(value) + VARIABLE_BYTES).sum()
}

/// What a text takes.
pub(super) fn bytes(text: &Text) -> usize {
    match text {
        Text::Fixed(text) => text.len(),
        Text::Late(late) => late_bytes(late),
    }
}

/// What an expression takes that waits for the run.
pub(super) fn late_bytes(late: &Late) -> usize {
    late.late.len() + bytes_of(late.known.iter())
}
