//! `gantry secret …`: set, list, rm. **Invariant:** a value comes from stdin or from a prompt that does not show it, never from the command line, where
//! other users of the machine and the shell's history see it.

use std::io::{self, IsTerminal, Read};

use console::Term;
use serde_json::json;
use zeroize::Zeroizing;

use super::answer::{Page, SecretEntry};
use super::api::Api;
use super::screen::Hue;
use super::table::{Cell, Table};
use super::{Failure, Screen, SecretVerb};
use crate::base::{Secret, ago, limits};

pub(super) async fn perform(api: &Api, screen: &mut Screen, verb: SecretVerb, json: bool) -> Result<(), Failure> {
    match verb {
        SecretVerb::Set { name, repo, event, branch } => {
            let value = read(&name)?;
            let path = path(repo.as_deref(), Some(&name));
            let body = json!({ "value": value.reveal(), "events": event, "branches": branch });
            let answer = api.put(&path, &body).await?;
            if json {
                return screen.json(&answer.text);
            }
            let secret: SecretEntry = answer.read()?;
            screen.say(&format!("{} is set for {}, {}", secret.name, scope(&secret), audience(&secret)))
        }
        SecretVerb::List { repo } => list(api, screen, repo.as_deref(), json).await,
        SecretVerb::Rm { name, repo } => {
            let answer = api.delete(&path(repo.as_deref(), Some(&name))).await?;
            if json { screen.json(&answer.text) } else { screen.say(&format!("{name} is removed")) }
        }
    }
}

fn path<'a>(repo: Option<&'a str>, name: Option<&'a str>) -> Vec<&'a str> {
    let scope = repo.map_or_else(|| vec!["secrets"], |repo| vec!["repos", repo, "secrets"]);
    ["api", "v1"].into_iter().chain(scope).chain(name).collect()
}

/// The value: asked for on a terminal, else all of stdin.
fn read(name: &str) -> Result<Secret, Failure> {
    if io::stdin().is_terminal() {
        let terminal = Term::stderr();
        terminal.write_str(&format!("Value of {name} (it is not shown): "))?;
        return Ok(Secret::new(terminal.read_secure_line()?));
    }
    let mut text = Zeroizing::new(String::new());
    // One byte more than there may be, so that the server says that it is too long.
    io::stdin().take(limits::SECRET_BYTES as u64 + 1).read_to_string(&mut text).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => Failure::Usage("the value is not UTF-8; encode it, in base64 for example".to_owned()),
        _ => Failure::Usage(format!("the value cannot be read from stdin: {error}")),
    })?;
    Ok(Secret::new(without_last_newline(&text).to_owned()))
}

/// A single line's newline is `echo`'s or the editor's; a private key needs its last one.
fn without_last_newline(text: &str) -> &str {
    let line = text.strip_suffix('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    line.filter(|line| !line.contains('\n')).unwrap_or(text)
}

async fn list(api: &Api, screen: &mut Screen, repo: Option<&str>, json: bool) -> Result<(), Failure> {
    let answer = api.get(api.url(&path(repo, None))).await?;
    if json {
        return screen.json(&answer.text);
    }
    let secrets: Page<SecretEntry> = answer.read()?;
    if secrets.items.is_empty() {
        let more = repo.map_or_else(|| " for all repositories".to_owned(), |repo| format!(" for {repo}"));
        return screen.say(&format!("there is no secret{more} yet: set one with `gantry secret set NAME`"));
    }
    let now = screen.now();
    let mut table = Table::new(["NAME", "OF", "FOR", "SET"]);
    for secret in &secrets.items {
        table.row([
            Cell::hued(&secret.name, Hue::Strong),
            Cell::new(scope(secret)),
            Cell::new(audience(secret)),
            Cell::hued(ago(now.ms_since(secret.updated_at)), Hue::Quiet),
        ]);
    }
    let colour = screen.colour;
    screen.data(&table.render(colour))
}

fn scope(secret: &SecretEntry) -> &str {
    secret.repo.as_deref().unwrap_or("all repositories")
}

fn audience(secret: &SecretEntry) -> String {
    let branches = secret.branches.as_ref().map(|branches| format!(" on {}", branches.join(", ")));
    format!("{}{}", secret.events.join(", "), branches.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_loses_its_newline_and_a_file_of_several_keeps_it() {
        for (given, kept) in [
            ("token\n", "token"),
            ("token\r\n", "token"),
            ("token", "token"),
            (" token \n", " token "),
            ("BEGIN\nkey\nEND\n", "BEGIN\nkey\nEND\n"),
            ("a\n\n", "a\n\n"),
            ("", ""),
        ] {
            assert_eq!(without_last_newline(given), kept, "{given:?}");
        }
    }

    #[test]
    fn a_path_names_the_scope() {
        assert_eq!(path(None, None), ["api", "v1", "secrets"]);
        assert_eq!(path(Some("shop"), Some("KEY")), ["api", "v1", "repos", "shop", "secrets", "KEY"]);
    }
}
