//! The server's settings: a YAML file, with the command line on top. Unknown keys are refused, so that a misspelt one does not go unseen.
//!
//! ```yaml
//! slots: 4
//! executor: docker                  # docker | host
//! docker: { host: "unix:///var/run/docker.sock" }
//! database: "postgres://gantry@db/gantry"
//! grace: 10s
//! git:
//!   credentials:
//!     - { url: "https://git.example.org", user: ci, password_file: /run/secrets/git }
//! ```

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::Deserialize;

use crate::git::Credentials;

use super::engine::Kind;

/// The file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct File {
    pub data: Option<PathBuf>,
    pub listen: Option<SocketAddr>,
    /// Jobs at the same time.
    pub slots: Option<u32>,
    pub executor: Option<Kind>,
    pub docker: Docker,
    /// `postgres://…`; default: SQLite in the data directory.
    pub database: Option<String>,
    /// From SIGTERM to SIGKILL: `10s`.
    pub grace: Option<String>,
    pub git: Git,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Docker {
    /// Default: `DOCKER_HOST`, else the local socket.
    pub host: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Git {
    pub credentials: Vec<Credential>,
}

/// A user and password for one scheme, host and port.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Credential {
    pub url: String,
    pub user: String,
    /// Its first line is the password or token: secrets do not stand in the settings themselves.
    pub password_file: PathBuf,
}

impl File {
    /// Reads the file; without one, everything is as by default.
    pub fn read(path: Option<&Path>) -> anyhow::Result<Self> {
        let Some(path) = path else { return Ok(Self::default()) };
        let text = std::fs::read_to_string(path).with_context(|| format!("the settings {} cannot be read", path.display()))?;
        let file: Option<Self> =
            serde_yaml::from_str(&text).with_context(|| format!("the settings {} are not valid", path.display()))?;
        let file = file.unwrap_or_default();
        if file.slots == Some(0) {
            bail!("the settings {}: `slots: 0` would run nothing; use at least 1", path.display());
        }
        Ok(file)
    }

    /// The credentials, their passwords read from their files.
    pub fn credentials(&self) -> anyhow::Result<Credentials> {
        let mut credentials = Credentials::default();
        for Credential { url, user, password_file } in &self.git.credentials {
            let text = std::fs::read_to_string(password_file)
                .with_context(|| format!("the password file {} cannot be read", password_file.display()))?;
            let password = text.lines().next().unwrap_or_default();
            credentials = credentials.with_password(url, user, password)?;
        }
        Ok(credentials)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_setting_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gantry.yml");
        std::fs::write(&path, "slot: 3\n").unwrap();
        let error = format!("{:#}", File::read(Some(&path)).unwrap_err());
        assert!(error.contains("slot"), "{error}");
        std::fs::write(&path, "slots: 3\nexecutor: host\n").unwrap();
        assert_eq!(File::read(Some(&path)).unwrap().slots, Some(3));
    }
}
