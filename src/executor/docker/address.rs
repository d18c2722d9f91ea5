//! Where an engine is. **Invariant, fail closed:** what goes over a network is encrypted and the other side is known, unless someone said explicitly that
//! it need not be.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Where Docker listens when nothing else is said.
const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";
/// The same, on a machine that is reached by ssh.
const SOCKET: &str = "/var/run/docker.sock";
/// As registered for Docker: without and with TLS.
const PORTS: [u16; 2] = [2375, 2376];

/// An engine as it is named in settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EngineAt {
    /// `unix:///path`, `/path`, `tcp://host:port`, `ssh://user@host:port` or `ssh://user@host:port/path/of/the/socket`; `None` is what the usual
    /// variables say (`DOCKER_HOST`, `DOCKER_TLS_VERIFY`, `DOCKER_CERT_PATH`), or the usual socket.
    pub host: Option<String>,
    pub tls: Option<TlsFiles>,
    /// `tcp://` to another machine without TLS: whoever can reach that port rules that machine, and whoever is on the way rules the jobs.
    pub insecure: bool,
}

/// PEM files for an engine that speaks TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The authority that has signed the engine's certificate; no other one is trusted.
    pub ca: PathBuf,
    /// How this server shows who it is: certificate and key.
    pub own: Option<(PathBuf, PathBuf)>,
}

/// An address that can be spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    /// Path of the socket.
    Unix(String),
    /// `host:port`
    Plain(String),
    Tls {
        /// `host:port`
        authority: String,
        /// What the certificate has to be for.
        name: String,
        files: TlsFiles,
    },
    Ssh(SshAt),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SshAt {
    /// `host` or `user@host`
    pub destination: String,
    pub port: Option<u16>,
    /// Of the engine there.
    pub socket: String,
}

impl EngineAt {
    /// The engine at this address, whatever the environment says.
    #[must_use]
    pub fn host(host: &str) -> Self {
        Self { host: Some(host.to_owned()), ..Self::default() }
    }

    /// Whether such an address can be spoken to at all.
    ///
    /// # Errors
    /// A sentence that says why not, and what to do.
    pub fn check(&self) -> Result<(), String> {
        let named = self.clone().named();
        named.address().map(drop)
    }

    /// With what the environment says, where nothing is said.
    pub(super) fn named(self) -> Self {
        if self.host.is_some() {
            return self;
        }
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let Some(host) = variable("DOCKER_HOST") else { return Self { host: Some(DEFAULT_HOST.to_owned()), ..self } };
        let certs = variable("DOCKER_TLS_VERIFY").and_then(|_| variable("DOCKER_CERT_PATH")).map(PathBuf::from);
        let of_env = |dir: PathBuf| TlsFiles { ca: dir.join("ca.pem"), own: Some((dir.join("cert.pem"), dir.join("key.pem"))) };
        let tls = self.tls.or_else(|| certs.filter(|_| host.starts_with("tcp://")).map(of_env));
        Self { host: Some(host), tls, insecure: self.insecure }
    }

    /// As it is shown.
    pub(super) fn shown(&self) -> String {
        let host = self.host.as_deref().unwrap_or(DEFAULT_HOST);
        if host.starts_with('/') { format!("unix://{host}") } else { host.to_owned() }
    }

    pub(super) fn address(&self) -> Result<Address, String> {
        let shown = self.shown();
        let kinds = "write `unix:///path`, `tcp://host:port` or `ssh://user@host`";
        let Some((kind, rest)) = shown.split_once("://") else {
            return Err(format!("`{shown}` is no address of a Docker engine: {kinds}"));
        };
        if rest.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(format!("`{shown}` is no address of a Docker engine: there is a space in it"));
        }
        if self.tls.is_some() && kind != "tcp" {
            return Err(format!("`{shown}` takes no `tls`: that is for `tcp://`"));
        }
        match kind {
            "unix" if Path::new(rest).is_absolute() => Ok(Address::Unix(rest.to_owned())),
            "unix" => Err(format!("`{shown}` is no socket: its path has to begin with `/`")),
            "tcp" | "http" => self.tcp(&shown, rest.trim_end_matches('/')),
            "ssh" => ssh(&shown, rest).map(Address::Ssh),
            _ => Err(format!("`{shown}` is of a kind that Gantry does not speak: {kinds}")),
        }
    }

    fn tcp(&self, shown: &str, rest: &str) -> Result<Address, String> {
        let (name, port) = host_and_port(rest).ok_or_else(|| format!("`{shown}` is no address: write `tcp://host:port`"))?;
        let authority = |port: u16| if name.contains(':') { format!("[{name}]:{port}") } else { format!("{name}:{port}") };
        let [plain, tls] = PORTS;
        if let Some(files) = &self.tls {
            let authority = authority(port.unwrap_or(tls));
            return Ok(Address::Tls { authority, name: name.to_owned(), files: files.clone() });
        }
        let is_here = name == "localhost" || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        if !is_here && !self.insecure {
            return Err(format!(
                "`{shown}` would be spoken to without TLS, so that whoever is on the way there could read and change everything: give it `tls: \
                 {{ ca, cert, key }}`, reach it by `ssh://`, or say `insecure: true` where the network itself is safe"
            ));
        }
        Ok(Address::Plain(authority(port.unwrap_or(plain))))
    }
}

fn ssh(shown: &str, rest: &str) -> Result<SshAt, String> {
    let wrong = |why: &str| format!("`{shown}` is no address: {why}; write `ssh://user@host:port`");
    let (destination, socket) = match rest.split_once('/') {
        Some((destination, "")) => (destination, SOCKET.to_owned()),
        Some((destination, path)) => (destination, format!("/{path}")),
        None => (rest, SOCKET.to_owned()),
    };
    let (user, host) = destination.rsplit_once('@').map_or((None, destination), |(user, host)| (Some(user), host));
    if user.is_some_and(|user| user.contains(':')) {
        return Err(wrong("a password does not belong there, keys do it"));
    }
    let (host, port) = host_and_port(host).ok_or_else(|| wrong("there is no host in it, or no right port"))?;
    // Neither may be taken for an option.
    if host.starts_with('-') || user.is_some_and(|user| user.is_empty() || user.starts_with('-')) {
        return Err(wrong("it has no right user or host"));
    }
    if socket.contains(':') {
        return Err(wrong("the path of a socket has no colon"));
    }
    let destination = user.map_or_else(|| host.to_owned(), |user| format!("{user}@{host}"));
    Ok(SshAt { destination, port, socket })
}

/// `host`, `host:port`, `[::1]` or `[::1]:port`.
fn host_and_port(text: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            (host, if port.is_empty() { None } else { Some(port.strip_prefix(':')?) })
        }
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map(|port| port.parse().ok().filter(|port| *port != 0)).map_or(Some(None), |port| port.map(Some))?;
    (!host.is_empty() && !host.contains(['/', '@', '?', '#'])).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(host: &str) -> Result<Address, String> {
        EngineAt::host(host).address()
    }

    fn with_tls(host: &str) -> Result<Address, String> {
        EngineAt { tls: Some(TlsFiles { ca: "/ca.pem".into(), own: None }), ..EngineAt::host(host) }.address()
    }

    #[test]
    fn every_kind_of_address_is_read() {
        assert_eq!(at("/run/d.sock"), Ok(Address::Unix("/run/d.sock".to_owned())));
        assert_eq!(at("unix:///run/d.sock"), Ok(Address::Unix("/run/d.sock".to_owned())));
        for (host, authority) in
            [("tcp://127.0.0.1:9", "127.0.0.1:9"), ("http://localhost", "localhost:2375"), ("tcp://[::1]:7/", "[::1]:7")]
        {
            assert_eq!(at(host), Ok(Address::Plain(authority.to_owned())));
        }
        let Ok(Address::Tls { authority, name, files: _ }) = with_tls("tcp://build.example.org") else { panic!() };
        assert_eq!((authority.as_str(), name.as_str()), ("build.example.org:2376", "build.example.org"));
        let ssh = |destination: &str, port, socket: &str| {
            Ok(Address::Ssh(SshAt { destination: destination.to_owned(), port, socket: socket.to_owned() }))
        };
        assert_eq!(at("ssh://ci@build"), ssh("ci@build", None, "/var/run/docker.sock"));
        assert_eq!(at("ssh://build:2222/run/user/7/docker.sock"), ssh("build", Some(2222), "/run/user/7/docker.sock"));
    }

    #[test]
    fn another_machine_without_tls_is_refused_unless_it_is_said() {
        for host in
            ["tcp://10.0.0.1:2375", "tcp://build.example.org:2375", "http://[2001:db8::1]:2375", "tcp://127.0.0.1.example.org:1"]
        {
            let why = at(host).unwrap_err();
            assert!(why.contains("without TLS") && why.contains("insecure: true"), "{why}");
            let insecure = EngineAt { insecure: true, ..EngineAt::host(host) };
            assert!(matches!(insecure.address(), Ok(Address::Plain(_))), "{host}");
        }
    }

    #[test]
    fn what_is_no_address_is_told() {
        for (host, words) in [
            ("build", "no address"),
            ("", "no address"),
            ("unix://relative", "begin with `/`"),
            ("npipe:////./pipe/docker", "does not speak"),
            ("tcp://", "tcp://host:port"),
            ("tcp://127.0.0.1:0", "tcp://host:port"),
            ("tcp://127.0.0.1:99999", "tcp://host:port"),
            ("tcp://user@127.0.0.1", "tcp://host:port"),
            ("ssh://", "no host"),
            ("ssh://-oProxyCommand=x", "no right user"),
            ("ssh://-l@host", "no right user"),
            ("ssh://a:b@host", "password"),
            ("ssh://host x", "space"),
            ("ssh://host/run/a:b", "colon"),
        ] {
            let why = at(host).unwrap_err();
            assert!(why.contains(words), "{host}: {why}");
        }
        assert!(with_tls("ssh://host").unwrap_err().contains("takes no `tls`"));
    }
}
