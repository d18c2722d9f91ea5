//! Whether a trigger is wanted, and if not, why, in one sentence.

use super::check::spec::{Filter, On};
use super::pattern::Pattern;
use super::report::shown;
use super::trigger::{Event, Trigger};

/// Marks in a head commit's message that a push should make no run.
const SKIP: [&str; 2] = ["[skip ci]", "[ci skip]"];

/// `Err` is the sentence.
pub(super) fn wanted(on: &On, trigger: &Trigger) -> Result<(), String> {
    match trigger.event {
        Event::Manual | Event::Cron | Event::PullRequest => Ok(()),
        Event::Push => {
            let filter = &on.push.as_ref().ok_or_else(|| unnamed("push"))?.branches;
            let message = trigger.message.to_lowercase();
            if let Some(mark) = SKIP.into_iter().find(|mark| message.contains(mark)) {
                return Err(format!("the head commit's message has `{mark}`"));
            }
            named(filter, "on.push.branches", "branch", &trigger.branch)
        }
        Event::Tag => {
            let filter = on.tag.as_ref().ok_or_else(|| unnamed("tag"))?;
            named(filter, "on.tag", "tag", trigger.tag.as_deref().unwrap_or_default())
        }
    }
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
