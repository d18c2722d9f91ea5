//! What the plan knows: the trigger, inputs, the combination of a matrix, variables.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::names::{Fact, Name, Pr};
use super::values::{Known, Missing, Paths, Values};
use crate::pipeline::parts::InputValue;
use crate::pipeline::plan::Text;
use crate::pipeline::trigger::{PullRequest, Trigger};

/// A longer commit message is cut for expressions: `message + message` must stay cheap.
const MESSAGE_BYTES: usize = 16 * 1024;

/// What is the same for all of a plan.
pub(in crate::pipeline) struct Shared<'a> {
    trigger: &'a Trigger,
    inputs: &'a BTreeMap<String, InputValue>,
    changes: Paths,
}

/// The variables of one `env`.
pub(in crate::pipeline) type Level = BTreeMap<String, Text>;

/// What is known at one place of a plan.
#[derive(Clone)]
pub(in crate::pipeline) struct Facts<'a> {
    shared: &'a Shared<'a>,
    matrix: Option<&'a BTreeMap<String, String>>,
    /// The nearest last.
    env: Vec<&'a Level>,
}

impl<'a> Shared<'a> {
    /// `changes` are empty where they are not known.
    pub fn new(trigger: &'a Trigger, inputs: &'a BTreeMap<String, InputValue>, changes: &[String]) -> Self {
        Self { trigger, inputs, changes: Paths::new(changes.to_vec()) }
    }
}

impl<'a> Facts<'a> {
    pub fn new(shared: &'a Shared<'a>, matrix: Option<&'a BTreeMap<String, String>>) -> Self {
        Self { shared, matrix, env: Vec::new() }
    }

    /// With the variables of an `env` that is nearer.
    #[must_use]
    pub fn with(&self, level: &'a Level) -> Self {
        let mut facts = self.clone();
        facts.env.push(level);
        facts
    }

    fn variable(&self, name: &str) -> Option<&'a Text> {
        self.env.iter().rev().find_map(|level| level.get(name))
    }
}

impl Values for Facts<'_> {
    fn get(&self, name: &Name) -> Result<Known<'_>, Missing> {
        match name {
            Name::Fact(named) => Ok(Known::Text(fact(self.shared.trigger, *named))),
            Name::Changes => Ok(Known::List(&self.shared.changes)),
            Name::Pr(field) => Ok(pull_request(self.shared.trigger, *field)),
            Name::Input(name) => match self.shared.inputs.get(name) {
                Some(value) => Ok(input_value(value)),
                None => Err(Missing::Fault(format!("there is no input `{name}`"))),
            },
            // A combination that `include` added may have no value for an axis.
            Name::Matrix(name) => {
                let value = self.matrix.and_then(|matrix| matrix.get(name));
                Ok(Known::Text(Cow::Borrowed(value.map_or("", String::as_str))))
            }
            Name::Env(name) => match self.variable(name) {
                Some(Text::Fixed(text)) => Ok(Known::Text(Cow::Borrowed(text))),
                Some(Text::Late(_)) => Err(Missing::Later),
                None => Err(Missing::Fault(format!("there is no variable `{name}` around"))),
            },
            Name::Run(_) | Name::Step(..) | Name::Need(..) | Name::Job(..) => Err(Missing::Later),
        }
    }

    fn variable(&self, name: &str) -> Option<Text> {
        Facts::variable(self, name).cloned()
    }
}

/// A fact of the trigger.
pub(in crate::pipeline) fn fact(trigger: &Trigger, fact: Fact) -> Cow<'_, str> {
    let text = match fact {
        Fact::Event => trigger.event.as_str(),
        Fact::Branch => &trigger.branch,
        Fact::Tag => trigger.tag.as_deref().unwrap_or_default(),
        Fact::Commit => &trigger.commit,
        Fact::Ref => {
            return match &trigger.tag {
                Some(tag) => Cow::Owned(format!("refs/tags/{tag}")),
                None if trigger.branch.is_empty() => Cow::Borrowed(""),
                None => Cow::Owned(format!("refs/heads/{}", trigger.branch)),
            };
        }
        Fact::DefaultBranch => &trigger.default_branch,
        Fact::Repo => &trigger.repo,
        Fact::Author => &trigger.author,
        Fact::Message => {
            let end = trigger.message.floor_char_boundary(MESSAGE_BYTES);
            trigger.message.get(..end).unwrap_or_default()
        }
    };
    Cow::Borrowed(text)
}

/// A field of `pr`: 0, empty or false when the trigger is no pull request.
pub(in crate::pipeline) fn pull_request(trigger: &Trigger, field: Pr) -> Known<'_> {
    let text = |read: fn(&PullRequest) -> &String| {
        Known::Text(Cow::Borrowed(trigger.pull_request.as_ref().map_or("", |request| read(request))))
    };
    match field {
        Pr::Number => Known::Number(Cow::Owned(trigger.pull_request.as_ref().map_or(0, |request| request.number).to_string())),
        Pr::Title => text(|request| &request.title),
        Pr::Author => text(|request| &request.author),
        Pr::Source => text(|request| &request.source),
        Pr::Target => text(|request| &request.target),
        Pr::Fork => Known::Bool(trigger.pull_request.as_ref().is_some_and(|request| request.fork)),
    }
}

/// The value of an input.
pub(in crate::pipeline) fn input_value(value: &InputValue) -> Known<'_> {
    match value {
        InputValue::Text(text) => Known::Text(Cow::Borrowed(text)),
        InputValue::Number(number) => Known::Number(Cow::Borrowed(number)),
        InputValue::Boolean(value) => Known::Bool(*value),
    }
}
