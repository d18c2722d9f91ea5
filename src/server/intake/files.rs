//! Which pipeline files a trigger means, and what each of them says to it. The server, `gantry plan` and `gantry run` all come through here.
//!
//! **Invariants:** pure but for the listing of files that `hash()` asks for; a file is given exactly those inputs that it declares, unless it is the
//! only one that is meant: then it says itself what it does not know.

use std::collections::BTreeMap;

use crate::git::PipelineFile;
use crate::pipeline::{self, Event, Outline, ReadOptions, Reading, Trigger};

/// What a file says to a trigger.
#[derive(Debug, Clone)]
pub struct Planned {
    /// Its path.
    pub file: String,
    /// The trigger as this file was given it: with its own inputs.
    pub trigger: Trigger,
    pub reading: Reading,
}

/// What was asked for cannot be meant so; the sentence says why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unmeant {
    /// There is no such pipeline.
    Pipeline(String),
    /// None of the pipelines has an input of that name.
    Input(String),
}

impl Unmeant {
    /// Why.
    #[must_use]
    pub fn sentence(&self) -> &str {
        match self {
            Unmeant::Pipeline(sentence) | Unmeant::Input(sentence) => sentence,
        }
    }
}

/// Reads the files for a trigger, in their order; of all of them only the `pipeline` of this name, path or file stem, if one is named.
///
/// # Errors
/// [`Unmeant`].
pub fn plan_files(
    files: &[PipelineFile],
    pipeline: Option<&str>,
    trigger: &Trigger,
    options: &ReadOptions<'_>,
) -> Result<Vec<Planned>, Unmeant> {
    let meant = chosen(files, pipeline)?;
    let given = match meant.as_slice() {
        [] | [_] => meant.iter().map(|_| trigger.inputs.clone()).collect(),
        _ if trigger.inputs.is_empty() => vec![BTreeMap::new(); meant.len()],
        several => shared_out(several, &trigger.inputs)?,
    };
    let planned = meant.into_iter().zip(given).map(|(file, inputs)| {
        let trigger = Trigger { inputs, ..trigger.clone() };
        let reading = pipeline::read(&file.path, &file.text, &trigger, options);
        Planned { file: file.path.clone(), trigger, reading }
    });
    Ok(planned.collect())
}

/// The files that are meant by a name.
fn chosen<'f>(files: &'f [PipelineFile], pipeline: Option<&str>) -> Result<Vec<&'f PipelineFile>, Unmeant> {
    let Some(wanted) = pipeline else { return Ok(files.iter().collect()) };
    // A path is never mistaken, so it comes first.
    if let Some(file) = files.iter().find(|file| file.path == wanted) {
        return Ok(vec![file]);
    }
    let named: Vec<(String, &PipelineFile)> = files.iter().map(|file| (name_of(file), file)).collect();
    let found: Vec<&PipelineFile> = named.iter().filter(|(name, _)| name == wanted).map(|(_, file)| *file).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let names: Vec<String> = named.iter().map(|(name, file)| format!("`{name}` ({})", file.path)).collect();
    let there = if names.is_empty() { "there is none at all".to_owned() } else { format!("there are {}", names.join(", ")) };
    Err(Unmeant::Pipeline(format!("there is no pipeline `{}`; {there}", cut(wanted))))
}

/// The pipeline's own name; of a file that is not valid the one it would have without `name`.
fn name_of(file: &PipelineFile) -> String {
    pipeline::outline(&file.path, &file.text).map_or_else(|| stem(&file.path), |outline| outline.name)
}

/// The inputs of each file: those that it declares.
fn shared_out(files: &[&PipelineFile], inputs: &BTreeMap<String, String>) -> Result<Vec<BTreeMap<String, String>>, Unmeant> {
    let outlines: Vec<Option<Outline>> = files.iter().map(|file| pipeline::outline(&file.path, &file.text)).collect();
    let declares = |outline: &Outline, name: &str| outline.inputs.iter().any(|input| input.name == name);
    if let Some(name) = inputs.keys().find(|name| !outlines.iter().flatten().any(|outline| declares(outline, name))) {
        let mut known: Vec<String> =
            outlines.iter().flatten().flat_map(|outline| &outline.inputs).map(|input| format!("`{}`", input.name)).collect();
        known.sort();
        known.dedup();
        let there = match known.as_slice() {
            [] => "none of the pipelines has inputs".to_owned(),
            _ => format!("there are {}", known.join(", ")),
        };
        return Err(Unmeant::Input(format!("no pipeline has an input `{}`; {there}", cut(name))));
    }
    let own = |outline: &Option<Outline>| match outline {
        Some(outline) => inputs.iter().filter(|(name, _)| declares(outline, name)).map(|(k, v)| (k.clone(), v.clone())).collect(),
        None => BTreeMap::new(),
    };
    Ok(outlines.iter().map(own).collect())
}

/// What a trigger is about: `branch `main``, `tag `v1``, `schedule `nightly``, `the pull request for `main``.
#[must_use]
pub fn place(trigger: &Trigger) -> String {
    match (trigger.event, &trigger.tag, &trigger.schedule, &trigger.pull_request) {
        (Event::Tag, Some(tag), _, _) => format!("tag `{tag}`"),
        (Event::Cron, _, Some(schedule), _) => format!("schedule `{schedule}`"),
        (Event::PullRequest, _, _, Some(pr)) if pr.number > 0 => format!("pull request #{} for `{}`", pr.number, pr.target),
        (Event::PullRequest, _, _, Some(pr)) => format!("a pull request for `{}`", pr.target),
        (Event::Push | Event::Manual | Event::Tag | Event::Cron | Event::PullRequest, _, _, _) => {
            format!("branch `{}`", trigger.branch)
        }
    }
}

/// The pipeline's name when the file does not say: `ci` for `.gantry/ci.yml`, `gantry` for `.gantry.yml`.
pub(super) fn stem(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path).trim_start_matches('.');
    file.rsplit_once('.').map_or(file, |(stem, _)| stem).to_owned()
}

/// What somebody wrote, to say it back.
fn cut(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(80).collect()
}
