//! Submodules, checked out when they are asked for, and what `.gitmodules` cannot make of that.

use std::fs;
use std::path::PathBuf;

use gantry::base::limits;
use gantry::git::{Checkout, Credentials, Error, Mirror, Submodules, Told};

use crate::peer::{Peer, git};

/// A bare copy of `peer` beside others, where `../NAME` finds it.
struct Shelf {
    root: tempfile::TempDir,
}

impl Shelf {
    fn new() -> Self {
        Self { root: tempfile::TempDir::new().unwrap() }
    }

    fn dir(&self) -> PathBuf {
        self.root.path().canonicalize().unwrap()
    }

    fn put(&self, name: &str, peer: &Peer) -> String {
        let place = self.dir().join(name);
        peer.git(&["clone", "-q", "--bare", ".", place.to_str().unwrap()]);
        place.to_str().unwrap().to_owned()
    }

    /// Checks out the head of `name` with its submodules.
    fn checkout(&self, name: &str, credentials: Option<&Credentials>) -> Result<Told, Error> {
        let url = self.dir().join(name).to_str().unwrap().to_owned();
        let mirror = Mirror::open(&self.dir().join("mirrors").join(name)).unwrap();
        mirror.fetch(&url, &Credentials::default()).unwrap();
        let at = Checkout::of(git(&self.dir().join(name), &["rev-parse", "HEAD"]), Some("main".to_owned()), url.clone());
        mirror.checkout(&at, &self.workspace())?;
        let mirrors = self.dir().join("modules");
        fs::create_dir_all(&mirrors).unwrap();
        mirror.checkout_submodules(&at, &self.workspace(), &Submodules { url: &url, credentials, mirrors: &mirrors })
    }

    fn workspace(&self) -> PathBuf {
        self.dir().join("workspace")
    }
}

/// A commit with a submodule at `path` that is said to be at `url`.
fn with_submodule(files: &[(&str, &str)], path: &str, url: &str, commit: &str) -> Peer {
    let peer = Peer::with(files);
    peer.write(".gitmodules", &format!("[submodule \"the {path}\"]\n\tpath = {path}\n\turl = {url}\n"));
    peer.git(&["add", ".gitmodules"]);
    peer.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{commit},{path}")]);
    peer.git(&["commit", "-q", "-m", "a submodule"]);
    peer
}

#[test]
fn submodules_and_those_in_them_are_work_trees_of_their_own_and_git_finds_all_clean() {
    let shelf = Shelf::new();
    let inner = Peer::with(&[("x", "inner\n")]);
    shelf.put("inner.git", &inner);
    let lib = with_submodule(&[("y", "lib\n")], "deep/inner", "../inner.git", &inner.head());
    let pinned = lib.head();
    lib.git(&["tag", "v2"]);
    shelf.put("lib.git", &lib);
    let app = with_submodule(&[("a", "app\n")], "libs/lib", "../lib.git", &pinned);
    shelf.put("app.git", &app);

    let told = shelf.checkout("app.git", Some(&Credentials::default())).unwrap();
    assert_eq!(told.files, 3, "y and .gitmodules of one, x of the other");
    let tree = shelf.workspace();
    assert_eq!(fs::read_to_string(tree.join("libs/lib/y")).unwrap(), "lib\n");
    assert_eq!(fs::read_to_string(tree.join("libs/lib/deep/inner/x")).unwrap(), "inner\n");
    for dir in [tree.clone(), tree.join("libs/lib"), tree.join("libs/lib/deep/inner")] {
        assert_eq!(git(&dir, &["status", "--porcelain", "--ignored"]), "", "{dir:?}");
    }
    assert_eq!(git(&tree, &["submodule", "status"]), format!(" {pinned} libs/lib (v2)"));
    assert_eq!(git(&tree.join("libs/lib"), &["rev-parse", "HEAD"]), pinned);
    assert_eq!(git(&tree.join("libs/lib"), &["describe", "--tags"]), "v2");
    // Again, without a word to anyone: the commit is there.
    fs::remove_dir_all(shelf.dir().join("lib.git")).unwrap();
    shelf.checkout("app.git", Some(&Credentials::default())).unwrap();
}

#[test]
fn what_a_commit_must_not_ask_for_is_refused_with_the_submodules_name() {
    for (url, words) in [
        ("ext::sh -c 'touch /tmp/never'", "never run"),
        ("/etc", "path on the server's machine"),
        ("file:///etc", "path on the server's machine"),
        ("../../secret.git", "only those beside it"),
        ("--upload-pack=/bin/sh", "looks like an option"),
        ("http://127.0.0.1:1/x", "server's own machine"),
        ("ssh://-oProxyCommand=x/y", "not a name or an address"),
    ] {
        let shelf = Shelf::new();
        let app = with_submodule(&[("a", "1")], "lib", url, &"1".repeat(40));
        shelf.put("app.git", &app);
        let error = shelf.checkout("app.git", Some(&Credentials::default())).unwrap_err();
        assert!(matches!(error, Error::Submodule { .. }), "{error}");
        let told = error.to_string();
        assert!(told.contains("`lib`") && told.contains(words), "{url}: {told}");
        assert_eq!(fs::read_dir(shelf.dir().join("modules")).unwrap().count(), 0, "{url}: nothing was asked for");
    }
}

#[test]
fn one_that_is_nowhere_said_or_nowhere_found_is_told() {
    let shelf = Shelf::new();
    let lib = Peer::with(&[("x", "1")]);
    shelf.put("lib.git", &lib);
    let unknown = "1".repeat(40);
    shelf.put("app.git", &with_submodule(&[("a", "1")], "lib", "../lib.git", &unknown));
    let error = shelf.checkout("app.git", Some(&Credentials::default())).unwrap_err().to_string();
    assert!(error.contains(&unknown) && error.contains("no branch"), "{error}");

    let silent = Peer::with(&[("a", "1")]);
    silent.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{},lib", lib.head())]);
    silent.git(&["commit", "-q", "-m", "x"]);
    shelf.put("silent.git", &silent);
    let error = shelf.checkout("silent.git", Some(&Credentials::default())).unwrap_err().to_string();
    assert!(error.contains("no file `.gitmodules`"), "{error}");
    let target = silent.plumb(&["hash-object", "-w", "--stdin"], b"/etc/passwd");
    silent.commit_raw_tree(&[("120000", b".gitmodules", &target), ("160000", b"lib", &lib.head())]);
    shelf.put("linked.git", &silent);
    let error = shelf.checkout("linked.git", Some(&Credentials::default())).unwrap_err().to_string();
    assert!(error.contains("no file `.gitmodules`"), "a link is not followed: {error}");
}

#[test]
fn submodules_that_nest_without_end_are_given_up() {
    let shelf = Shelf::new();
    let mut inner = Peer::with(&[("x", "1")]);
    let levels = limits::SUBMODULE_DEPTH + 1;
    for level in 0..=levels {
        shelf.put(&format!("l{level}.git"), &inner);
        inner = with_submodule(&[("x", "1")], "m", &format!("../l{level}.git"), &inner.head());
    }
    shelf.checkout(&format!("l{}.git", limits::SUBMODULE_DEPTH), Some(&Credentials::default())).unwrap();
    let error = shelf.checkout(&format!("l{levels}.git"), Some(&Credentials::default())).unwrap_err().to_string();
    assert!(error.contains("nest deeper"), "{error}");
}

#[test]
fn a_change_from_another_repository_gets_nothing_that_needs_a_right_of_the_servers() {
    let shelf = Shelf::new();
    let secret = Peer::with(&[("x", "secret")]);
    shelf.put("secret.git", &secret);
    shelf.put("app.git", &with_submodule(&[("a", "1")], "lib", "../secret.git", &secret.head()));
    let error = shelf.checkout("app.git", None).unwrap_err().to_string();
    assert!(error.contains("proposed from another repository"), "{error}");
    assert!(!shelf.workspace().join("lib/x").exists());
}
