//! All that is around a pipeline file: what triggered it, what was changed, which files there are, what the one who asks can offer.

use std::collections::BTreeMap;

use libfuzzer_sys::arbitrary::Unstructured;

use crate::pipeline::{Event, FileEntry, Files, PullRequest, Trigger};

/// Words that pipelines of the grammar look at, and some that hurt.
const WORDS: [&str; 22] = [
    "main",
    "",
    "dev",
    "release/1.2",
    "v1.2",
    "a",
    "b",
    "full",
    "fast",
    "7",
    "-0.5",
    "true",
    "false",
    "Fix it\n\n[skip ci]",
    "docs/a.md",
    "é漢🎉\u{202e}\u{7}",
    "${{ run.id }}",
    "\0",
    "9223372036854775807",
    "1e400",
    "\u{1b}[2J\"'`",
    "x: [y, *z]",
];

/// What is asked for, and what the one who asks can offer.
pub struct World {
    pub trigger: Trigger,
    pub image_needed: bool,
    pub default_image: Option<String>,
    pub changes: Option<Vec<String>>,
    pub by_person: bool,
    pub files: Option<Tree>,
}

/// A commit's files, or why they cannot be listed.
pub struct Tree(Result<Vec<FileEntry>, String>);

impl Files for Tree {
    fn list(&self) -> Result<Vec<FileEntry>, String> {
        self.0.clone()
    }
}

/// A word, several, or one that was never seen before.
pub fn text(bytes: &mut Unstructured<'_>) -> String {
    let mut text = String::new();
    for _ in 0..bytes.int_in_range(1..=3).unwrap_or(1) {
        match bytes.int_in_range(0..=40).unwrap_or(0) {
            at if at < WORDS.len() => text.push_str(WORDS[at]),
            39 => text.push_str(&"long ".repeat(bytes.int_in_range(0..=40_000).unwrap_or(0))),
            at => text.extend(char::from_u32(bytes.int_in_range(0..=0x2fff).unwrap_or(at as u32))),
        }
    }
    text
}

/// One of the five kinds of trigger, with all that belongs to it.
pub fn trigger(event: Event, bytes: &mut Unstructured<'_>) -> Trigger {
    let mut word = || text(bytes);
    let (branch, message, author, default_branch, repo) = (word(), word(), word(), word(), word());
    let pull_request = PullRequest { number: 0, title: word(), author: word(), source: word(), target: word(), fork: false };
    let number: u64 = bytes.arbitrary().unwrap_or_default();
    let pull_request = PullRequest { number, fork: number % 2 == 1, ..pull_request };
    let names = ["level", "count", "dry", "say", "other"];
    let inputs: BTreeMap<String, String> = names
        .into_iter()
        .filter_map(|name| (bytes.int_in_range(0..=3).unwrap_or(0) == 3).then(|| (name.to_owned(), text(bytes))))
        .collect();
    Trigger {
        event,
        tag: (event == Event::Tag).then(|| branch.clone()),
        branch: if event == Event::Tag { String::new() } else { branch },
        commit: "5d6e7f8".repeat(6),
        message,
        author,
        default_branch,
        repo,
        url: String::new(),
        because: "main moved".to_owned(),
        inputs: if event == Event::Manual { inputs } else { BTreeMap::new() },
        schedule: (event == Event::Cron).then(|| text(bytes)),
        pull_request: (event == Event::PullRequest).then_some(pull_request),
    }
}

/// The kinds of trigger.
pub const EVENTS: [Event; 5] = [Event::Push, Event::Tag, Event::PullRequest, Event::Cron, Event::Manual];

impl World {
    /// What the bytes say; when there are none left, a push of which nothing is known.
    pub fn new(bytes: &mut Unstructured<'_>) -> Self {
        let event = bytes.choose(&EVENTS).copied().unwrap_or(Event::Push);
        let trigger = trigger(event, bytes);
        let flags: u8 = bytes.arbitrary().unwrap_or_default();
        let flag = |bit: u8| flags & (1 << bit) != 0;
        let paths = |bytes: &mut Unstructured<'_>| -> Vec<String> {
            (0..bytes.int_in_range(0..=6).unwrap_or(0)).map(|_| text(bytes)).collect()
        };
        let mut listed = paths(bytes);
        listed.sort();
        listed.dedup();
        let files = match flag(3) {
            true => Err("the tree cannot be read".to_owned()),
            false => Ok((1_u32..).zip(listed).map(|(at, path)| FileEntry { path, id: at.to_string() }).collect()),
        };
        Self {
            trigger,
            image_needed: flag(0),
            default_image: flag(1).then(|| "debian:13".to_owned()),
            changes: flag(2).then(|| paths(bytes)),
            by_person: flag(4),
            files: (!flag(5)).then_some(Tree(files)),
        }
    }
}
