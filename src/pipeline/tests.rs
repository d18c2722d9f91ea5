//! The room as a whole.

use super::*;

fn files_under(folder: &str) -> Vec<(String, Vec<u8>)> {
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
