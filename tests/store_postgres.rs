//! The store's stories once more, on a real Postgres: the same code, the same SQL text, the same answers.
//!
//! One test, so that one server does. It fails without Postgres where `CI=true`, elsewhere it says why it does nothing.

#[path = "store/kept.rs"]
mod kept;
#[path = "store/place.rs"]
mod place;
#[path = "store/server.rs"]
mod server;
#[macro_use]
#[path = "store/stories.rs"]
mod stories;

use gantry::store::{Database, Store, StoreConfig};
use sqlx::any::AnyPoolOptions;

use place::Place;
use server::Server;

macro_rules! on_postgres {
    ($($story:ident,)*) => {
        async fn tell_all(server: &Server) {
            $({
                let name = stringify!($story);
                eprintln!("{name}");
                let url = database(server, name).await;
                let place = Place::new(tempfile::tempdir().unwrap(), Database::Url(url.clone()), url);
                stories::$story(place).await;
            })*
        }
    };
}

each_story!(on_postgres);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_story_is_the_same_on_postgres() {
    let Some(programs) = Server::programs() else {
        let why = "there is no `initdb` on the PATH or in /usr/lib/postgresql/*/bin; on Debian: apt-get install postgresql";
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{why}");
        eprintln!("nothing was tested: {why}");
        return;
    };
    let server = Server::start(&programs);
    a_server_that_is_not_there_is_told_at_once(&server).await;
    tell_all(&server).await;
}

async fn a_server_that_is_not_there_is_told_at_once(server: &Server) {
    let url = server.url("nowhere");
    let error =
        Store::open(&StoreConfig { database: Database::Url(url.clone()), logs: "/nonexistent".into() }).await.unwrap_err();
    assert!(error.to_string().contains("does not exist") && !error.is_transient(), "{error}");
}

/// A fresh database, by a name of at most 63 bytes.
async fn database(server: &Server, story: &str) -> String {
    // The store installs the drivers when it is opened first, which was just before.
    let pool = AnyPoolOptions::new().max_connections(1).connect(&server.url("postgres")).await.unwrap();
    let name: String = story.chars().take(60).collect();
    sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&pool).await.unwrap();
    pool.close().await;
    server.url(&name)
}
