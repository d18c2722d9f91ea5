//! Reads what a step wrote into the files behind `GANTRY_OUTPUT`, `GANTRY_ENV` and `GANTRY_SUMMARY`.
//!
//! A line is `KEY=VALUE`, or `KEY<<DELIMITER` and then the value's lines up to one that is the delimiter; empty lines mean nothing.
//!
//! **Invariants:** pure and total, since a step may write anything: the answer is values within the limits and, if something is wrong, one sentence
//! that names file and line. What stands before it counts; a value set twice is the later one.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Values;
use crate::base::limits::{STEP_FILE_BYTES, STEP_VALUES, VALUE_BYTES};

/// What one attempt wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    pub outputs: Values,
    /// For the later steps of its job.
    pub env: Values,
    /// What is wrong with it: the step fails.
    pub problem: Option<String>,
}

impl Written {
    /// Reads the three files.
    #[must_use]
    pub fn read(output: &[u8], env: &[u8], summary: &[u8]) -> Self {
        let (outputs, bad_output) = read_file("GANTRY_OUTPUT", output, &|_| true);
        let (env, bad_env) = read_file("GANTRY_ENV", env, &may_set);
        let bad_summary = too_large("GANTRY_SUMMARY", summary);
        let problem = bad_output.or(bad_env).or(bad_summary);
        Self { outputs: Arc::new(outputs), env: Arc::new(env), problem }
    }
}

/// Whether a step may set this variable for others: not one that Gantry sets itself.
fn may_set(name: &str) -> bool {
    name != "CI" && !name.starts_with("CI_") && !name.starts_with("GANTRY")
}

fn too_large(file: &str, bytes: &[u8]) -> Option<String> {
    (bytes.len() > STEP_FILE_BYTES).then(|| format!("{file} is larger than {} KiB", STEP_FILE_BYTES / 1024))
}

/// The values of one file, up to the first thing that is wrong.
fn read_file(file: &str, bytes: &[u8], allowed: &dyn Fn(&str) -> bool) -> (BTreeMap<String, String>, Option<String>) {
    let mut values = BTreeMap::new();
    let mut lines = Lines { rest: bytes, number: 0 };
    let mut problem = too_large(file, bytes);
    while problem.is_none()
        && let Some(line) = lines.next()
    {
        let at = lines.number;
        problem = match entry(line, &mut lines) {
            Ok(None) => None,
            Ok(Some((name, _))) if !allowed(&name) => Some(format!("line {at} of {file} sets `{name}`, which is Gantry's own")),
            Ok(Some((name, _))) if values.len() == STEP_VALUES && !values.contains_key(&name) => {
                Some(format!("line {at} of {file} is one value more than the {STEP_VALUES} allowed"))
            }
            Ok(Some((name, value))) => {
                values.insert(name, value);
                None
            }
            Err(what) => Some(format!("line {at} of {file} {what}")),
        };
    }
    (values, problem)
}

/// One value, which may go on in the next lines; `None` for an empty line.
fn entry(line: &[u8], lines: &mut Lines<'_>) -> Result<Option<(String, String)>, String> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.trim_ascii().is_empty() {
        return Ok(None);
    }
    let equals = line.iter().position(|byte| *byte == b'=');
    let heredoc = line.windows(2).position(|pair| pair == b"<<");
    let (name, value) = match (equals, heredoc) {
        (Some(equals), heredoc) if heredoc.is_none_or(|heredoc| equals < heredoc) => {
            (name(&line[..equals])?, text(&line[equals + 1..])?)
        }
        (_, Some(heredoc)) => (name(&line[..heredoc])?, text(lines.up_to(&line[heredoc + 2..])?)?),
        (_, None) => return Err("is neither `KEY=VALUE` nor `KEY<<DELIMITER`".to_owned()),
    };
    if value.len() > VALUE_BYTES {
        return Err(format!("sets `{name}` to more than {} KiB", VALUE_BYTES / 1024));
    }
    Ok(Some((name, value)))
}

fn name(bytes: &[u8]) -> Result<String, String> {
    let is_letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    match bytes.split_first() {
        Some((first, rest)) if is_letter(*first) && rest.iter().all(|byte| is_letter(*byte) || byte.is_ascii_digit()) => {
            Ok(String::from_utf8_lossy(bytes).into_owned())
        }
        _ => {
            let shown: String = String::from_utf8_lossy(bytes).escape_debug().take(40).collect();
            Err(format!("sets `{shown}`, which is no name: use letters, digits and `_`, not beginning with a digit"))
        }
    }
}

fn text(bytes: &[u8]) -> Result<String, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "holds a value that is not UTF-8".to_owned())?;
    if text.contains('\0') { Err("holds a NUL character, which no variable can".to_owned()) } else { Ok(text.to_owned()) }
}

/// The lines of a file, without their newlines.
struct Lines<'a> {
    rest: &'a [u8],
    /// Of the last line taken, from 1.
    number: usize,
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        self.number += 1;
        let rest = self.rest;
        let (line, after) = match rest.iter().position(|byte| *byte == b'\n') {
            Some(end) => (&rest[..end], &rest[end + 1..]),
            None => (rest, &rest[rest.len()..]),
        };
        self.rest = after;
        Some(line)
    }

    /// All lines before the one that is `delimiter`, which is taken too.
    fn up_to(&mut self, delimiter: &[u8]) -> Result<&'a [u8], String> {
        if delimiter.is_empty() {
            return Err("has no delimiter after `<<`".to_owned());
        }
        let value = self.rest;
        loop {
            let before = value.len() - self.rest.len();
            match self.next() {
                Some(line) if line.strip_suffix(b"\r").unwrap_or(line) == delimiter => {
                    // Without the newline that ends the last line.
                    return Ok(&value[..before.saturating_sub(1)]);
                }
                Some(_) => {}
                None => {
                    let shown: String = String::from_utf8_lossy(delimiter).escape_debug().take(40).collect();
                    return Err(format!("begins a value that must end with the line `{shown}`, which does not come"));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outputs(file: &str) -> (Vec<(String, String)>, Option<String>) {
        let read = Written::read(file.as_bytes(), b"", b"");
        (read.outputs.iter().map(|(name, value)| (name.clone(), value.clone())).collect(), read.problem)
    }

    fn of(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn lines_and_heredocs_are_values_and_the_later_one_counts() {
        let file = "a=1\n\n  \nb=x=y<<z\r\nc<<EOF\none\n\n=two\nEOF\nd<<E=F\nE=F\ne<<--\nlast\r\n--\r\na=2\n_f9=";
        let expected = of(&[("_f9", ""), ("a", "2"), ("b", "x=y<<z"), ("c", "one\n\n=two"), ("d", ""), ("e", "last\r")]);
        assert_eq!(outputs(file), (expected, None));
        assert_eq!(outputs(""), (vec![], None));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_file_and_line_and_what_stands_before_it_counts() {
        for (file, problem) in [
            ("a=1\nhello\n", "line 2 of GANTRY_OUTPUT is neither `KEY=VALUE` nor `KEY<<DELIMITER`"),
            (
                "a=1\nb c=2",
                "line 2 of GANTRY_OUTPUT sets `b c`, which is no name: use letters, digits and `_`, not beginning with a digit",
            ),
            (
                "a=1\n=2",
                "line 2 of GANTRY_OUTPUT sets ``, which is no name: use letters, digits and `_`, not beginning with a digit",
            ),
            ("a=1\nx<<\n", "line 2 of GANTRY_OUTPUT has no delimiter after `<<`"),
            (
                "a=1\nx<<EOF\ny\nEOF2",
                "line 2 of GANTRY_OUTPUT begins a value that must end with the line `EOF`, which does not come",
            ),
            ("a=1\nx=\0", "line 2 of GANTRY_OUTPUT holds a NUL character, which no variable can"),
        ] {
            assert_eq!(outputs(file), (of(&[("a", "1")]), Some(problem.to_owned())), "{file:?}");
        }
        let bytes = Written::read(b"x=\xff\n", b"", b"");
        assert_eq!(bytes.problem.as_deref(), Some("line 1 of GANTRY_OUTPUT holds a value that is not UTF-8"));
    }

    #[test]
    fn a_step_cannot_set_what_gantry_says() {
        for name in ["CI", "CI_COMMIT_SHA", "GANTRY", "GANTRY_OUTPUT", "GANTRYX"] {
            let read = Written::read(b"", format!("PATH=/x\n{name}=1\n").as_bytes(), b"");
            assert_eq!(read.problem, Some(format!("line 2 of GANTRY_ENV sets `{name}`, which is Gantry's own")));
            assert_eq!(read.env.len(), 1, "only PATH");
        }
        assert_eq!(Written::read(b"CI=mine", b"CIRCLE=1", b"").problem, None, "an output may be called so");
    }

    #[test]
    fn limits_hold_at_the_limit_and_one_past_it() {
        let value = |bytes: usize| outputs(&format!("v={}", "x".repeat(bytes)));
        assert_eq!(value(VALUE_BYTES).1, None);
        assert_eq!(value(VALUE_BYTES + 1).1.as_deref(), Some("line 1 of GANTRY_OUTPUT sets `v` to more than 64 KiB"));
        let count = |n: usize| outputs(&(0..n).map(|n| format!("v{n:04}=x\n")).collect::<String>());
        assert_eq!(count(STEP_VALUES).1, None);
        let (kept, problem) = count(STEP_VALUES + 1);
        assert_eq!(kept.len(), STEP_VALUES);
        assert_eq!(problem.as_deref(), Some("line 1001 of GANTRY_OUTPUT is one value more than the 1000 allowed"));
        let blank = vec![b'\n'; STEP_FILE_BYTES + 1];
        assert_eq!(Written::read(&blank[1..], &blank[1..], &blank[1..]).problem, None);
        for (files, name) in [
            ((&blank[..], &b""[..], &b""[..]), "GANTRY_OUTPUT"),
            ((b"", &blank, b""), "GANTRY_ENV"),
            ((b"", b"", &blank), "GANTRY_SUMMARY"),
        ] {
            let problem = Written::read(files.0, files.1, files.2).problem;
            assert_eq!(problem, Some(format!("{name} is larger than 1024 KiB")));
        }
    }
}
