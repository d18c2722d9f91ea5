//! Commits put into workspaces, judged by real Git; and commits made to break out of one.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;

use gantry::git::{Checkout, Credentials, Error, Mirror};

use crate::peer::{Peer, git};

struct Place {
    mirror: Mirror,
    workspace: PathBuf,
}

/// A fetched mirror of the peer and a workspace that is not there yet.
fn place(peer: &Peer) -> Place {
    let mirror = Mirror::open(&peer.beside("mirror")).unwrap();
    mirror.fetch(&peer.url(), &Credentials::default()).unwrap();
    Place { mirror, workspace: peer.beside("workspace") }
}

fn on_main(peer: &Peer) -> Checkout {
    Checkout::of(peer.git(&["rev-parse", "main"]), Some("main".to_owned()), peer.url())
}

impl Place {
    fn checkout(&self, at: &Checkout) -> Result<(), Error> {
        self.mirror.checkout(at, &self.workspace).map(drop)
    }

    fn git(&self, arguments: &[&str]) -> String {
        git(&self.workspace, arguments)
    }
}

#[test]
fn a_branch_is_checked_out_as_a_clone_would_have_it() {
    let peer = Peer::with(&[("a", "1"), ("deep/er/b", "2"), ("run.sh", "#!/bin/sh\n")]);
    fs::set_permissions(peer.dir.join("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("deep/er/b", peer.dir.join("link")).unwrap();
    symlink("/nowhere/at/all", peer.dir.join("dangling")).unwrap();
    peer.commit(&[]);
    peer.git(&["tag", "-a", "-m", "x", "v1.0"]);
    peer.git(&["tag", "light"]);
    peer.commit(&[("a", "2")]);
    peer.git(&["branch", "other"]);
    let place = place(&peer);
    place.checkout(&on_main(&peer)).unwrap();

    assert_eq!(place.git(&["status", "--porcelain", "--ignored"]), "");
    assert_eq!(place.git(&["status", "-sb"]), "## main...origin/main");
    assert_eq!(place.git(&["rev-parse", "HEAD"]), peer.head());
    assert_eq!(place.git(&["describe", "--always"]), peer.git(&["describe", "--always"]));
    assert!(place.git(&["describe", "--always"]).starts_with("v1.0-1-g"));
    assert_eq!(place.git(&["describe", "--always", "--tags", "HEAD~1"]), "v1.0");
    assert_eq!(place.git(&["log", "--format=%H"]), peer.git(&["log", "--format=%H"]));
    assert_eq!(place.git(&["tag"]), "light\nv1.0");
    assert_eq!(
        place.git(&["for-each-ref", "--format=%(refname) %(objectname)", "refs/tags"]),
        peer.git(&["for-each-ref", "--format=%(refname) %(objectname)", "refs/tags"])
    );
    assert_eq!(
        place.git(&["branch", "-a", "--format=%(refname)"]),
        "refs/heads/main\nrefs/remotes/origin/HEAD\nrefs/remotes/origin/main\nrefs/remotes/origin/other"
    );
    assert_eq!(place.git(&["symbolic-ref", "refs/remotes/origin/HEAD"]), "refs/remotes/origin/main");
    assert_eq!(place.git(&["fsck", "--strict", "--no-progress"]), "");
    assert_eq!(fs::read_to_string(place.workspace.join("a")).unwrap(), "2");
    assert_eq!(fs::metadata(place.workspace.join("run.sh")).unwrap().mode() & 0o111, 0o111);
    assert_eq!(fs::metadata(place.workspace.join("a")).unwrap().mode() & 0o111, 0);
    assert_eq!(fs::read_link(place.workspace.join("dangling")).unwrap(), PathBuf::from("/nowhere/at/all"));
    assert!(!place.workspace.join(".git/hooks").exists());
    assert!(!place.workspace.join(".git/logs").exists());
}

#[test]
fn the_workspace_is_usable_for_commits_and_for_fetches() {
    let peer = Peer::with(&[("a", "1")]);
    let place = place(&peer);
    place.checkout(&on_main(&peer)).unwrap();
    fs::write(place.workspace.join("new"), "x").unwrap();
    place.git(&["add", "-A"]);
    place.git(&["commit", "-q", "-m", "in the job"]);
    peer.commit(&[("a", "2")]);
    place.git(&["fetch", "-q", "origin"]);
    assert_eq!(place.git(&["rev-parse", "origin/main"]), peer.head());
    assert!(place.mirror.commit(&peer.head()).is_err(), "and nothing of it reached the mirror");
}

#[test]
fn a_tag_is_checked_out_detached_and_an_older_commit_of_a_branch_on_it() {
    let peer = Peer::with(&[("a", "1")]);
    let first = peer.head();
    peer.git(&["tag", "v1"]);
    peer.commit(&[("a", "2")]);
    let place = place(&peer);
    place.checkout(&Checkout::of(first.clone(), None, peer.url())).unwrap();
    assert_eq!(place.git(&["rev-parse", "--abbrev-ref", "HEAD"]), "HEAD");
    assert_eq!(place.git(&["describe", "--tags", "--exact-match"]), "v1");
    assert_eq!(place.git(&["status", "--porcelain"]), "");
    place.checkout(&Checkout { commit: first.clone(), ..on_main(&peer) }).unwrap();
    assert_eq!(place.git(&["status", "-sb"]), "## main...origin/main [behind 1]");
    assert_eq!(place.git(&["rev-parse", "main"]), first);
}

#[test]
fn doing_it_again_mends_whatever_was_there() {
    let peer = Peer::with(&[("a", "1"), ("d/b", "2")]);
    let place = place(&peer);
    let outside = peer.beside("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("keep"), "x").unwrap();
    for _ in 0..2 {
        place.checkout(&on_main(&peer)).unwrap();
        assert_eq!(place.git(&["status", "--porcelain", "--ignored"]), "");
        fs::write(place.workspace.join("left"), "x").unwrap();
        fs::write(place.workspace.join(".git/index.lock"), "").unwrap();
        fs::write(place.workspace.join(".git/HEAD"), "half").unwrap();
        fs::remove_dir_all(place.workspace.join("d")).unwrap();
        symlink(&outside, place.workspace.join("d")).unwrap();
    }
    place.checkout(&on_main(&peer)).unwrap();
    assert_eq!(place.git(&["status", "--porcelain", "--ignored"]), "");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1, "a link in the old workspace was not followed");
}

#[test]
fn unusual_names_come_out_as_they_are() {
    let names = [
        "with space",
        "ümläut/ß",
        "-rf",
        "--",
        "new\nline",
        "quote\"'",
        "*",
        "back\\slash",
        "tab\there",
        "CON",
        "a.",
        ":x",
        ".gitx",
    ];
    let files: Vec<_> = names.iter().map(|name| (*name, *name)).collect();
    let peer = Peer::with(&files);
    let place = place(&peer);
    place.checkout(&on_main(&peer)).unwrap();
    for name in names {
        assert_eq!(fs::read_to_string(place.workspace.join(name)).unwrap(), name);
    }
    assert_eq!(place.git(&["status", "--porcelain"]), "");
}

#[test]
fn a_branch_with_an_unusual_name_is_checked_out_too() {
    let peer = Peer::with(&[("a", "1")]);
    for branch in ["feature/ü", "zzz\";echo${IFS}hello", "a.b"] {
        peer.git(&["update-ref", &format!("refs/heads/{branch}"), "HEAD"]);
        let place = place(&peer);
        let at = Checkout { branch: Some(branch.to_owned()), ..on_main(&peer) };
        place.checkout(&at).unwrap_or_else(|error| panic!("{branch}: {error}"));
        assert_eq!(place.git(&["symbolic-ref", "--short", "HEAD"]), branch);
        assert_eq!(place.git(&["status", "--porcelain"]), "");
    }
}

#[test]
fn line_endings_and_filters_follow_gitattributes_without_running_anything() {
    let peer = Peer::with(&[
        (".gitattributes", "*.bat text eol=crlf\n*.bin filter=evil\n*.big filter=lfs\n"),
        ("x.bat", "one\ntwo\n"),
        ("x.bin", "data"),
        ("x.big", "version https://git-lfs.github.com/spec/v1\n"),
    ]);
    let place = place(&peer);
    place.checkout(&on_main(&peer)).unwrap();
    assert_eq!(fs::read_to_string(place.workspace.join("x.bat")).unwrap(), "one\r\ntwo\r\n");
    assert_eq!(fs::read_to_string(place.workspace.join("x.big")).unwrap(), "version https://git-lfs.github.com/spec/v1\n");
    assert_eq!(place.git(&["status", "--porcelain"]), "");
}

#[test]
fn linked_attributes_are_not_followed() {
    let peer = Peer::with(&[("x.bat", "one\n")]);
    fs::write(peer.beside("attributes"), "*.bat text eol=crlf\n").unwrap();
    symlink(peer.beside("attributes"), peer.dir.join(".gitattributes")).unwrap();
    peer.commit(&[]);
    let place = place(&peer);
    place.checkout(&on_main(&peer)).unwrap();
    assert_eq!(fs::read_to_string(place.workspace.join("x.bat")).unwrap(), "one\n");
}

#[test]
fn a_submodule_is_an_empty_directory_and_nothing_is_fetched() {
    let peer = Peer::with(&[("a", "1")]);
    let commit = peer.head();
    peer.write(".gitmodules", "[submodule \"x\"]\n\tpath = x\n\turl = ext::sh -c 'touch /tmp/never'\n");
    peer.git(&["add", ".gitmodules"]);
    peer.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{commit},x")]);
    peer.git(&["commit", "-q", "-m", "a submodule"]);
    let place = place(&peer);
    place.checkout(&on_main(&peer)).unwrap();
    assert_eq!(fs::read_dir(place.workspace.join("x")).unwrap().count(), 0);
    assert_eq!(place.git(&["status", "--porcelain"]), "");
}

#[test]
fn origin_holds_no_secret() {
    let peer = Peer::with(&[("a", "1")]);
    let place = place(&peer);
    let url = "https://me:s3cret@example.org/app.git".to_owned();
    place.checkout(&Checkout { url, ..on_main(&peer) }).unwrap();
    assert_eq!(place.git(&["remote", "get-url", "origin"]), "https://example.org/app.git");
    assert!(!fs::read_to_string(place.workspace.join(".git/config")).unwrap().contains("s3cret"));
}

#[test]
fn a_commit_that_was_never_fetched_is_refused_and_the_workspace_left_alone() {
    let peer = Peer::with(&[("a", "1")]);
    let place = place(&peer);
    fs::create_dir(&place.workspace).unwrap();
    fs::write(place.workspace.join("mine"), "x").unwrap();
    let unknown = Checkout { commit: "1".repeat(40), ..on_main(&peer) };
    assert!(matches!(place.checkout(&unknown), Err(Error::NoCommit { .. })));
    assert!(place.workspace.join("mine").exists());
}

/// A mirror that holds this raw tree, whatever a fetch would say to it: the objects are put there by Git's own plumbing.
fn refused(peer: &Peer, entries: &[(&str, &[u8], &str)]) -> String {
    let commit = peer.commit_raw_tree(entries);
    let mirror = peer.beside("mirror");
    let opened = Mirror::open(&mirror).unwrap();
    for id in peer.git(&["cat-file", "--batch-all-objects", "--batch-check=%(objectname)"]).lines() {
        let (from, to) = (peer.dir.join(".git/objects").join(&id[..2]), mirror.join("objects").join(&id[..2]));
        fs::create_dir_all(&to).unwrap();
        fs::copy(from.join(&id[2..]), to.join(&id[2..])).unwrap();
    }
    let workspace = peer.beside("inner/workspace");
    fs::create_dir_all(&workspace).unwrap();
    let at = Checkout::of(commit, Some("main".to_owned()), peer.url());
    let error = opened.checkout(&at, &workspace).expect_err("such a commit must not be checked out");
    assert!(matches!(error, Error::UnsafeEntry { .. }), "{error}");
    assert_eq!(fs::read_dir(&workspace).unwrap().count(), 0, "nothing is written");
    assert_eq!(fs::read_dir(peer.beside("inner")).unwrap().count(), 1, "nor beside it");
    error.to_string()
}

#[test]
fn a_commit_that_writes_into_dot_git_is_refused() {
    for name in [".git", ".GIT", ".git ", "git~1", ".g\u{200c}it"] {
        let peer = Peer::with(&[("a", "1")]);
        let blob = peer.plumb(&["hash-object", "-w", "--stdin"], b"[core]\n\tfsmonitor = touch /tmp/never\n");
        let inner = peer.plumb(&["mktree"], format!("100644 blob {blob}\tconfig\n").as_bytes());
        let error = refused(&peer, &[("40000", name.as_bytes(), &inner)]);
        assert!(error.contains("takes for `.git`"), "{error}");
    }
}

#[test]
fn a_commit_with_names_that_lead_out_is_refused() {
    for name in [&b"../x"[..], b"..", b".", b"a/b", b"/etc/x"] {
        let peer = Peer::with(&[("a", "1")]);
        let blob = peer.plumb(&["hash-object", "-w", "--stdin"], b"x");
        refused(&peer, &[("100644", name, &blob)]);
        let inner = peer.commit_raw_tree(&[("100644", name, &blob)]);
        let inner = peer.git(&["rev-parse", &format!("{inner}^{{tree}}")]);
        refused(&peer, &[("40000", b"deep", &inner)]);
    }
}

#[test]
fn a_link_and_a_directory_of_one_name_are_refused() {
    let peer = Peer::with(&[("a", "1")]);
    let target = peer.plumb(&["hash-object", "-w", "--stdin"], peer.beside("inner").as_os_str().as_encoded_bytes());
    let blob = peer.plumb(&["hash-object", "-w", "--stdin"], b"escaped");
    let inner = peer.plumb(&["mktree"], format!("100644 blob {blob}\tx\n").as_bytes());
    let error = refused(&peer, &[("120000", b"d", &target), ("40000", b"d", &inner)]);
    assert!(error.contains("twice"), "{error}");
}

#[test]
fn a_tree_that_repeats_itself_without_end_is_refused_in_time() {
    let peer = Peer::with(&[("a", "1")]);
    let mut id = peer.git(&["rev-parse", "HEAD:a"]);
    let mut kind = "100644 blob";
    for _ in 0..9 {
        let level: String = (0..10).map(|n| format!("{kind} {id}\td{n}\n")).collect();
        id = peer.plumb(&["mktree"], level.as_bytes());
        kind = "040000 tree";
    }
    let error = refused(&peer, &[("40000", b"bomb", &id)]);
    assert!(error.contains("limit of a million"), "{error}");
}
