//! The rules of the house, each a function from a file to what is wrong in it.
//!
//! **Invariant:** pure: no rule reads a disk, so that a test can hand it a planted violation.

use std::fmt;

use crate::source::{Named, SourceFile, blank, named, scrub, test_regions, tokens};

/// The rooms from left to right; those of one entry stand beside each other and never see each other.
pub const ROOMS: [&[&str]; 9] = [
    &["base"],
    &["pipeline"],
    &["run"],
    &["schedule"],
    &["git", "executor", "secrets", "store", "forge", "notify"],
    &["server"],
    &["web"],
    &["cli"],
    &["main"],
];

/// Rooms that decide and never act.
const PURE: [&str; 3] = ["pipeline", "run", "schedule"];

/// What a pure room may not name, and what it should do instead.
const IMPURE: [(&str, &str); 14] = [
    ("tokio", "answer with a command, and let `server` act"),
    ("tokio_util", "answer with a command, and let `server` act"),
    ("futures_util", "answer with a command, and let `server` act"),
    ("async_trait", "ports belong to the rooms that act"),
    ("std::fs", "take the content as an argument"),
    ("std::net", "take what was received as an argument"),
    ("std::process", "answer with a command, and let `server` act"),
    ("std::thread", "answer with a command, and let `server` act"),
    ("std::env", "take the value as an argument"),
    ("std::time::SystemTime", "take `now` as an argument"),
    ("std::time::Instant", "take `now` as an argument"),
    ("crate::base::Clock", "take `now` as an argument"),
    ("crate::base::Tasks", "answer with a command, and let `server` act"),
    ("rand", "take the random value as an argument"),
];

/// Libraries and the only places that may name them: a folder ends in `/`.
const HOMES: [(&str, &[&str]); 14] = [
    ("bollard", &["src/executor/docker/", "src/executor/docker.rs"]),
    ("git2", &["src/git/"]),
    ("sqlx", &["src/store/"]),
    ("object_store", &["src/store/"]),
    ("zstd", &["src/store/"]),
    ("axum", &["src/web/"]),
    ("askama", &["src/web/"]),
    ("clap", &["src/cli/", "src/main.rs"]),
    ("indicatif", &["src/cli/"]),
    ("anyhow", &["src/cli/", "src/main.rs"]),
    ("saphyr_parser", &["src/pipeline/"]),
    ("cel", &["src/pipeline/"]),
    ("quick_xml", &["src/run/junit/"]),
    ("pulldown_cmark", &["src/web/"]),
];

/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 10] = ["utils", "util", "helpers", "helper", "common", "manager", "managers", "misc", "shared", "imp"];

/// Lines of production code in one file, comments included.
pub const LINES: usize = 400;

/// A file that may be longer than [`LINES`], and why.
pub struct Excuse {
    pub path: &'static str,
    pub reason: &'static str,
}

/// Something that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Violation {
    pub path: String,
    pub line: usize,
    pub what: String,
    pub remedy: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}\n    {}", self.path, self.line, self.what, self.remedy)
    }
}

/// Everything wrong in these files, in their order.
pub fn check(files: &[SourceFile], excuses: &[Excuse]) -> Vec<Violation> {
    let mut found: Vec<Violation> = files.iter().flat_map(|file| check_file(file, excuses)).collect();
    for excuse in excuses {
        let needed = files.iter().any(|file| file.path == excuse.path && production_lines(&file.text) > LINES);
        if !needed || excuse.reason.is_empty() {
            let what = format!("{} is excused from the limit of {LINES} lines and does not need it", excuse.path);
            found.push(violation("tests/architecture.rs", 1, what, "take it off the list"));
        }
    }
    found
}

fn check_file(file: &SourceFile, excuses: &[Excuse]) -> Vec<Violation> {
    let scrubbed = scrub(&file.text);
    let mut found = header(file);
    found.extend(names(file, &scrubbed));
    if file.path.starts_with("src/") {
        let all = named(&scrubbed);
        found.extend(imports(file, &all));
        found.extend(homes(file, &all));
        found.extend(purity(file, &scrubbed));
        found.extend(length(file, excuses));
    }
    found
}

fn violation(path: &str, line: usize, what: impl Into<String>, remedy: impl Into<String>) -> Violation {
    Violation { path: path.to_owned(), line, what: what.into(), remedy: remedy.into() }
}

/// Every file says what it is for.
fn header(file: &SourceFile) -> Vec<Violation> {
    if file.text.starts_with("//! ") {
        return Vec::new();
    }
    vec![violation(
        &file.path,
        1,
        "the file does not open with `//!`",
        "say in its first lines what it is for, and its invariants",
    )]
}

/// No file, folder or module has a name that says nothing.
fn names(file: &SourceFile, scrubbed: &str) -> Vec<Violation> {
    let remedy = "name it after the one thing that it holds";
    let mut found = Vec::new();
    for part in file.path.trim_end_matches(".rs").split('/') {
        if EMPTY_NAMES.contains(&part) {
            found.push(violation(&file.path, 1, format!("`{part}` says nothing about what is inside"), remedy));
        }
    }
    for pair in tokens(scrubbed).windows(2) {
        if pair[0].1 == "mod" && EMPTY_NAMES.contains(&pair[1].1) {
            found.push(violation(
                &file.path,
                pair[1].0,
                format!("`mod {}` says nothing about what is inside", pair[1].1),
                remedy,
            ));
        }
    }
    found
}

/// `src/git/mirror.rs` is of room `git`; `lib.rs` declares the rooms and is of none.
fn room_of(path: &str) -> Option<&str> {
    let inside = path.strip_prefix("src/")?;
    let room = inside.split('/').next()?.trim_end_matches(".rs");
    (room != "lib").then_some(room)
}

fn rank(room: &str) -> Option<usize> {
    ROOMS.iter().position(|rooms| rooms.contains(&room))
}

/// How many `super` lead from a file to the crate's root.
fn depth(path: &str) -> usize {
    let inside = path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
    if matches!(inside, "lib" | "main") { 0 } else { inside.split('/').count() }
}

/// The room that a path leads to, if it leads to one.
fn target<'a>(file: &str, path: &'a str) -> Option<&'a str> {
    let mut parts = path.split("::");
    match parts.next()? {
        "crate" | "gantry" => parts.next(),
        "super" => {
            let supers = 1 + path.split("::").skip(1).take_while(|part| *part == "super").count();
            let next = path.split("::").nth(supers)?;
            (supers >= depth(file) && rank(next).is_some()).then_some(next)
        }
        _ => None,
    }
}

/// A room imports only rooms to the left of it.
fn imports(file: &SourceFile, all: &[Named]) -> Vec<Violation> {
    let Some(room) = room_of(&file.path) else { return Vec::new() };
    let Some(own) = rank(room) else {
        let what = format!("`{room}` is no room of the house");
        return vec![violation(
            &file.path,
            1,
            what,
            "put it into a room, or give it its place in src/lib.rs, DESIGN and this test",
        )];
    };
    let mut found = Vec::new();
    for Named { line, path } in all {
        let Some(other) = target(&file.path, path) else { continue };
        // What is no room is a macro or a re-export of the root; the root has none but the rooms.
        let Some(others) = rank(other) else { continue };
        if other == room || others < own {
            continue;
        }
        let (what, remedy) = if others == own {
            (
                format!("`{room}` imports `{path}`, but adapters never see each other"),
                "let `server` join them, or move what both need to a room on their left",
            )
        } else {
            (
                format!("`{room}` imports `{path}`, but `{other}` stands right of it"),
                "move what it needs to the left, or turn the call round: take a value, a trait or a closure",
            )
        };
        found.push(violation(&file.path, *line, what, remedy));
    }
    found
}

fn leads_to(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Types of a library stay in the room that it serves.
fn homes(file: &SourceFile, all: &[Named]) -> Vec<Violation> {
    let mut found = Vec::new();
    for (library, homes) in HOMES {
        let at_home = homes.iter().any(|home| file.path == *home || (home.ends_with('/') && file.path.starts_with(home)));
        if at_home {
            continue;
        }
        for Named { line, path } in all.iter().filter(|named| leads_to(&named.path, library)) {
            let what = format!("`{path}` is named outside {}", homes[0]);
            found.push(violation(&file.path, *line, what, "let that room offer a type or an error of its own"));
        }
    }
    found
}

/// A file that holds nothing but tests.
fn is_test_file(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.ends_with("_tests.rs") || path.contains("/tests/")
}

/// Pure rooms neither wait nor act. Their tests may.
fn purity(file: &SourceFile, scrubbed: &str) -> Vec<Violation> {
    let Some(room) = room_of(&file.path).filter(|room| PURE.contains(room)) else {
        return Vec::new();
    };
    if is_test_file(&file.path) {
        return Vec::new();
    }
    let production = blank(scrubbed, &test_regions(scrubbed));
    let mut found = Vec::new();
    for Named { line, path } in named(&production) {
        if let Some((_, remedy)) = IMPURE.iter().find(|(prefix, _)| leads_to(&path, prefix)) {
            found.push(violation(&file.path, line, format!("`{room}` is pure and names `{path}`"), *remedy));
        }
    }
    for (line, token) in tokens(&production) {
        if matches!(token, "async" | "await") {
            let what = format!("`{room}` is pure and has `{token}`");
            found.push(violation(&file.path, line, what, "decide here, wait in `server`"));
        }
    }
    found
}

fn production_lines(text: &str) -> usize {
    let scrubbed = scrub(text);
    let in_tests: usize = test_regions(&scrubbed).into_iter().map(|region| scrubbed[region].lines().count()).sum();
    text.lines().count().saturating_sub(in_tests)
}

/// A file is one concept.
fn length(file: &SourceFile, excuses: &[Excuse]) -> Vec<Violation> {
    let lines = production_lines(&file.text);
    if lines <= LINES || is_test_file(&file.path) || excuses.iter().any(|excuse| excuse.path == file.path) {
        return Vec::new();
    }
    let what = format!("{lines} lines of production code, the limit is {LINES}");
    vec![violation(&file.path, LINES + 1, what, "split it by concept, or list it in tests/architecture.rs with the reason")]
}
