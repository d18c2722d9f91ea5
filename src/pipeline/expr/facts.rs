//! The variables of expressions, with a trigger's values.

use std::sync::Arc;

use cel::{Context, ExecutionError};

use crate::pipeline::pattern::Pattern;
use crate::pipeline::trigger::Trigger;

/// Variables of this version: each is text, and empty when the trigger has none.
pub(super) const NAMES: [&str; 9] = ["event", "branch", "tag", "commit", "ref", "default_branch", "repo", "author", "message"];
/// Variables that the language has and this version has not.
pub(super) const LATER: [&str; 9] = ["changes", "pr", "inputs", "matrix", "env", "needs", "jobs", "steps", "run"];
/// A longer commit message is cut for expressions: `message + message` must stay cheap.
const MESSAGE_CHARS: usize = 16 * 1024;

/// The values for one trigger.
pub(in crate::pipeline) struct Facts {
    values: Vec<(&'static str, String)>,
    context: Context<'static, 'static>,
}

impl Facts {
    pub fn new(trigger: &Trigger) -> Self {
        let Trigger {
            event,
            branch,
            tag,
            commit,
            repo,
            message,
            author,
            default_branch,
            because: _,
            url: _,
            inputs: _,
            schedule: _,
            pull_request: _,
        } = trigger;
        let reference = match tag {
            Some(tag) => format!("refs/tags/{tag}"),
            None if branch.is_empty() => String::new(),
            None => format!("refs/heads/{branch}"),
        };
        let values = vec![
            ("event", event.as_str().to_owned()),
            ("branch", branch.clone()),
            ("tag", tag.clone().unwrap_or_default()),
            ("commit", commit.clone()),
            ("ref", reference),
            ("default_branch", default_branch.clone()),
            ("repo", repo.clone()),
            ("author", author.clone()),
            ("message", message.chars().take(MESSAGE_CHARS).collect()),
        ];
        let mut context = base_context();
        for (name, value) in &values {
            context.add_variable_from_value(*name, value.clone());
        }
        Self { values, context }
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> &str {
        self.values.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value.as_str())
    }

    pub(super) fn context(&self) -> &Context<'static, 'static> {
        &self.context
    }
}

/// CEL's own functions and ours, without variables.
fn base_context() -> Context<'static, 'static> {
    let mut context = Context::default();
    let added = context.add_function("glob", |text: Arc<String>, pattern: Arc<String>| {
        let pattern = Pattern::new(&pattern).map_err(|error| ExecutionError::function_error("glob", error))?;
        Ok::<bool, ExecutionError>(pattern.matches(&text))
    });
    debug_assert!(added.is_ok(), "`glob` is no function of CEL's own");
    context
}

/// Whether the regular expression can be used with `matches`; otherwise what is wrong with it.
pub(super) fn regex_fault(pattern: &str) -> Option<String> {
    let tree = cel::parser::PrattParser::new().parse("''.matches(pattern)").ok()?;
    let mut context = Context::default();
    context.add_variable_from_value("pattern", pattern.to_owned());
    cel::Value::resolve(&tree, &context).err().map(|error| error.to_string())
}
