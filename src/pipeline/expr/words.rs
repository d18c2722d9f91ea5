//! A light look at an expression's characters: its words with their places, its nesting, and slips that deserve their own hint. The grammar is the
//! parser's business alone.

use cel::ParseErrors;

/// What a look at the characters tells.
pub(super) struct Words {
    characters: Vec<char>,
    /// Words outside of quotes that do not follow a `.`, with their offset in characters.
    words: Vec<(usize, String)>,
    /// The deepest nesting of brackets.
    pub nesting: usize,
    /// What to do about a slip that other languages teach.
    pub hint: Option<&'static str>,
}

impl Words {
    pub fn of(text: &str) -> Self {
        let characters: Vec<char> = text.chars().collect();
        let mut words = Vec::new();
        let (mut depth, mut nesting, mut hint) = (0_usize, 0_usize, None);
        let mut at = 0;
        while let Some(&c) = characters.get(at) {
            let before = at.checked_sub(1).and_then(|before| characters.get(before)).copied().unwrap_or(' ');
            let after = characters.get(at + 1).copied().unwrap_or(' ');
            match c {
                '"' | '\'' => {
                    at += 1;
                    while characters.get(at).is_some_and(|next| *next != c) {
                        at += if characters.get(at) == Some(&'\\') { 2 } else { 1 };
                    }
                }
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => depth = depth.saturating_sub(1),
                '=' if !matches!(before, '=' | '!' | '<' | '>') && after != '=' => hint = Some("`==` compares"),
                '&' if before != '&' && after != '&' => hint = Some("`&&` is `and`"),
                '|' if before != '|' && after != '|' => hint = Some("`||` is `or`"),
                _ if c.is_alphabetic() || c == '_' => {
                    let word: String = characters[at..].iter().take_while(|c| c.is_alphanumeric() || **c == '_').collect();
                    let length = word.chars().count();
                    match word.as_str() {
                        "and" => hint = Some("`&&` is `and`"),
                        "or" => hint = Some("`||` is `or`"),
                        "not" => hint = Some("`!` is `not`"),
                        _ => {}
                    }
                    if before != '.' {
                        words.push((at, word));
                    }
                    at += length - 1;
                }
                _ => {}
            }
            nesting = nesting.max(depth);
            at += 1;
        }
        Self { characters, words, nesting, hint }
    }

    /// Where the words of a path stand first, each with its length, in characters; nothing when that cannot be told (a word with escapes in it).
    pub fn find(&self, path: &[String]) -> Vec<(usize, usize)> {
        let Some((first, rest)) = path.split_first() else { return Vec::new() };
        let starts = self.words.iter().filter(|(_, found)| found == first).map(|(at, _)| *at);
        let mut found = starts.filter_map(|start| self.follow(start, first, rest));
        found.next().unwrap_or_default()
    }

    /// The places of a path that begins at `start`, if it goes on from there as `rest` says.
    fn follow(&self, start: usize, first: &str, rest: &[String]) -> Option<Vec<(usize, usize)>> {
        let mut places = vec![(start, first.chars().count())];
        let mut at = start + first.chars().count();
        for word in rest {
            at = self.past_blanks(at);
            let bracket = match self.characters.get(at)? {
                '.' => false,
                '[' => true,
                _ => return None,
            };
            at = self.past_blanks(at + 1);
            let length = word.chars().count();
            let quoted = bracket && matches!(self.characters.get(at), Some('"' | '\''));
            at += usize::from(quoted);
            let written = self.characters.get(at..at.checked_add(length)?)?;
            if bracket != quoted || !written.iter().copied().eq(word.chars()) {
                return None;
            }
            places.push((at, length));
            at += length + usize::from(quoted);
            if bracket {
                at = self.past_blanks(at);
                if self.characters.get(at) != Some(&']') {
                    return None;
                }
                at += 1;
            } else if self.characters.get(at).is_some_and(|c| c.is_alphanumeric() || *c == '_') {
                return None;
            }
        }
        Some(places)
    }

    fn past_blanks(&self, at: usize) -> usize {
        at + self.characters.iter().skip(at).take_while(|c| c.is_whitespace()).count()
    }
}

/// The first thing that the parser could not read: its offset in characters, and what it says.
pub(super) fn first_error(text: &str, errors: &ParseErrors) -> (usize, String) {
    let end = text.chars().count().saturating_sub(1);
    let Some(error) = errors.errors.first() else { return (0, "it is no CEL".to_owned()) };
    let (line, column) = (usize::try_from(error.pos.0).unwrap_or(1), usize::try_from(error.pos.1).unwrap_or(1));
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(|line| line.chars().count()).sum();
    let message = error.msg.strip_prefix("Syntax error: ").unwrap_or(&error.msg).replace("<EOF>", "the end");
    ((before + column.saturating_sub(1)).min(end), message)
}
