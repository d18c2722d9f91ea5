//! Files and the problems they show.

use super::*;

#[test]
fn the_pipelines_that_we_ship_have_no_problems() {
    let files: Vec<_> = ["pipelines", "examples"].into_iter().flat_map(files_under).collect();
    assert!(files.len() >= 2, "{files:?}");
    for (name, text) in files {
        // `full.yml` is for the host executor, which needs no image.
        let problems: Vec<_> = check(&name, &text).into_iter().filter(|problem| problem.code != "no-image").collect();
        assert_eq!(render(&problems, false), "", "{name}");
    }
}

#[test]
fn problems_look_as_reviewed() {
    let cases = cases();
    assert!(cases.len() > 30);
    insta::with_settings!({ snapshot_path => "../../../tests/pipelines", prepend_module_to_snapshot => false, omit_expression => true }, {
        for (name, text) in &cases {
            let problems = check(".gantry.yml", text);
            insta::assert_snapshot!(name.as_str(), format!("{}\n{}\n", render(&problems, false), summary(&problems)));
        }
    });
    let snapshots = std::fs::read_dir(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pipelines")).unwrap();
    let snapshots =
        snapshots.filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|extension| extension == "snap"));
    assert_eq!(snapshots.count(), cases.len(), "a snapshot without its file, or the reverse");
}

#[test]
fn every_case_s_problems_stand_in_its_file_and_are_in_order() {
    for (name, text) in cases() {
        well_placed(&name, &text, &check(&name, &text));
    }
}

#[test]
fn colour_only_adds_escapes() {
    let problems = check("f.yml", b"steps: [{ rn: x }]");
    let plain = render(&problems, false);
    let coloured = render(&problems, true);
    assert!(coloured.starts_with("\x1b[1;31merror[unknown-key]\x1b[0m"));
    let mut stripped = String::new();
    let mut parts = coloured.split('\x1b');
    stripped.push_str(parts.next().unwrap());
    for part in parts {
        stripped.push_str(part.split_once('m').unwrap().1);
    }
    assert_eq!(stripped, plain);
    assert_eq!(render(&[], true), "");
    assert_eq!(summary(&[]), "no problems");
}

#[test]
fn nothing_in_a_file_reaches_the_terminal_as_a_control() {
    let problems = check("f\x1b[2J.yml", "\"a\\e[31m\": 1\n\"b\u{202e}c\u{9b}\": 1\nsteps: [x]".as_bytes());
    let shown = render(&problems, false);
    assert!(!shown.chars().any(|c| c == '\u{202e}' || c.is_control() && c != '\n'), "{shown:?}");
}
