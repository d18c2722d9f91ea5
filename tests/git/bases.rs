//! Kept work trees and the layers that jobs have over them, judged by real Git; and commits made to break out of one.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use gantry::base::{Timestamp, limits};
use gantry::git::{Bases, Checkout, Credentials, Error, Layer, Mirror, Times};

use crate::peer::{Peer, git};
use crate::union::{listing, union};

const REPO: &str = "R1";

struct Place<'a> {
    peer: &'a Peer,
    mirror: Mirror,
    bases: Bases,
    now: std::cell::Cell<i64>,
}

/// What a job sees, and what of it lies where.
struct Job {
    layer: Layer,
    root: PathBuf,
    tree: PathBuf,
}

impl<'a> Place<'a> {
    fn new(peer: &'a Peer) -> Self {
        let mirror = Mirror::open(&peer.beside("mirror")).unwrap();
        fs::create_dir(peer.beside("jobs")).unwrap();
        let bases = Bases::new(&peer.beside("bases"), &peer.beside("jobs"));
        Self { peer, mirror, bases, now: 1_700_000_000_000.into() }
    }

    fn at(&self, commit: &str) -> Checkout {
        Checkout { times: Times::Settled, ..Checkout::of(commit, Some("main".to_owned()), self.peer.url()) }
    }

    /// Fetches and makes the layer of a new job.
    fn try_job(&self, name: &str, at: &Checkout) -> Result<Layer, Error> {
        self.mirror.fetch(&self.peer.url(), &Credentials::default()).unwrap();
        let root = self.peer.beside("jobs").join(name);
        fs::create_dir_all(&root).unwrap();
        self.now.set(self.now.get() + 1_000);
        self.bases.layer(&self.mirror, REPO, at, (&root, &root.join("upper")), Timestamp(self.now.get()))
    }

    fn job_at(&self, name: &str, at: &Checkout) -> Job {
        let layer = self.try_job(name, at).unwrap();
        let root = self.peer.beside("jobs").join(name);
        assert_eq!(self.bases.under(&root).as_ref(), Some(&layer.base));
        let tree = self.peer.beside(&format!("tree-{name}"));
        union(&layer.base, &root.join("upper"), &tree);
        Job { layer, root, tree }
    }

    fn job(&self, name: &str, commit: &str) -> Job {
        self.job_at(name, &self.at(commit))
    }

    /// Commits that have a base, sorted.
    fn kept(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.peer.beside("bases").join(REPO)) else { return Vec::new() };
        let mut kept: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        kept.sort();
        kept
    }

    /// A checkout of its own, to compare with.
    fn plain(&self, commit: &str) -> Vec<String> {
        let workspace = self.peer.beside("plain");
        self.mirror.checkout(&self.at(commit), &workspace).unwrap();
        listing(&workspace)
    }
}

impl Job {
    fn git(&self, arguments: &[&str]) -> String {
        git(&self.tree, arguments)
    }

    /// `git status` finds nothing, and does not read files to find that out: one that was changed behind its back, so that size and time are as they
    /// were, is not noticed.
    fn is_clean_without_reading(&self) {
        assert_eq!(self.git(&["status", "--porcelain", "--ignored"]), "");
        for path in self.git(&["ls-files", "-s", "-z"]).split('\0').filter(|line| line.starts_with("100")) {
            let path = self.tree.join(path.split_once('\t').unwrap().1);
            let (content, found) = (fs::read(&path).unwrap(), fs::metadata(&path).unwrap());
            fs::write(&path, vec![b'?'; content.len()]).unwrap();
            fs::File::open(&path).unwrap().set_modified(found.modified().unwrap()).unwrap();
        }
        // The index must not be refreshed by reading: what it says has to hold as it was written.
        assert_eq!(self.git(&["diff-files", "--name-only"]), "");
    }
}

#[test]
fn a_layer_over_the_base_of_its_commit_holds_a_git_directory_and_nothing_else() {
    let peer = Peer::with(&[("a", "1"), ("deep/er/b", "2"), ("run.sh", "#!/bin/sh\n")]);
    fs::set_permissions(peer.dir.join("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("deep/er/b", peer.dir.join("link")).unwrap();
    let commit = peer.commit(&[]);
    peer.git(&["tag", "-a", "-m", "x", "v1.0"]);
    let place = Place::new(&peer);
    let first = place.job("one", &commit);
    assert!(first.layer.exact && first.layer.is_new_base);
    assert_eq!(first.layer.told.files, 3);
    let upper: Vec<_> = fs::read_dir(first.root.join("upper")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(upper, [".git"]);
    assert_eq!(listing(&first.tree), place.plain(&commit));
    assert_eq!(first.git(&["status", "-sb"]), "## main...origin/main");
    assert_eq!(first.git(&["describe"]), "v1.0");
    assert_eq!(first.git(&["log", "--format=%H"]), peer.git(&["log", "--format=%H"]));
    assert_eq!(first.git(&["fsck", "--strict", "--no-progress"]), "");
    first.is_clean_without_reading();

    let second = place.job("two", &commit);
    assert!(second.layer.exact && !second.layer.is_new_base, "the second job stands on the same one");
    assert_eq!(second.layer.base, first.layer.base);
    second.is_clean_without_reading();
}

#[test]
fn a_file_that_a_job_changes_at_once_is_seen_to_be_changed() {
    let peer = Peer::with(&[("a", "1")]);
    let place = Place::new(&peer);
    let job = place.job("one", &peer.head());
    fs::write(job.tree.join("a"), "2").unwrap();
    assert_eq!(job.git(&["status", "--porcelain"]), " M a");
}

#[test]
fn a_base_of_an_earlier_commit_is_moved_to_the_new_one_whatever_became_of_its_names() {
    let many: Vec<(String, String)> = (0..50).map(|n| (format!("many/{n}"), format!("content {n}"))).collect();
    let mut files: Vec<(&str, &str)> = many.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    files.extend([
        ("stays", "same"),
        ("changes", "old"),
        ("mode", "x"),
        ("goes", "away"),
        ("dir-goes/a", "1"),
        ("dir-goes/b/c", "2"),
        ("keeps/one", "1"),
        ("keeps/two", "2"),
        ("file-to-dir", "f"),
        ("dir-to-file/x", "d"),
        ("dir-to-file/y/z", "d"),
        ("dir-to-link/x", "d"),
        ("file-to-link", "f"),
        ("moves/from", "moved"),
    ]);
    let peer = Peer::with(&files);
    symlink("stays", peer.dir.join("link-to-file")).unwrap();
    symlink("keeps", peer.dir.join("link-to-dir")).unwrap();
    let old = peer.commit(&[]);
    peer.git(&["tag", "-a", "-m", "x", "v1"]);
    for path in [
        "goes",
        "dir-goes",
        "keeps/two",
        "file-to-dir",
        "dir-to-file",
        "dir-to-link",
        "file-to-link",
        "link-to-file",
        "link-to-dir",
    ] {
        let path = peer.dir.join(path);
        if path.is_dir() && !path.is_symlink() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
    }
    fs::create_dir(peer.dir.join("moves/deep")).unwrap();
    fs::rename(peer.dir.join("moves/from"), peer.dir.join("moves/deep/to")).unwrap();
    fs::set_permissions(peer.dir.join("mode"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("stays", peer.dir.join("dir-to-link")).unwrap();
    symlink("keeps", peer.dir.join("file-to-link")).unwrap();
    let new = peer.commit(&[
        ("changes", "new"),
        ("added/deep/er", "new"),
        ("file-to-dir/x/y", "now a directory"),
        ("dir-to-file", "now a file"),
        ("link-to-file", "now a file"),
        ("link-to-dir/x", "now a directory"),
    ]);
    let place = Place::new(&peer);
    place.job("one", &old);
    let moved = place.job("two", &new);
    assert!(!moved.layer.exact && !moved.layer.is_new_base);
    assert_eq!(place.kept(), [old.as_str()]);
    assert_eq!(listing(&moved.tree), place.plain(&new));
    assert!(!moved.root.join("upper/many").exists() && !moved.root.join("upper/stays").exists(), "only what differs is written");
    assert_eq!(moved.git(&["rev-parse", "HEAD"]), new);
    assert_eq!(moved.git(&["describe"]), format!("v1-1-g{}", &new[..7]));
    assert_eq!(moved.git(&["fsck", "--strict", "--no-progress"]), "");
    moved.is_clean_without_reading();
    // And back again, from a tree that never had the new names.
    let back = place.job("three", &old);
    assert!(back.layer.exact);
    assert_eq!(listing(&back.tree), place.plain(&old));
}

#[test]
fn what_a_layer_cannot_say_or_says_at_too_great_length_gets_a_base_of_its_own() {
    let peer = Peer::with(&[("a.bat", "one\n"), ("b", "2")]);
    let place = Place::new(&peer);
    place.job("one", &peer.head());
    let attributes = peer.commit(&[(".gitattributes", "*.bat text eol=crlf\n")]);
    let job = place.job("two", &attributes);
    assert!(job.layer.exact && job.layer.is_new_base, "line endings may change in every file");
    assert_eq!(fs::read_to_string(job.tree.join("a.bat")).unwrap(), "one\r\n");
    assert_eq!(job.git(&["status", "--porcelain"]), "");
    let next = peer.commit(&[("b", "3")]);
    let job = place.job("three", &next);
    assert!(job.layer.is_new_base, "nor is one that was converted moved");
    assert_eq!(fs::read_to_string(job.tree.join("a.bat")).unwrap(), "one\r\n");
    assert_eq!(job.git(&["status", "--porcelain"]), "");

    let peer = Peer::with(&[("b", "2")]);
    let place = Place::new(&peer);
    place.job("one", &peer.head());
    let names: Vec<String> = (0..limits::MOVED_ENTRIES).map(|n| format!("new/{n}")).collect();
    let files: Vec<(&str, &str)> = names[1..].iter().map(|name| (name.as_str(), "x")).collect();
    let at_limit = peer.commit(&files);
    assert!(!place.job("two", &at_limit).layer.is_new_base, "as many as the limit");
    let past = peer.commit(&[(names[0].as_str(), "x")]);
    assert!(place.job("three", &past).layer.is_new_base, "one more");

    let module = peer.head();
    peer.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{module},module")]);
    peer.git(&["commit", "-q", "-m", "a submodule"]);
    let job = place.job("four", &peer.head());
    assert!(job.layer.is_new_base);
    assert_eq!(fs::read_dir(job.tree.join("module")).unwrap().count(), 0);
    assert_eq!(job.git(&["status", "--porcelain"]), "");
}

#[test]
fn the_least_recently_used_bases_go_and_none_that_a_job_stands_on() {
    let peer = Peer::with(&[(".gitattributes", "# 0"), ("a", &"x".repeat(1_000))]);
    let place = Place::new(&peer);
    let commits: Vec<String> = (1..=4).map(|n| peer.commit(&[(".gitattributes", &format!("# {n}"))])).collect();
    for (n, commit) in commits.iter().enumerate() {
        place.job(&format!("j{n}"), commit);
    }
    assert_eq!(place.kept().len(), 4);
    assert_eq!(place.bases.evict(0).unwrap(), 0, "jobs stand on all of them");
    assert_eq!(place.kept().len(), 4);
    for n in [0, 1, 3] {
        fs::remove_dir_all(peer.beside("jobs").join(format!("j{n}"))).unwrap();
    }
    // The oldest is used again, so that the second is the oldest now.
    place.job("again", &commits[0]);
    fs::remove_dir_all(peer.beside("jobs/again")).unwrap();
    assert!(place.bases.evict(3 * 1_010).unwrap() > 1_000);
    let mut left = vec![commits[0].clone(), commits[2].clone(), commits[3].clone()];
    left.sort();
    assert_eq!(place.kept(), left);
    place.bases.evict(0).unwrap();
    assert_eq!(place.kept(), [commits[2].as_str()], "the one that a job still stands on");
    place.bases.leave(&peer.beside("jobs/j2")).unwrap();
    place.bases.evict(0).unwrap();
    assert_eq!(place.kept(), Vec::<String>::new());
}

#[test]
fn a_base_that_a_crash_cut_off_or_that_an_earlier_boot_made_is_not_used() {
    let peer = Peer::with(&[("a", "1")]);
    let place = Place::new(&peer);
    let commit = peer.head();
    let half = peer.beside("bases").join(REPO).join(".making-x/tree");
    fs::create_dir_all(&half).unwrap();
    fs::write(half.join("a"), "ha").unwrap();
    let job = place.job("one", &commit);
    assert!(job.layer.is_new_base);
    assert_eq!(place.bases.leftovers().unwrap(), [half.parent().unwrap()]);
    assert_eq!(place.bases.evict(u64::MAX).unwrap(), 0, "what is being made is nobody's to remove");
    assert!(half.exists());

    let about = job.layer.base.parent().unwrap().join("about");
    let text = fs::read_to_string(&about).unwrap();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    assert!(text.contains(boot.trim()));
    fs::write(&about, text.replace(boot.trim(), "another")).unwrap();
    fs::write(job.layer.base.join("a"), "").unwrap();
    let job = place.job("two", &commit);
    assert!(job.layer.is_new_base);
    assert_eq!(fs::read_to_string(job.tree.join("a")).unwrap(), "1");
}

#[test]
fn jobs_that_want_the_same_base_at_once_make_one() {
    let peer = Peer::with(&[("a", "1"), ("b", "2")]);
    let place = Place::new(&peer);
    place.mirror.fetch(&peer.url(), &Credentials::default()).unwrap();
    let (bases, mirror, at) = (&place.bases, &place.mirror, &place.at(&peer.head()));
    let made: Vec<bool> = std::thread::scope(|scope| {
        let jobs: Vec<_> = (0..8)
            .map(|n| {
                let root = peer.beside("jobs").join(n.to_string());
                fs::create_dir(&root).unwrap();
                scope
                    .spawn(move || bases.layer(mirror, REPO, at, (&root, &root.join("upper")), Timestamp(1)).unwrap().is_new_base)
            })
            .collect();
        jobs.into_iter().map(|job| job.join().unwrap()).collect()
    });
    assert_eq!(made.iter().filter(|made| **made).count(), 1);
    assert_eq!(place.kept().len(), 1);
}

#[test]
fn doing_it_again_mends_a_layer_that_was_cut_short() {
    let peer = Peer::with(&[("a", "1"), ("d/b", "2")]);
    let place = Place::new(&peer);
    place.job("one", &peer.head());
    let new = peer.commit(&[("a", "2")]);
    let outside = peer.beside("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("keep"), "x").unwrap();
    place.try_job("two", &place.at(&new)).unwrap();
    let upper = peer.beside("jobs/two/upper");
    fs::write(upper.join("left"), "x").unwrap();
    fs::write(upper.join(".git/HEAD"), "half").unwrap();
    symlink(&outside, upper.join("d")).unwrap();
    let job = place.job("two", &new);
    assert_eq!(listing(&job.tree), place.plain(&new));
    job.is_clean_without_reading();
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
}

#[test]
fn a_history_of_some_depth_ends_there_and_tags_in_it_are_kept() {
    let peer = Peer::with(&[("a", "0")]);
    peer.git(&["tag", "old"]);
    for n in 1..=5 {
        peer.commit(&[("a", &n.to_string())]);
    }
    peer.git(&["tag", "-a", "-m", "x", "recent", "HEAD~1"]);
    peer.git(&["branch", "other", "HEAD~4"]);
    let place = Place::new(&peer);
    for (name, depth, shown) in
        [("one", Some(1), 1), ("two", Some(3), 3), ("six", Some(6), 6), ("more", Some(50), 6), ("all", None, 6)]
    {
        let job = place.job_at(name, &Checkout { depth, ..place.at(&peer.head()) });
        assert_eq!(job.git(&["rev-list", "--count", "HEAD"]), shown.to_string(), "{name}");
        assert_eq!(job.git(&["rev-list", "--count", "--all"]), shown.to_string(), "{name}: nor does another ref bring it back");
        assert_eq!(job.git(&["rev-parse", "--is-shallow-repository"]), (shown < 6).to_string(), "{name}");
        assert_eq!(job.git(&["status", "-sb"]), "## main...origin/main");
        assert_eq!(job.git(&["fsck", "--no-progress", "--no-dangling"]), "");
        if shown > 1 {
            assert!(job.git(&["describe"]).starts_with("recent-1-g"), "{name}");
        }
    }
    let job = place.job_at("again", &Checkout { depth: Some(2), ..place.at(&peer.head()) });
    job.git(&["fetch", "-q", "--unshallow", "origin"]);
    assert_eq!(job.git(&["rev-list", "--count", "HEAD"]), "6", "the rest can be had");
}

/// Puts the objects of raw trees into the mirror, whatever a fetch would say to them.
fn smuggle(place: &Place<'_>) {
    let peer = place.peer;
    for id in peer.git(&["cat-file", "--batch-all-objects", "--batch-check=%(objectname)"]).lines() {
        let from = peer.dir.join(".git/objects").join(&id[..2]).join(&id[2..]);
        let to = peer.beside("mirror/objects").join(&id[..2]);
        fs::create_dir_all(&to).unwrap();
        fs::copy(from, to.join(&id[2..])).unwrap();
    }
}

/// A layer of this commit is refused, and nothing is written anywhere but in the job's own directory.
fn refused(place: &Place<'_>, commit: &str) -> String {
    smuggle(place);
    let root = place.peer.beside("jobs/evil");
    fs::create_dir_all(&root).unwrap();
    let before = listing(&place.peer.beside(""));
    let made = place.bases.layer(&place.mirror, REPO, &place.at(commit), (&root, &root.join("upper")), Timestamp(1));
    let error = made.expect_err("such a commit must not be shown");
    assert!(matches!(error, Error::UnsafeEntry { .. }), "{error}");
    assert!(!root.join("upper").exists() && !root.join("base").exists());
    let mut after = listing(&place.peer.beside(""));
    after.retain(|line| !line.starts_with("bases/"));
    assert_eq!(after, before.into_iter().filter(|line| !line.starts_with("bases/")).collect::<Vec<_>>());
    assert!(!place.kept().contains(&commit.to_owned()));
    error.to_string()
}

#[test]
fn hostile_names_are_refused_with_a_base_at_hand_as_without() {
    for with_base in [false, true] {
        for name in [&b".git"[..], b".GIT", b"git~1", b"..", b".", b"../x", b"a/b", b"/etc/x", b".git ", b"a\\.git"] {
            let peer = Peer::with(&[("a", "1")]);
            let place = Place::new(&peer);
            if with_base {
                place.job("good", &peer.head());
            }
            let blob = peer.plumb(&["hash-object", "-w", "--stdin"], b"[core]\n\tfsmonitor = touch /tmp/never\n");
            let inner = peer.plumb(&["mktree"], format!("100644 blob {blob}\tconfig\n").as_bytes());
            refused(&place, &peer.commit_raw_tree(&[("40000", name, &inner)]));
            refused(&place, &peer.commit_raw_tree(&[("100644", name, &blob)]));
            let deep = peer.commit_raw_tree(&[("120000", name, &blob)]);
            let deep = peer.git(&["rev-parse", &format!("{deep}^{{tree}}")]);
            refused(&place, &peer.commit_raw_tree(&[("40000", b"deep", &deep)]));
        }
        let peer = Peer::with(&[("a", "1")]);
        let place = Place::new(&peer);
        if with_base {
            place.job("good", &peer.head());
        }
        let target = peer.plumb(&["hash-object", "-w", "--stdin"], peer.beside("").as_os_str().as_encoded_bytes());
        let blob = peer.plumb(&["hash-object", "-w", "--stdin"], b"escaped");
        let inner = peer.plumb(&["mktree"], format!("100644 blob {blob}\tx\n").as_bytes());
        let twice = peer.commit_raw_tree(&[("120000", b"d", &target), ("40000", b"d", &inner)]);
        assert!(refused(&place, &twice).contains("twice"));
    }
}

#[test]
fn a_directory_in_the_place_of_a_link_is_not_written_through_the_link() {
    let peer = Peer::with(&[("a", "1")]);
    let outside = peer.beside("outside");
    fs::create_dir(&outside).unwrap();
    symlink(&outside, peer.dir.join("d")).unwrap();
    symlink("/", peer.dir.join("root")).unwrap();
    let linked = peer.commit(&[]);
    for name in ["d", "root"] {
        fs::remove_file(peer.dir.join(name)).unwrap();
    }
    let real = peer.commit(&[("d/x", "escaped"), ("d/.gitmodules", "x"), ("root/etc/never-made-by-gantry", "escaped")]);
    let place = Place::new(&peer);
    place.job("one", &linked);
    let job = place.job("two", &real);
    assert!(!job.layer.exact, "it is written over the links");
    assert_eq!(listing(&job.tree), place.plain(&real));
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    assert!(!Path::new("/etc/never-made-by-gantry").exists());
    // And the other way round: what was a directory becomes a link, and its files are not looked for behind it.
    let back = peer.git(&["commit-tree", "-m", "back", &format!("{linked}^{{tree}}")]);
    peer.git(&["update-ref", "refs/heads/main", &back]);
    let other = Place { bases: Bases::new(&peer.beside("bases2"), &peer.beside("jobs")), ..place };
    other.try_job("three", &other.at(&real)).unwrap();
    let layer = other.try_job("four", &other.at(&back)).unwrap();
    assert!(!layer.exact);
    assert!(fs::symlink_metadata(peer.beside("jobs/four/upper/d")).unwrap().is_symlink());
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

#[test]
fn names_that_differ_in_case_or_look_strange_come_out_as_they_are_through_a_move_too() {
    let names = [
        "README",
        "readme",
        "ReadMe/x",
        "back\\slash",
        "ctrl\u{1}\u{7f}",
        "new\nline",
        "-rf",
        "*",
        "\u{202e}txt",
        ":(top)",
        "a,b:c d",
    ];
    let files: Vec<_> = names.iter().map(|name| (*name, *name)).collect();
    let peer = Peer::with(&[("a", "1")]);
    let place = Place::new(&peer);
    place.job("one", &peer.head());
    let commit = peer.commit(&files);
    let job = place.job("two", &commit);
    assert!(!job.layer.exact);
    assert_eq!(listing(&job.tree), place.plain(&commit));
    for name in names {
        assert_eq!(fs::read_to_string(job.tree.join(name)).unwrap(), name);
    }
    job.is_clean_without_reading();
    let gone = peer.git(&["commit-tree", "-m", "gone", "HEAD~1^{tree}"]);
    peer.git(&["update-ref", "refs/heads/main", &gone]);
    let other = Place { bases: Bases::new(&peer.beside("bases2"), &peer.beside("jobs")), ..place };
    other.try_job("three", &other.at(&commit)).unwrap();
    other.try_job("four", &other.at(&gone)).unwrap();
    let upper = peer.beside("jobs/four/upper");
    for name in ["README", "back\\slash", "new\nline", "ReadMe"] {
        assert_eq!(fs::symlink_metadata(upper.join(name)).unwrap().rdev(), 0, "{name} is marked as gone");
        assert!(!fs::symlink_metadata(upper.join(name)).unwrap().is_file(), "{name}");
    }
}

#[test]
fn the_whole_history_of_a_tampered_mark_leads_nowhere() {
    let peer = Peer::with(&[("a", "1")]);
    let place = Place::new(&peer);
    let root = peer.beside("jobs/x");
    fs::create_dir(&root).unwrap();
    for mark in ["../../etc", "R1/../..", "/", "R1/", "R1", "", "R1/a/b", "."] {
        fs::write(root.join("base"), mark).unwrap();
        assert_eq!(place.bases.under(&root), None, "{mark}");
    }
}
