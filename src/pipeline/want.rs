//! Whether a trigger is wanted, and if not, why, in one sentence.

use super::check::spec::{Commits, Filter, On};
use super::pattern::Pattern;
use super::read::ReadOptions;
use super::report::shown;
use super::trigger::{Event, Trigger};

/// Marks in a head commit's message that a push should make no run.
const SKIP: [&str; 2] = ["[skip ci]", "[ci skip]"];

/// `Err` is the sentence.
pub(super) fn wanted(on: &On, trigger: &Trigger, options: &ReadOptions<'_>) -> Result<(), String> {
    let changes = options.changes;
    match trigger.event {
        Event::Manual => Ok(()),
        Event::Push => {
            let Commits { branches, paths } = on.push.as_ref().ok_or_else(|| unnamed("push"))?;
            unmarked(trigger, options)?;
            named(branches, "on.push.branches", "branch", &trigger.branch)?;
            changed(paths, "on.push.paths", changes)
        }
        Event::PullRequest => {
            let Commits { branches, paths } = on.pull_request.as_ref().ok_or_else(|| unnamed("pull_request"))?;
            unmarked(trigger, options)?;
            let target = trigger.pull_request.as_ref().map_or(&trigger.branch, |request| &request.target);
            named(branches, "on.pull_request.branches", "target branch", target)?;
            changed(paths, "on.pull_request.paths", changes)
        }
        Event::Tag => {
            let filter = on.tag.as_ref().ok_or_else(|| unnamed("tag"))?;
            named(filter, "on.tag", "tag", trigger.tag.as_deref().unwrap_or_default())
        }
        Event::Cron => match &trigger.schedule {
            _ if on.cron.is_empty() => Err(unnamed("cron")),
            Some(name) if !on.cron.iter().any(|schedule| schedule.name == *name) => {
                Err(format!("`on.cron` has no schedule `{}`", shown(name)))
            }
            Some(_) | None => Ok(()),
        },
    }
}

/// Whether the head commit's message asks for no run.
fn unmarked(trigger: &Trigger, options: &ReadOptions<'_>) -> Result<(), String> {
    if options.by_person {
        return Ok(());
    }
    let message = trigger.message.to_lowercase();
    match SKIP.into_iter().find(|mark| message.contains(mark)) {
        Some(mark) => Err(format!("the head commit's message has `{mark}`")),
        None => Ok(()),
    }
}

/// At least one path that was changed must be wanted.
fn changed(filter: &Filter, key: &str, changes: Option<&[String]>) -> Result<(), String> {
    let Filter { include, exclude } = filter;
    let Some(changes) = changes.filter(|_| include.is_some() || !exclude.is_empty()) else { return Ok(()) };
    let hit = |patterns: &[Pattern], path: &str| patterns.iter().any(|pattern| pattern.matches(path));
    let mut included = changes.iter().filter(|path| include.as_deref().is_none_or(|include| hit(include, path))).peekable();
    let count = match changes {
        [] => return Err(format!("no path was changed, and `{key}` asks for some")),
        [one] => format!("the one changed path, `{}`,", shown(one)),
        [first, ..] => format!("of the {} changed paths (`{}`, …) none", changes.len(), shown(first)),
    };
    let not = if changes.len() == 1 { " no" } else { "" };
    if included.peek().is_none() {
        return Err(match changes.len() {
            1 => format!("{count} matches{not} pattern of `{key}`"),
            _ => format!("{count} matches a pattern of `{key}`"),
        });
    }
    if included.all(|path| hit(exclude, path)) {
        return Err(match changes.len() {
            1 => format!("{count} matches a pattern of `{key}.exclude`"),
            _ => format!("{count} is left by `{key}.exclude`"),
        });
    }
    Ok(())
}

fn unnamed(event: &str) -> String {
    format!("`on` does not name `{event}`")
}

fn named(filter: &Filter, key: &str, noun: &str, name: &str) -> Result<(), String> {
    let Filter { include, exclude } = filter;
    let hit = |patterns: &[Pattern]| patterns.iter().position(|pattern| pattern.matches(name));
    if include.as_deref().is_some_and(|include| hit(include).is_none()) {
        return Err(format!("`{key}` has no pattern that matches {noun} `{}`", shown(name)));
    }
    match hit(exclude).and_then(|at| exclude.get(at)) {
        Some(pattern) => Err(format!("`{key}.exclude` has `{}`, which matches {noun} `{}`", shown(&pattern.text), shown(name))),
        None => Ok(()),
    }
}
