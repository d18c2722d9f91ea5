//! The functions of expressions beside CEL's own, and what evaluating may cost.
//!
//! **Invariants:** patterns are compiled once each and within a bound; each evaluation is paid for before it begins, so that a hostile pipeline ends
//! with a sentence, soon.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};

use cel::extractors::{Arguments, This};
use cel::{Context, Env, ExecutionError, Value};
use regex::{Regex, RegexBuilder};
use sha2::{Digest, Sha256};

use crate::base::limits;
use crate::pipeline::pattern::{Pattern, is_plain};
use crate::pipeline::read::{FileEntry, Files};
use crate::pipeline::report::shown;

/// What CEL itself brings. Making it costs more than evaluating, and it holds nothing of any pipeline.
static CEL: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));
/// A compiled regular expression. Ordinary ones take a tenth of it.
const REGEX_BYTES: usize = 64 * 1024;
/// Compiled patterns that are kept.
const KEPT: usize = 512;

/// Functions, with what they remember, and the purse.
pub(in crate::pipeline) struct Library {
    context: Context<'static, 'static>,
    files: Arc<OnceLock<Listing>>,
    spent: AtomicU64,
    most: u64,
}

/// The commit's files, or why there are none.
type Listing = Result<Vec<FileEntry>, String>;

impl Library {
    /// For one plan, or one late evaluation: `most` is what all evaluations together may cost.
    pub fn new(most: u64) -> Self {
        let files: Arc<OnceLock<Listing>> = Arc::default();
        Self { context: context(&files), files, spent: AtomicU64::new(0), most }
    }

    /// Hands out the files that `hash` looks at; they are listed once.
    pub fn offer(&self, files: Option<&dyn Files>) {
        self.files.get_or_init(|| match files {
            Some(files) => files.list(),
            None => Err("the files of the commit are not known here".to_owned()),
        });
    }

    /// Pays for an evaluation, or says that there is nothing left.
    pub(super) fn spend(&self, cost: u64) -> Result<(), String> {
        let before = self.spent.fetch_add(cost.min(self.most + 1), Ordering::Relaxed);
        if before.saturating_add(cost) <= self.most {
            return Ok(());
        }
        Err("the expression is too costly: it looks at too much, or too much was looked at before it".to_owned())
    }

    pub(super) fn context(&self) -> &Context<'static, 'static> {
        &self.context
    }
}

/// The regular expression, or what is wrong with it.
pub(super) fn regex(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern).size_limit(REGEX_BYTES).dfa_size_limit(REGEX_BYTES * 4).build().map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "it is too large".to_owned(),
        // The explanation is drawn over several lines and ends with the reason.
        other => {
            let text = other.to_string();
            text.rsplit("error: ").next().unwrap_or(&text).to_owned()
        }
    })
}

/// What was compiled, by its text.
struct Memory<K, V>(Mutex<HashMap<K, V>>);

impl<K: Eq + Hash + Clone, V: Clone> Memory<K, V> {
    fn new() -> Self {
        Self(Mutex::default())
    }

    fn get(&self, key: &K, make: impl FnOnce() -> V) -> V {
        // Nothing that can panic happens under the lock.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = known.get(key) {
            return value.clone();
        }
        if known.len() >= KEPT {
            known.clear();
        }
        let value = make();
        known.insert(key.clone(), value.clone());
        value
    }
}

/// CEL's own functions and ours, without variables.
fn context(files: &Arc<OnceLock<Listing>>) -> Context<'static, 'static> {
    let mut context = Context::with_env(Arc::clone(&CEL));
    let globs: Memory<Arc<String>, Result<Arc<Pattern>, String>> = Memory::new();
    let glob = move |This(text): This<Arc<String>>, pattern: Arc<String>| {
        let compiled = globs.get(&pattern, || Pattern::new(&pattern).map(Arc::new));
        let compiled = compiled.map_err(|error| ExecutionError::function_error("glob", error))?;
        Ok::<bool, ExecutionError>(compiled.matches(&text))
    };
    let regexes: Memory<Arc<String>, Result<Regex, String>> = Memory::new();
    let matches = move |This(text): This<Arc<String>>, pattern: Arc<String>| {
        let compiled = regexes.get(&pattern, || regex(&pattern));
        let compiled = compiled.map_err(|error| ExecutionError::function_error("matches", error))?;
        Ok::<bool, ExecutionError>(compiled.is_match(&text))
    };
    let files = Arc::clone(files);
    let hashes: Memory<Vec<String>, Result<String, String>> = Memory::new();
    let compared = AtomicU64::new(0);
    let hash = move |Arguments(arguments): Arguments| -> Result<Arc<String>, ExecutionError> {
        let text = |value: &Value| match value {
            Value::String(text) => Ok(text.as_str().to_owned()),
            _ => Err(ExecutionError::function_error("hash", "it takes globs, as text")),
        };
        let globs: Vec<String> = arguments.iter().map(text).collect::<Result<_, _>>()?;
        let found = hashes.get(&globs, || hash_of(&globs, files.get(), &compared));
        found.map(Arc::new).map_err(|error| ExecutionError::function_error("hash", error))
    };
    let added =
        [context.add_function("glob", glob), context.add_function("matches", matches), context.add_function("hash", hash)];
    debug_assert!(added.iter().all(Result::is_ok), "none is a function of CEL's own: {added:?}");
    context
}

/// 16 hex digits that change whenever a file that matches is added, removed, renamed or changed.
fn hash_of(globs: &[String], files: Option<&Listing>, compared: &AtomicU64) -> Result<String, String> {
    let files = match files {
        Some(Ok(files)) => files,
        Some(Err(why)) => return Err(why.clone()),
        None => return Err("it is known only when the plan is made".to_owned()),
    };
    let costly = globs.iter().filter(|glob| !is_plain(glob)).count();
    let cost = u64::try_from(files.len().saturating_mul(costly)).unwrap_or(u64::MAX);
    if compared.fetch_add(cost, Ordering::Relaxed).saturating_add(cost) > limits::HASH_COMPARISONS {
        return Err("too many files are compared with too many globs".to_owned());
    }
    let patterns: Vec<Pattern> = globs.iter().map(|glob| Pattern::new(glob)).collect::<Result<_, _>>()?;
    let mut hits: Vec<&FileEntry> =
        files.iter().filter(|file| patterns.iter().any(|pattern| pattern.matches(&file.path))).collect();
    if hits.is_empty() {
        let globs: Vec<String> = globs.iter().map(|glob| format!("`{}`", shown(glob))).collect();
        return Err(format!("no file matches {}", globs.join(" or ")));
    }
    hits.sort_by(|left, right| left.path.cmp(&right.path));
    let mut digest = Sha256::new();
    for FileEntry { path, id } in hits {
        digest.update(path.as_bytes());
        digest.update([0]);
        digest.update(id.as_bytes());
        digest.update([0]);
    }
    Ok(hex::encode(digest.finalize()).chars().take(16).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_purse_is_spent_to_the_last_and_no_further() {
        let library = Library::new(10);
        assert_eq!((library.spend(4), library.spend(6)), (Ok(()), Ok(())));
        assert!(library.spend(1).unwrap_err().contains("too costly"));
        assert!(Library::new(10).spend(u64::MAX).is_err());
    }

    #[test]
    fn globs_are_compared_up_to_the_limit_and_plain_paths_for_nothing() {
        let files = |count: usize| -> Listing {
            Ok((0..count).map(|at| FileEntry { path: format!("f{at}"), id: String::new() }).collect())
        };
        let globs = |globs: &[&str]| globs.iter().map(|glob| (*glob).to_owned()).collect::<Vec<_>>();
        let compared = AtomicU64::new(limits::HASH_COMPARISONS - 6);
        assert!(hash_of(&globs(&["f*", "g?"]), Some(&files(3)), &compared).is_ok());
        assert!(hash_of(&globs(&["f0", "f1"]), Some(&files(3)), &compared).is_ok());
        let why = hash_of(&globs(&["f*"]), Some(&files(1)), &compared).unwrap_err();
        assert_eq!(why, "too many files are compared with too many globs");
    }
}
