//! The globs of a step: where to look, and what is a report. Pure.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::archive::Found;

/// What makes a glob more than a name.
const META: [char; 6] = ['*', '?', '[', ']', '{', '}'];

/// Which files are reports.
pub(super) struct Wanted {
    globs: GlobSet,
    /// Directories or files, relative to the work tree, none of them inside another; empty is the whole work tree.
    roots: Vec<String>,
}

impl Wanted {
    /// Reads the globs; one that cannot be meant is told among what is found.
    pub(super) fn read(junit: &[String]) -> (Self, Found) {
        let (mut globs, mut roots, mut found) = (GlobSetBuilder::new(), Vec::new(), Found::default());
        for text in junit {
            let plain = text.trim_start_matches("./").trim_end_matches('/');
            if plain.is_empty() || plain.starts_with('/') || plain.split('/').any(|part| part == "..") {
                found.problem(format!("`{text}` does not name files of the work tree"));
                continue;
            }
            match GlobBuilder::new(plain).literal_separator(true).backslash_escape(true).build() {
                Ok(glob) => globs.add(glob),
                Err(error) => {
                    found.problem(format!("`{text}` is no pattern: {}", error.kind()));
                    continue;
                }
            };
            roots.push(root_of(plain));
        }
        roots.sort_unstable();
        roots.dedup();
        let all = roots.clone();
        roots.retain(|root| !all.iter().any(|other| is_inside(root, other)));
        // Globs that compile one by one compile together, unless they are too large.
        let globs = globs.build().unwrap_or_else(|error| {
            found.problem(format!("the patterns of the reports cannot be used together: {}", error.kind()));
            GlobSet::empty()
        });
        (Self { globs, roots }, found)
    }

    pub(super) fn roots(&self) -> impl Iterator<Item = &str> {
        self.roots.iter().map(String::as_str)
    }

    /// Whether a file, by its path in the work tree, is a report.
    pub(super) fn matches(&self, path: &str) -> bool {
        self.globs.is_match(path)
    }
}

/// The longest beginning of a glob that is a plain path.
fn root_of(glob: &str) -> String {
    let plain = |part: &&str| !part.contains(META) && !part.contains('\\');
    glob.split('/').take_while(plain).collect::<Vec<_>>().join("/")
}

/// Whether `path` lies below `dir`.
fn is_inside(path: &str, dir: &str) -> bool {
    path != dir && (dir.is_empty() || path.strip_prefix(dir).is_some_and(|rest| rest.starts_with('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(globs: &[&str]) -> (Wanted, Found) {
        Wanted::read(&globs.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn what_is_looked_through_is_as_small_as_the_globs_allow() {
        for (globs, roots) in [
            (vec!["target/nextest/**/*.xml"], vec!["target/nextest"]),
            (vec!["build/junit.xml"], vec!["build/junit.xml"]),
            (vec!["./a/*.xml", "a/b/*.xml", "ab/c.xml"], vec!["a", "ab/c.xml"]),
            (vec!["**/TEST-*.xml", "a/*.xml"], vec![""]),
            (vec!["*/x.xml"], vec![""]),
            (vec!["a\\*/x.xml"], vec![""]),
            (vec!["re{port,sult}s/*.xml"], vec![""]),
        ] {
            let (wanted, found) = wanted(&globs);
            assert_eq!(wanted.roots().collect::<Vec<_>>(), roots, "{globs:?}");
            assert!(found.problems.is_empty(), "{:?}", found.problems);
        }
    }

    #[test]
    fn a_star_stays_in_its_directory() {
        let (wanted, _) = wanted(&["reports/*.xml", "**/TEST-*.xml"]);
        assert!(wanted.matches("reports/a.xml") && !wanted.matches("reports/b/a.xml"));
        assert!(wanted.matches("TEST-a.xml") && wanted.matches("x/y/TEST-a.xml"));
    }

    #[test]
    fn what_leads_out_of_the_work_tree_is_told_and_not_looked_for() {
        for bad in ["/etc/*.xml", "../x.xml", "a/../../x.xml", "", "./", "[", "a/.."] {
            let (wanted, found) = wanted(&[bad]);
            assert_eq!((wanted.roots().count(), found.problems.len()), (0, 1), "{bad}");
        }
    }
}
