//! Names in an archive that somebody else made.
//!
//! **Invariants:** pure; a path is relative and has no part that is empty, `.` or `..`; one without a fault is UTF-8, has no control character and no
//! backslash, and is no longer than a name may be: it can be shown, stored, and unpacked anywhere.

use crate::base::limits::ARTIFACT_NAME_BYTES;

/// Characters of a bad name that are said back.
const SHOWN: usize = 80;

/// The path, relative to the work tree, of an entry in the archive of `base`, whose names begin with the last part of `base` (of the work tree itself:
/// with one part, whatever it is). Or a sentence about a name that no archive of `base` has.
pub(super) fn path_of(base: &str, raw: &[u8]) -> Result<String, String> {
    let name = String::from_utf8_lossy(raw);
    let bad = |what: &str| Err(format!("`{}` {what}", shown(&name)));
    if name.starts_with('/') {
        return bad("is an absolute name");
    }
    let mut parts = name.split('/').filter(|part| !matches!(*part, "" | "."));
    let first = parts.next().unwrap_or_default();
    let mut inside: Vec<&str> = if base.is_empty() { Vec::new() } else { base.split('/').collect() };
    let is_ours = inside.last().is_none_or(|last| *last == first);
    inside.extend(parts);
    if first == ".." || inside.contains(&"..") {
        return bad("leads out of its directory by `..`");
    }
    if is_ours { Ok(inside.join("/")) } else { bad("is not what was asked for") }
}

/// What is wrong with the name of a wanted file, as a sentence. `raw` is as it came.
pub(super) fn fault_of(path: &str, raw: &[u8]) -> Option<String> {
    let what = if std::str::from_utf8(raw).is_err() {
        "has a name that is not UTF-8".to_owned()
    } else if path.chars().any(char::is_control) {
        "has a control character in its name".to_owned()
    } else if path.contains('\\') {
        "has a backslash in its name".to_owned()
    } else if path.len() > ARTIFACT_NAME_BYTES {
        format!("has a name of more than {ARTIFACT_NAME_BYTES} bytes")
    } else {
        return None;
    };
    Some(format!("`{}` {what}", shown(path)))
}

/// A name as it can be said: cut, and with nothing in it that could steer a terminal.
pub(super) fn shown(name: &str) -> String {
    let cut: String = name.chars().take(SHOWN).collect();
    let dots = if cut.len() < name.len() { "…" } else { "" };
    format!("{}{dots}", cut.escape_debug()).replace("\\\\", "\\").replace("\\'", "'").replace("\\\"", "\"")
}

/// A name that users chose, as one part of a path that is made for people: in an archive of several jobs, in a directory on a laptop.
pub(super) fn as_part(name: &str) -> String {
    let plain = |c: char| if c.is_control() || matches!(c, '/' | '\\' | ':') { '_' } else { c };
    let part: String = name.chars().map(plain).collect();
    if part.chars().all(|c| c == '.') { format!("_{part}") } else { part }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_paths_of_the_work_tree() {
        for (base, raw, path) in [
            ("dist", "dist/app", "dist/app"),
            ("dist", "dist/", "dist"),
            ("a/dist", "dist/./x//y", "a/dist/x/y"),
            ("a/b.txt", "b.txt", "a/b.txt"),
            ("", "workspace/src/x", "src/x"),
            ("", "./", ""),
            ("", "workspace/", ""),
            ("dist", "dist/…/ü", "dist/…/ü"),
            ("dist", "dist/..x/...", "dist/..x/..."),
        ] {
            assert_eq!(path_of(base, raw.as_bytes()).as_deref(), Ok(path), "{base} {raw}");
        }
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for (raw, words) in [
            ("/dist/x", "absolute"),
            ("//etc/passwd", "absolute"),
            ("../dist/x", "`..`"),
            ("dist/../../x", "`..`"),
            ("dist/..", "`..`"),
            ("..", "`..`"),
            ("other/x", "not what was asked for"),
            ("distx", "not what was asked for"),
            ("", "not what was asked for"),
        ] {
            let why = path_of("dist", raw.as_bytes()).unwrap_err();
            assert!(why.contains(words), "{raw:?}: {why}");
        }
        assert!(path_of("", b"..").is_err() && path_of("", b"workspace/../x").is_err());
    }

    #[test]
    fn names_that_could_do_harm_later_are_faults() {
        let long = format!("dist/{}", "x".repeat(ARTIFACT_NAME_BYTES - 4));
        for (raw, words) in [
            ("dist/a\nb", "control character"),
            ("dist/a\u{0}b", "control character"),
            ("dist/\u{1b}[2J", "control character"),
            ("dist/a\u{85}", "control character"),
            ("dist/..\\..\\x", "backslash"),
            (&long, "1024 bytes"),
        ] {
            let path = path_of("dist", raw.as_bytes()).unwrap();
            let why = fault_of(&path, raw.as_bytes()).unwrap();
            assert!(why.contains(words), "{raw:?}: {why}");
            assert!(!why.chars().any(char::is_control), "{why:?}");
        }
        let raw = b"dist/\xff";
        assert!(fault_of(&path_of("dist", raw).unwrap(), raw).unwrap().contains("not UTF-8"));
        assert_eq!(fault_of(&long[..long.len() - 1], b""), None);
    }

    #[test]
    fn a_name_that_users_chose_is_one_part_and_no_more() {
        for (name, part) in
            [("test (1.95)", "test (1.95)"), ("a/b", "a_b"), ("..", "_.."), (".", "_."), ("", "_"), ("c:\\x\n", "c__x_")]
        {
            assert_eq!(as_part(name), part);
        }
    }
}
