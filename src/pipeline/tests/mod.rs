//! The room as a whole. `cases` holds the files of `tests/pipelines` against their snapshots, `schema` what editors are told; `plans` what a trigger makes
//! of a file, `keys` what each key says in a plan, `matrices`, `inputs`, `parts` and `wants` the same of single features, `references` what expressions
//! refer to, `lates` what the run evaluates, `pairs` features together; `limits` the bounds, `damage` what no file may do.

mod cases;
mod damage;
mod inputs;
mod keys;
mod lates;
mod limits;
mod matrices;
mod pairs;
mod parts;
mod plans;
mod references;
mod schema;
mod wants;

use super::*;

pub(super) fn files_under(folder: &str) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml") {
                found.push((path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap()));
            }
        }
    }
    found
}

/// Files of `tests/pipelines`, by their name without the ending.
pub(super) fn cases() -> Vec<(String, Vec<u8>)> {
    let mut cases = files_under("tests/pipelines");
    cases.sort();
    cases.into_iter().map(|(name, text)| (name.replace(".yml", ""), text)).collect()
}

/// Places lie within the file, in order, each problem once, and text can be shown.
pub(super) fn well_placed(name: &str, text: &[u8], problems: &[Problem]) {
    let text = String::from_utf8_lossy(text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)).into_owned();
    let lines: Vec<&str> = text.split('\n').flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r')).collect();
    for problem in problems {
        let Problem { line, column, length, source, .. } = problem;
        let told = format!("{name}: {problem:?}");
        if *line == 0 {
            assert_eq!((*column, source.as_str()), (0, ""), "{told}");
            continue;
        }
        let written = lines.get(line - 1).unwrap_or_else(|| panic!("{told}"));
        let characters = written.chars().count();
        assert!(source == written || source.is_empty() && characters > 1000, "{told}");
        assert!(*column >= 1 && *length >= 1 && column + length <= characters.max(1) + 2, "{told}");
        assert!(!problem.message.contains(char::is_control) && !problem.message.ends_with('.'), "{told}");
    }
    let places: Vec<_> = problems.iter().filter(|problem| problem.code != "more-problems").map(|p| (p.line, p.column)).collect();
    assert!(places.is_sorted(), "{name}: {places:?}");
    assert!(problems.len() <= crate::base::limits::PROBLEMS + 1);
    let shown = render(problems, false);
    assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{name}: {shown:?}");
}

pub(super) fn push(branch: &str) -> Trigger {
    Trigger {
        event: Event::Push,
        branch: branch.to_owned(),
        tag: None,
        commit: "5d6e7f8".repeat(6),
        message: "Fix it".to_owned(),
        author: "Ann <ann@example.org>".to_owned(),
        default_branch: "main".to_owned(),
        repo: "shop".to_owned(),
        url: String::new(),
        because: "main moved".to_owned(),
        inputs: Default::default(),
        schedule: None,
        pull_request: None,
    }
}

pub(super) fn tag(name: &str) -> Trigger {
    Trigger { event: Event::Tag, branch: String::new(), tag: Some(name.to_owned()), ..push("") }
}

pub(super) fn codes(text: &str) -> Vec<String> {
    check("f.yml", text.as_bytes()).into_iter().map(|problem| problem.code).filter(|code| code != "no-image").collect()
}

/// The plan of a file that has no problems.
pub(super) fn planned(text: &str, trigger: &Trigger) -> Plan {
    match read("f.yml", text.as_bytes(), trigger, &ReadOptions::default()) {
        Reading::Planned { plan, warnings } => {
            assert_eq!(warnings, [], "{text}");
            plan
        }
        Reading::NotWanted(why) | Reading::Refused(why) => panic!("not planned: {why}"),
        Reading::Invalid(problems) => panic!("{}", render(&problems, false)),
    }
}
