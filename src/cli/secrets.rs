//! Secrets of `gantry run`: from the environment or a file, never from the command line, where other users of the machine see them.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use zeroize::Zeroizing;

use super::Ended;
use crate::base::Secret;
use crate::secrets::{Policy, check_name, check_value};
use crate::server::Handle;

#[derive(clap::Args)]
pub(super) struct SecretArgs {
    /// A secret, its value taken from the environment variable of that name
    #[arg(long, value_name = "NAME")]
    secret: Vec<String>,
    /// Secrets as KEY=VALUE lines
    #[arg(long, value_name = "FILE")]
    secrets_file: Option<PathBuf>,
}

/// Name and value.
pub(super) type Given = Vec<(String, Secret)>;

impl SecretArgs {
    /// All of them; one from the environment beats one of the file.
    pub(super) fn read(&self) -> Result<Given, Ended> {
        let mut given = match &self.secrets_file {
            Some(path) => from_file(path)?,
            None => Vec::new(),
        };
        for name in &self.secret {
            if name.contains('=') {
                let why = "`--secret` takes a name only: other users of this machine see the command line; set the variable of that name instead";
                return Err(Ended::usage(anyhow!(why)));
            }
            let value = std::env::var(name).map_err(|error| match error {
                std::env::VarError::NotPresent => anyhow!("`--secret {name}`: there is no variable `{name}` in the environment"),
                std::env::VarError::NotUnicode(_) => anyhow!("`--secret {name}`: the variable is not UTF-8"),
            });
            given.push((name.clone(), Secret::new(value.map_err(Ended::usage)?)));
        }
        for (name, value) in &given {
            check_name(name).map_err(|why| Ended::usage(anyhow!(why)))?;
            check_value(value).map_err(|why| Ended::usage(anyhow!("the secret `{name}`: {why}")))?;
        }
        Ok(given)
    }
}

/// Gives them to a server of our own, for everything that it runs.
pub(super) async fn give(handle: &Handle, given: Given) -> Result<(), Ended> {
    for (name, value) in given {
        let kept = handle.set_secret(None, &name, &value, Policy::everything()).await;
        kept.map_err(|error| Ended::usage(anyhow!("the secret `{name}`: {error}")))?;
    }
    Ok(())
}

fn from_file(path: &Path) -> Result<Given, Ended> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map(Zeroizing::new);
    let text = text.with_context(|| format!("the secrets of {shown} cannot be read")).map_err(Ended::usage)?;
    lines(&text).map_err(|line| Ended::usage(anyhow!("line {line} of {shown} is not `KEY=VALUE`")))
}

/// `KEY=VALUE` lines; empty ones and those that begin with `#` mean nothing, quotes around a value are not part of it. Else the line's number.
fn lines(text: &str) -> Result<Given, usize> {
    let mut given = Vec::new();
    for (line, number) in text.lines().zip(1_usize..) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = line.split_once('=').ok_or(number)?;
        let name = name.trim().trim_start_matches("export ").trim();
        let value = value.trim();
        let quoted = |quote: char| value.strip_prefix(quote).and_then(|value| value.strip_suffix(quote));
        let value = quoted('"').or_else(|| quoted('\'')).unwrap_or(value);
        given.push((name.to_owned(), Secret::new(value.to_owned())));
    }
    Ok(given)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_a_secret_a_line() {
        let given = lines("# mine\n\nA=one=1\r\n export B = 'two \"2\"' \nC=\"three\"\nD='\nE=\n")
            .unwrap_or_else(|line| panic!("{line}"));
        let given: Vec<_> = given.iter().map(|(name, value)| (name.as_str(), value.reveal())).collect();
        assert_eq!(given, [("A", "one=1"), ("B", "two \"2\""), ("C", "three"), ("D", "'"), ("E", "")]);
        assert_eq!(lines("A=1\nnonsense\n").err(), Some(2));
    }
}
