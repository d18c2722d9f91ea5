//! Expressions: CEL in `if` and in `${{ }}`.
//!
//! Files: `place` maps characters of an expression to places in the file, `words` reads its words and nesting, `types` finds what can be wrong
//! without a trigger, `facts` are the variables' values, `template` is text with `${{ }}` in it. This file compiles and evaluates.
//!
//! **Invariants:** an expression that compiled names only what exists, is no deeper than the limit and has no loop in a loop; so its cost is bounded by
//! its length. Evaluation never panics: what goes wrong is a sentence.

mod facts;
mod place;
mod template;
#[cfg(test)]
mod tests;
mod types;
mod words;

use cel::parser::PrattParser;
use cel::{IdedExpr, Value};

use super::report::{Report, shown};
use super::yaml::Span;
use crate::base::limits;
pub(super) use facts::Facts;
pub(super) use place::Place;
pub(super) use template::{Template, braces};
use types::Type;

/// A checked expression.
#[derive(Debug)]
pub(super) struct Expression {
    pub text: String,
    pub span: Span,
    tree: IdedExpr,
    /// Variables in it, in the order of their first use.
    names: Vec<&'static str>,
}

/// What an expression is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    /// `if`.
    Condition,
    /// `${{ }}`.
    Text,
}

impl Expression {
    /// Compiles `text`, which stands `offset` characters into `place`; `None` when it is wrong, which is then reported.
    pub fn new(text: &str, place: &Place, offset: usize, want: Want, report: &mut Report) -> Option<Self> {
        let offset = offset + text.chars().take_while(|c| c.is_whitespace()).count();
        let text = text.trim();
        let length = text.chars().count();
        let span = place.part(offset, length);
        if text.is_empty() {
            report.error_hint("expression", span, "the expression is empty", "for example `branch == \"main\"`");
            return None;
        }
        if length > limits::EXPRESSION_CHARS {
            let message = format!("the expression is longer than {} characters", limits::EXPRESSION_CHARS);
            report.error_hint("expression-too-long", span, message, "put the decision into a script");
            return None;
        }
        let words = words::Words::of(text);
        if words.nesting > limits::EXPRESSION_DEPTH {
            too_deep(span, report);
            return None;
        }
        let parser = PrattParser::new().max_recursion_depth(u16::try_from(limits::EXPRESSION_DEPTH).unwrap_or(32) * 2);
        let tree = match parser.parse(text) {
            Ok(tree) => tree,
            Err(errors) => {
                let (at, message) = words::first_error(text, &errors);
                let hint = words.hint.unwrap_or("expressions are CEL: `event == \"push\" && branch.startsWith(\"release/\")`");
                report.error_hint(
                    "expression",
                    place.part(offset + at, 1),
                    format!("the expression cannot be read: {}", shown(&message)),
                    hint,
                );
                return None;
            }
        };
        let found = types::check(&tree);
        let errors = report.errors();
        if found.too_deep {
            too_deep(span, report);
            return None;
        }
        for complaint in found.complaints {
            let place = match words.find(&complaint.word) {
                Some(at) => place.part(offset + at, complaint.word.chars().count()),
                None => span,
            };
            match complaint.hint {
                Some(hint) => report.error_hint(complaint.code, place, complaint.message, hint),
                None => report.error(complaint.code, place, complaint.message),
            }
        }
        let fits = match want {
            Want::Condition => matches!(found.result, Type::Bool | Type::Any),
            Want::Text => !matches!(found.result, Type::List | Type::Map | Type::Null),
        };
        if errors == report.errors() && !fits {
            let wanted = if want == Want::Condition { "true or false" } else { "text" };
            let message = format!("the expression must be {wanted}, but it is {}", found.result.describe());
            let hint = if want == Want::Condition {
                "compare it: `branch == \"main\"`"
            } else {
                "join it into text with `+` and `string(…)`"
            };
            report.error_hint("expression-type", span, message, hint);
        }
        (errors == report.errors()).then(|| Self { text: text.to_owned(), span, tree, names: found.names })
    }

    /// Whether it holds, or a sentence about what went wrong.
    pub fn holds(&self, facts: &Facts) -> Result<bool, String> {
        match self.value(facts)? {
            Value::Bool(holds) => Ok(holds),
            other => Err(format!("the expression must be true or false, but it is {}", types::describe(&other))),
        }
    }

    /// Its value as text, or a sentence about what went wrong.
    pub fn text(&self, facts: &Facts) -> Result<String, String> {
        match self.value(facts)? {
            Value::String(text) => Ok(text.as_str().to_owned()),
            Value::Bool(value) => Ok(value.to_string()),
            Value::Int(value) => Ok(value.to_string()),
            Value::UInt(value) => Ok(value.to_string()),
            Value::Float(value) => Ok(value.to_string()),
            other => Err(format!("the expression must be text, but it is {}", types::describe(&other))),
        }
    }

    /// Why it did not hold: the expression and the values it looked at.
    pub fn because(&self, facts: &Facts) -> String {
        let values: Vec<String> = self.names.iter().map(|name| format!("{name} is {:?}", shown(facts.get(name)))).collect();
        let text = self.text.split_whitespace().collect::<Vec<_>>().join(" ");
        if values.is_empty() { text } else { format!("{text} ({})", values.join(", ")) }
    }

    fn value(&self, facts: &Facts) -> Result<Value, String> {
        Value::resolve(&self.tree, facts.context())
            .map_err(|error| format!("the expression cannot be evaluated: {}", shown(&error.to_string())))
    }
}

fn too_deep(span: Span, report: &mut Report) {
    let message = format!("the expression is nested deeper than {} levels", limits::EXPRESSION_DEPTH);
    report.error_hint(
        "expression-too-deep",
        span,
        message,
        "use `in [\"a\", \"b\"]` for many alternatives, or put the decision into a script",
    );
}
