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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outline_has_what_can_be_given_and_what_comes_by_itself() {
        let file = "on:
  cron: { timezone: Europe/Berlin, nightly: '0 3 * * *' }
  manual:
    inputs:
      level: { type: choice, options: [fast, full], description: How much }
      target: { type: choice, options: [a, b], required: true }
      dry: { type: boolean, default: true }
      count: { type: number }
steps: [make]
";
        let Outline { name, inputs, schedules } = outline(".gantry/ci.yml", file.as_bytes()).unwrap();
        let inputs: Vec<_> = inputs.iter().map(|input| (input.name.as_str(), input.default.as_deref(), input.required)).collect();
        assert_eq!(name, "ci");
        let expected =
            [("level", Some("fast"), false), ("target", None, true), ("dry", Some("true"), false), ("count", None, false)];
        assert_eq!(inputs, expected);
        let schedule = &schedules[0];
        assert_eq!(
            (schedule.name.as_str(), schedule.expression.as_str(), schedule.timezone.as_str()),
            ("nightly", "0 3 * * *", "Europe/Berlin")
        );
        assert!(outline("x.yml", b"steps: 1").is_none());
    }
}
