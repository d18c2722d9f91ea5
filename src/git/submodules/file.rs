//! What `.gitmodules` says: the syntax of git-config(5), of which only submodules with their paths and addresses are heard. **Invariant:** nothing else is
//! opened, whatever the file asks for: an `include` is no section of ours.

use std::iter::Peekable;
use std::str::Chars;

/// `[submodule "name"]`
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Section {
    pub name: String,
    pub path: Option<String>,
    pub url: Option<String>,
}

/// All sections of submodules, in their order; the last value of a key counts.
///
/// # Errors
/// The end of a sentence that begins with the file's name.
pub(super) fn read(text: &[u8]) -> Result<Vec<Section>, String> {
    let text = std::str::from_utf8(text).map_err(|_| "is not UTF-8".to_owned())?;
    let mut sections: Vec<Section> = Vec::new();
    let mut is_ours = false;
    let mut rest = text.chars().peekable();
    let mut line = 1;
    while let Some(first) = rest.peek().copied() {
        let fault = |line: usize, what: &str| format!("is not understood in line {line}: {what}");
        match first {
            '\n' => {
                line += 1;
                rest.next();
            }
            '#' | ';' => skip_line(&mut rest),
            '[' => {
                rest.next();
                let name = heading(&mut rest).ok_or_else(|| fault(line, "a heading does not end"))?;
                is_ours = name.is_some();
                sections.extend(name.map(|name| Section { name, ..Section::default() }));
            }
            c if c.is_whitespace() || c == '\u{feff}' => {
                rest.next();
            }
            _ => {
                let key: String = std::iter::from_fn(|| rest.next_if(|c| c.is_ascii_alphanumeric() || *c == '-')).collect();
                if key.is_empty() {
                    return Err(fault(line, "a line begins with neither a key nor a heading"));
                }
                while rest.next_if(|c| *c == ' ' || *c == '\t').is_some() {}
                let value = match rest.next_if_eq(&'=') {
                    Some(_) => value(&mut rest, &mut line).ok_or_else(|| fault(line, "a value is not quoted properly"))?,
                    None => String::new(),
                };
                let section = sections.last_mut().filter(|_| is_ours);
                match (section, key.to_ascii_lowercase().as_str()) {
                    (Some(section), "path") => section.path = Some(value),
                    (Some(section), "url") => section.url = Some(value),
                    (Some(_) | None, _) => {}
                }
            }
        }
    }
    Ok(sections)
}

fn skip_line(rest: &mut Peekable<Chars<'_>>) {
    while rest.next_if(|c| *c != '\n').is_some() {}
}

/// After `[`: the name of a submodule, or `Some(None)` for another section; `None` when it does not end.
fn heading(rest: &mut Peekable<Chars<'_>>) -> Option<Option<String>> {
    let section: String = std::iter::from_fn(|| rest.next_if(|c| !matches!(c, '"' | ']' | '\n'))).collect();
    let mut name = None;
    if rest.next_if_eq(&'"').is_some() {
        let mut text = String::new();
        loop {
            match rest.next()? {
                '"' => break,
                '\n' => return None,
                '\\' => text.push(rest.next().filter(|c| *c != '\n')?),
                c => text.push(c),
            }
        }
        name = Some(text);
    }
    rest.next_if_eq(&']')?;
    Some(name.filter(|_| section.trim().eq_ignore_ascii_case("submodule")))
}

/// After `=`: up to the end of the line or a comment, without the spaces around it; quotes keep theirs.
fn value(rest: &mut Peekable<Chars<'_>>, line: &mut usize) -> Option<String> {
    let (mut text, mut kept, mut quoted) = (String::new(), 0, false);
    while let Some(c) = rest.next_if(|c| *c != '\n' || quoted) {
        match c {
            '\n' => return None,
            '"' => quoted = !quoted,
            '#' | ';' if !quoted => {
                skip_line(rest);
                break;
            }
            '\\' => {
                match rest.next()? {
                    // The line goes on.
                    '\n' => {
                        *line += 1;
                        continue;
                    }
                    'n' => text.push('\n'),
                    't' => text.push('\t'),
                    'b' => text.push('\u{8}'),
                    c @ ('"' | '\\') => text.push(c),
                    _ => return None,
                }
                kept = text.len();
                continue;
            }
            c if c.is_whitespace() && !quoted => {
                if !text.is_empty() {
                    text.push(c);
                }
                continue;
            }
            c => text.push(c),
        }
        kept = text.len();
    }
    if quoted {
        return None;
    }
    text.truncate(kept);
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(name: &str, path: &str, url: &str) -> Section {
        Section { name: name.to_owned(), path: Some(path.to_owned()), url: Some(url.to_owned()) }
    }

    #[test]
    fn it_is_read_as_git_reads_its_configuration() {
        let text = "# a comment\n[submodule \"a/b\"]\n\tpath = a/b ; why\n\turl=../x.git\n\tbranch = main\n\
                    [Submodule \"q\\\"uote\"] path = \"with  space \" # c\n url = https://h/\\\n  y\n bare\n\
                    [include]\n path = /etc/passwd\n url = /etc\n[submodule.old]\n path = z\n[core]\n\turl = no\n";
        let read = read(text.as_bytes()).unwrap();
        assert_eq!(read, [section("a/b", "a/b", "../x.git"), section("q\"uote", "with  space ", "https://h/  y")]);
        assert_eq!(super::read(b"").unwrap(), []);
        assert_eq!(
            super::read("\u{feff}[submodule \"x\"]\r\n\tpath = x\r\n\turl = y\r\n".as_bytes()).unwrap(),
            [section("x", "x", "y")]
        );
    }

    #[test]
    fn what_is_no_configuration_is_told_with_its_line() {
        for (text, line) in [
            ("[submodule \"x\n", "line 1"),
            ("\n\n[submodule \"x\"\n]", "line 3"),
            ("[submodule \"x\"]\n url = \"open\n", "line 2"),
            ("[submodule \"x\"]\n url = \\q\n", "line 2"),
            ("= x", "line 1"),
        ] {
            let why = read(text.as_bytes()).unwrap_err();
            assert!(why.contains(line), "{text:?}: {why}");
        }
        assert!(read(b"\xff").unwrap_err().contains("UTF-8"));
    }
}
