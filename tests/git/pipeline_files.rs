//! Reading pipeline files out of a commit.

use gantry::base::limits::{PIPELINE_FILE_BYTES, PIPELINE_FILES};
use gantry::git::{Credentials, Error, Mirror, PipelineFile};

use crate::peer::Peer;

fn files(peer: &Peer) -> Result<Vec<PipelineFile>, Error> {
    let mirror = Mirror::open(&peer.beside("mirror")).unwrap();
    mirror.fetch(&peer.url(), &Credentials::default()).unwrap();
    mirror.pipeline_files(&peer.git(&["rev-parse", "main"]))
}

fn paths(peer: &Peer) -> Vec<String> {
    files(peer).unwrap().into_iter().map(|file| file.path).collect()
}

fn refusal(peer: &Peer) -> String {
    match files(peer) {
        Err(error @ Error::PipelineFile { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_repository_without_one_has_none() {
    assert!(paths(&Peer::with(&[("README.md", "x"), ("gantry.yml", "x"), (".gantry/readme.md", "x")])).is_empty());
}

#[test]
fn the_single_file_is_read_as_it_is() {
    let peer = Peer::with(&[(".gantry.yml", "steps: [true]\r\n")]);
    assert_eq!(files(&peer).unwrap(), [PipelineFile { path: ".gantry.yml".into(), text: b"steps: [true]\r\n".to_vec() }]);
}

#[test]
fn several_in_the_folder_come_sorted_and_nothing_else_comes() {
    let peer = Peer::with(&[
        (".gantry/b.yml", "b"),
        (".gantry/a.yaml", "a"),
        (".gantry/notes.txt", "x"),
        (".gantry/deeper/c.yml", "x"),
        (".gantry/.hidden.yml", "x"),
        (".gantry.yaml", "single"),
        ("sub/.gantry.yml", "x"),
    ]);
    assert_eq!(paths(&peer), [".gantry.yaml", ".gantry/a.yaml", ".gantry/b.yml"]);
}

#[test]
fn a_file_at_the_limit_is_whole_and_one_past_it_shows() {
    let at = Peer::with(&[(".gantry.yml", &"x".repeat(PIPELINE_FILE_BYTES))]);
    assert_eq!(files(&at).unwrap()[0].text.len(), PIPELINE_FILE_BYTES);
    for over in [1, 5_000_000] {
        let past = Peer::with(&[(".gantry.yml", &"x".repeat(PIPELINE_FILE_BYTES + over))]);
        assert_eq!(files(&past).unwrap()[0].text.len(), PIPELINE_FILE_BYTES + 1);
    }
}

#[test]
fn too_many_files_are_an_error_that_names_the_limit() {
    let names: Vec<String> = (0..=PIPELINE_FILES).map(|n| format!(".gantry/{n:03}.yml")).collect();
    let all: Vec<_> = names.iter().map(|name| (name.as_str(), "x")).collect();
    assert_eq!(paths(&Peer::with(&all[1..])).len(), PIPELINE_FILES);
    assert!(refusal(&Peer::with(&all)).contains("65 pipeline files, and 64 are allowed"));
}

#[test]
fn a_symbolic_link_is_refused_and_not_followed() {
    for (link, target) in
        [(".gantry.yml", "/etc/passwd"), (".gantry.yml", "real.yml"), (".gantry/a.yml", "../real.yml"), (".gantry", "elsewhere")]
    {
        let peer = Peer::with(&[("real.yml", "steps: []"), ("elsewhere/a.yml", "x")]);
        let place = peer.dir.join(link);
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, &place).unwrap();
        peer.commit(&[]);
        let error = refusal(&peer);
        assert!(error.contains("symbolic link") && error.contains(link), "{error}");
    }
}

#[test]
fn a_directory_or_submodule_named_like_one_is_refused() {
    let peer = Peer::with(&[(".gantry.yml/x", "x")]);
    assert!(refusal(&peer).contains("not a file"));
    let commit = peer.head();
    peer.commit_raw_tree(&[("160000", b".gantry.yml", &commit)]);
    assert!(refusal(&peer).contains("not a file"));
}

#[test]
fn a_name_that_is_not_plain_text_is_refused() {
    let peer = Peer::with(&[(".gantry/a\nb.yml", "x")]);
    assert!(refusal(&peer).contains("a?b.yml"));
}
