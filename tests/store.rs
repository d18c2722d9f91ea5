//! The store's stories on SQLite, and those that only a file has.

#[path = "store/kept.rs"]
mod kept;
#[path = "store/place.rs"]
mod place;
#[macro_use]
#[path = "store/stories.rs"]
mod stories;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use gantry::base::Tasks;
use gantry::run::Life;
use gantry::schedule::Change;
use gantry::store::{DataDir, Database, Error, Store, StoreConfig};

use place::{Place, at, make_run, repo, with_repo};

/// A SQLite file.
fn sqlite() -> Place {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("gantry.db");
    let url = format!("sqlite://{}", file.display());
    Place::new(dir, Database::File(file), url)
}

fn file_of(place: &Place) -> PathBuf {
    match &place.config.database {
        Database::File(file) => file.clone(),
        other => panic!("{other:?} is no file"),
    }
}

macro_rules! on_sqlite {
    ($($story:ident,)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $story() {
            stories::$story(sqlite()).await;
        })*
    };
}

each_story!(on_sqlite);

#[tokio::test]
async fn what_is_committed_is_in_the_files_when_the_power_goes() {
    let place = sqlite();
    let (store, roof) = with_repo(&place).await;
    let mut run = make_run(&store, &roof, "main", 5).await;
    run.life = Life::Running { since: at(6) };
    store.commit(&[Change::Run { run: run.id.clone(), life: run.life.clone(), stop: None }], at(6)).await.unwrap();
    // The files as they are while the store is open: what a crash would leave.
    let crashed = sqlite();
    for name in ["gantry.db", "gantry.db-wal"] {
        fs::copy(file_of(&place).with_file_name(name), file_of(&crashed).with_file_name(name)).unwrap();
    }
    assert_eq!(crashed.open().await.unfinished().await.unwrap(), [run]);
}

#[tokio::test]
async fn two_servers_on_one_data_directory_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data");
    let first = DataDir::lock(&path).unwrap();
    let error = DataDir::lock(&path).unwrap_err();
    assert!(matches!(error, Error::InUse(_)), "{error}");
    assert!(error.to_string().contains("in use by another gantry server"), "{error}");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    drop(first);
    DataDir::lock(&path).unwrap();
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_with_a_sentence() {
    let place = sqlite();
    let file = &file_of(&place);
    fs::write(file, "these are my holiday notes, not a database. ".repeat(100)).unwrap();
    let error = Store::open(&place.config).await.unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("is damaged") && error.to_string().contains("gantry.db"), "{error}");
    assert!(fs::read_to_string(file).unwrap().starts_with("these are my holiday notes"), "and it is not touched");
}

#[tokio::test]
async fn a_database_with_a_broken_page_is_refused_when_it_is_opened() {
    let place = sqlite();
    let (store, roof) = with_repo(&place).await;
    for n in 0..50 {
        make_run(&store, &roof, "main", n).await;
    }
    store.close().await;
    let file = &file_of(&place);
    let mut bytes = fs::read(file).unwrap();
    assert!(bytes.len() > 100_000, "the rows are in the file itself");
    bytes[40_000..100_000].fill(0xaa);
    fs::write(file, bytes).unwrap();
    let error = Store::open(&place.config).await.unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
}

#[tokio::test]
async fn only_the_owner_may_read_the_database() {
    let place = sqlite();
    let file = &file_of(&place);
    fs::write(file, "").unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o644)).unwrap();
    let (_store, _) = with_repo(&place).await;
    for name in ["gantry.db", "gantry.db-wal", "gantry.db-shm"] {
        let mode = fs::metadata(file.with_file_name(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn a_path_with_odd_characters_is_just_a_path() {
    let dir = tempfile::tempdir().unwrap();
    let odd = dir.path().join("what? 100%25 #1 ü");
    fs::create_dir(&odd).unwrap();
    let config = StoreConfig { database: Database::File(odd.join("a b.db")), logs: odd.join("logs") };
    Store::open(&config).await.unwrap().add_repo(&repo("roof")).await.unwrap();
    assert!(fs::metadata(odd.join("a b.db")).unwrap().len() > 0);
}

#[tokio::test]
async fn a_database_that_cannot_be_made_is_told_with_its_path() {
    let config = StoreConfig { database: Database::File("/proc/nothing/gantry.db".into()), logs: "/proc/nothing".into() };
    let error = Store::open(&config).await.unwrap_err();
    assert!(error.to_string().contains("/proc/nothing/gantry.db"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_in_memory_serves_writers_and_readers_at_once() {
    let config = StoreConfig { database: Database::Memory, logs: "/nonexistent".into() };
    let (store, other) = (Store::open(&config).await.unwrap(), Store::open(&config).await.unwrap());
    let roof = repo("roof");
    store.add_repo(&roof).await.unwrap();
    let tasks = Tasks::default();
    let busy: Vec<_> = (0..20)
        .map(|n| {
            let (store, roof) = (store.clone(), roof.clone());
            tasks.spawn(async move {
                let run = make_run(&store, &roof, "main", n).await;
                assert_eq!(store.run(&run.id).await.unwrap(), Some(run));
                store.unfinished().await.unwrap().len()
            })
        })
        .collect();
    for task in busy {
        assert!(task.await.unwrap() > 0);
    }
    assert_eq!(store.unfinished().await.unwrap().len(), 20);
    assert_eq!(other.repos().await.unwrap(), [], "another store in memory is another database");
}

#[tokio::test]
async fn a_password_is_in_no_message_and_a_secret_in_no_debug_form() {
    for url in ["postgres://ada:hunter2@127.0.0.1:1/gantry?password=hunter2", "mysql://ada:hunter2@localhost/x", "hunter2"] {
        let config = StoreConfig { database: Database::Url(url.to_owned()), logs: "/nonexistent".into() };
        let error = Store::open(&config).await.unwrap_err();
        let all = format!("{error} {error:?} {config:?}");
        assert!(!all.contains("hunter2"), "{all}");
    }
    let shown = format!("{:?}", repo("roof"));
    assert!(shown.contains("roof") && !shown.contains("correct horse"), "{shown}");
}
