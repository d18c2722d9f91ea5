//! `gantry serve`: everything together, until SIGTERM or Ctrl-C. A second one ends at once; both lose nothing.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, anyhow};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::base::{Clock, Tasks, limits, parse_duration_ms};
use crate::executor::{Ahead, ImageRules};
use crate::schedule::EngineInfo;
use crate::server::{Config, Fleet, Handle, KeepConfig, Layout, Server, Source};
use crate::store::{DataDir, Database, Store, StoreConfig};
use crate::web::{self, WebOptions};

use super::config::File;
use super::engine::{self, Kind};
use super::engines::EngineSetup;
use super::signals::Signals;
use super::{Ended, OK, out};

/// How long the end may take before it is an end all the same: nothing is lost by it.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(clap::Args)]
pub(super) struct Args {
    /// Settings, as YAML
    #[arg(long, value_name = "FILE", env = "GANTRY_CONFIG")]
    config: Option<PathBuf>,
    /// Where everything is kept [default: ./gantry-data]
    #[arg(long, value_name = "DIR", env = "GANTRY_DATA")]
    data: Option<PathBuf>,
    /// Loopback address of the dashboard, the API and the hooks [default: 127.0.0.1:7070]
    #[arg(long, value_name = "ADDR", env = "GANTRY_LISTEN")]
    listen: Option<SocketAddr>,
    /// What runs the steps [default: docker]
    #[arg(long, env = "GANTRY_EXECUTOR")]
    executor: Option<Kind>,
    /// Jobs at the same time [default: the number of processors, at least 2]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..), env = "GANTRY_SLOTS")]
    slots: Option<u32>,
}

/// Serves until it is told to end.
pub(super) async fn serve(args: Args) -> Result<u8, Ended> {
    let file = File::read(args.config.as_deref()).map_err(Ended::usage)?;
    let listen = args.listen.or(file.listen).unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 7070)));
    if !listen.ip().is_loopback() {
        let why = "this version has no login yet, so it listens on this machine only: use 127.0.0.1, or put a proxy in front that asks who comes";
        return Err(Ended::usage(anyhow!("{listen} is not a loopback address; {why}")));
    }
    let mut signals = Signals::new()?;
    let data = args.data.or(file.data.clone()).unwrap_or_else(|| PathBuf::from("gantry-data"));
    let kind = args.executor.or(file.executor).unwrap_or_default();
    let running = Running::start(Setup {
        data,
        listen,
        kind,
        engines: file.engines(kind, args.slots.or(file.slots).unwrap_or_else(slots)).map_err(Ended::usage)?,
        images: file.images().map_err(Ended::usage)?,
        database: file.database.clone(),
        grace_ms: duration("grace", file.grace.as_deref(), limits::GRACE_MS).map_err(Ended::usage)?,
        engine_timeout_ms: duration("engine_timeout", file.engine_timeout.as_deref(), limits::ENGINE_SILENCE_MS)
            .map_err(Ended::usage)?,
        credentials: file.credentials().map_err(Ended::usage)?,
        keep: file.keep().map_err(Ended::usage)?,
        shell_secrets: file.shell.secrets,
    })
    .await?;
    out::line(format_args!("Gantry is ready: {}", running.url));
    signals.next().await;
    tracing::info!("ending; steps in containers go on, and the next start takes them up (a second signal ends at once)");
    tokio::select! {
        () = running.stop() => {}
        _ = signals.next() => tracing::info!("ended at once"),
    }
    Ok(OK)
}

fn duration(name: &str, text: Option<&str>, usual_ms: u64) -> anyhow::Result<u64> {
    let Some(text) = text else { return Ok(usual_ms) };
    parse_duration_ms(text).map_err(|why| anyhow!("the settings: `{name}: {text}` is no duration: {why}"))
}

/// Sandboxes that wait for jobs when nobody says: each costs the engine some 8 MiB, and saves a job its network namespace.
const SANDBOXES: u32 = 2;

/// Jobs at the same time when nobody says.
pub(super) fn slots() -> u32 {
    std::thread::available_parallelism().map_or(2, |n| u32::try_from(n.get()).unwrap_or(2)).max(2)
}

/// What a server needs to know to start.
pub(super) struct Setup {
    pub data: PathBuf,
    pub listen: SocketAddr,
    pub kind: Kind,
    pub engines: Vec<EngineSetup>,
    pub images: ImageRules,
    pub database: Option<String>,
    pub grace_ms: u64,
    pub engine_timeout_ms: u64,
    pub credentials: crate::git::Credentials,
    pub keep: KeepConfig,
    pub shell_secrets: bool,
}

/// A server with its dashboard.
pub(super) struct Running {
    pub url: String,
    server: Server,
    web: tokio::task::JoinHandle<std::io::Result<()>>,
    /// Ends the dashboard, its streams included.
    pages: Tasks,
    closing: CancellationToken,
    /// Of the executor.
    tasks: Tasks,
    /// Held until the end: one server a directory.
    _data: DataDir,
}

impl Running {
    pub async fn start(setup: Setup) -> anyhow::Result<Self> {
        let Setup {
            data,
            listen,
            kind,
            engines,
            images,
            database,
            grace_ms,
            engine_timeout_ms,
            credentials,
            keep,
            shell_secrets,
        } = setup;
        let data = DataDir::lock(&data)?;
        let listener = TcpListener::bind(listen).await;
        let listener = listener.with_context(|| format!("{listen} cannot be listened on: is another server there?"))?;
        let url = format!("http://{}", listener.local_addr()?);
        let database = database.map_or_else(|| Database::File(data.database()), Database::Url);
        let store = Store::open(&StoreConfig { database, logs: data.logs() }).await?;
        let tasks = Tasks::default();
        let instance = store.instance().await?;
        let engine = |EngineSetup { name, slots, labels, at, park, sandboxes }| {
            let ahead = Ahead { park, sandboxes: sandboxes.unwrap_or(SANDBOXES), home: data.path().to_owned() };
            let docker = (at, ahead, images.clone());
            let executor = engine::make(kind, docker, instance.clone(), &data.path().join("host"), &tasks)?;
            Ok((EngineInfo { name, slots, park: executor.parks(), labels }, executor))
        };
        let fleet = Fleet::new(engines.into_iter().map(engine).collect::<std::io::Result<_>>()?);
        let source = Source::Mirrors(Layout::new(data.path()));
        let at = data.path().to_owned();
        let url_of_runs = url.clone();
        let config =
            Config { data: at, grace_ms, engine_timeout_ms, url: url_of_runs, credentials, watch: true, keep, shell_secrets };
        let server = Server::start(config, store, fleet, source, Clock::System).await?;
        let (pages, closing) = (Tasks::default(), CancellationToken::new());
        let router = web::router(server.handle().clone(), WebOptions { tasks: pages.clone() });
        let web = tasks.spawn(web::serve(listener, router, closing.clone()));
        Ok(Self { url, server, web, pages, closing, tasks, _data: data })
    }

    pub fn handle(&self) -> &Handle {
        self.server.handle()
    }

    /// Ends everything in order: no new requests, streams closed, the loop, the store.
    pub async fn stop(self) {
        let Self { url: _, server, web, pages, closing, tasks, _data } = self;
        let end = async {
            closing.cancel();
            pages.end().await;
            server.stop().await;
            // What the dashboard's end says is of no use to anyone any more.
            let _ = web.await;
            tasks.end().await;
        };
        if tokio::time::timeout(PATIENCE, end).await.is_err() {
            tracing::warn!("something did not end in time and is left as a crash would leave it: the next start takes it up");
        }
    }
}
