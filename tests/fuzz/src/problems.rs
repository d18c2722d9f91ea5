//! What must hold of everything that people are told.
//!
//! **Invariant:** places lie in the file and are in order, each text can be shown on a terminal, and there are no more problems than the limit.

use crate::base::limits;
use crate::pipeline::{Problem, render, summary};

/// Panics at the first problem that is not as it should be.
pub fn well_told(text: &[u8], problems: &[Problem]) {
    let text = String::from_utf8_lossy(text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)).into_owned();
    let lines: Vec<&str> = text.split('\n').flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r')).collect();
    for problem in problems {
        let Problem { severity: _, code, message, file, line, column, length, source, hint } = problem;
        assert!(!code.is_empty() && code.bytes().all(|byte| byte == b'-' || byte.is_ascii_alphanumeric()), "{problem:?}");
        assert_eq!(file, crate::FILE);
        sentence(message);
        assert!(hint.as_ref().is_none_or(|hint| !hint.contains(char::is_control)), "{problem:?}");
        if *line == 0 {
            assert_eq!((*column, source.as_str()), (0, ""), "{problem:?}");
            continue;
        }
        let written = lines.get(line - 1).unwrap_or_else(|| panic!("no such line: {problem:?}"));
        let characters = written.chars().count();
        assert!(source == written || source.is_empty() && characters > 1000, "{problem:?}");
        assert!(*column >= 1 && *length >= 1 && column + length <= characters.max(1) + 2, "{problem:?}");
    }
    let places = problems.iter().filter(|problem| problem.code != "more-problems").map(|problem| (problem.line, problem.column));
    assert!(places.is_sorted(), "{problems:?}");
    assert!(problems.len() <= limits::PROBLEMS + 1, "{} problems", problems.len());
    let shown = render(problems, false);
    assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
    let coloured = render(problems, true);
    assert!(!coloured.chars().any(|c| c.is_control() && c != '\n' && c != '\x1b'), "{coloured:?}");
    assert!(!summary(problems).is_empty());
    let json = serde_json::to_string(problems).expect("problems are JSON");
    assert_eq!(serde_json::from_str::<Vec<Problem>>(&json).expect("problems are read again"), problems);
}

/// One sentence without a full stop, that can be shown.
pub fn sentence(text: &str) {
    assert!(!text.is_empty() && !text.contains(char::is_control), "{text:?}");
    assert!(!text.contains(['\u{202a}', '\u{202b}', '\u{202d}', '\u{202e}', '\u{2066}', '\u{2067}', '\u{2068}']), "{text:?}");
}
