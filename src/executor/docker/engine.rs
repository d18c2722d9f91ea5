//! The connection to the engine: made when first needed, forgotten when it breaks, so that an engine may come, go and come back as another version.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bollard::API_DEFAULT_VERSION;
use bollard::errors::Error;
use bollard::query_parameters::InspectNetworkOptions;

use super::address::{Address, EngineAt};
use super::ssh::Tunnel;
use super::trouble::{self, Said, Trouble};
use super::{moment, tls};

/// For one answer; creating a container on a machine under load may take tens of seconds.
const TIMEOUT_S: u64 = 120;
/// For a sign of life.
const PING: Duration = Duration::from_secs(5);

/// What is known of an engine once it has answered.
#[derive(Clone)]
pub(super) struct Link {
    /// By its own word; another engine has another.
    pub id: String,
    pub client: bollard::Docker,
    /// Whether it can run `docker-init` as the first process of a container.
    pub has_init: bool,
    /// As the engine calls its machine: `x86_64`, `aarch64`.
    pub architecture: String,
    /// Processors of its machine.
    pub cpus: Option<i64>,
    /// Whether it sees this machine's directories; asked when a job first wants to know.
    pub shares: Arc<tokio::sync::OnceCell<bool>>,
}

impl Link {
    pub(super) fn new(client: bollard::Docker) -> Self {
        Self { client, id: String::new(), has_init: true, architecture: String::new(), cpus: None, shares: Arc::default() }
    }
}

pub(super) struct Engine {
    pub host: String,
    at: EngineAt,
    link: Mutex<Option<Link>>,
    /// What connections go through, where that is ssh. It outlives them: streams go on when a request fails. One login at a time.
    tunnel: tokio::sync::Mutex<Option<Tunnel>>,
}

impl Engine {
    /// Does not connect yet.
    pub(super) fn new(at: EngineAt) -> Self {
        let at = at.named();
        Self { host: at.shown(), at, link: Mutex::new(None), tunnel: tokio::sync::Mutex::default() }
    }

    /// Whether the engine is on this machine, as far as its address tells.
    pub(super) fn is_local(&self) -> bool {
        self.host.starts_with("unix://")
    }

    /// The link, made now if there is none.
    pub(super) async fn link(&self) -> Result<Link, Trouble> {
        if let Some(link) = self.known() {
            return Ok(link);
        }
        let mut tunnel = self.tunnel.lock().await;
        if let Some(link) = self.known() {
            return Ok(link);
        }
        let link = self.connect(&mut tunnel).await.map_err(|error| trouble::read(&error, &self.host))?;
        *self.link.lock().unwrap_or_else(PoisonError::into_inner) = Some(link.clone());
        Ok(link)
    }

    /// The link, if there is one.
    pub(super) fn known(&self) -> Option<Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn connect(&self, tunnel: &mut Option<Tunnel>) -> Result<Link, Error> {
        let (seconds, version) = (TIMEOUT_S, API_DEFAULT_VERSION);
        let client = match self.at.address().map_err(Said::error)? {
            Address::Unix(path) => bollard::Docker::connect_with_unix(&path, seconds, version)?,
            Address::Plain(authority) => bollard::Docker::connect_with_http(&format!("tcp://{authority}"), seconds, version)?,
            Address::Tls { authority, name, files } => tls::client(&authority, &name, &files, seconds, version)?,
            Address::Ssh(at) => {
                if !tunnel.as_mut().is_some_and(Tunnel::is_open) {
                    *tunnel = None;
                }
                let open = match tunnel {
                    Some(open) => open,
                    None => tunnel.insert(Tunnel::open(&at).await.map_err(Said::error)?),
                };
                let client = bollard::Docker::connect_with_unix(&open.socket, seconds, version)?;
                // The login has succeeded: a door that nobody opens is the engine's.
                client.clone().with_timeout(PING).ping().await.map_err(|_| {
                    let (destination, socket) = (&at.destination, &at.socket);
                    Said::error(format!("the login by ssh works, but no Docker engine answers at {socket} there; does it run, and may `{destination}` use it?"))
                })?;
                client
            }
        };
        let client = client.with_timeout(PING).negotiate_version().await?;
        let info = client.info().await?;
        // The engine asks the program for its version; "N/A" is its word for having found none.
        let has_init = info.init_commit.and_then(|commit| commit.id).is_none_or(|id| id != "N/A");
        Ok(Link {
            id: info.id.unwrap_or_default(),
            has_init,
            architecture: info.architecture.unwrap_or_default(),
            cpus: info.ncpu,
            ..Link::new(client.with_timeout(Duration::from_secs(TIMEOUT_S)))
        })
    }

    /// Asks the engine something. Every request goes over a connection of its own (bollard keeps none open), which [`super::ending`] relies on.
    pub(super) async fn ask<T, F>(&self, question: impl FnOnce(bollard::Docker) -> F) -> Result<T, Trouble>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let link = self.link().await?;
        match question(link.client).await {
            Ok(answer) => Ok(answer),
            Err(error) => Err(self.judge(&error).await),
        }
    }

    /// What an error means. An engine that is shutting down answers with errors of its own inside (status 5xx): ask it once more, over a new
    /// connection, whether it is there at all.
    pub(super) async fn judge(&self, error: &Error) -> Trouble {
        let trouble = trouble::read(error, &self.host);
        let internal = matches!(&trouble, Trouble::Refused { status, .. } if *status >= 500);
        match trouble {
            refused @ Trouble::Refused { .. } if !internal => refused,
            refused @ Trouble::Refused { .. } => self.ping().await.err().unwrap_or(refused),
            unreachable @ Trouble::Unreachable(_) => {
                self.forget();
                unreachable
            }
        }
    }

    /// A sign of life.
    pub(super) async fn ping(&self) -> Result<(), Trouble> {
        let link = self.link().await?;
        match link.client.with_timeout(PING).ping().await {
            Ok(_) => Ok(()),
            Err(error) => {
                self.forget();
                Err(trouble::read(&error, &self.host))
            }
        }
    }

    /// When the engine was started, in nanoseconds since 1970 by its own clock; `None` when it does not say.
    ///
    /// The API has no field for it, but `dockerd` makes its network `bridge` anew at every start, after it has taken stock of the containers it
    /// finds: all that ended with the engine before have ended earlier than that.
    pub(super) async fn started_ns(&self) -> Result<Option<i64>, Trouble> {
        let question =
            |client: bollard::Docker| async move { client.inspect_network("bridge", None::<InspectNetworkOptions>).await };
        match self.ask(question).await {
            Ok(bridge) => Ok(bridge.created.as_deref().and_then(moment::parse_ns)),
            Err(Trouble::Refused { .. }) => Ok(None),
            Err(unreachable) => Err(unreachable),
        }
    }

    fn forget(&self) {
        *self.link.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_path_is_a_socket() {
        assert_eq!(Engine::new(EngineAt::host("/run/d.sock")).host, "unix:///run/d.sock");
        assert!(Engine::new(EngineAt::host("/run/d.sock")).is_local());
        assert!(!Engine::new(EngineAt::host("tcp://10.0.0.1:2375")).is_local());
    }

    #[tokio::test]
    async fn no_socket_is_told_and_asked_for_anew() {
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::new(EngineAt::host(dir.path().join("docker.sock").to_str().unwrap()));
        for _ in 0..2 {
            match engine.ping().await {
                Err(Trouble::Unreachable(sentence)) => {
                    assert!(sentence.contains("there is no such socket; is it running?"), "{sentence}")
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[tokio::test]
    async fn an_address_of_a_kind_we_do_not_speak_is_told() {
        let engine = Engine::new(EngineAt::host("npipe://host"));
        match engine.ping().await {
            Err(Trouble::Unreachable(sentence)) => assert!(sentence.contains("npipe://host"), "{sentence}"),
            other => panic!("{other:?}"),
        }
    }
}
