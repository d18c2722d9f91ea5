//! What a pipeline file offers whoever looks at it from outside: its name, the inputs that a person may give, its schedules.

use super::check::spec::{Input, Schedule};
use super::read::pipeline_of;

/// A valid pipeline file from outside.
#[derive(Debug)]
pub struct Outline {
    /// The pipeline's name.
    pub name: String,
    /// `on.manual.inputs`, in the order written.
    pub inputs: Vec<Input>,
    /// `on.cron`, in the order written.
    pub schedules: Vec<Schedule>,
}

/// The outline of a pipeline file; `None` when the file is not valid. `file` is its path in the repository.
#[must_use]
pub fn outline(file: &str, text: &[u8]) -> Option<Outline> {
    let pipeline = pipeline_of(file, text)?;
    Some(Outline { name: pipeline.name, inputs: pipeline.on.inputs, schedules: pipeline.on.cron })
}
