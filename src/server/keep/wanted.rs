//! Which files of a work tree are wanted.
//!
//! A pattern without `*`, `?`, `[` or `{` is a file, or a directory with everything below it; one with them is a glob over whole paths, where `*` and `?`
//! stay within a `/` and `**` goes across. **Invariants:** pure; `.git` at the top is never wanted; no pattern leads out of the work tree.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// What makes a glob of a path.
const GLOB: [char; 5] = ['*', '?', '[', '{', '\\'];

/// Compiled patterns.
#[derive(Debug)]
pub(super) struct Wanted {
    globs: GlobSet,
    plain: Vec<String>,
    bases: Vec<String>,
}

impl Wanted {
    /// Reads the patterns; a sentence about the first that is none.
    pub fn new(patterns: &[String]) -> Result<Self, String> {
        let (mut globs, mut plain, mut bases) = (GlobSetBuilder::new(), Vec::new(), Vec::new());
        for pattern in patterns {
            let path = trimmed(pattern)?;
            let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
            match parts.iter().position(|part| part.contains(GLOB)) {
                None => {
                    plain.push(parts.join("/"));
                    bases.push(parts.join("/"));
                }
                Some(at) => {
                    let glob = GlobBuilder::new(&parts.join("/")).literal_separator(true).backslash_escape(true).build();
                    globs.add(glob.map_err(|error| format!("`{pattern}` is no pattern: {}", error.kind()))?);
                    bases.push(parts[..at].join("/"));
                }
            }
        }
        let globs = globs.build().map_err(|error| format!("the patterns cannot be used: {error}"))?;
        bases.sort();
        bases.dedup();
        let all = bases.clone();
        bases.retain(|base| !all.iter().any(|other| other != base && is_below(base, other)));
        Ok(Self { globs, plain, bases })
    }

    /// Files and directories that hold everything that can match, relative to the work tree, none within another; the work tree itself is empty.
    pub fn bases(&self) -> &[String] {
        &self.bases
    }

    /// Whether the file of this path, relative to the work tree, is wanted.
    pub fn matches(&self, path: &str) -> bool {
        !is_below(path, ".git") && (self.globs.is_match(path) || self.plain.iter().any(|plain| is_below(path, plain)))
    }
}

/// Whether `path` is `top` or below it. Everything is below nothing.
fn is_below(path: &str, top: &str) -> bool {
    top.is_empty() || path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Without `./` and a slash at the end.
fn trimmed(pattern: &str) -> Result<&str, String> {
    let mut path = pattern;
    while let Some(rest) = path.strip_prefix("./") {
        path = rest;
    }
    let path = if path == "." { "" } else { path.trim_end_matches('/') };
    if path.starts_with('/') {
        return Err(format!("`{pattern}` is absolute, but artifacts are files of the work tree: write the path relative to it"));
    }
    if path.split('/').any(|part| part == "..") {
        return Err(format!("`{pattern}` leads out of the work tree by `..`"));
    }
    if pattern.is_empty() {
        return Err("a pattern is empty; `**` is every file".to_owned());
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(patterns: &[&str]) -> Wanted {
        Wanted::new(&patterns.iter().map(|pattern| (*pattern).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn patterns_want_what_people_expect() {
        for (pattern, path, expected) in [
            ("dist/**", "dist/a", true),
            ("dist/**", "dist/a/b", true),
            ("dist/**", "distant/a", false),
            ("dist", "dist/a/b", true),
            ("dist/", "dist/a/b", true),
            ("dist", "dist", true),
            ("dist", "dist2/a", false),
            ("./dist/*.tar", "dist/a.tar", true),
            ("dist/*.tar", "dist/sub/a.tar", false),
            ("**/*.xml", "a/b/c.xml", true),
            ("**/*.xml", "c.xml", true),
            ("{a,b}/x", "b/x", true),
            ("a[0-9]", "a7", true),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            ("**", ".git/config", false),
            (".", ".git/config", false),
            (".", "a/.git/config", true),
            ("**", ".github/x", true),
            ("*", "a/b", false),
        ] {
            assert_eq!(wanted(&[pattern]).matches(path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn only_what_can_match_is_looked_through() {
        for (patterns, bases) in [
            (&["dist/**"][..], &["dist"][..]),
            (&["a/b/c.txt"], &["a/b/c.txt"]),
            (&["a/b/*.txt", "a/b/c/d/**", "a/bc"], &["a/b", "a/bc"]),
            (&["*.log", "dist/**"], &[""]),
            (&["target/nextest/**/*.xml", "target/nextest"], &["target/nextest"]),
            (&["."], &[""]),
        ] {
            assert_eq!(wanted(patterns).bases(), bases, "{patterns:?}");
        }
    }

    #[test]
    fn nothing_leads_out_of_the_work_tree() {
        for (pattern, words) in [
            ("/etc/passwd", "absolute"),
            ("./../x", "`..`"),
            ("a/../../x", "`..`"),
            ("..", "`..`"),
            ("", "empty"),
            ("a[", "no pattern"),
        ] {
            let why = Wanted::new(&[pattern.to_owned()]).unwrap_err();
            assert!(why.contains(words), "{pattern}: {why}");
        }
    }
}
