//! The form that starts pipelines by hand: branch, pipeline, and the inputs that the chosen pipeline declares. It works without scripts: one button
//! shows the page again with the inputs of what is chosen, the other runs it.
//!
//! **Invariant:** what the form sends is read by the same function as what the page is asked with, so nothing that was filled in is lost between them.

use std::collections::BTreeMap;

use crate::pipeline::{InputKind, InputView, Outline};
use crate::server::{ByHand, FileOutline};
use crate::store::Repo;
use crate::web::app::App;
use crate::web::problem::Problem;

/// Before an input's name, in the form: its value is what was written.
const TEXT: &str = "input:";
/// The same of a number: nothing written is no value.
const NUMBER: &str = "number:";

/// What the form sends, and what its page is asked with.
pub(super) fn read(pairs: Vec<(String, String)>) -> Result<ByHand, Problem> {
    let mut asked = ByHand::default();
    for (key, value) in pairs {
        let trimmed = Some(value.trim().to_owned()).filter(|value| !value.is_empty());
        if let Some(name) = key.strip_prefix(TEXT) {
            // A checkbox comes after the hidden field that says `false` for it.
            asked.inputs.insert(name.to_owned(), value);
        } else if let Some(name) = key.strip_prefix(NUMBER) {
            asked.inputs.extend(trimmed.map(|number| (name.to_owned(), number)));
        } else {
            match key.as_str() {
                "branch" => asked.branch = trimmed,
                "pipeline" => asked.pipeline = trimmed,
                _ => {
                    let shown: String = key.chars().take(40).collect();
                    return Err(Problem::invalid(format!("`{shown}` is unknown here: there are branch, pipeline and inputs.")));
                }
            }
        }
    }
    Ok(asked)
}

/// The form, ready to be shown.
pub(super) struct Start {
    pub branch: String,
    /// Said where nothing is written.
    pub default_branch: String,
    pub pipelines: Vec<Choice>,
    pub fields: Vec<Field>,
    /// Another choice may have other inputs.
    pub has_inputs: bool,
    /// What to know before pressing the button.
    pub advice: Option<String>,
}

/// An option of a list.
pub(super) struct Choice {
    pub value: String,
    pub words: String,
    pub is_chosen: bool,
}

/// One input.
pub(super) struct Field {
    /// Of the input.
    pub name: String,
    /// Of the form's field.
    pub key: String,
    pub description: String,
    pub is_required: bool,
    pub kind: FieldKind,
}

pub(super) enum FieldKind {
    Text(String),
    Number(String),
    Checkbox(bool),
    Select(Vec<Choice>),
}

impl Start {
    /// For what the page was asked with.
    pub(super) async fn new(app: &App, repo: &Repo, asked: &ByHand) -> Self {
        let default_branch = repo.default_branch.clone().unwrap_or_default();
        let branch = asked.branch.clone().unwrap_or_default();
        let (files, trouble) = match app.handle.outlines(repo, asked.branch.as_deref()).await {
            Ok(files) => (files, None),
            // The page has more to show than this form; what is wrong is told in its place.
            Err(error) => (Default::default(), Some(error.to_string())),
        };
        let chosen = chosen(&files, asked.pipeline.as_deref());
        let advice = trouble.or_else(|| advice(&files, chosen, asked));
        let outline = chosen.and_then(|file| file.outline.as_ref());
        Self {
            branch,
            default_branch,
            has_inputs: files.iter().filter_map(|file| file.outline.as_ref()).any(|outline| !outline.inputs.is_empty()),
            pipelines: files.iter().map(|file| choice(file, chosen)).collect(),
            fields: outline.map(|outline| fields(outline, &asked.inputs)).unwrap_or_default(),
            advice,
        }
    }

    /// There is something to choose between.
    pub(super) fn has_several(&self) -> bool {
        self.pipelines.len() > 1
    }
}

/// The file that the inputs are shown of: the one that was asked for, else the only one.
fn chosen<'f>(files: &'f [FileOutline], asked: Option<&str>) -> Option<&'f FileOutline> {
    match (asked, files) {
        (Some(path), _) => files.iter().find(|file| file.file == path),
        (None, [only]) => Some(only),
        (None, _) => None,
    }
}

fn choice(file: &FileOutline, chosen: Option<&FileOutline>) -> Choice {
    let words = match &file.outline {
        Some(outline) => format!("{} ({})", outline.name, file.file),
        None => format!("{} (not valid)", file.file),
    };
    Choice { value: file.file.clone(), words, is_chosen: chosen.is_some_and(|chosen| chosen.file == file.file) }
}

fn advice(files: &[FileOutline], chosen: Option<&FileOutline>, asked: &ByHand) -> Option<String> {
    match (chosen, &asked.pipeline) {
        (Some(file), _) if file.outline.is_none() => {
            Some(format!("`{}` is not a valid pipeline; a run of it shows what is wrong.", file.file))
        }
        (Some(_), _) => None,
        (None, Some(path)) => Some(format!("This branch, as it was last polled, has no pipeline file `{path}`.")),
        (None, None) if files.is_empty() && asked.branch.is_some() => {
            Some("This branch is not known from the last poll; a run of it looks at the remote anew.".to_owned())
        }
        (None, None) => {
            let asks = |file: &&FileOutline| file.outline.as_ref().is_some_and(|outline| !outline.inputs.is_empty());
            files
                .iter()
                .any(|file| asks(&file))
                .then(|| "Choose one pipeline to give it inputs; all of them run with their defaults.".to_owned())
        }
    }
}

fn fields(outline: &Outline, given: &BTreeMap<String, String>) -> Vec<Field> {
    outline.inputs.iter().map(|input| field(input, given.get(&input.name))).collect()
}

fn field(input: &InputView, given: Option<&String>) -> Field {
    let InputView { name, kind, default, description, required } = input;
    let value = given.or(default.as_ref()).cloned().unwrap_or_default();
    let prefix = if matches!(kind, InputKind::Number) { NUMBER } else { TEXT };
    let kind = match kind {
        InputKind::String => FieldKind::Text(value),
        InputKind::Number => FieldKind::Number(value),
        InputKind::Boolean => FieldKind::Checkbox(value == "true"),
        InputKind::Choice(options) => {
            let choice = |option: &String| Choice { value: option.clone(), words: option.clone(), is_chosen: *option == value };
            // Where nothing is chosen for the person, nothing is chosen by accident either.
            let nothing = Choice { value: String::new(), words: "choose…".to_owned(), is_chosen: true };
            let nothing = (!options.contains(&value)).then_some(nothing);
            FieldKind::Select(nothing.into_iter().chain(options.iter().map(choice)).collect())
        }
    };
    Field { name: name.clone(), key: format!("{prefix}{name}"), description: description.clone(), is_required: *required, kind }
}
