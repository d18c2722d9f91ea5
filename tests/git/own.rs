//! Work trees that leave this machine, judged by real Git once what they borrowed from is gone.

use std::fs;

use gantry::git::{Checkout, Credentials, Mirror, WorkTree, own_objects};

use crate::peer::{Peer, git};

#[test]
fn a_work_tree_has_all_that_its_refs_lead_to_when_the_mirror_is_gone() {
    let peer = Peer::with(&[("a", "1"), ("deep/b", "2")]);
    peer.git(&["tag", "-a", "v1", "-m", "The first"]);
    let blob = peer.plumb(&["hash-object", "-w", "--stdin"], b"no commit");
    peer.git(&["tag", "a-blob", &blob]);
    peer.git(&["branch", "side"]);
    let head = peer.commit(&[("a", "3")]);
    let mirror = Mirror::open(&peer.beside("mirror")).unwrap();
    mirror.fetch(&peer.url(), &Credentials::default()).unwrap();
    let workspace = peer.beside("workspace");
    mirror.checkout(&Checkout::of(head.clone(), Some("main".to_owned()), peer.url()), &workspace).unwrap();

    own_objects(&workspace).unwrap();
    own_objects(&workspace).unwrap();
    fs::remove_dir_all(peer.beside("mirror")).unwrap();
    let git = |arguments: &[&str]| git(&workspace, arguments);
    git(&["fsck", "--full", "--strict"]);
    assert_eq!(git(&["status", "--porcelain"]), "");
    assert_eq!(git(&["rev-list", "--count", "HEAD"]), "2");
    assert_eq!(git(&["describe", "origin/side"]), "v1");
    assert_eq!(git(&["show", "v1:a"]), "1");
    assert_eq!(git(&["cat-file", "blob", "a-blob"]), "no commit");
    assert!(!workspace.join(".git/objects/info/alternates").exists());
}

#[test]
fn a_copy_of_a_users_tree_keeps_what_is_staged_and_one_without_a_commit_is_fine_too() {
    for commits in [false, true] {
        let peer = Peer::new();
        if commits {
            peer.commit(&[("a", "1")]);
        }
        peer.write("staged", "2");
        peer.git(&["add", "staged"]);
        let workspace = peer.beside("workspace");
        WorkTree::discover(&peer.dir).unwrap().copy_into(&workspace).unwrap();
        let before = git(&workspace, &["status", "--porcelain"]);
        own_objects(&workspace).unwrap();
        fs::remove_dir_all(peer.dir.join(".git")).unwrap();
        assert_eq!(git(&workspace, &["status", "--porcelain"]), before);
        assert_eq!(git(&workspace, &["show", ":staged"]), "2");
    }
}
