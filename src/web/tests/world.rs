//! A server to talk to.

use std::sync::Arc;

use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::base::{Clock, Tasks};
use crate::executor::Fake;
use crate::git::Credentials;
use crate::server::{Config, Fleet, Handle, KeepConfig, Layout, Server, Source};
use crate::store::{Database, Repo, Store, StoreConfig};
use crate::web::{WebOptions, router, serve};

/// A web room on a free port, with a store of its own.
pub(crate) struct World {
    pub store: Store,
    pub handle: Handle,
    pub address: String,
    pub tasks: Tasks,
    pub client: Client,
    pub fake: Fake,
    _server: Server,
    _dir: TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::on("127.0.0.1:0").await
    }

    pub(crate) async fn on(listen: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = StoreConfig { database: Database::File(dir.path().join("gantry.db")), logs: dir.path().join("logs") };
        let store = Store::open(&config).await.unwrap();
        let config = Config {
            data: dir.path().to_owned(),
            grace_ms: 1_000,
            engine_timeout_ms: 60_000,
            url: String::new(),
            credentials: Credentials::default(),
            watch: false,
            keep: KeepConfig::default(),
            shell_secrets: false,
        };
        let source = Source::Mirrors(Layout::new(dir.path()));
        let fake = Fake::new(Clock::System);
        let server =
            Server::start(config, store.clone(), Fleet::of_one(Arc::new(fake.clone()), 2), source, Clock::System).await.unwrap();
        let handle = server.handle().clone();
        let tasks = Tasks::default();
        let listener = TcpListener::bind(listen).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let router = router(handle.clone(), WebOptions { tasks: tasks.clone() });
        tasks.spawn(serve(listener, router, tasks.ending.clone()));
        let client = Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
        Self { store, handle, address, tasks, client, fake, _server: server, _dir: dir }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(self.url(path))
    }

    pub(crate) fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(self.url(path))
    }

    /// A page's or file's text; it must be there.
    pub(crate) async fn read(&self, path: &str) -> String {
        let answer = self.get(path).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        answer.text().await.unwrap()
    }

    pub(crate) async fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.read(path).await).unwrap()
    }

    /// Tells the pages that the record moved, as the server does after a commit.
    pub(crate) async fn nudge(&self, repo: &Repo) {
        self.handle.make_runs(&repo.id, Vec::new()).await.unwrap();
    }
}

/// Text of an answer, whatever its status.
pub(crate) async fn text(answer: Response) -> String {
    answer.text().await.unwrap()
}
