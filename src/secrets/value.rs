//! What may be a secret. **Invariant:** a value that is taken can be hidden in output: it is neither so short nor so plain that hiding it would
//! blot out half of every log.

use crate::base::Secret;
use crate::base::limits::{MASK_BYTES, MASK_VARIETY, NAME_CHARS, SECRET_BYTES};

/// Whether something may be called so.
///
/// # Errors
/// The sentence that says why not.
pub fn check_name(name: &str) -> Result<(), String> {
    let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if begins && name.len() <= NAME_CHARS && name.chars().all(letter) {
        return Ok(());
    }
    let shown: String = name.escape_debug().take(NAME_CHARS).collect();
    Err(format!(
        "`{shown}` cannot be a secret's name: use 1 to {NAME_CHARS} letters, digits, `_`, `-` and `.`, beginning with a letter or `_`"
    ))
}

/// Whether something may be a value.
///
/// # Errors
/// The sentence that says why not; it says nothing of the value.
pub fn check_value(value: &Secret) -> Result<(), String> {
    let text = value.reveal();
    if text.contains('\0') {
        return Err("the value has a NUL character, which no variable can hold".to_owned());
    }
    if text.len() > SECRET_BYTES {
        let most = SECRET_BYTES / 1024;
        return Err(format!(
            "the value is longer than {most} KiB: keep the data encrypted in the repository, and only its key as a secret"
        ));
    }
    if can_be_hidden(text.trim().as_bytes()) {
        return Ok(());
    }
    Err(format!(
        "the value is too short or too plain to be hidden in logs, where it would be part of other words: use at least {MASK_BYTES} characters, \
         {MASK_VARIETY} of them different"
    ))
}

/// Whether a text is long and varied enough to be looked for in output.
pub(super) fn can_be_hidden(text: &[u8]) -> bool {
    let mut seen = [false; 256];
    text.iter().for_each(|byte| seen[usize::from(*byte)] = true);
    text.len() >= MASK_BYTES && seen.iter().filter(|seen| **seen).count() >= MASK_VARIETY
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<(), String> {
        check_value(&Secret::new(text.to_owned()))
    }

    #[test]
    fn what_could_not_be_hidden_is_refused_and_never_said_back() {
        for good in ["abcdef", "hunter2", "aaabcd", "pässw", " abcdef\n", "a b\nc d\n"] {
            assert_eq!(check(good), Ok(()), "{good:?}");
        }
        for bad in ["", "abcde", "{", "aaaaaa", "ababab", "aaabbbccc", "      abc\n\n\n", "true", "1111111111"] {
            let why = check(bad).unwrap_err();
            assert!(why.contains("too short or too plain") && (bad.len() < 2 || !why.contains(bad)), "{bad:?}");
        }
        assert!(check("abcdef\0").unwrap_err().contains("NUL"));
        assert_eq!(check(&"abcd".repeat(SECRET_BYTES / 4)), Ok(()));
        assert!(check(&format!("{}x", "abcd".repeat(SECRET_BYTES / 4))).unwrap_err().contains("longer than 16 KiB"));
    }

    #[test]
    fn names_are_plain_words() {
        for good in ["DEPLOY_KEY", "prod_deploy_key", "a", "_x", "a-b.c", &"x".repeat(NAME_CHARS)] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        for bad in ["", "1a", "-a", ".a", "a b", "a/b", "../a", "ä", "a\n", "a=b", &"x".repeat(NAME_CHARS + 1)] {
            assert!(check_name(bad).unwrap_err().contains("cannot be a secret's name"), "{bad}");
        }
    }
}
