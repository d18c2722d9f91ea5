//! What an expression gives, once there are values.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use cel::common::ast::Expr;
use cel::common::types::{CelBool, CelString};
use cel::common::value::CowVal;
use cel::{Context, ExecutionError, Value};

use super::names::Name;
use super::values::{Known, Missing, Resolver, Values};
use super::{Cost, Expression, Library, rewrite, types};
use crate::pipeline::plan::{Late, Text};
use crate::pipeline::report::shown;

/// Why an expression gave nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::pipeline) enum Trouble {
    /// It looks at what only the run will know.
    Later,
    /// The sentence.
    Wrong(String),
}

impl Expression {
    /// Whether it holds.
    pub fn holds(&self, values: &dyn Values, library: &Library) -> Result<bool, Trouble> {
        self.value(values, library, |value| match value.downcast_ref::<CelBool>() {
            Some(holds) => Ok(*holds.inner()),
            None => Err(format!("the expression must be true or false, but it is {}", described(value))),
        })
    }

    /// Its value as text.
    pub fn text(&self, values: &dyn Values, library: &Library) -> Result<String, Trouble> {
        if let Some(known) = self.direct(values) {
            let known = known.map_err(Trouble::from)?;
            return match known.text() {
                Some(text) => Ok(text.into_owned()),
                None => Err(Trouble::Wrong("the expression must be text, but it is a list".to_owned())),
            };
        }
        self.value(values, library, |value| {
            if let Some(text) = value.downcast_ref::<CelString>() {
                return Ok(text.inner().to_owned());
            }
            match Value::try_from(value.as_ref()) {
                Ok(Value::Bool(value)) => Ok(value.to_string()),
                Ok(Value::Int(value)) => Ok(value.to_string()),
                Ok(Value::UInt(value)) => Ok(value.to_string()),
                Ok(Value::Float(value)) => Ok(value.to_string()),
                _ => Err(format!("the expression must be text, but it is {}", described(value))),
            }
        })
    }

    /// Why it did not hold: the expression and the values it looked at.
    pub fn because(&self, values: &dyn Values) -> String {
        let seen: Vec<String> = self
            .references
            .iter()
            .filter(|reference| !reference.test)
            .filter_map(|reference| values.get(&reference.name).ok().map(|known| (&reference.name, known)))
            .map(|(name, known)| format!("{name} is {}", known.shown()))
            .collect();
        let text = self.text.split_whitespace().collect::<Vec<_>>().join(" ");
        if seen.is_empty() { text } else { format!("{text} ({})", seen.join(", ")) }
    }

    /// It, for the run to evaluate, with the variables that it looks at.
    pub fn later(&self, values: &dyn Values) -> Late {
        let mut known = BTreeMap::new();
        self.remember(values, &mut known);
        Late { late: self.text.clone(), known }
    }

    /// Keeps the variables that it looks at: the run no longer knows which `env` they came from.
    pub(super) fn remember(&self, values: &dyn Values, known: &mut BTreeMap<String, Text>) {
        for reference in &self.references {
            if let Name::Env(name) = &reference.name
                && let Some(text) = values.variable(name)
            {
                known.insert(reference.name.to_string(), text);
            }
        }
    }

    /// The value of the one name that it consists of.
    fn direct<'v>(&self, values: &'v dyn Values) -> Option<Result<Known<'v>, Missing>> {
        let Expr::Ident(name) = &self.tree.expr else { return None };
        let reference = self.references.get(rewrite::number(name)?).filter(|reference| !reference.test)?;
        Some(values.get(&reference.name))
    }

    fn value<T>(
        &self,
        values: &dyn Values,
        library: &Library,
        read: impl FnOnce(&CowVal<'_, '_>) -> Result<T, String>,
    ) -> Result<T, Trouble> {
        library.spend(self.cost(values)).map_err(Trouble::Wrong)?;
        let resolver = Resolver { references: &self.references, values, missing: OnceLock::new() };
        let context = Context::Child { parent: library.context(), variables: BTreeMap::new(), resolver: Some(&resolver) };
        let error = match Value::resolve_val(&self.tree, &context) {
            Ok(value) => return read(&value).map_err(Trouble::Wrong),
            Err(error) => error,
        };
        Err(match resolver.missing.get() {
            Some(missing) => missing.clone().into(),
            None => Trouble::Wrong(sentence(&error)),
        })
    }

    /// What evaluating costs: the nodes, what is looked at, and all that once more for each turn of a loop.
    fn cost(&self, values: &dyn Values) -> u64 {
        let Cost { nodes, elements, loops } = self.cost;
        let (mut once, mut looped, mut turns) = (0_u64, nodes, elements);
        for reference in &self.references {
            let known = values.get(&reference.name);
            let (weight, length) = known.map_or((1, 0), |known| (known.weight(), known.elements()));
            turns = turns.saturating_add(length);
            once = once.saturating_add(weight.saturating_mul(reference.uses.once));
            looped = looped.saturating_add(weight.saturating_mul(reference.uses.looped));
        }
        let turns = if loops { turns.saturating_add(1) } else { 1 };
        once.saturating_add(looped.saturating_mul(turns))
    }
}

impl From<Missing> for Trouble {
    fn from(missing: Missing) -> Self {
        match missing {
            Missing::Later => Trouble::Later,
            Missing::Absent(why) | Missing::Fault(why) => Trouble::Wrong(why),
        }
    }
}

fn described(value: &CowVal<'_, '_>) -> &'static str {
    Value::try_from(value.as_ref()).map_or("something else", |value| types::describe(&value))
}

fn sentence(error: &ExecutionError) -> String {
    match error {
        ExecutionError::FunctionError { function, message } if function == "hash" => message.clone(),
        error => format!("the expression cannot be evaluated: {}", shown(&error.to_string())),
    }
}

impl Trouble {
    /// The sentence.
    pub fn sentence(self) -> String {
        match self {
            Trouble::Later => "it is known only while the run is under way".to_owned(),
            Trouble::Wrong(why) => why,
        }
    }
}
