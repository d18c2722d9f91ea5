//! The server's settings: a YAML file, with the command line on top. Unknown keys are refused, so that a misspelt one does not go unseen.
//!
//! ```yaml
//! slots: 4
//! executor: docker                  # docker | host
//! docker:
//!   host: "unix:///var/run/docker.sock"   # or "ssh://user@host", or "tcp://host:2376" with
//!   tls: { ca: ca.pem, cert: cert.pem, key: key.pem }
//!   labels: [amd64]                 # what `runs_on` may ask for
//!   pull: missing                   # always | missing | never, where the pipeline does not say
//!   park: 2                         # steps of a job that are made ready while the ones before them run
//!   sandboxes: 2                    # networks that wait for jobs to come
//! engines:                          # several, in place of that host: jobs go where their labels and a free slot are
//!   - { name: near, host: "unix:///var/run/docker.sock", slots: 4, labels: [amd64] }
//!   - { name: far, host: "ssh://ci@far.example.org", slots: 8, labels: [arm64] }
//! engine_timeout: 60s               # an engine's silence after which its jobs go on elsewhere, or end
//! registries:                       # what each is sent to its host and port alone
//!   - { host: "registry.example.org:5000", user: ci, password_file: /run/secrets/registry }
//! database: "postgres://gantry@db/gantry"
//! grace: 10s
//! blobs: s3://bucket/prefix         # artifacts and caches; default: a directory in the data directory
//! s3: { endpoint: "https://s3.example.org", region: eu-1, access_key: gantry, secret_key_file: /run/secrets/s3 }
//! artifacts: { expire: 30d }
//! caches: { quota: 5GiB }           # of each repository
//! keep_failed: 1h                   # how long the work tree of a job that failed is kept; 0s: not at all
//! disk: { workspaces: 10GiB, mirrors: 10GiB, images: 20GiB }   # kept work trees; mirrors of repositories; pulled images
//! shell: { secrets: false }         # whether `gantry shell` opens in steps that were given secrets
//! git:
//!   credentials:
//!     - { url: "https://git.example.org", user: ci, password_file: /run/secrets/git }
//! ```

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use serde::Deserialize;

use crate::base::{Span, limits, parse_duration_ms, parse_size};
use crate::executor::{ImageRules, Registries};
use crate::git::Credentials;
use crate::server::KeepConfig;
use crate::store::{BlobsAt, S3};

use super::engine::Kind;
use super::engines::{Docker, Entry};

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
    /// Several engines, in place of the one under `docker`.
    pub engines: Vec<Entry>,
    /// Users of private registries.
    pub registries: Vec<Registry>,
    /// `postgres://…`; default: SQLite in the data directory.
    pub database: Option<String>,
    /// From SIGTERM to SIGKILL: `10s`.
    pub grace: Option<String>,
    /// An engine's silence after which its jobs go on elsewhere, or end: `60s`.
    pub engine_timeout: Option<String>,
    /// `s3://BUCKET/PREFIX`; default: a directory in the data directory.
    pub blobs: Option<String>,
    pub s3: S3Access,
    pub artifacts: Artifacts,
    pub caches: Caches,
    pub disk: Disk,
    /// How long the work tree of a job that failed is kept: `1h`.
    pub keep_failed: Option<String>,
    pub git: Git,
    pub shell: Shell,
}

/// Terminals in running steps.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Shell {
    /// Also in steps that were given secrets: whoever has one can read them.
    pub secrets: bool,
}

/// How the bucket is reached. What is left out comes from the usual variables (`AWS_ACCESS_KEY_ID`, …) or the machine's own role.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct S3Access {
    /// Of a server that is not Amazon's.
    pub endpoint: Option<String>,
    pub region: Option<String>,
    pub access_key: Option<String>,
    /// Its first line is the secret: secrets do not stand in the settings themselves.
    pub secret_key_file: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Artifacts {
    /// How long they are kept when the pipeline does not say: `30d`.
    pub expire: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Caches {
    /// Compressed, of all caches of one repository together: `5GiB`.
    pub quota: Option<String>,
}

/// What may be on the disk for speed only: it is made again when it is needed.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Disk {
    /// Kept work trees of all repositories: `10GiB`.
    pub workspaces: Option<String>,
    /// Mirrors of all repositories: `10GiB`.
    pub mirrors: Option<String>,
    /// Images that were pulled, of one engine: `20GiB`.
    pub images: Option<String>,
}

/// A user and password for one registry.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Registry {
    /// With its port, as in the names of images: `registry.example:5000`; `docker.io` for names without a registry.
    pub host: String,
    pub user: String,
    /// Its first line is the password or token: secrets do not stand in the settings themselves.
    pub password_file: PathBuf,
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
            let password = first_line(password_file).context("a password is missing")?;
            credentials = credentials.with_password(url, user, &password)?;
        }
        Ok(credentials)
    }

    /// How images come to the engine, the passwords of registries read from their files.
    pub fn images(&self) -> anyhow::Result<ImageRules> {
        let mut registries = Registries::default();
        for Registry { host, user, password_file } in &self.registries {
            let password =
                first_line(password_file).with_context(|| format!("the password of the registry `{host}` is missing"))?;
            registries = registries.with(host, user, &password).map_err(|why| anyhow!("the settings: `registries`: {why}"))?;
        }
        Ok(ImageRules { pull: self.docker.pull, registries })
    }

    /// How artifacts and caches are kept, S3's secret read from its file.
    pub fn keep(&self) -> anyhow::Result<KeepConfig> {
        let mut keep = KeepConfig { blobs: self.blobs_at()?, failed_ms: limits::KEEP_FAILED_MS, ..KeepConfig::default() };
        if let Some(text) = &self.keep_failed {
            let ms = parse_duration_ms(text);
            keep.failed_ms = ms.map_err(|why| anyhow!("the settings: `keep_failed: {text}` is no duration: {why}"))?;
            if keep.failed_ms > limits::KEEP_FAILED_MAX_MS {
                bail!(
                    "the settings: `keep_failed: {text}` is longer than {}, the most there may be",
                    Span(limits::KEEP_FAILED_MAX_MS)
                );
            }
        }
        if let Some(text) = &self.artifacts.expire {
            let ms = parse_duration_ms(text);
            keep.expire_ms = ms.map_err(|why| anyhow!("the settings: `artifacts.expire: {text}` is no duration: {why}"))?;
        }
        let Disk { workspaces, mirrors, images } = &self.disk;
        for (name, text, bytes) in [
            ("caches.quota", &self.caches.quota, &mut keep.quota),
            ("disk.workspaces", workspaces, &mut keep.workspaces),
            ("disk.mirrors", mirrors, &mut keep.mirrors),
            ("disk.images", images, &mut keep.images),
        ] {
            if let Some(text) = text {
                *bytes = parse_size(text).map_err(|why| anyhow!("the settings: `{name}: {text}` is no size: {why}"))?;
            }
        }
        Ok(keep)
    }

    fn blobs_at(&self) -> anyhow::Result<Option<BlobsAt>> {
        let S3Access { endpoint, region, access_key, secret_key_file } = &self.s3;
        let Some(url) = &self.blobs else {
            if endpoint.is_some() || region.is_some() || access_key.is_some() || secret_key_file.is_some() {
                bail!("the settings: there is `s3` but no `blobs`; write `blobs: s3://BUCKET/PREFIX`");
            }
            return Ok(None);
        };
        if let Some(endpoint) = endpoint
            && !endpoint.starts_with("http://")
            && !endpoint.starts_with("https://")
        {
            bail!("the settings: `s3.endpoint: {endpoint}` is no address: write `https://HOST` or `http://HOST:PORT`");
        }
        let s3 = S3::parse(url).map_err(|why| anyhow!("the settings: {why}"))?;
        let secret_key = secret_key_file.as_deref().map(first_line).transpose().context("the secret of `s3` is missing")?;
        let (endpoint, region, access_key) = (endpoint.clone(), region.clone(), access_key.clone());
        Ok(Some(BlobsAt::S3(S3 { endpoint, region, access_key, secret_key, ..s3 })))
    }
}

fn first_line(file: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(file).with_context(|| format!("the file {} cannot be read", file.display()))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::Pull;

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

    fn keep(text: &str) -> Result<KeepConfig, String> {
        let file: File = serde_yaml::from_str(text).unwrap();
        file.keep().map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn registries_have_their_passwords_in_files() {
        let dir = tempfile::tempdir().unwrap();
        let secret = dir.path().join("secret");
        std::fs::write(&secret, "hunter2\n").unwrap();
        let images = |text: &str| {
            let file: File = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
            file.images().map_err(|error| format!("{error:#}"))
        };
        let entry = |host: &str| format!("{{ host: {host:?}, user: ci, password_file: {} }}", secret.display());
        let rules = images(&format!("docker: {{ pull: always }}\nregistries: [{}]", entry("r.example:5000"))).unwrap();
        assert_eq!(rules.pull, Pull::Always);
        let shown = format!("{rules:?}");
        assert!(shown.contains("r.example:5000") && !shown.contains("hunter2"), "{shown}");
        assert_eq!(images("slots: 1").unwrap().pull, Pull::Missing);
        for (text, words) in [
            (format!("registries: [{}]", entry("https://r.example")), "no registry"),
            (format!("registries: [{}, {}]", entry("r.example"), entry("r.example")), "twice"),
            ("registries: [{ host: r.example, user: ci, password_file: /nonexistent/x }]".to_owned(), "/nonexistent/x"),
            ("registries: [{ host: r.example, user: ci, password: x }]".to_owned(), "password"),
            ("docker: { pull: sometimes }".to_owned(), "sometimes"),
        ] {
            let why = images(&text).map(drop).unwrap_err();
            assert!(why.contains(words), "{text}: {why}");
        }
    }

    #[test]
    fn where_blobs_are_and_how_long_is_set() {
        let dir = tempfile::tempdir().unwrap();
        let secret = dir.path().join("secret");
        std::fs::write(&secret, "hunter2\n").unwrap();
        let text = format!(
            "blobs: s3://ci/gantry\ns3: {{ endpoint: \"http://127.0.0.1:9000\", access_key: k, secret_key_file: {} }}\n\
             artifacts: {{ expire: 7d }}\ncaches: {{ quota: 1GiB }}\ndisk: {{ workspaces: 2GiB, mirrors: 3GiB, images: 4GiB }}\n",
            secret.display()
        );
        let config = keep(&text).unwrap();
        assert_eq!((config.expire_ms, config.quota), (7 * 86_400_000, 1 << 30));
        assert_eq!((config.workspaces, config.mirrors, config.images), (2 << 30, 3 << 30, 4 << 30));
        assert_eq!(config.failed_ms, 3_600_000, "an hour, when nobody says");
        let Some(BlobsAt::S3(s3)) = config.blobs else { panic!("{:?}", config.blobs) };
        assert_eq!((s3.bucket.as_str(), s3.prefix.as_str(), s3.secret_key.as_deref()), ("ci", "gantry", Some("hunter2")));
        for (text, words) in [
            ("blobs: /var/lib", "s3://BUCKET"),
            ("s3: { region: x }", "no `blobs`"),
            ("blobs: s3://b\ns3: { endpoint: host }", "no address"),
            ("blobs: s3://b\ns3: { secret_key_file: /nonexistent/x }", "/nonexistent/x"),
            ("artifacts: { expire: 7 }", "no duration"),
            ("caches: { quota: much }", "no size"),
            ("keep_failed: long", "no duration"),
            ("keep_failed: 1000d", "the most there may be"),
        ] {
            let why = keep(text).map(drop).unwrap_err();
            assert!(why.contains(words), "{text}: {why}");
        }
    }
}
