//! The user's own checkout and its copy for `gantry run`.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use gantry::git::{Error, WorkTree};

use crate::peer::{Peer, git};

fn tree(peer: &Peer) -> WorkTree {
    WorkTree::discover(&peer.dir).unwrap()
}

/// Copies it and returns where, and the notes.
fn copied(peer: &Peer) -> (PathBuf, Vec<String>) {
    let workspace = peer.beside("workspace");
    let notes = tree(peer).copy_into(&workspace).unwrap();
    (workspace, notes)
}

fn status(dir: &Path) -> String {
    git(dir, &["status", "--porcelain", "-b", "--untracked-files=all"])
}

#[test]
fn it_is_found_from_below_and_not_outside() {
    let peer = Peer::with(&[("sub/deeper/a", "1")]);
    assert_eq!(WorkTree::discover(&peer.dir.join("sub/deeper")).unwrap().root(), peer.dir);
    assert!(matches!(WorkTree::discover(&peer.beside("")), Err(Error::NotAWorkTree { .. })));
    let bare = peer.beside("bare.git");
    git(&peer.dir, &["clone", "-q", "--bare", ".", bare.to_str().unwrap()]);
    assert!(matches!(WorkTree::discover(&bare), Err(Error::NotAWorkTree { .. })));
}

#[test]
fn it_knows_its_branch_head_and_default_branch() {
    let peer = Peer::new();
    let fresh = tree(&peer);
    assert_eq!((fresh.branch().as_deref(), fresh.head(), fresh.default_branch().as_deref()), (Some("main"), None, Some("main")));
    let head = peer.commit(&[("a", "1")]);
    peer.git(&["checkout", "-q", "-b", "topic"]);
    let there = tree(&peer);
    assert_eq!(there.branch().as_deref(), Some("topic"));
    assert_eq!(there.head().unwrap().id, head);
    assert_eq!(there.default_branch().as_deref(), Some("main"));
    peer.git(&["update-ref", "refs/remotes/origin/trunk", "HEAD"]);
    peer.git(&["symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/trunk"]);
    assert_eq!(tree(&peer).default_branch().as_deref(), Some("trunk"));
    peer.git(&["checkout", "-q", "--detach"]);
    assert_eq!(tree(&peer).branch(), None);
}

#[test]
fn pipeline_files_are_read_as_they_lie_there() {
    let peer = Peer::with(&[(".gantry.yml", "old"), (".gantry/a.yml", "a")]);
    peer.write(".gantry.yml", "changed");
    peer.write(".gantry/new.yaml", "new");
    fs::remove_file(peer.dir.join(".gantry/a.yml")).unwrap();
    let files = tree(&peer).pipeline_files().unwrap();
    let files: Vec<_> = files.iter().map(|file| (file.path.as_str(), file.text.as_slice())).collect();
    assert_eq!(files, [(".gantry.yml", &b"changed"[..]), (".gantry/new.yaml", b"new")]);
    symlink("/etc/passwd", peer.dir.join(".gantry/evil.yml")).unwrap();
    assert!(matches!(tree(&peer).pipeline_files(), Err(Error::PipelineFile { .. })));
}

#[test]
fn the_copy_shows_the_same_changes() {
    let peer = Peer::with(&[
        ("same", "1"),
        ("changed", "1"),
        ("staged", "1"),
        ("deleted", "1"),
        ("removed", "1"),
        ("renamed", "some text to find it by"),
        ("mode", "1"),
        ("was/a/directory", "1"),
        (".gitignore", "*.log\nbuild/\n"),
    ]);
    symlink("same", peer.dir.join("link")).unwrap();
    peer.commit(&[]);
    peer.git(&["tag", "v1"]);
    peer.write("changed", "2");
    peer.write("staged", "2");
    peer.git(&["add", "staged"]);
    peer.write("staged", "3");
    fs::remove_file(peer.dir.join("deleted")).unwrap();
    peer.git(&["rm", "-q", "removed"]);
    peer.git(&["mv", "renamed", "moved"]);
    fs::set_permissions(peer.dir.join("mode"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::remove_dir_all(peer.dir.join("was")).unwrap();
    symlink("/etc", peer.dir.join("was")).unwrap();
    peer.write("new/file", "x");
    peer.write("with space\nand line", "x");
    peer.write("ignored.log", "x");
    peer.write("build/out", "x");
    let before = status(&peer.dir);

    let (workspace, notes) = copied(&peer);
    assert_eq!(status(&workspace), before);
    assert_eq!(status(&peer.dir), before, "the user's own tree is as it was");
    assert_eq!(notes, Vec::<String>::new());
    assert_eq!(git(&workspace, &["diff", "HEAD"]), peer.git(&["diff", "HEAD"]));
    assert_eq!(git(&workspace, &["describe", "--tags"]), "v1");
    assert!(!workspace.join("ignored.log").exists() && !workspace.join("build").exists() && !workspace.join("deleted").exists());
    assert_eq!(fs::read_link(workspace.join("link")).unwrap(), PathBuf::from("same"));
    assert_eq!(fs::read_link(workspace.join("was")).unwrap(), PathBuf::from("/etc"));
    assert_eq!(fs::metadata(workspace.join("mode")).unwrap().mode() & 0o777, 0o755);
    assert!(!workspace.join(".git/hooks").exists());
}

#[test]
fn it_can_be_copied_twice_and_before_the_first_commit() {
    let peer = Peer::new();
    peer.write("a", "1");
    peer.git(&["add", "a"]);
    peer.write("b", "1");
    copied(&peer);
    let (workspace, _) = copied(&peer);
    assert_eq!(status(&workspace), status(&peer.dir));
    assert!(workspace.join("a").exists() && workspace.join("b").exists());
}

#[test]
fn submodules_and_repositories_inside_are_left_out_with_a_note() {
    let peer = Peer::with(&[("a", "1")]);
    let commit = peer.head();
    peer.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{commit},module")]);
    fs::create_dir(peer.dir.join("module")).unwrap();
    peer.git(&["commit", "-q", "-m", "module"]);
    fs::create_dir(peer.dir.join("nested")).unwrap();
    git(&peer.dir.join("nested"), &["init", "-q"]);
    peer.write("nested/file", "x");
    let (workspace, notes) = copied(&peer);
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(notes[0].contains("`module`") && notes[1].contains("`nested`"), "{notes:?}");
    assert!(!workspace.join("nested").exists());
    assert_eq!(git(&workspace, &["status", "--porcelain"]), "");
}

#[test]
fn links_out_of_the_tree_are_copied_as_links_and_devices_left_out() {
    let peer = Peer::with(&[("dir/a", "1")]);
    fs::create_dir(peer.beside("outside")).unwrap();
    fs::write(peer.beside("outside/a"), "not ours").unwrap();
    fs::remove_dir_all(peer.dir.join("dir")).unwrap();
    symlink(peer.beside("outside"), peer.dir.join("dir")).unwrap();
    let (workspace, _) = copied(&peer);
    assert!(fs::symlink_metadata(workspace.join("dir")).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(peer.beside("outside/a")).unwrap(), "not ours");
}

#[test]
fn a_linked_work_tree_borrows_the_main_ones_objects() {
    let peer = Peer::with(&[("a", "1")]);
    let linked = peer.beside("linked");
    peer.git(&["worktree", "add", "-q", "-b", "side", linked.to_str().unwrap()]);
    fs::write(linked.join("a"), "2").unwrap();
    let tree = WorkTree::discover(&linked).unwrap();
    assert_eq!(tree.objects_dir().unwrap(), peer.dir.join(".git/objects"));
    let workspace = peer.beside("workspace");
    tree.copy_into(&workspace).unwrap();
    assert_eq!(status(&workspace), "## side\n M a");
}

#[test]
fn the_copys_origin_holds_no_secret() {
    let peer = Peer::with(&[("a", "1")]);
    peer.git(&["remote", "add", "origin", "https://me:s3cret@example.org/app.git"]);
    let (workspace, _) = copied(&peer);
    assert_eq!(git(&workspace, &["remote", "get-url", "origin"]), "https://example.org/app.git");
    assert!(!fs::read_to_string(workspace.join(".git/config")).unwrap().contains("s3cret"));
}
