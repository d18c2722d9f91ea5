//! The engines in the settings: one under `docker:`, or several under `engines:`. **Invariant:** every name once, since jobs are stored with it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{anyhow, bail};
use serde::Deserialize;

use crate::base::limits;
use crate::executor::{EngineAt, TlsFiles};
use crate::pipeline::Pull;
use crate::schedule::EngineInfo;

use super::config::File;
use super::engine::Kind;

/// Docker as a whole, and the one engine where there are not several.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Docker {
    /// Default: `DOCKER_HOST`, else the local socket.
    pub host: Option<String>,
    pub tls: Option<Tls>,
    /// `tcp://` to another machine without TLS.
    pub insecure: bool,
    /// What `runs_on` may ask for.
    pub labels: Vec<String>,
    /// Steps of a job that are made ready while the ones before them run; 0 for none.
    pub park: Option<u32>,
    /// Sandboxes that wait for jobs to come; 0 for none.
    pub sandboxes: Option<u32>,
    /// When a registry is asked for an image, where the pipeline does not say.
    pub pull: Pull,
}

/// One of several engines.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    name: String,
    host: String,
    tls: Option<Tls>,
    #[serde(default)]
    insecure: bool,
    /// Default: `slots` of the settings.
    slots: Option<u32>,
    #[serde(default)]
    labels: Vec<String>,
    /// Default: as under `docker`.
    park: Option<u32>,
    sandboxes: Option<u32>,
}

/// PEM files.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tls {
    /// The authority that has signed the engine's certificate.
    pub ca: PathBuf,
    /// This server's own certificate, with its key.
    pub cert: Option<PathBuf>,
    pub key: Option<PathBuf>,
}

/// An engine, ready to be made.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct EngineSetup {
    pub name: String,
    pub slots: u32,
    pub labels: Vec<String>,
    pub at: EngineAt,
    /// Without a word the usual numbers.
    pub park: Option<u32>,
    pub sandboxes: Option<u32>,
}

impl EngineSetup {
    /// The only one, wherever Docker usually is.
    pub fn local(slots: u32) -> Self {
        let (at, name) = (EngineAt::default(), EngineInfo::LOCAL.to_owned());
        Self { name, slots, labels: Vec::new(), at, park: None, sandboxes: None }
    }
}

/// Steps or sandboxes that may be kept ready: past this they cost more than they can save.
const AHEAD_MOST: u32 = 50;
/// Engines of one server.
const MOST: usize = 100;

impl File {
    /// The engines, in their order. `slots` is of each that does not say.
    pub fn engines(&self, kind: Kind, slots: u32) -> anyhow::Result<Vec<EngineSetup>> {
        let Docker { host, tls, insecure, labels, park, sandboxes, pull: _ } = &self.docker;
        ahead("docker", *park, *sandboxes)?;
        if self.engines.is_empty() {
            check_labels("docker.labels", labels)?;
            let at = address("docker", host.as_deref(), tls.as_ref(), *insecure)?;
            let (labels, park, sandboxes) = (labels.clone(), *park, *sandboxes);
            return Ok(vec![EngineSetup { labels, at, park, sandboxes, ..EngineSetup::local(slots) }]);
        }
        if kind != Kind::Docker {
            bail!("the settings: `engines` are Docker's; take them away, or say `executor: docker`");
        }
        if host.is_some() || tls.is_some() || *insecure || !labels.is_empty() {
            bail!(
                "the settings: there are `engines`, so `docker` has no `host`, `tls`, `insecure` or `labels`: give them to one of the engines"
            );
        }
        if self.engines.len() > MOST {
            bail!("the settings: there are {} `engines`, and there may be {MOST}", self.engines.len());
        }
        let mut names = BTreeSet::new();
        self.engines
            .iter()
            .map(|entry| {
                let Entry { name, host, tls, insecure, slots: own, labels, park: own_park, sandboxes: own_sandboxes } = entry;
                check_name(name)?;
                if !names.insert(name) {
                    bail!("the settings: two `engines` are called `{name}`; each needs a name of its own");
                }
                let place = format!("engines: {name}");
                if *own == Some(0) {
                    bail!("the settings: `{place}`: `slots: 0` would run nothing; use at least 1, or take the engine away");
                }
                check_labels(&format!("{place}: labels"), labels)?;
                ahead(&place, *own_park, *own_sandboxes)?;
                Ok(EngineSetup {
                    name: name.clone(),
                    slots: own.unwrap_or(slots),
                    labels: labels.clone(),
                    at: address(&place, Some(host), tls.as_ref(), *insecure)?,
                    park: own_park.or(*park),
                    sandboxes: own_sandboxes.or(*sandboxes),
                })
            })
            .collect()
    }
}

fn address(place: &str, host: Option<&str>, tls: Option<&Tls>, insecure: bool) -> anyhow::Result<EngineAt> {
    let tls = match tls {
        None => None,
        Some(_) if insecure => bail!("the settings: `{place}` has `tls` and says `insecure: true`; take one of them away"),
        Some(Tls { ca, cert, key }) => {
            let own = match (cert, key) {
                (Some(cert), Some(key)) => Some((cert.clone(), key.clone())),
                (None, None) => None,
                _ => bail!("the settings: `tls` of `{place}` has a `cert` or a `key` alone; they belong together"),
            };
            Some(TlsFiles { ca: ca.clone(), own })
        }
    };
    let at = EngineAt { host: host.map(str::to_owned), tls, insecure };
    if host.is_none() && (at.tls.is_some() || at.insecure) {
        bail!("the settings: `{place}` has `tls` or `insecure` but no `host`; write `host: tcp://HOST:PORT`");
    }
    if host.is_some() {
        at.check().map_err(|why| anyhow!("the settings: `host` of `{place}`: {why}"))?;
    }
    Ok(at)
}

/// Not too many of either.
fn ahead(place: &str, park: Option<u32>, sandboxes: Option<u32>) -> anyhow::Result<()> {
    for (name, value) in [("park", park), ("sandboxes", sandboxes)] {
        if let Some(value) = value.filter(|value| *value > AHEAD_MOST) {
            bail!("the settings: `{name}: {value}` of `{place}` is more than {AHEAD_MOST}: each is a container that waits");
        }
    }
    Ok(())
}

/// Names stand in logs, in rows and on pages.
fn check_name(name: &str) -> anyhow::Result<()> {
    let ok = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > limits::NAME_CHARS || !name.chars().all(ok) || name.starts_with(['-', '.']) {
        let shown: String = name.chars().take(limits::NAME_CHARS).collect();
        bail!(
            "the settings: `engines`: `{shown}` cannot be a name: use 1 to 100 letters, digits, `-`, `_` and `.`, beginning with a letter or digit"
        );
    }
    Ok(())
}

fn check_labels(place: &str, labels: &[String]) -> anyhow::Result<()> {
    if labels.len() > limits::LABELS {
        bail!("the settings: `{place}` has {} labels, and there may be {}", labels.len(), limits::LABELS);
    }
    match labels.iter().find(|label| label.is_empty() || label.chars().any(|c| c.is_whitespace() || c.is_control())) {
        Some(label) => bail!("the settings: `{place}`: {label:?} is no label: it has to be a word without spaces"),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engines(text: &str) -> Result<Vec<EngineSetup>, String> {
        let file: File = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
        file.engines(Kind::Docker, 3).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn where_the_one_engine_is_and_how_it_is_spoken_to_is_set() {
        assert_eq!(engines("grace: 1s"), Ok(vec![EngineSetup::local(3)]));
        let ssh = engines("docker: { host: \"ssh://ci@build\", labels: [arm64], park: 0 }").unwrap().remove(0);
        assert_eq!((ssh.at, ssh.labels, ssh.park), (EngineAt::host("ssh://ci@build"), vec!["arm64".to_owned()], Some(0)));
        let text = "docker: { host: \"tcp://build:2376\", tls: { ca: a, cert: b, key: c } }";
        let tls = engines(text).unwrap().remove(0).at.tls.unwrap();
        assert_eq!((tls.ca, tls.own), ("a".into(), Some(("b".into(), "c".into()))));
        for (text, words) in [
            ("docker: { host: build }", "no address"),
            ("docker: { host: \"tcp://build:2375\" }", "without TLS"),
            ("docker: { host: \"tcp://build\", tls: { ca: a, cert: b } }", "belong together"),
            ("docker: { host: \"tcp://build\", insecure: true, tls: { ca: a } }", "take one of them away"),
            ("docker: { host: \"ssh://build\", tls: { ca: a } }", "takes no `tls`"),
            ("docker: { insecure: true }", "no `host`"),
            ("docker: { labels: [\"a b\"] }", "without spaces"),
            ("docker: { park: 51 }", "more than 50"),
        ] {
            let why = engines(text).unwrap_err();
            assert!(why.contains(words), "{text}: {why}");
        }
    }

    #[test]
    fn several_engines_have_each_their_own_and_what_they_share() {
        let text = "docker: { park: 1 }
engines:
  - { name: near, host: \"unix:///run/near.sock\", labels: [linux] }
  - { name: far, host: \"tcp://far:2376\", tls: { ca: a }, slots: 8, park: 0, sandboxes: 4 }";
        let [near, far] = engines(text).unwrap().try_into().unwrap();
        assert_eq!((near.name.as_str(), near.slots, near.park, near.sandboxes), ("near", 3, Some(1), None));
        assert_eq!((near.labels, near.at), (vec!["linux".to_owned()], EngineAt::host("unix:///run/near.sock")));
        assert_eq!((far.name.as_str(), far.slots, far.park, far.sandboxes), ("far", 8, Some(0), Some(4)));
        for (text, words) in [
            ("engines: [{ name: a, host: /s }, { name: a, host: /t }]", "two `engines` are called `a`"),
            ("engines: [{ name: a, host: /s, slots: 0 }]", "would run nothing"),
            ("engines: [{ name: \"a b\", host: /s }]", "cannot be a name"),
            ("engines: [{ name: a, host: s }]", "no address"),
            ("engines: [{ name: a }]", "host"),
            ("engines: [{ name: a, host: /s }]\ndocker: { host: /s }", "give them to one of the engines"),
        ] {
            let why = engines(text).unwrap_err();
            assert!(why.contains(words), "{text}: {why}");
        }
        let file: File = serde_yaml::from_str("engines: [{ name: a, host: /s }]").unwrap();
        assert!(file.engines(Kind::Host, 1).unwrap_err().to_string().contains("Docker's"));
    }
}
