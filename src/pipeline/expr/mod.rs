//! Expressions: CEL in `if` and in `${{ }}`.
//!
//! Files: `place` maps characters of an expression to places in the file, `words` reads its words and nesting, `names` are the language's names,
//! `rewrite` puts numbers in their place, `types` finds what can be wrong without a trigger, `compile` is the way through them; `values` is the port
//! to whoever knows what names stand for, `facts` what the plan knows of them, `library` are functions and costs, `evaluate` does it; `template` is
//! text with `${{ }}` in it.
//!
//! **Invariants:** an expression that compiled names only what exists, is no deeper than the limit and has no loop in a loop; what evaluating it may
//! cost is known and paid for before. Evaluation never panics: what goes wrong is a sentence.

mod compile;
mod evaluate;
mod facts;
mod library;
mod names;
mod place;
mod rewrite;
mod template;
#[cfg(test)]
mod tests;
mod types;
mod values;
mod words;

use cel::IdedExpr;

use super::yaml::Span;
pub(super) use evaluate::Trouble;
pub(super) use facts::{Facts, Level, Shared, fact, input_value, pull_request};
pub(super) use library::Library;
pub(super) use names::{End, Name, RunFact};
pub(super) use place::Place;
pub(super) use template::{Template, braces, fill_again};
pub(super) use types::Type;
pub(super) use values::{Known, Missing, Values};

/// A checked expression.
#[derive(Debug)]
pub(super) struct Expression {
    pub text: String,
    pub span: Span,
    tree: IdedExpr,
    references: Vec<Reference>,
    /// It calls `hash`, so the commit's files are needed.
    pub hashes: bool,
    want: Want,
    cost: Cost,
}

/// A name that an expression looks at.
#[derive(Debug)]
pub(super) struct Reference {
    pub name: Name,
    /// Only whether it is there: `has(…)`.
    pub test: bool,
    /// How often it is looked at, outside of loops and in the body of one.
    uses: Uses,
    /// Where each of its words stands; empty when that cannot be told.
    pub places: Vec<Span>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Uses {
    once: u64,
    looped: u64,
}

/// What an expression is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    /// `if`.
    Condition,
    /// `${{ }}`.
    Text,
}

/// What evaluating costs, as far as that can be told from the expression alone.
#[derive(Debug, Clone, Copy, Default)]
struct Cost {
    nodes: u64,
    /// Elements of its literal lists.
    elements: u64,
    loops: bool,
}

impl Expression {
    /// What it looks at.
    pub fn references(&self) -> &[Reference] {
        &self.references
    }
}

impl Reference {
    /// Where the word at this position stands; all of the expression when that cannot be told.
    pub fn place(&self, at: usize, expression: &Expression) -> Span {
        self.places.get(at).copied().unwrap_or(expression.span)
    }
}
