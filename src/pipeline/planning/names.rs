//! What the combinations of a matrix are called: `test (1.95, sqlite)`.

use std::collections::HashSet;

use super::matrix::Combination;
use crate::base::limits;
use crate::pipeline::report::visible;

/// The names that a plan has given.
#[derive(Default)]
pub(super) struct Names {
    taken: HashSet<String>,
}

impl Names {
    /// Names as they are written: they stay as they are.
    pub fn of<'n>(written: impl Iterator<Item = &'n str>) -> Self {
        Self { taken: written.map(ToOwned::to_owned).collect() }
    }

    /// A name for a combination that no other job has.
    pub fn give(&mut self, job: &str, combination: &Combination) -> String {
        let values: Vec<&str> =
            combination.order.iter().filter_map(|key| combination.values.get(key)).map(String::as_str).collect();
        let whole: String = format!("{job} ({})", values.join(", ")).chars().map(allowed).collect();
        let mut name: String = whole.chars().take(limits::NAME_CHARS).collect();
        let mut number = 2;
        while self.taken.contains(&name) {
            let mark = format!("~{number}");
            let room = limits::NAME_CHARS - mark.len();
            name = whole.chars().take(room).chain(mark.chars()).collect();
            number += 1;
        }
        self.taken.insert(name.clone());
        name
    }
}

/// A text as a name: what no name may have becomes `_`, what is too long is cut. `None` when nothing is left of it.
pub(super) fn usable(text: &str) -> Option<String> {
    let name: String = text.trim().chars().map(allowed).take(limits::NAME_CHARS).collect();
    let name = name.trim_end();
    (!name.is_empty() && name != "." && name != "..").then(|| name.to_owned())
}

/// A character that a name may have, in place of this one.
fn allowed(c: char) -> char {
    if c == '/' || c.is_control() || visible(c) != c { '_' } else { c }
}
