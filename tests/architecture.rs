//! The house keeps its shape: who may import whom, where libraries live, what pure rooms may not do, how long a file may be, what it is called.
//!
//! The rules are in `architecture/rules.rs`; `architecture/planted.rs` shows that each of them can fail.

#[path = "architecture/planted.rs"]
mod planted;
#[path = "architecture/rules.rs"]
mod rules;
#[path = "architecture/source.rs"]
mod source;

use std::path::Path;

use rules::{Excuse, check};
use source::SourceFile;

/// Files that may hold more production code than the limit. Each says why splitting it would make it worse.
const EXCUSES: &[Excuse] = &[];

fn read_tree(dir: &Path, root: &Path, files: &mut Vec<SourceFile>) {
    let mut entries: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap()).collect();
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            read_tree(&path, root, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let path = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
            files.push(SourceFile { path, text });
        }
    }
}

#[test]
fn the_house_keeps_its_shape() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for dir in ["src", "tests", "benches"] {
        if root.join(dir).is_dir() {
            read_tree(&root.join(dir), root, &mut files);
        }
    }
    assert!(files.iter().any(|file| file.path == "src/base/mod.rs"), "the sources were not found at {}", root.display());
    let violations: Vec<String> = check(&files, EXCUSES).iter().map(ToString::to_string).collect();
    assert!(violations.is_empty(), "{} found:\n\n{}\n", violations.len(), violations.join("\n"));
}

#[test]
fn the_crates_own_description_names_the_rooms_in_the_same_order() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let line = text.lines().find(|line| line.starts_with("//! base ←")).expect("src/lib.rs draws the rooms");
    let rooms_of =
        |part: &'_ str| -> Vec<String> { part.split(',').map(|room| room.trim_matches([' ', '{', '}']).to_owned()).collect() };
    let drawn: Vec<Vec<String>> = line.trim_start_matches("//!").split('←').map(rooms_of).collect();
    assert_eq!(drawn, rules::ROOMS.map(|rooms| rooms.iter().map(ToString::to_string).collect::<Vec<_>>()));
}
