//! For whom a secret is. **Invariants:** decided by the server from facts that Git or the forge vouch for, never by the pipeline's file; a change
//! proposed from another repository sees nothing, whatever the policy says; a branch that somebody merely proposes never counts as the branch that
//! the policy names.

use serde::{Deserialize, Serialize};

use crate::base::limits::PATTERNS;
use crate::pipeline::{Event, Pattern, Trigger};

/// Every event, in the order in which they are told.
const EVENTS: [Event; 5] = [Event::Push, Event::Tag, Event::Cron, Event::Manual, Event::PullRequest];

/// Which events and branches may see a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    events: Vec<Event>,
    /// Globs over branch names; `None`: every branch, and what is on none.
    branches: Option<Vec<String>>,
}

impl Default for Policy {
    /// What the repository's own people do; no proposed change.
    fn default() -> Self {
        Self { events: EVENTS.into_iter().filter(|event| *event != Event::PullRequest).collect(), branches: None }
    }
}

impl Policy {
    /// For these events (none: the usual ones) and these branches (none: all).
    ///
    /// # Errors
    /// The sentence that says which branch pattern is none.
    pub fn new(events: &[Event], branches: &[String]) -> Result<Self, String> {
        if branches.len() > PATTERNS {
            return Err(format!("a secret is for more than {PATTERNS} branch patterns"));
        }
        branches.iter().try_for_each(|branch| Pattern::new(branch).map(drop))?;
        let events = match events {
            [] => Self::default().events,
            some => EVENTS.into_iter().filter(|event| some.contains(event)).collect(),
        };
        Ok(Self { events, branches: (!branches.is_empty()).then(|| branches.to_vec()) })
    }

    /// For whatever somebody runs here and now.
    #[must_use]
    pub fn everything() -> Self {
        Self { events: EVENTS.to_vec(), branches: None }
    }

    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    #[must_use]
    pub fn branches(&self) -> Option<&[String]> {
        self.branches.as_deref()
    }

    /// Whether what this trigger asks for may see it.
    ///
    /// # Errors
    /// Why not, as the rest of a sentence that begins with the secret.
    pub fn allows(&self, trigger: &Trigger) -> Result<(), String> {
        let pull_request = trigger.pull_request.as_ref();
        if pull_request.is_some_and(|pull_request| pull_request.fork) {
            return Err("is not for changes that are proposed from another repository".to_owned());
        }
        if !self.events.contains(&trigger.event) {
            let own = self.events.iter().map(|event| event.as_str());
            return Err(format!("is not for the event `{}`, only for {}", trigger.event.as_str(), listed(own)));
        }
        let Some(branches) = &self.branches else { return Ok(()) };
        let named = || listed(branches.iter().map(String::as_str));
        let branch = match (trigger.event, pull_request) {
            // The branch that it is meant for: where it comes from is the proposer's choice.
            (Event::PullRequest, Some(pull_request)) => pull_request.target.as_str(),
            (Event::PullRequest, None) => "",
            (Event::Push | Event::Tag | Event::Cron | Event::Manual, _) => trigger.branch.as_str(),
        };
        if branch.is_empty() {
            return Err(format!("is only for the branches {}, and this run is on none", named()));
        }
        let hit = branches.iter().any(|glob| Pattern::new(glob).is_ok_and(|pattern| pattern.matches(branch)));
        if hit { Ok(()) } else { Err(format!("is not for the branch `{branch}`, only for {}", named())) }
    }
}

/// `a`, `a and b`, `a, b and c`, each in backticks.
fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => "nothing".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::PullRequest;

    fn trigger(event: Event, branch: &str) -> Trigger {
        Trigger {
            event,
            branch: branch.to_owned(),
            tag: None,
            commit: String::new(),
            message: String::new(),
            author: "Ada <ada@example.org>".to_owned(),
            default_branch: "main".to_owned(),
            repo: String::new(),
            url: String::new(),
            because: String::new(),
            inputs: Default::default(),
            schedule: None,
            pull_request: None,
        }
    }

    fn proposed(source: &str, target: &str, fork: bool) -> Trigger {
        let [title, author] = [(); 2].map(|()| "ada".to_owned());
        let (source, target) = (source.to_owned(), target.to_owned());
        // The branch is the proposer's word.
        let branch = source.clone();
        let pull_request = PullRequest { number: 1, title, author, source, target, fork };
        Trigger { pull_request: Some(pull_request), ..trigger(Event::PullRequest, &branch) }
    }

    fn policy(events: &[Event], branches: &[&str]) -> Policy {
        Policy::new(events, &branches.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn a_secret_is_usually_for_everything_but_proposed_changes() {
        let usual = Policy::default();
        for event in [Event::Push, Event::Tag, Event::Cron, Event::Manual] {
            assert_eq!(usual.allows(&trigger(event, "any")), Ok(()));
        }
        let why = usual.allows(&proposed("x", "main", false)).unwrap_err();
        assert_eq!(why, "is not for the event `pull_request`, only for `push`, `tag`, `cron` and `manual`");
        assert_eq!(policy(&[], &[]), usual);
    }

    #[test]
    fn a_fork_sees_nothing_whatever_is_allowed() {
        for policy in [Policy::everything(), policy(&[Event::PullRequest], &[]), policy(&[Event::PullRequest], &["main"])] {
            assert_eq!(policy.allows(&proposed("main", "main", false)), Ok(()));
            assert!(policy.allows(&proposed("main", "main", true)).unwrap_err().contains("from another repository"));
        }
    }

    #[test]
    fn branches_are_globs_and_a_proposed_change_counts_for_the_branch_that_it_is_meant_for() {
        let policy = policy(&EVENTS, &["main", "release/**"]);
        for (trigger, allowed) in [
            (trigger(Event::Push, "main"), true),
            (trigger(Event::Cron, "release/1/x"), true),
            (trigger(Event::Push, "mainline"), false),
            (trigger(Event::Manual, "Main"), false),
            (trigger(Event::Tag, ""), false),
            (proposed("topic", "main", false), true),
            (proposed("main", "topic", false), false),
            (Trigger { pull_request: None, ..proposed("main", "main", false) }, false),
        ] {
            assert_eq!(policy.allows(&trigger).is_ok(), allowed, "{trigger:?}");
        }
        let why = policy.allows(&trigger(Event::Push, "topic")).unwrap_err();
        assert_eq!(why, "is not for the branch `topic`, only for `main` and `release/**`");
        let why = policy.allows(&trigger(Event::Tag, "")).unwrap_err();
        assert_eq!(why, "is only for the branches `main` and `release/**`, and this run is on none");
    }

    #[test]
    fn what_a_commit_claims_of_its_author_decides_nothing() {
        let usual = Policy::default();
        for author in ["ops <ops@example.org>", "root", ""] {
            let claimed = Trigger { author: author.to_owned(), ..proposed("x", "main", true) };
            assert!(usual.allows(&claimed).is_err());
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused_and_events_stand_once_in_order() {
        assert!(Policy::new(&[], &["[".to_owned()]).unwrap_err().contains("is no pattern"));
        assert!(Policy::new(&[], &vec!["a".to_owned(); PATTERNS]).is_ok());
        assert!(Policy::new(&[], &vec!["a".to_owned(); PATTERNS + 1]).is_err());
        assert_eq!(policy(&[Event::Tag, Event::Push, Event::Tag], &[]).events(), [Event::Push, Event::Tag]);
    }
}
