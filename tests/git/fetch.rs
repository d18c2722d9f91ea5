//! Fetching from local repositories: what the mirror knows afterwards, and what is said when there is nothing to fetch.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use gantry::git::{Credentials, Error, Mirror, Snapshot};

use crate::peer::{Peer, git};

fn fetch(mirror: &Mirror, peer: &Peer) -> Snapshot {
    mirror.fetch(&peer.url(), &Credentials::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn mirror_of(peer: &Peer) -> Mirror {
    Mirror::open(&peer.beside("mirror")).unwrap()
}

fn failure(url: &str, peer: &Peer) -> Error {
    mirror_of(peer).fetch(url, &Credentials::default()).expect_err("the fetch must fail")
}

#[test]
fn a_first_fetch_knows_every_branch_tag_and_the_default_branch() {
    let peer = Peer::with(&[("a", "1")]);
    let first = peer.head();
    peer.git(&["tag", "light"]);
    peer.git(&["tag", "-a", "-m", "noted", "annotated"]);
    peer.git(&["checkout", "-q", "-b", "feature/x"]);
    let second = peer.commit(&[("b", "2")]);
    peer.git(&["checkout", "-q", "main"]);
    let snapshot = fetch(&mirror_of(&peer), &peer);
    assert_eq!(snapshot.default_branch.as_deref(), Some("main"));
    let refs: Vec<_> = snapshot.refs.iter().map(|(name, id)| (name.as_str(), id.as_str())).collect();
    assert_eq!(
        refs,
        [
            ("refs/heads/feature/x", second.as_str()),
            ("refs/heads/main", &first),
            ("refs/tags/annotated", &first),
            ("refs/tags/light", &first),
        ]
    );
}

#[test]
fn the_default_branch_is_the_one_that_head_names_there() {
    let peer = Peer::with(&[("a", "1")]);
    peer.git(&["checkout", "-q", "-b", "trunk"]);
    assert_eq!(fetch(&mirror_of(&peer), &peer).default_branch.as_deref(), Some("trunk"));
    peer.git(&["symbolic-ref", "HEAD", "refs/heads/nowhere"]);
    assert_eq!(fetch(&mirror_of(&peer), &peer).default_branch.as_deref(), Some("main"));
}

#[test]
fn new_commits_new_tags_moved_and_vanished_branches_are_seen() {
    let peer = Peer::with(&[("a", "1")]);
    peer.git(&["branch", "old"]);
    let mirror = mirror_of(&peer);
    let before = fetch(&mirror, &peer);
    assert_eq!(fetch(&mirror, &peer), before, "nothing new changes nothing");

    let new = peer.commit(&[("a", "2")]);
    peer.git(&["tag", "-a", "-m", "noted", "v1"]);
    peer.git(&["branch", "-D", "-q", "old"]);
    let after = fetch(&mirror, &peer);
    assert_eq!(after.refs.get("refs/heads/main"), Some(&new));
    assert_eq!(after.refs.get("refs/tags/v1"), Some(&new));
    assert_eq!(after.refs.get("refs/heads/old"), None);

    let moved_tag = peer.commit(&[("a", "3")]);
    peer.git(&["tag", "-f", "v1"]);
    assert_eq!(fetch(&mirror, &peer).refs.get("refs/tags/v1"), Some(&moved_tag));
    peer.git(&["tag", "-d", "v1"]);
    assert_eq!(fetch(&mirror, &peer).refs.get("refs/tags/v1"), None);
}

#[test]
fn a_rewritten_history_is_taken_over_and_told_apart_from_a_step_forward() {
    let peer = Peer::with(&[("a", "1")]);
    let base = peer.head();
    let mirror = mirror_of(&peer);
    let forward = peer.commit(&[("a", "2")]);
    fetch(&mirror, &peer);
    assert!(mirror.is_ancestor(&base, &forward).unwrap());
    assert!(mirror.is_ancestor(&base, &base).unwrap());
    assert!(!mirror.is_ancestor(&forward, &base).unwrap());

    peer.git(&["reset", "-q", "--hard", &base]);
    let rewritten = peer.commit(&[("a", "other")]);
    assert_eq!(fetch(&mirror, &peer).refs.get("refs/heads/main"), Some(&rewritten));
    assert!(!mirror.is_ancestor(&forward, &rewritten).unwrap());
    assert!(!mirror.is_ancestor(&"1".repeat(40), &rewritten).unwrap(), "a commit that is forgotten is nobody's ancestor");
    assert!(matches!(mirror.is_ancestor(&base, &"1".repeat(40)), Err(Error::NoCommit { .. })));
    assert_eq!(mirror.commit(&forward).unwrap().id, forward, "what a running job may need stays");
}

#[test]
fn a_branch_may_become_a_directory_of_branches_and_back() {
    let peer = Peer::with(&[("a", "1")]);
    peer.git(&["branch", "x"]);
    let mirror = mirror_of(&peer);
    fetch(&mirror, &peer);
    peer.git(&["branch", "-D", "-q", "x"]);
    peer.git(&["branch", "x/y"]);
    assert!(fetch(&mirror, &peer).refs.contains_key("refs/heads/x/y"));
    peer.git(&["branch", "-D", "-q", "x/y"]);
    peer.git(&["branch", "x"]);
    let refs = fetch(&mirror, &peer).refs;
    assert!(refs.contains_key("refs/heads/x") && !refs.contains_key("refs/heads/x/y"));
}

#[test]
fn hundreds_of_tags_are_kept_in_one_file_and_still_move_and_vanish() {
    let peer = Peer::with(&[("a", "1")]);
    let first = peer.head();
    let tags: String = (0..500).map(|n| format!("create refs/tags/t{n} {first}\n")).collect();
    peer.plumb(&["update-ref", "--stdin"], tags.as_bytes());
    let mirror = mirror_of(&peer);
    assert_eq!(fetch(&mirror, &peer).refs.len(), 501);
    assert!(fs::read_dir(peer.beside("mirror/refs/tags")).unwrap().count() < 10);
    let second = peer.commit(&[("a", "2")]);
    peer.git(&["tag", "-f", "t7"]);
    peer.git(&["tag", "-d", "t8"]);
    let after = fetch(&mirror, &peer);
    assert_eq!((after.refs.len(), after.refs.get("refs/tags/t7"), after.refs.get("refs/tags/t8")), (500, Some(&second), None));
}

#[test]
fn only_branches_and_tags_are_taken() {
    let peer = Peer::with(&[("a", "1")]);
    let main = peer.head();
    peer.git(&["checkout", "-q", "--detach"]);
    let hidden = peer.commit(&[("a", "secret")]);
    peer.git(&["update-ref", "refs/pull/1/head", &hidden]);
    peer.git(&["checkout", "-q", "main"]);
    let snapshot = fetch(&mirror_of(&peer), &peer);
    assert_eq!(snapshot.refs.into_iter().collect::<Vec<_>>(), [("refs/heads/main".to_owned(), main)]);
}

#[test]
fn a_tag_of_something_else_than_a_commit_is_left_out() {
    let peer = Peer::with(&[("a", "1")]);
    peer.git(&["tag", "blob", "HEAD:a"]);
    peer.git(&["tag", "-a", "-m", "x", "tree", "HEAD^{tree}"]);
    assert_eq!(fetch(&mirror_of(&peer), &peer).refs.keys().collect::<Vec<_>>(), ["refs/heads/main"]);
}

#[test]
fn unusual_ref_names_are_carried_as_they_are() {
    let peer = Peer::with(&[("a", "1")]);
    for name in ["-dash", "ümläut", "zzz\";echo${IFS}hello", "a@b", "HEAD"] {
        peer.git(&["update-ref", &format!("refs/heads/{name}"), "HEAD"]);
    }
    let refs = fetch(&mirror_of(&peer), &peer).refs;
    assert_eq!(refs.len(), 6, "{refs:?}");
    assert!(refs.contains_key("refs/heads/zzz\";echo${IFS}hello") && refs.contains_key("refs/heads/-dash"));
}

#[test]
fn a_ref_name_that_is_not_text_is_left_out_and_harms_nothing() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let peer = Peer::with(&[("a", "1")]);
    let odd = peer.dir.join(".git/refs/heads").join(OsStr::from_bytes(b"caf\xe9"));
    fs::write(odd, format!("{}\n", peer.head())).unwrap();
    assert_eq!(fetch(&mirror_of(&peer), &peer).refs.keys().collect::<Vec<_>>(), ["refs/heads/main"]);
}

#[test]
fn a_file_url_and_a_bare_repository_are_fetched_like_a_path() {
    let peer = Peer::with(&[("a", "1")]);
    let bare = peer.beside("bare ü.git");
    git(&peer.dir, &["clone", "-q", "--bare", ".", bare.to_str().unwrap()]);
    let mirror = mirror_of(&peer);
    let expected = fetch(&mirror, &peer);
    for url in [
        format!("file://{}", peer.url()),
        bare.to_str().unwrap().to_owned(),
        format!("file://{}", bare.display()).replace(' ', "%20"),
    ] {
        assert_eq!(mirror.fetch(&url, &Credentials::default()).unwrap(), expected, "{url}");
    }
}

#[test]
fn a_commit_tells_its_message_author_and_time() {
    let peer = Peer::with(&[("a", "1")]);
    peer.git(&["commit", "-q", "--allow-empty", "-m", "Subject\n\nBody ü", "--date", "2001-02-03T04:05:06Z"]);
    let mirror = mirror_of(&peer);
    fetch(&mirror, &peer);
    let commit = mirror.commit(&peer.head()).unwrap();
    assert_eq!(commit.message.trim_end(), "Subject\n\nBody ü");
    assert_eq!(commit.author, "Ann Other <ann@example.org>");
    assert_eq!(commit.at.0, peer.git(&["log", "-1", "--format=%ct"]).parse::<i64>().unwrap() * 1000);
    for unknown in ["main", "HEAD", &peer.head()[..10], "", &"0".repeat(40)] {
        assert!(matches!(mirror.commit(unknown), Err(Error::NoCommit { .. })), "{unknown}");
    }
}

#[test]
fn an_empty_repository_is_an_empty_snapshot_and_fills_later() {
    let peer = Peer::new();
    let mirror = mirror_of(&peer);
    assert_eq!(fetch(&mirror, &peer), Snapshot::default());
    let first = peer.commit(&[("a", "1")]);
    let snapshot = fetch(&mirror, &peer);
    assert_eq!((snapshot.default_branch.as_deref(), snapshot.refs.get("refs/heads/main")), (Some("main"), Some(&first)));
    peer.git(&["update-ref", "-d", "refs/heads/main"]);
    assert_eq!(fetch(&mirror, &peer), Snapshot::default(), "and may become empty again");
}

#[test]
fn no_such_path_a_file_and_a_plain_directory_are_told_apart() {
    let peer = Peer::with(&[("a", "1")]);
    let missing = failure(peer.beside("gone").to_str().unwrap(), &peer);
    assert!(matches!(missing, Error::NoRepository { .. }) && missing.to_string().contains("no such directory"), "{missing}");
    let file = failure(peer.dir.join("a").to_str().unwrap(), &peer);
    assert!(file.to_string().contains("not a directory"), "{file}");
    fs::create_dir(peer.beside("plain")).unwrap();
    let plain = failure(peer.beside("plain").to_str().unwrap(), &peer);
    assert!(matches!(plain, Error::NoRepository { .. }) && plain.to_string().contains("holds none"), "{plain}");
    assert!(!plain.is_transient());
}

#[test]
fn a_remote_that_vanished_leaves_the_mirror_as_it_was() {
    let peer = Peer::with(&[("a", "1")]);
    let mirror = mirror_of(&peer);
    let before = fetch(&mirror, &peer);
    fs::rename(&peer.dir, peer.beside("moved")).unwrap();
    assert!(mirror.fetch(&peer.url(), &Credentials::default()).is_err());
    fs::rename(peer.beside("moved"), &peer.dir).unwrap();
    assert_eq!(mirror.commit(&peer.head()).unwrap().id, peer.head());
    assert_eq!(fetch(&mirror, &peer), before);
}

#[test]
fn a_subdirectory_of_a_work_tree_is_not_taken_for_its_repository() {
    let peer = Peer::with(&[("sub/a", "1")]);
    assert!(matches!(failure(peer.dir.join("sub").to_str().unwrap(), &peer), Error::NoRepository { .. }));
}

#[test]
fn a_shallow_clone_is_refused_with_what_to_do() {
    let peer = Peer::with(&[("a", "1")]);
    peer.commit(&[("a", "2")]);
    let shallow = peer.beside("shallow");
    git(&peer.dir, &["clone", "-q", "--depth", "1", &format!("file://{}", peer.url()), shallow.to_str().unwrap()]);
    let error = failure(shallow.to_str().unwrap(), &peer).to_string();
    assert!(error.contains("unshallow"), "{error}");
}

#[test]
fn an_unreadable_repository_is_told_or_read_when_we_are_root() {
    let peer = Peer::with(&[("a", "1")]);
    fs::set_permissions(&peer.dir, fs::Permissions::from_mode(0o000)).unwrap();
    let outcome = mirror_of(&peer).fetch(&peer.url(), &Credentials::default());
    let root = fs::read_dir(&peer.dir).is_ok();
    fs::set_permissions(&peer.dir, fs::Permissions::from_mode(0o755)).unwrap();
    match outcome {
        Ok(_) => assert!(root, "only root may read it"),
        Err(error) => assert!(!root && matches!(error, Error::Unreadable { .. }), "{error}"),
    }
}

#[test]
fn a_repository_of_another_user_is_mirrored_when_we_may_read_it() {
    let peer = Peer::with(&[("a", "1")]);
    // Only root can give a directory away; then this is the case of a server as root and a repository of the user `git`.
    if std::os::unix::fs::chown(&peer.dir, Some(12_345), Some(12_345)).is_ok() {
        std::os::unix::fs::chown(peer.dir.join(".git"), Some(12_345), Some(12_345)).unwrap();
    }
    assert_eq!(fetch(&mirror_of(&peer), &peer).refs.len(), 1);
}

#[test]
fn a_damaged_mirror_says_what_to_do() {
    let peer = Peer::with(&[("a", "1")]);
    let mirror = mirror_of(&peer);
    fetch(&mirror, &peer);
    fs::remove_dir_all(peer.beside("mirror/objects")).unwrap();
    let error = Mirror::open(&peer.beside("mirror")).expect_err("a damaged mirror");
    assert!(matches!(error, Error::Damaged { .. }) && error.to_string().contains("move it away"), "{error}");
    fs::remove_dir_all(peer.beside("mirror")).unwrap();
    assert_eq!(fetch(&mirror_of(&peer), &peer).refs.len(), 1);
}

#[test]
fn a_mirror_whose_head_or_refs_are_nonsense_is_not_blamed_on_the_remote() {
    for file in ["HEAD", "packed-refs"] {
        let peer = Peer::with(&[("a", "1")]);
        let mirror = mirror_of(&peer);
        fetch(&mirror, &peer);
        fs::write(peer.beside("mirror").join(file), "nonsense\n").unwrap();
        let error = failure(&peer.url(), &peer);
        assert!(matches!(error, Error::Damaged { .. }), "{file}: {error}");
    }
}

#[test]
fn what_a_killed_fetch_left_behind_is_cleared() {
    let peer = Peer::with(&[("a", "1")]);
    let mirror = mirror_of(&peer);
    fetch(&mirror, &peer);
    for left in ["refs/heads/main.lock", "packed-refs.lock", "HEAD.lock", "objects/pack/pack_git2_AbCdEf"] {
        fs::write(peer.beside("mirror").join(left), "half").unwrap();
    }
    let new = peer.commit(&[("a", "2")]);
    assert_eq!(fetch(&mirror, &peer).refs.get("refs/heads/main"), Some(&new));
    assert!(!peer.beside("mirror/objects/pack/pack_git2_AbCdEf").exists());
}

#[test]
fn the_mirror_is_bare_has_no_hooks_and_real_git_finds_nothing_wrong() {
    let peer = Peer::with(&[("a", "1")]);
    peer.git(&["tag", "-a", "-m", "x", "v1"]);
    let mirror = mirror_of(&peer);
    fetch(&mirror, &peer);
    let dir = peer.beside("mirror");
    assert_eq!(git(&dir, &["rev-parse", "--is-bare-repository"]), "true");
    assert_eq!(git(&dir, &["fsck", "--strict", "--no-progress"]), "");
    assert!(!dir.join("hooks").exists());
    assert_eq!(mirror.objects_dir(), dir.join("objects"));
}

#[test]
fn two_fetches_at_once_do_not_disturb_each_other() {
    let peer = Peer::with(&[("a", "1")]);
    for n in 0..20 {
        peer.commit(&[("a", &n.to_string())]);
    }
    let mirror = mirror_of(&peer);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(fetch(&mirror, &peer).refs.get("refs/heads/main"), Some(&peer.head())));
        }
    });
}
