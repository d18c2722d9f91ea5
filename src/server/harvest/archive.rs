//! An archive of an ended attempt's files, looked through for reports. Nothing of it ever touches a disk of ours.
//!
//! **Invariants:** what is in the archive is untrusted: only plain files are read, each within the limit of one report, all of them within the limits
//! of one attempt; how much is looked through has an end. Files come in the order of their names, whatever the archive's.

use std::collections::BTreeMap;
use std::io::{self, Read};

use tar::{Archive, Entry, EntryType};

use super::wanted::Wanted;
use crate::base::limits::{REPORT_FILE_BYTES, REPORT_FILES, REPORTS_BYTES, REPORTS_LOOKED_THROUGH_BYTES};
use crate::run::{TestCase, fit_name, read_junit};
use crate::secrets::Masks;

/// What was found so far.
#[derive(Default)]
pub(super) struct Found {
    /// By their paths in the work tree.
    pub reports: BTreeMap<String, Vec<TestCase>>,
    /// What could not be read, and why.
    pub problems: Vec<String>,
    /// How many further ones there are.
    pub more_problems: usize,
    /// Bytes of reports.
    bytes: u64,
    files: usize,
    /// A limit of the whole attempt was reached, which is told once.
    full: bool,
    /// Hide what they find in a report before anything of it is cut: of a value that is cut in two they would not know the halves.
    pub masks: Masks,
}

/// Looks through the archive that was made of `root`.
pub(super) fn look_through(archive: impl Read, root: &str, wanted: &Wanted, found: &mut Found) {
    let looked = Bounded { inner: archive, left: REPORTS_LOOKED_THROUGH_BYTES };
    let mut archive = Archive::new(looked);
    let above = root.rsplit_once('/').map_or("", |(above, _)| above);
    let read = archive.entries().and_then(|entries| {
        for entry in entries {
            let mut entry = entry?;
            let Some(path) = path_of(&entry, root, above) else { continue };
            if !found.full && wanted.matches(&path) {
                take(&mut entry, path, found)?;
            }
        }
        Ok(())
    });
    if let Err(error) = read {
        let place = if root.is_empty() { "the work tree" } else { root };
        found.problem(format!("`{place}` was not looked through to its end: {error}"));
    }
}

/// The path in the work tree: an archive's names begin with the last part of what it was made of.
fn path_of(entry: &Entry<'_, impl Read>, root: &str, above: &str) -> Option<String> {
    let bytes = entry.path_bytes();
    let name = String::from_utf8_lossy(&bytes);
    let name = name.trim_start_matches("./").trim_end_matches('/');
    if name.split('/').any(|part| part == "..") {
        return None;
    }
    let below = name.split_once('/').map_or("", |(_, below)| below);
    let path = match (root.is_empty(), above.is_empty()) {
        // Of the work tree itself, whose own name is left out.
        (true, _) => below.to_owned(),
        (false, true) => name.to_owned(),
        (false, false) => format!("{above}/{name}"),
    };
    (!path.is_empty()).then_some(path)
}

/// Reads one report.
fn take(entry: &mut Entry<'_, impl Read>, path: String, found: &mut Found) -> io::Result<()> {
    let shown = fit_name(&path);
    match entry.header().entry_type() {
        EntryType::Regular | EntryType::Continuous => {}
        EntryType::Directory => return Ok(()),
        _ => {
            found.problem(format!("`{shown}` is no plain file, and only such are read"));
            return Ok(());
        }
    }
    if found.files >= REPORT_FILES {
        found.full = true;
        found.problem(format!("more than {REPORT_FILES} reports: the others were not read"));
        return Ok(());
    }
    let size = entry.size();
    found.files += 1;
    if size > REPORT_FILE_BYTES as u64 {
        found.problem(format!(
            "`{shown}` is larger than {} MiB, which is the limit for one report",
            REPORT_FILE_BYTES / 1024 / 1024
        ));
        return Ok(());
    }
    if found.bytes.saturating_add(size) > REPORTS_BYTES {
        found.full = true;
        found.problem(format!(
            "the reports are larger than {} MiB together: the others were not read",
            REPORTS_BYTES / 1024 / 1024
        ));
        return Ok(());
    }
    found.bytes += size;
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    entry.read_to_end(&mut bytes)?;
    if !found.masks.is_empty() {
        bytes = found.masks.bytes(&bytes);
    }
    match read_junit(&bytes) {
        Ok(cases) => drop(found.reports.insert(path, cases)),
        Err(why) => found.problem(format!("`{shown}` {why}")),
    }
    Ok(())
}

/// A reader that fails past a number of bytes.
struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| {
            let gib = REPORTS_LOOKED_THROUGH_BYTES / 1024 / 1024 / 1024;
            io::Error::other(format!("it holds more than {gib} GiB; begin the pattern with the reports' own directory"))
        })?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Secret;
    use crate::base::limits::TEST_DETAILS_BYTES;

    const REPORT: &str = "<testsuite name='s'><testcase name='a'/></testsuite>";

    /// An archive of these entries: name, kind, content.
    fn packed(entries: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        for (name, kind, content) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_mode(0o644);
            header.set_size(content.len() as u64);
            // Past the library's own check of names.
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            if *kind == EntryType::Symlink || *kind == EntryType::Link {
                header.set_link_name("/etc/passwd").unwrap();
            }
            header.set_cksum();
            archive.append(&header, *content).unwrap();
        }
        archive.into_inner().unwrap()
    }

    fn look(globs: &[&str], root: &str, archive: &[u8]) -> (Vec<String>, Vec<String>) {
        let (wanted, mut found) = Wanted::read(&globs.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert!(wanted.roots().any(|known| known == root));
        look_through(archive, root, &wanted, &mut found);
        (found.reports.into_keys().collect(), found.problems)
    }

    #[test]
    fn paths_are_those_of_the_work_tree_in_order() {
        let file = |name| (name, EntryType::Regular, REPORT.as_bytes());
        let whole = packed(&[
            ("workspace/", EntryType::Directory, b""),
            file("workspace/b.xml"),
            file("workspace/a/c.xml"),
            file("workspace/x.txt"),
        ]);
        assert_eq!(look(&["**/*.xml"], "", &whole).0, ["a/c.xml", "b.xml"]);
        let below = packed(&[file("reports/two.xml"), file("reports/one.xml"), file("reports/deep/three.xml")]);
        assert_eq!(
            look(&["target/reports/*.xml"], "target/reports", &below).0,
            ["target/reports/one.xml", "target/reports/two.xml"]
        );
        assert_eq!(look(&["reports/**/*.xml"], "reports", &below).0.len(), 3);
        assert_eq!(look(&["out/junit.xml"], "out/junit.xml", &packed(&[file("junit.xml")])).0, ["out/junit.xml"]);
    }

    #[test]
    fn a_secret_is_hidden_before_anything_is_cut() {
        let secret = format!("hunter2-{}", "x".repeat(40));
        // The value's second half is past what is kept of a text.
        let before = "y".repeat(TEST_DETAILS_BYTES - 20);
        let report = format!("<testsuite name='s'><testcase name='a'><failure>{before}{secret}</failure></testcase></testsuite>");
        let (wanted, mut found) = Wanted::read(&["r/*.xml".to_owned()]);
        found.masks = Masks::of([&Secret::new(secret)]).unwrap();
        look_through(packed(&[("r/a.xml", EntryType::Regular, report.as_bytes())]).as_slice(), "r", &wanted, &mut found);
        let details = found.reports["r/a.xml"][0].details.clone().unwrap();
        assert!(details.len() > TEST_DETAILS_BYTES / 2 && !details.contains("hunter2"), "{}", &details[details.len() - 60..]);
    }

    #[test]
    fn only_plain_files_are_read() {
        for kind in [EntryType::Symlink, EntryType::Link, EntryType::Fifo, EntryType::Char, EntryType::Block] {
            let (reports, problems) = look(&["r/*.xml"], "r", &packed(&[("r/a.xml", kind, b"")]));
            assert_eq!(
                (reports.len(), problems.as_slice()),
                (0, ["`r/a.xml` is no plain file, and only such are read".to_owned()].as_slice())
            );
        }
        let outside = packed(&[("r/../../etc/a.xml", EntryType::Regular, REPORT.as_bytes())]);
        assert_eq!(look(&["r/**/*.xml"], "r", &outside), (vec![], vec![]));
    }

    #[test]
    fn what_cannot_be_read_is_told_and_the_rest_is_read() {
        let large = vec![b' '; REPORT_FILE_BYTES + 1];
        let archive = packed(&[
            ("r/a.xml", EntryType::Regular, b"<coverage/>"),
            ("r/b\n\x1b[2J.xml", EntryType::Regular, b"\xff"),
            ("r/c.xml", EntryType::Regular, &large),
            ("r/d.xml", EntryType::Regular, REPORT.as_bytes()),
        ]);
        let (reports, problems) = look(&["r/*.xml"], "r", &archive);
        assert_eq!(reports, ["r/d.xml"]);
        assert_eq!(
            problems,
            [
                "`r/a.xml` is no JUnit report: its outermost element is `coverage` (line 1)",
                "`r/b  [2J.xml` is not UTF-8: byte 1 is wrong",
                "`r/c.xml` is larger than 8 MiB, which is the limit for one report",
            ]
        );
        let (reports, problems) = look(&["r/*.xml"], "r", &archive[..archive.len() - 2_000]);
        assert_eq!((reports.len(), problems.len()), (0, 4), "{problems:?}");
        assert!(problems[3].starts_with("`r` was not looked through to its end"), "{problems:?}");
        assert!(look(&["r/*.xml"], "r", b"this is no archive at all".repeat(100).as_slice()).1[0].contains("not looked through"));
    }

    #[test]
    fn limits_of_the_whole_hold() {
        let names: Vec<String> = (0..=REPORT_FILES).map(|n| format!("r/{n}.xml")).collect();
        let all: Vec<_> = names.iter().map(|name| (name.as_str(), EntryType::Regular, b"<testsuite/>".as_slice())).collect();
        assert_eq!(look(&["r/*.xml"], "r", &packed(&all[..REPORT_FILES])).1, [""; 0]);
        let (reports, problems) = look(&["r/*.xml"], "r", &packed(&all));
        assert_eq!(
            (reports.len(), problems.as_slice()),
            (REPORT_FILES, ["more than 5000 reports: the others were not read".to_owned()].as_slice())
        );

        let mut full = REPORT.as_bytes().to_vec();
        full.resize(REPORT_FILE_BYTES, b' ');
        let nine: Vec<_> = names[..9].iter().map(|name| (name.as_str(), EntryType::Regular, full.as_slice())).collect();
        let (reports, problems) = look(&["r/*.xml"], "r", &packed(&nine));
        assert_eq!((reports.len(), problems.len()), (8, 1), "{problems:?}");

        let mut bounded = Bounded { inner: io::repeat(0), left: 10 };
        let why = bounded.read_to_end(&mut Vec::new()).unwrap_err().to_string();
        assert!(why.contains("more than 4 GiB"), "{why}");
    }

    #[test]
    fn problems_past_the_limit_are_counted() {
        let mut found = Found::default();
        (0..25).for_each(|n| found.problem(n.to_string()));
        assert_eq!((found.problems.len(), found.more_problems), (20, 5));
    }
}
