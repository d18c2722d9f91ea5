//! What changed between two commits or in a work tree, and what content the files have, judged by the real Git.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use gantry::base::limits::CHANGED_PATHS;
use gantry::git::{Credentials, Mirror, WorkTree};
use gantry::pipeline::{FileEntry, Files};

use crate::peer::Peer;

fn mirror(peer: &Peer) -> Mirror {
    let mirror = Mirror::open(&peer.beside("mirror")).unwrap();
    mirror.fetch(&peer.url(), &Credentials::default()).unwrap();
    mirror
}

/// What Git says about the same two commits.
fn judged(peer: &Peer, old: &str, new: &str) -> Vec<String> {
    let out = peer.git(&["-c", "core.quotePath=false", "diff", "--no-renames", "--name-only", old, new]);
    let mut paths: Vec<String> = out.lines().map(str::to_owned).collect();
    paths.sort();
    paths
}

#[test]
fn every_kind_of_change_is_told_as_git_tells_it_and_a_moved_file_by_both_names() {
    let peer = Peer::with(&[
        ("same", "1"),
        ("changed", "1"),
        ("deleted", "1"),
        ("dir/old name", "much the same"),
        ("dir/deep/x", "1"),
        ("mode", "1"),
        ("to_link", "1"),
        ("file_to_dir", "1"),
        ("dir_to_file/a", "1"),
        ("ü", "1"),
    ]);
    let old = peer.head();
    peer.git(&["mv", "dir/old name", "elsewhere"]);
    for path in ["deleted", "to_link", "file_to_dir", "dir_to_file/a"] {
        fs::remove_file(peer.dir.join(path)).unwrap();
    }
    fs::remove_dir(peer.dir.join("dir_to_file")).unwrap();
    symlink("same", peer.dir.join("to_link")).unwrap();
    fs::set_permissions(peer.dir.join("mode"), fs::Permissions::from_mode(0o755)).unwrap();
    let new = peer.commit(&[("changed", "2"), ("new/x", "1"), ("file_to_dir/b", "1"), ("dir_to_file", "1"), ("ü", "2")]);
    let changed = mirror(&peer).changed_paths(&old, &new).unwrap().unwrap();
    assert_eq!(changed, judged(&peer, &old, &new));
    assert!(changed.contains(&"dir/old name".to_owned()) && changed.contains(&"elsewhere".to_owned()), "{changed:?}");
    assert!(!changed.contains(&"same".to_owned()) && !changed.contains(&"dir/deep/x".to_owned()), "{changed:?}");
    assert_eq!(mirror(&peer).changed_paths(&new, &new).unwrap().unwrap(), [""; 0]);
}

#[test]
fn a_rewritten_branch_is_compared_by_its_trees_and_a_merge_counts_with_all_it_brings() {
    let peer = Peer::with(&[("a", "1")]);
    let first = peer.head();
    let old = peer.commit(&[("b", "1"), ("c", "1")]);
    peer.git(&["reset", "-q", "--hard", &first]);
    let new = peer.commit(&[("b", "2"), ("d", "1")]);
    peer.git(&["update-ref", "refs/heads/kept", &old]);
    assert_eq!(mirror(&peer).changed_paths(&old, &new).unwrap().unwrap(), ["b", "c", "d"]);
    peer.git(&["merge", "-q", "-s", "ours", "-m", "both", &old]);
    peer.write("c", "1");
    peer.git(&["add", "-A"]);
    peer.git(&["commit", "-q", "--amend", "--no-edit"]);
    assert_eq!(mirror(&peer).changed_paths(&new, &peer.head()).unwrap().unwrap(), ["c"]);
}

#[test]
fn at_the_limit_all_paths_are_told_and_one_past_it_none() {
    let peer = Peer::with(&[("a", "1")]);
    let old = peer.head();
    let folder = |n: usize| peer.dir.join(format!("many/{}", n / 500));
    for n in 0..CHANGED_PATHS {
        fs::create_dir_all(folder(n)).unwrap();
        fs::write(folder(n).join(n.to_string()), "x").unwrap();
    }
    let at = peer.commit(&[]);
    let past = peer.commit(&[("one/more", "x")]);
    let mirror = mirror(&peer);
    assert_eq!(mirror.changed_paths(&old, &at).unwrap().unwrap().len(), CHANGED_PATHS);
    assert_eq!(mirror.changed_paths(&old, &past).unwrap(), None);
}

#[test]
fn a_commit_that_is_not_known_is_no_error_and_nothing_is_claimed() {
    let peer = Peer::with(&[("a", "1")]);
    assert_eq!(mirror(&peer).changed_paths(&"1".repeat(40), &peer.head()).unwrap(), None);
    assert!(mirror(&peer).changed_paths(&peer.head(), &"1".repeat(40)).is_err());
}

#[test]
fn a_tree_that_repeats_itself_without_end_is_given_up() {
    let peer = Peer::with(&[("a", "1")]);
    let old = peer.head();
    let blob = peer.git(&["hash-object", "-w", "a"]);
    let mut tree = peer.plumb(&["mktree"], format!("100644 blob {blob}\tfile\n").as_bytes());
    for _ in 0..8 {
        let names: String = (0..10).map(|n| format!("040000 tree {tree}\td{n}\n")).collect();
        tree = peer.plumb(&["mktree"], names.as_bytes());
    }
    let new = peer.git(&["commit-tree", "-m", "bomb", &tree]);
    peer.git(&["update-ref", "refs/heads/bomb", &new]);
    let mirror = mirror(&peer);
    assert_eq!(mirror.changed_paths(&old, &new).unwrap(), None);
    let refused = mirror.files(&new).list().unwrap_err();
    assert!(refused.contains("more than 1000000 files"), "{refused}");
}

/// What `git ls-tree` says, submodules left out.
fn listed_by_git(peer: &Peer) -> Vec<FileEntry> {
    let out = peer.git(&["-c", "core.quotePath=false", "ls-tree", "-r", "HEAD"]);
    let entry = |line: &str| {
        let (meta, path) = line.split_once('\t').unwrap();
        let meta: Vec<&str> = meta.split(' ').collect();
        (meta[1] == "blob").then(|| FileEntry { path: path.to_owned(), id: meta[2].to_owned() })
    };
    let mut entries: Vec<FileEntry> = out.lines().filter_map(entry).collect();
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    entries
}

#[test]
fn the_files_of_a_commit_have_gits_own_ids_and_a_clean_work_tree_has_the_same() {
    let peer = Peer::with(&[("b/c", "1"), ("b.c", "2"), ("a", "3"), ("b/d/ü", "4"), (".gitignore", "*.o\n")]);
    symlink("a", peer.dir.join("link")).unwrap();
    peer.git(&["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", &peer.url(), "sub"]);
    peer.commit(&[]);
    peer.write("x.o", "ignored");
    let expected = listed_by_git(&peer);
    assert_eq!(mirror(&peer).files(&peer.head()).list().unwrap(), expected);
    assert_eq!(WorkTree::discover(&peer.dir).unwrap().files().list().unwrap(), expected);
}

#[test]
fn what_is_not_committed_counts_with_the_content_that_it_has_now() {
    let peer = Peer::with(&[("changed", "1"), ("deleted", "1"), ("linked", "1"), ("staged", "1"), (".gitignore", "*.o\n")]);
    peer.write("changed", "2");
    peer.write("new/x", "1");
    peer.write("x.o", "ignored");
    peer.write("staged", "2");
    peer.git(&["add", "staged"]);
    fs::remove_file(peer.dir.join("deleted")).unwrap();
    fs::remove_file(peer.dir.join("linked")).unwrap();
    symlink("changed", peer.dir.join("linked")).unwrap();
    let now = WorkTree::discover(&peer.dir).unwrap().files().list().unwrap();
    let before = peer.git(&["status", "--porcelain"]);
    peer.commit(&[]);
    assert!(before.contains(" D deleted"), "looking at it changed nothing: {before}");
    assert_eq!(now, listed_by_git(&peer), "as if it were committed");
}

fn changed(peer: &Peer, against: &str) -> Option<Vec<String>> {
    WorkTree::discover(&peer.dir).unwrap().changed_paths(against).unwrap()
}

#[test]
fn on_the_default_branch_the_last_commit_and_what_is_not_committed_have_changed() {
    let peer = Peer::with(&[("a", "1"), ("b", "1"), ("c", "1"), (".gitignore", "*.o\n")]);
    assert_eq!(changed(&peer, "main"), None, "before the first commit there is nothing to compare with");
    peer.commit(&[("a", "2")]);
    assert_eq!(changed(&peer, "main").unwrap(), ["a"]);
    peer.write("new/x", "1");
    peer.write("x.o", "1");
    peer.write("c", "2");
    peer.git(&["add", "c"]);
    fs::remove_file(peer.dir.join("b")).unwrap();
    assert_eq!(changed(&peer, "main").unwrap(), ["a", "b", "c", "new/x"]);
    peer.write("a", "1");
    assert_eq!(changed(&peer, "main").unwrap(), ["b", "c", "new/x"], "what was changed back has not changed");
}

#[test]
fn on_another_branch_all_that_it_adds_has_changed_and_what_others_did_meanwhile_has_not() {
    let peer = Peer::with(&[("a", "1")]);
    peer.git(&["checkout", "-q", "-b", "topic"]);
    peer.commit(&[("b", "1")]);
    peer.commit(&[("c", "1")]);
    peer.git(&["checkout", "-q", "main"]);
    peer.commit(&[("d", "1")]);
    peer.git(&["checkout", "-q", "topic"]);
    peer.write("e", "1");
    assert_eq!(changed(&peer, "main").unwrap(), ["b", "c", "e"]);
    // What origin has counts before what lies here.
    peer.git(&["update-ref", "refs/remotes/origin/main", "topic^"]);
    assert_eq!(changed(&peer, "main").unwrap(), ["c", "e"]);
    assert_eq!(changed(&peer, "nowhere"), None);
    peer.git(&["checkout", "-q", "--orphan", "alone"]);
    peer.git(&["commit", "-q", "-m", "alone"]);
    assert_eq!(changed(&peer, "main"), None, "no commit in common");
}
