//! Globs over the names of branches and tags, and over paths: `*` and `?` stay within a `/`, `**` goes across.

use globset::{Glob, GlobBuilder, GlobMatcher};

use crate::base::limits;

/// One glob, with the text it was written as.
#[derive(Debug, Clone)]
pub struct Pattern {
    pub text: String,
    is_plain: bool,
    matcher: GlobMatcher,
}

impl Pattern {
    /// The glob of `text`.
    ///
    /// # Errors
    /// Why it is none.
    pub fn new(text: &str) -> Result<Self, String> {
        let glob = parse(text)?;
        Ok(Self { text: text.to_owned(), is_plain: is_plain(text), matcher: glob.compile_matcher() })
    }

    /// Why a text is no glob, without the cost of making one.
    pub fn fault(text: &str) -> Option<String> {
        parse(text).err()
    }

    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        if self.is_plain { self.text == name } else { self.matcher.is_match(name) }
    }
}

fn parse(text: &str) -> Result<Glob, String> {
    if text.is_empty() {
        return Err("the pattern is empty".to_owned());
    }
    if text.chars().count() > limits::PATTERN_CHARS {
        return Err(format!("the pattern is longer than {} characters", limits::PATTERN_CHARS));
    }
    let glob = GlobBuilder::new(text).literal_separator(true).backslash_escape(true).build();
    glob.map_err(|error| format!("`{}` is no pattern: {}", super::report::shown(text), error.kind()))
}

/// Whether nothing in it stands for anything but itself.
pub(super) fn is_plain(text: &str) -> bool {
    !text.contains(['*', '?', '[', ']', '{', '}', '\\'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        Pattern::new(pattern).unwrap().matches(name)
    }

    #[test]
    fn globs_work_as_people_expect() {
        for (pattern, name, expected) in [
            ("main", "main", true),
            ("main", "mainline", false),
            ("main", "Main", false),
            ("release/**", "release/1.0", true),
            ("release/**", "release/1.0/hotfix", true),
            ("release/**", "release", false),
            ("release/**", "prerelease/1", false),
            ("release/*", "release/1.0", true),
            ("release/*", "release/1.0/hotfix", false),
            ("v*", "v1.2.3", true),
            ("v*", "v1/2", false),
            ("v?.*", "v1.2", true),
            ("*", "feature/x", false),
            ("**", "feature/x", true),
            ("**", "main", true),
            ("**/fix", "a/b/fix", true),
            ("{main,dev}", "dev", true),
            ("v[0-9]*", "v1", true),
            ("v[0-9]*", "vx", false),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            ("*-müll", "alt-müll", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn what_is_no_glob_is_told() {
        for bad in ["", "[", "{a", "a}", "[z-a]"] {
            assert!(Pattern::new(bad).is_err(), "{bad}");
        }
        assert!(Pattern::new(&"a".repeat(limits::PATTERN_CHARS)).is_ok());
        assert!(Pattern::new(&"a".repeat(limits::PATTERN_CHARS + 1)).is_err());
    }
}
