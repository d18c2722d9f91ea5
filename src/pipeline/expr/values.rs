//! What names stand for: the port from expressions to whoever knows (the plan being made, or the run under way).

use std::borrow::Cow;
use std::sync::OnceLock;

use cel::common::types::{CelBool, CelDouble, CelInt, CelList, CelString};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;

use super::names::Name;
use super::{Reference, rewrite};
use crate::pipeline::plan::Text;
use crate::pipeline::report::shown;

/// Who knows what names stand for.
pub(in crate::pipeline) trait Values: Send + Sync {
    /// # Errors
    /// Why there is no value.
    fn get(&self, name: &Name) -> Result<Known<'_>, Missing>;

    /// A variable, for an expression that must wait for the run.
    fn variable(&self, name: &str) -> Option<Text>;
}

/// A value.
#[derive(Debug, Clone)]
pub(in crate::pipeline) enum Known<'a> {
    Text(Cow<'a, str>),
    /// As written, a decimal number.
    Number(Cow<'a, str>),
    Bool(bool),
    List(&'a Paths),
}

/// Why a name has no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::pipeline) enum Missing {
    /// Only the run will know.
    Later,
    /// It should be there and is not: the sentence. `has(…)` of it is false.
    Absent(String),
    /// The sentence.
    Fault(String),
}

/// Paths that were changed.
#[derive(Debug, Default)]
pub(in crate::pipeline) struct Paths {
    paths: Vec<String>,
    /// The same for CEL, made when it is first looked at.
    list: OnceLock<CelList<'static>>,
}

impl Paths {
    pub fn new(paths: Vec<String>) -> Self {
        Self { paths, list: OnceLock::new() }
    }

    fn list(&self) -> &CelList<'static> {
        self.list.get_or_init(|| {
            let elements = self.paths.iter().map(|path| Box::new(CelString::from(path.clone())) as Box<dyn Val>);
            CelList::from(elements.collect::<Vec<_>>())
        })
    }
}

impl Known<'_> {
    /// As it stands in a text.
    pub fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Known::Text(text) | Known::Number(text) => Some(Cow::Borrowed(text)),
            Known::Bool(value) => Some(Cow::Borrowed(if *value { "true" } else { "false" })),
            Known::List(_) => None,
        }
    }

    /// As people may see it.
    pub fn shown(&self) -> String {
        match self {
            Known::Text(text) => format!("{:?}", shown(text)),
            Known::Number(number) => number.clone().into_owned(),
            Known::Bool(value) => value.to_string(),
            Known::List(Paths { paths, .. }) => match paths.as_slice() {
                [] => "empty".to_owned(),
                [one] => format!("{:?}", shown(one)),
                [first, rest @ ..] => format!("{:?} and {} more", shown(first), rest.len()),
            },
        }
    }

    /// What looking at it costs: one, and more when it is large.
    pub fn weight(&self) -> u64 {
        let length = match self {
            Known::Text(text) | Known::Number(text) => text.len() / 64,
            Known::Bool(_) => 0,
            Known::List(list) => list.paths.len(),
        };
        u64::try_from(length).unwrap_or(u64::MAX).saturating_add(1)
    }

    /// How many elements it has.
    pub fn elements(&self) -> u64 {
        match self {
            Known::List(list) => u64::try_from(list.paths.len()).unwrap_or(u64::MAX),
            Known::Text(_) | Known::Number(_) | Known::Bool(_) => 0,
        }
    }
}

/// Answers CEL's questions, and remembers the first that had no answer.
pub(super) struct Resolver<'a> {
    pub references: &'a [Reference],
    pub values: &'a dyn Values,
    pub missing: OnceLock<Missing>,
}

impl VariableResolver for Resolver<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        let reference = self.references.get(rewrite::number(variable)?)?;
        let found = self.values.get(&reference.name);
        if reference.test {
            match found {
                Ok(_) => return Some(CowVal::owned(CelBool::from(true))),
                Err(Missing::Absent(_)) => return Some(CowVal::owned(CelBool::from(false))),
                Err(missing @ (Missing::Later | Missing::Fault(_))) => {
                    self.missing.get_or_init(|| missing);
                    return None;
                }
            }
        }
        match found {
            Ok(Known::Text(Cow::Borrowed(text))) => Some(CowVal::owned(CelString::from(text))),
            Ok(Known::Text(Cow::Owned(text))) => Some(CowVal::owned(CelString::from(text))),
            Ok(Known::Number(number)) => Some(self::number(&number)),
            Ok(Known::Bool(value)) => Some(CowVal::owned(CelBool::from(value))),
            Ok(Known::List(paths)) => Some(CowVal::Borrowed(paths.list())),
            Err(missing) => {
                self.missing.get_or_init(|| missing);
                None
            }
        }
    }
}

/// A whole number where it is one, so that `inputs.count == 3` holds.
fn number<'b>(text: &str) -> CowVal<'b, 'b> {
    match text.parse::<i64>() {
        Ok(whole) => CowVal::owned(CelInt::from(whole)),
        Err(_) => CowVal::owned(CelDouble::from(text.parse::<f64>().unwrap_or(f64::NAN))),
    }
}
