//! Names as a shell reads them, for lines that people copy.

/// A name as one word: as it is where a shell leaves it alone, else in quotes.
#[must_use]
pub fn shell_word(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@".contains(&byte);
    if !name.is_empty() && name.bytes().all(plain) {
        return name.to_owned();
    }
    format!("'{}'", name.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_word_and_nothing_in_it_is_the_shells() {
        for (name, word) in [
            ("build", "build"),
            ("test/unit", "test/unit"),
            ("test (1.95, sqlite)", "'test (1.95, sqlite)'"),
            ("it's; rm", r"'it'\''s; rm'"),
            ("", "''"),
        ] {
            assert_eq!(shell_word(name), word);
        }
    }
}
