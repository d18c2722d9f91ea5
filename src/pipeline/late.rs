//! What only the run knows: outputs and outcomes of what has ended, and the run's own number.
//!
//! **Invariant:** pure, and checked when the plan was made; what goes wrong all the same (an output that was not written) is a sentence.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::expr::{self, End, Expression, Known, Library, Missing, Name, RunFact, Values, Want};
use super::parts::InputValue;
use super::plan::{Late, Text};
use super::report::shown;
use super::trigger::Trigger;
use crate::base::limits;

/// All that a late expression may look at.
#[derive(Debug, Clone)]
pub struct Scope<'a> {
    pub trigger: &'a Trigger,
    pub run_id: &'a str,
    pub run_number: u64,
    pub inputs: &'a BTreeMap<String, InputValue>,
    pub matrix: Option<&'a BTreeMap<String, String>>,
    /// Variables whose values are known. Those that the plan knew of an expression come first.
    pub env: BTreeMap<&'a str, Cow<'a, str>>,
    /// Jobs that were needed and have ended, by their names in the file.
    pub jobs: BTreeMap<&'a str, KnownEnd<'a>>,
    /// Steps of the same job that have ended, by name.
    pub steps: BTreeMap<&'a str, KnownEnd<'a>>,
}

/// How something ended, for expressions.
#[derive(Debug, Clone, Copy)]
pub struct KnownEnd<'a> {
    /// `passed`, `failed`, …
    pub outcome: &'a str,
    pub outputs: &'a BTreeMap<String, String>,
}

/// Variables that hold variables that hold variables: the pipeline's, the job's, the step's, and what uses them.
const DEPTH: usize = 8;

impl Text {
    /// Its value, or the sentence that says why it has none.
    ///
    /// # Errors
    /// An output that was not written, an evaluation that failed.
    pub fn fill<'t>(&'t self, scope: &Scope<'_>) -> Result<Cow<'t, str>, String> {
        match self {
            Text::Fixed(text) => Ok(Cow::Borrowed(text)),
            Text::Late(late) => late.text(scope).map(Cow::Owned),
        }
    }
}

impl Late {
    /// The text with every `${{ }}` replaced.
    ///
    /// # Errors
    /// An output that was not written, an evaluation that failed.
    pub fn text(&self, scope: &Scope<'_>) -> Result<String, String> {
        self.text_within(scope, &Library::new(limits::LATE_COST), DEPTH)
    }

    /// Whether the condition holds: `Ok(None)` when it does, `Ok(Some(sentence))` when it does not.
    ///
    /// # Errors
    /// An output that was not written, an evaluation that failed.
    pub fn holds(&self, scope: &Scope<'_>) -> Result<Option<String>, String> {
        let library = Library::new(limits::LATE_COST);
        let expression = Expression::again(&self.late, Want::Condition)?;
        let ended = Ended::new(scope, &self.known, &library, DEPTH)?;
        match expression.holds(&ended, &library) {
            Ok(true) => Ok(None),
            Ok(false) => Ok(Some(format!("its `if` is false: {}", expression.because(&ended)))),
            Err(trouble) => Err(trouble.sentence()),
        }
    }

    fn text_within(&self, scope: &Scope<'_>, library: &Library, depth: usize) -> Result<String, String> {
        let ended = Ended::new(scope, &self.known, library, depth)?;
        let known = |expression: &str| ended.variables.get(expression).cloned();
        let text = expr::fill_again(&self.late, &ended, library, known)?;
        if text.contains('\0') {
            return Err(format!("`{}` gives a NUL character", shown(&self.late)));
        }
        if text.len() > limits::SCRIPT_BYTES {
            return Err(format!("`{}` gives more than {} KiB", shown(&self.late), limits::SCRIPT_BYTES / 1024));
        }
        Ok(text)
    }
}

/// The values of names while the run is under way.
struct Ended<'a> {
    scope: &'a Scope<'a>,
    /// Filled already; a sentence is only told when the variable is looked at.
    variables: BTreeMap<&'a str, Result<String, String>>,
}

impl<'a> Ended<'a> {
    fn new(scope: &'a Scope<'a>, known: &'a BTreeMap<String, Text>, library: &Library, depth: usize) -> Result<Self, String> {
        let Some(depth) = depth.checked_sub(1) else { return Err("variables refer to each other too deeply".to_owned()) };
        let fill = |text: &Text| match text {
            Text::Fixed(text) => Ok(text.clone()),
            Text::Late(late) => late.text_within(scope, library, depth),
        };
        let variables = known.iter().map(|(name, text)| (name.as_str(), fill(text))).collect();
        Ok(Self { scope, variables })
    }
}

impl Values for Ended<'_> {
    fn get(&self, name: &Name) -> Result<Known<'_>, Missing> {
        let Scope { trigger, run_id, run_number, inputs, matrix, env, jobs, steps } = self.scope;
        match name {
            Name::Fact(fact) => Ok(Known::Text(expr::fact(trigger, *fact))),
            Name::Changes => Err(Missing::Fault("`changes` is known only when the plan is made".to_owned())),
            Name::Pr(field) => Ok(expr::pull_request(trigger, *field)),
            Name::Input(name) => match inputs.get(name) {
                Some(value) => Ok(expr::input_value(value)),
                None => Err(Missing::Fault(format!("there is no input `{}`", shown(name)))),
            },
            Name::Matrix(name) => {
                let value = matrix.and_then(|matrix| matrix.get(name));
                Ok(Known::Text(Cow::Borrowed(value.map_or("", String::as_str))))
            }
            Name::Env(name) => match (self.variables.get(format!("env.{name}").as_str()), env.get(name.as_str())) {
                (Some(Ok(text)), _) => Ok(Known::Text(Cow::Borrowed(text))),
                (Some(Err(why)), _) => Err(Missing::Fault(why.clone())),
                (None, Some(text)) => Ok(Known::Text(Cow::Borrowed(text))),
                (None, None) => Err(Missing::Fault(format!("there is no variable `{}`", shown(name)))),
            },
            Name::Run(RunFact::Id) => Ok(Known::Text(Cow::Borrowed(run_id))),
            Name::Run(RunFact::Number) => Ok(Known::Number(Cow::Owned(run_number.to_string()))),
            Name::Step(name, end) => of_end("step", name, end, steps.get(name.as_str())),
            Name::Need(name, end) | Name::Job(name, end) => of_end("job", name, end, jobs.get(name.as_str())),
        }
    }

    fn variable(&self, _: &str) -> Option<Text> {
        // Nothing waits any longer.
        None
    }
}

fn of_end<'e>(noun: &str, name: &str, end: &End, known: Option<&KnownEnd<'e>>) -> Result<Known<'e>, Missing> {
    let name = shown(name);
    let Some(KnownEnd { outcome, outputs }) = known else {
        return Err(Missing::Fault(format!("{noun} `{name}` has not ended")));
    };
    match end {
        End::Outcome => Ok(Known::Text(Cow::Borrowed(outcome))),
        End::Output(key) => match outputs.get(key) {
            Some(text) => Ok(Known::Text(Cow::Borrowed(text))),
            None if *outcome == "skipped" => {
                Err(Missing::Absent(format!("{noun} `{name}` was skipped, so it did not write the output `{}`", shown(key))))
            }
            None => Err(Missing::Absent(format!("{noun} `{name}` did not write the output `{}`", shown(key)))),
        },
    }
}
