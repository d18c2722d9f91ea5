//! A checker that cannot fail proves nothing: each rule finds what was planted for it, and lets pass what only looks like it.

use crate::rules::{Excuse, LINES, Violation, check};
use crate::source::{Named, SourceFile, named, scrub};

fn file(path: &str, body: &str) -> SourceFile {
    SourceFile { path: path.to_owned(), text: format!("//! Planted.\n{body}") }
}

fn found(path: &str, body: &str) -> Vec<Violation> {
    check(&[file(path, body)], &[])
}

/// The one thing wrong: its line, and words of its sentence.
#[track_caller]
fn assert_found(path: &str, body: &str, line: usize, words: &str) {
    let found = found(path, body);
    assert_eq!(found.len(), 1, "one violation was planted, found: {found:#?}");
    assert_eq!((found[0].path.as_str(), found[0].line), (path, line));
    assert!(found[0].what.contains(words), "{} does not say: {words}", found[0].what);
    assert!(!found[0].remedy.is_empty());
}

#[track_caller]
fn assert_clean(path: &str, body: &str) {
    assert_eq!(found(path, body), []);
}

#[test]
fn an_import_from_the_right_is_found() {
    assert_found("src/run/state.rs", "use crate::base::Timestamp;\nuse crate::schedule::Change;\n", 3, "stands right of it");
    assert_found("src/store/rows.rs", "fn f() {\n    crate::server::poke();\n}\n", 3, "`server` stands right");
    assert_clean("src/server/poll.rs", "use crate::git::Mirror;\nuse crate::store::Store;\nuse crate::server::Handle;\n");
}

#[test]
fn adapters_that_see_each_other_are_found_also_inside_a_group() {
    assert_found(
        "src/git/mirror.rs",
        "use crate::{\n    base::Clock,\n    store::{Repo as Row},\n};\n",
        4,
        "never see each other",
    );
}

#[test]
fn a_way_round_through_super_or_the_crates_name_is_found() {
    assert_found("src/git/mirror.rs", "use super::super::store::Store;\n", 2, "never see each other");
    assert_found("src/git/mod.rs", "use super::web::Page;\n", 2, "`web` stands right");
    assert_found("src/web/page.rs", "use gantry::cli::Args;\n", 2, "`cli` stands right");
    assert_clean(
        "src/git/mirror.rs",
        "use super::error::Error;\n#[cfg(test)]\nmod tests {\n    use super::super::error::Error;\n}\n",
    );
}

#[test]
fn a_comment_or_a_text_that_names_a_room_is_no_import() {
    assert_clean(
        "src/base/clock.rs",
        "/// See [`crate::server::Handle`]. /* crate::web::Page */\nconst A: &str = \"crate::web::Page\";\nconst B: &str = r#\"use \"crate::web::Page\";\"#;\nconst D: &[u8] = br#\"\"use crate::web::Page;\"#;\nconst C: char = '\"'; // crate::web\nfn f<'a>(a: &'a str) {}\n",
    );
}

#[test]
fn a_room_that_nobody_planned_is_found() {
    assert_found("src/plugins/mod.rs", "", 1, "no room");
}

#[test]
fn a_library_outside_its_room_is_found() {
    assert_found("src/server/perform.rs", "fn f(e: &bollard::errors::Error) {}\n", 2, "src/executor/docker/");
    assert_found("src/executor/host.rs", "use bollard;\n", 2, "src/executor/docker/");
    assert_found("src/web/page.rs", "fn f(e: git2::Error) {}\n", 2, "src/git/");
    assert_found("src/web/page.rs", "#[derive(sqlx::FromRow)]\nstruct Row;\n", 2, "src/store/");
    assert_found("src/server/mod.rs", "use ::axum::Router;\n", 2, "src/web/");
    assert_found("src/server/mod.rs", "use clap::Parser;\n", 2, "src/cli/");
    assert_clean("src/executor/docker/start.rs", "use bollard::Docker;\n");
    assert_clean("src/server/mod.rs", "use crate::store::sqlx_free;\nlet bollard = 1;\n");
}

#[test]
fn a_pure_room_that_waits_or_acts_is_found() {
    assert_found("src/run/apply.rs", "use std::{collections::BTreeMap, fs};\n", 2, "std::fs");
    assert_found("src/pipeline/read.rs", "fn f() { std::net::TcpStream::connect(\"\"); }\n", 2, "std::net");
    assert_found("src/schedule/board.rs", "fn f(x: tokio::sync::Notify) {}\n", 2, "tokio");
    assert_found("src/schedule/board.rs", "fn f() {}\nasync fn g() {}\n", 3, "`async`");
    assert_found("src/schedule/board.rs", "use crate::base::{Clock, Timestamp};\n", 2, "crate::base::Clock");
    assert_clean("src/run/apply.rs", "use std::time::Duration;\n#[cfg(test)]\nmod tests {\n    use std::fs;\n}\n");
    assert_clean("src/run/apply/tests.rs", "use std::fs;\n");
    assert_clean("src/server/poll.rs", "use std::fs;\nasync fn f() {}\n");
}

#[test]
fn what_follows_a_test_module_is_production_code_again() {
    assert_found("src/run/mod.rs", "#[cfg(test)]\nmod tests;\nuse std::fs;\n", 4, "std::fs");
    assert_found("src/run/mod.rs", "#[cfg(test)]\nmod tests {\n    fn f() { let a = '}'; }\n}\nuse std::fs;\n", 6, "std::fs");
}

#[test]
fn a_file_without_a_header_is_found() {
    let file = SourceFile { path: "tests/story.rs".to_owned(), text: "use std::fs;\n".to_owned() };
    let found = check(&[file], &[]);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].what.contains("does not open with `//!`"));
}

#[test]
fn a_file_at_the_limit_passes_and_one_line_more_is_found() {
    let full = "fn f() {}\n".repeat(LINES - 1);
    assert_clean("src/run/apply.rs", &full);
    assert_found("src/run/apply.rs", &format!("{full}\n"), LINES + 1, "401 lines");
    let tests = format!("#[cfg(test)]\nmod tests {{\n{full}}}\n");
    assert_clean("src/run/apply.rs", &tests);
}

#[test]
fn an_excuse_holds_only_while_it_is_needed() {
    let excuses = [Excuse { path: "src/run/apply.rs", reason: "one match" }];
    assert_eq!(check(&[file("src/run/apply.rs", &"fn f() {}\n".repeat(LINES))], &excuses), []);
    let found = check(&[file("src/run/apply.rs", "")], &excuses);
    assert_eq!(found.len(), 1);
    assert!(found[0].what.contains("does not need it"), "{found:#?}");
}

#[test]
fn a_name_that_says_nothing_is_found() {
    assert_found("src/run/utils.rs", "", 1, "`utils`");
    assert_found("tests/common/mod.rs", "", 1, "`common`");
    assert_found("src/run/apply.rs", "mod helpers {}\n", 2, "`mod helpers`");
}

#[test]
fn a_violation_says_where_what_and_what_to_do() {
    let found = found("src/git/mirror.rs", "use crate::store::Store;\n");
    assert_eq!(
        found[0].to_string(),
        "src/git/mirror.rs:2: `git` imports `crate::store::Store`, but adapters never see each other\n    \
         let `server` join them, or move what both need to a room on their left"
    );
}

#[test]
fn a_tree_of_paths_is_taken_apart() {
    let paths: Vec<(usize, String)> =
        named(&scrub("use a::{b::{self, c as d}, e::*,\n f};\nlet x = Vec::<u8>::new();\nuse g;\nlet y = <T as h::I>::k();"))
            .into_iter()
            .map(|Named { line, path }| (line, path))
            .collect();
    let expected = [(1, "a::b::self"), (1, "a::b::c"), (1, "a::e::*"), (2, "a::f"), (4, "g"), (5, "h::I")];
    assert_eq!(paths, expected.map(|(line, path)| (line, path.to_owned())));
}
