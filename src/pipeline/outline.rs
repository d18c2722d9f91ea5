//! What a pipeline file offers whoever looks at it from outside: its name, the inputs that a person may give, its schedules.

use super::check::spec::{Input, InputKind, Schedule};
use super::parts::InputValue;
use super::read::sound;

/// A valid pipeline file from outside.
#[derive(Debug)]
pub struct Outline {
    /// The pipeline's name.
    pub name: String,
    /// `on.manual.inputs`, in the order written.
    pub inputs: Vec<InputView>,
    /// `on.cron`, in the order written.
    pub schedules: Vec<Schedule>,
}

/// An input that a file declares, for who asks a person for its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputView {
    pub name: String,
    pub kind: InputKind,
    /// As text; for a choice the first option when no default is written, `None` where there is nothing to begin with.
    pub default: Option<String>,
    pub description: String,
    /// Someone who starts it by hand must give a value.
    pub required: bool,
}

/// The outline of a pipeline file; `None` when the file is not valid. `file` is its path in the repository.
#[must_use]
pub fn outline(file: &str, text: &[u8]) -> Option<Outline> {
    let pipeline = sound(file, text)?;
    let inputs = pipeline.on.inputs.into_iter().map(InputView::from).collect();
    Some(Outline { name: pipeline.name, inputs, schedules: pipeline.on.cron })
}

impl From<Input> for InputView {
    fn from(input: Input) -> Self {
        let Input { name, kind, default, description, required } = input;
        let default = match (default, &kind) {
            (Some(InputValue::Text(text) | InputValue::Number(text)), _) => Some(text),
            (Some(InputValue::Boolean(value)), _) => Some(value.to_string()),
            (None, InputKind::Choice(options)) if !required => options.first().cloned(),
            (None, InputKind::Choice(_) | InputKind::String | InputKind::Number | InputKind::Boolean) => None,
        };
        Self { name, kind, default, description, required }
    }
}
