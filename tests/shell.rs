//! Terminals in running steps, and in what jobs that failed have left: the whole server with the fake executor, over real sockets.

mod support;

use futures_util::{SinkExt, StreamExt};
use gantry::base::{AttemptKey, Clock, RunId, Tasks};
use gantry::run::RunView;
use gantry::server::Part;
use gantry::web::{WebOptions, router, serve};
use serde_json::{Value, json};
use support::{App, PATIENCE, Remote};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

struct House {
    app: App,
    tasks: Tasks,
    address: String,
    run: RunId,
    _remote: Remote,
}

impl House {
    /// A server with a run whose steps hang: `long`, and `secret`, which was given one.
    async fn open() -> Self {
        let app = App::start().await;
        let remote = Remote::with(
            "jobs:\n  build:\n    steps:\n      - { name: long, run: x, env: { FAKE_MS: hang } }\n      - { name: later, run: x }\n  other:\n    steps:\n      - { name: secret, run: x, secrets: [TOKEN], env: { FAKE_MS: hang } }\n",
        );
        let policy = gantry::secrets::Policy::default();
        app.handle().set_secret(None, "TOKEN", &gantry::base::Secret::new("hunter2-hunter3".to_owned()), policy).await.unwrap();
        app.watch("shop", &remote).await;
        let run = step_runs(&app, "long").await;
        step_runs(&app, "secret").await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let tasks = Tasks::default();
        tasks.spawn(serve(listener, router(app.handle().clone(), WebOptions { tasks: tasks.clone() }), tasks.ending.clone()));
        Self { app, tasks, address, run, _remote: remote }
    }

    fn url(&self, place: &str, query: &str) -> String {
        format!("ws://{}/api/v1/runs/{}/steps/{place}/terminal?{query}", self.address, self.run)
    }

    async fn terminal(&self) -> Socket {
        connect_async(self.url("build/long", "columns=100&rows=30&by=ada")).await.unwrap().0
    }

    /// Status and sentence of a refusal.
    async fn refused(&self, place: &str, query: &str, headers: &[(&'static str, &str)]) -> (u16, String) {
        let mut request = self.url(place, query).into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        match connect_async(request).await {
            Err(Error::Http(answer)) => {
                let problem: Value = serde_json::from_slice(answer.body().as_deref().unwrap_or_default()).unwrap_or_default();
                (answer.status().as_u16(), problem["detail"].as_str().unwrap_or_default().to_owned())
            }
            other => panic!("{place} is not refused: {other:?}"),
        }
    }

    /// Status and text of an ordinary answer.
    async fn get(&self, path: &str) -> (u16, String) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = client.get(format!("http://{}{path}", self.address)).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    async fn kept(&self) -> Vec<gantry::store::KeptTerminal> {
        self.app.handle().store().terminals(&self.run).await.unwrap()
    }

    /// Waits until the last terminal is closed, and answers why.
    async fn closed(&self) -> (String, Option<i64>) {
        let closed = self.app.until("the end of the terminal", async |_| self.kept().await.pop()?.closed).await;
        (closed.reason, closed.exit_code)
    }

    async fn close(self) {
        self.app.handle().cancel(&self.run, "ada").await.unwrap();
        self.app.ended("shop", 1).await;
        self.tasks.end().await;
        self.app.close().await;
    }
}

/// Waits until a step of that name runs; answers its run.
async fn step_runs(app: &App, step: &str) -> RunId {
    let running = async |app: &App| {
        let has = |run: &RunView| run.jobs.iter().flat_map(|job| &job.steps).any(|s| s.name == step && s.state == "running");
        app.runs("shop").await.into_iter().find(has).map(|run| run.id.parse().unwrap())
    };
    app.until(&format!("step {step} to run"), running).await
}

/// What is shown until `words` are there.
async fn shows(socket: &mut Socket, words: &str) -> String {
    let mut shown = String::new();
    let read = tokio::time::timeout(PATIENCE, async {
        while !shown.contains(words) {
            match socket.next().await.unwrap().unwrap() {
                Message::Binary(bytes) => shown.push_str(std::str::from_utf8(&bytes).unwrap()),
                other => panic!("{other:?} after {shown:?}"),
            }
        }
    });
    read.await.unwrap_or_else(|_| panic!("waited in vain for {words:?}"));
    shown
}

/// The last frame: what was shown before it is left out.
async fn last(socket: &mut Socket) -> Value {
    let read = tokio::time::timeout(PATIENCE, async {
        loop {
            match socket.next().await.unwrap().unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Binary(_) => {}
                other => panic!("{other:?}"),
            }
        }
    });
    read.await.unwrap()
}

async fn types(socket: &mut Socket, keys: &'static str) {
    socket.send(Message::Binary(keys.as_bytes().into())).await.unwrap();
}

#[tokio::test]
async fn what_is_typed_goes_in_what_is_shown_comes_out_and_the_exit_code_is_passed_on() {
    let house = House::open().await;
    let mut socket = house.terminal().await;
    shows(&mut socket, "100x30").await;
    types(&mut socket, "hello\r").await;
    shows(&mut socket, "hello\r\n").await;
    socket.send(Message::Text(json!({ "resize": [120, 40] }).to_string().into())).await.unwrap();
    shows(&mut socket, "120x40").await;
    types(&mut socket, "half\x03").await;
    shows(&mut socket, "^C").await;
    let [open] = house.kept().await.try_into().unwrap();
    assert_eq!((open.who.as_str(), open.closed.clone()), ("ada", None), "it is written down while it is open");
    assert!(open.address.starts_with("127.0.0.1:"), "{}", open.address);
    types(&mut socket, "exit 7\r").await;
    assert_eq!(last(&mut socket).await, json!({ "exit": 7 }));
    assert_eq!(house.closed().await, ("its shell exited with 7".to_owned(), Some(7)));
    let listed: Value = serde_json::from_str(&house.get(&format!("/api/v1/runs/{}/terminals", house.run)).await.1).unwrap();
    assert_eq!((&listed["items"][0]["step"], &listed["items"][0]["exit_code"]), (&json!("long"), &json!(7)), "{listed}");
    let page = house.get(&format!("/runs/{}", house.run)).await.1;
    assert!(page.contains("<b>ada</b> in build / long") && page.contains("its shell exited with 7"), "{page}");
    house.close().await;
}

#[tokio::test]
async fn whoever_goes_away_leaves_no_terminal_behind() {
    let house = House::open().await;
    let mut socket = house.terminal().await;
    shows(&mut socket, "100x30").await;
    drop(socket);
    assert_eq!(house.closed().await, ("whoever had it went away".to_owned(), None));
    let mut socket = house.terminal().await;
    shows(&mut socket, "100x30").await;
    socket.send(Message::Text("nonsense".into())).await.unwrap();
    assert_eq!(last(&mut socket).await, json!({ "end": "its client said something that is not understood" }));
    let mut socket = house.terminal().await;
    shows(&mut socket, "100x30").await;
    house.tasks.ending.cancel();
    assert_eq!(last(&mut socket).await, json!({ "end": "the server ends" }));
    house.closed().await;
    house.close().await;
}

#[tokio::test]
async fn there_is_no_terminal_for_other_sites_in_steps_with_secrets_and_in_what_does_not_run() {
    let house = House::open().await;
    let elsewhere = house.refused("build/long", "", &[("origin", "http://example.com")]).await;
    assert!(elsewhere.0 == 403 && elsewhere.1.contains("another site"), "{elsewhere:?}");
    let site = house.refused("build/long", "", &[("sec-fetch-site", "cross-site")]).await;
    assert_eq!(site.0, 403);
    assert_eq!(house.refused("build/long", "", &[("host", "example.com")]).await.0, 403);
    let secret = house.refused("other/secret", "", &[]).await;
    assert!(secret.0 == 403 && secret.1.contains("was given secrets"), "{secret:?}");
    let later = house.refused("build/later", "", &[]).await;
    assert!(later.0 == 409 && later.1.contains("has not started yet"), "{later:?}");
    assert_eq!(house.refused("build/nope", "", &[]).await.0, 404);
    assert_eq!(house.refused("build/long", "columns=0", &[]).await.0, 400);
    assert_eq!(house.refused("build/long", "rows=1001", &[]).await.0, 400);
    assert_eq!(house.refused("build/long", "by=%0a", &[]).await.0, 400, "a name is one line");
    let inside = house.refused("build/long", "refusals=frame&window=1", &[("origin", "http://example.com")]).await;
    assert_eq!(inside.0, 403, "however refusals are told: {inside:?}");
    assert!(house.kept().await.is_empty(), "nothing was opened");
    house.close().await;
}

#[tokio::test]
async fn whoever_cannot_read_a_refused_handshake_is_told_in_a_frame() {
    let house = House::open().await;
    for (place, query, sentence) in [
        ("other/secret", "", "was given secrets"),
        ("build/later", "", "has not started yet"),
        ("build/nope", "", "has no step `nope`"),
        ("build/long", "&rows=1001", "from 1 to 1000"),
    ] {
        let mut socket = connect_async(house.url(place, &format!("refusals=frame{query}"))).await.unwrap().0;
        let said = last(&mut socket).await;
        assert!(said["refused"].as_str().unwrap().contains(sentence), "{place}: {said}");
        assert!(matches!(socket.next().await, Some(Ok(Message::Close(_)))), "and nothing comes after it");
    }
    assert!(house.kept().await.is_empty(), "nothing was opened");
    house.close().await;
}

#[tokio::test]
async fn whether_there_can_be_a_terminal_is_told_before_anybody_asks_for_one() {
    let house = House::open().await;
    let mut offers = Vec::new();
    for place in ["build/long", "build/later", "other/secret"] {
        let (status, text) = house.get(&format!("/api/v1/runs/{}/steps/{place}/terminal", house.run)).await;
        let offer: Value = serde_json::from_str(&text).unwrap();
        let (status_of_page, page) = house.get(&format!("/runs/{}/steps/{place}/terminal", house.run)).await;
        assert_eq!((status, status_of_page), (200, 200), "{place}: {text}");
        let says = if offer["possible"] == true { &offer["about"] } else { &offer["reason"] };
        let words = says.as_str().unwrap().split('`').next_back().unwrap().replace('\'', "&#39;");
        assert!(page.contains(&words), "the page says the same: {words} in {page}");
        assert_eq!(page.contains("data-refused"), offer["possible"] == false, "{place}");
        offers.push((offer["possible"].as_bool().unwrap(), offer["reason"].as_str().unwrap_or_default().to_owned()));
    }
    assert!(offers[0] == (true, String::new()), "{offers:?}");
    assert!(!offers[1].0 && offers[1].1.contains("has not started yet"), "{offers:?}");
    assert!(!offers[2].0 && offers[2].1.contains("was given secrets"), "{offers:?}");
    assert_eq!(house.get(&format!("/api/v1/runs/{}/steps/build/nope/terminal", house.run)).await.0, 404);
    assert_eq!(house.get(&format!("/runs/{}/steps/build/nope/terminal", house.run)).await.0, 404);
    for (step, shown) in [("build&step=long", true), ("build&step=later", false), ("other&step=secret", true)] {
        let page = house.get(&format!("/runs/{}?job={step}", house.run)).await.1;
        assert_eq!(page.contains(">Terminal</a>"), shown, "{step}");
    }
    assert!(house.kept().await.is_empty(), "looking opens nothing");
    house.close().await;
}

#[tokio::test]
async fn no_more_is_sent_than_its_reader_has_room_for() {
    let house = House::open().await;
    let mut socket = connect_async(house.url("build/long", "columns=100&rows=30&window=1")).await.unwrap().0;
    let mut shown = String::new();
    for n in 0..20 {
        let line = format!("{n}\r");
        socket.send(Message::Binary(line.into_bytes().into())).await.unwrap();
    }
    // Each piece comes only when the one before it was taken: whoever takes them gets them all.
    while !shown.ends_with("19\r\n") {
        let Some(Ok(Message::Binary(bytes))) = tokio::time::timeout(PATIENCE, socket.next()).await.unwrap() else {
            panic!("{shown}")
        };
        shown.push_str(std::str::from_utf8(&bytes).unwrap());
        socket.send(Message::Text(json!({ "taken": bytes.len() }).to_string().into())).await.unwrap();
    }
    let lines: String = (0..20).map(|n| format!("{n}\r\n")).collect();
    assert_eq!(shown, format!("100x30\r\n{lines}"));
    types(&mut socket, "exit 0\r").await;
    assert_eq!(last(&mut socket).await, json!({ "exit": 0 }));
    house.close().await;
}

#[tokio::test]
async fn a_terminal_that_was_open_when_the_server_ended_is_told_as_ended_by_the_next() {
    let mut house = House::open().await;
    let key = gantry::base::AttemptKey { run: house.run.clone(), job: 0, step: 0, attempt: 1 };
    let (id, opened_at) = (gantry::base::TerminalId::new(&gantry::base::Clock::System), gantry::base::Timestamp(5));
    let open = gantry::store::KeptTerminal { id, key, who: "ada".to_owned(), address: "x".to_owned(), opened_at, closed: None };
    house.app.handle().store().keep_terminal(&open).await.unwrap();
    house.app.restart().await;
    assert_eq!(house.closed().await, ("the server ended".to_owned(), None));
    house.close().await;
}

#[tokio::test]
async fn there_are_never_more_terminals_than_there_may_be() {
    let house = House::open().await;
    let mut open = Vec::new();
    for _ in 0..gantry::base::limits::TERMINALS {
        open.push(house.terminal().await);
    }
    let more = house.refused("build/long", "", &[]).await;
    assert!(more.0 == 503 && more.1.contains("16 terminals are open"), "{more:?}");
    drop(open.pop());
    house.closed().await;
    drop(house.terminal().await);
    drop(open);
    house.close().await;
}

/// A server that keeps the work trees of jobs that fail, with one whose second step failed; `failed_ms` long.
async fn failed(set: impl FnOnce(&mut App), clock: Clock) -> (House, Remote) {
    let mut app = App::with_clock(clock).await;
    set(&mut app);
    app.restart().await;
    let remote = Remote::with(
        "jobs:\n  build:\n    steps:\n      - { name: make, run: x, env: { FAKE_WRITES_ENV: FOUND=it } }\n      - { name: test, run: x, secrets: [TOKEN], env: { FAKE_EXIT: 3, OWN: o } }\n      - { name: after, run: x }\n  good:\n    steps: [x]\n",
    );
    let policy = gantry::secrets::Policy::default();
    app.handle().set_secret(None, "TOKEN", &gantry::base::Secret::new("hunter2-hunter3".to_owned()), policy).await.unwrap();
    app.watch("shop", &remote).await;
    let run = app.ended("shop", 1).await.id.parse().unwrap();
    let house = House::of(app, run, Remote::with("steps: [x]\n")).await;
    (house, remote)
}

impl House {
    async fn of(app: App, run: RunId, remote: Remote) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let tasks = Tasks::default();
        tasks.spawn(serve(listener, router(app.handle().clone(), WebOptions { tasks: tasks.clone() }), tasks.ending.clone()));
        Self { app, tasks, address, run, _remote: remote }
    }

    /// Until when the job's work tree is kept, as the API says.
    async fn kept_until(&self, job: usize) -> Value {
        let run: Value = serde_json::from_str(&self.get(&format!("/api/v1/runs/{}", self.run)).await.1).unwrap();
        run["jobs"][job]["kept_until"].clone()
    }

    /// Waits until the API says so.
    async fn is_kept(&self, job: usize, wanted: bool) {
        let what = if wanted { "the work tree to be kept" } else { "the work tree to go" };
        self.app.until(what, async |_| (self.kept_until(job).await.is_null() != wanted).then_some(())).await;
    }

    fn trees(&self) -> usize {
        std::fs::read_dir(self.app.data.path().join("work")).map_or(0, Iterator::count)
    }
}

#[tokio::test]
async fn what_a_failed_job_left_is_kept_and_a_terminal_in_it_has_the_steps_variables_and_no_secret() {
    let (house, _remote) = failed(|app| app.failed_ms = 3_600_000, Clock::System).await;
    house.is_kept(0, true).await;
    assert!(house.kept_until(1).await.is_null(), "what passed is not kept");
    assert_eq!((house.trees(), house.app.fake.leftovers()), (1, Vec::new()));
    let page = house.get(&format!("/runs/{}", house.run)).await.1;
    assert!(page.contains("gantry shell shop#1 build"), "{page}");
    let mut socket = connect_async(house.url("build/test", "columns=100&rows=30&by=ada")).await.unwrap().0;
    shows(&mut socket, "100x30").await;
    for (typed, shown) in [
        ("env FOUND\r", "FOUND=it\r\n"),
        ("env OWN\r", "OWN=o\r\n"),
        ("env CI_STEP_NAME\r", "CI_STEP_NAME=test\r\n"),
        ("env TOKEN\r", "TOKEN=(unset)"),
    ] {
        types(&mut socket, typed).await;
        shows(&mut socket, shown).await;
    }
    types(&mut socket, "exit 5\r").await;
    assert_eq!(last(&mut socket).await, json!({ "exit": 5 }));
    assert_eq!(house.closed().await, ("its shell exited with 5".to_owned(), Some(5)));
    let [open] = house.kept().await.try_into().unwrap();
    assert_eq!((open.who.as_str(), open.key.step, open.key.attempt), ("ada", 1, 1), "it is written down like any other");
    drop(connect_async(house.url("build/after", "")).await.unwrap());
    let good = house.refused("good/step1", "", &[]).await;
    assert!(good.0 == 409 && good.1.contains("was not kept"), "{good:?}");
    house.tasks.end().await;
}

#[tokio::test]
async fn a_terminal_in_a_kept_tree_has_the_steps_secrets_where_the_settings_say_so() {
    let set = |app: &mut App| (app.failed_ms, app.shell_secrets) = (3_600_000, true);
    let (house, _remote) = failed(set, Clock::System).await;
    house.is_kept(0, true).await;
    for (step, shown) in [("test", "TOKEN=hunter2-hunter3"), ("make", "TOKEN=(unset)")] {
        let mut socket = connect_async(house.url(&format!("build/{step}"), "columns=90")).await.unwrap().0;
        shows(&mut socket, "90x24").await;
        types(&mut socket, "env TOKEN\r").await;
        shows(&mut socket, shown).await;
    }
    house.tasks.end().await;
}

#[tokio::test]
async fn a_kept_tree_survives_the_server_and_goes_when_its_time_is_over_and_nobody_is_in_it() {
    let hands = std::sync::Arc::new(std::sync::atomic::AtomicI64::new(1_000_000_000_000));
    let clock = Clock::Manual(std::sync::Arc::clone(&hands));
    let (mut house, _remote) = failed(|app| app.failed_ms = 60_000, clock).await;
    house.is_kept(0, true).await;
    house.app.restart().await;
    house = House::of(house.app, house.run, house._remote).await;
    assert_eq!(house.kept_until(0).await, json!(1_060_000));
    let mut socket = connect_async(house.url("build/test", "columns=90")).await.unwrap().0;
    shows(&mut socket, "90x24").await;
    hands.fetch_add(60_000_000_000, std::sync::atomic::Ordering::Relaxed);
    assert!(house.kept_until(0).await.is_null(), "nobody new comes in");
    let late = house.refused("build/test", "", &[]).await;
    assert!(late.0 == 409 && late.1.contains("not kept any more"), "{late:?}");
    types(&mut socket, "hello\r").await;
    shows(&mut socket, "hello").await;
    assert_eq!(house.trees(), 1, "who is in it stays");
    drop(socket);
    house.closed().await;
    house.tasks.end().await;
    house.app.restart().await;
    house
        .app
        .until("the tree to go", async |app| {
            std::fs::read_dir(app.data.path().join("work")).unwrap().next().is_none().then_some(())
        })
        .await;
    house.app.close().await;
}

#[tokio::test]
async fn kept_trees_take_half_of_what_work_trees_may_take_and_the_oldest_goes_first() {
    // Room for less than one.
    let set = |app: &mut App| (app.failed_ms, app.workspaces) = (3_600_000, 10);
    let (house, _remote) = failed(set, Clock::System).await;
    house.app.until("the tree to go", async |_| (house.trees() == 0).then_some(())).await;
    assert!(house.kept_until(0).await.is_null());
    let gone = house.refused("build/test", "", &[]).await;
    assert!(gone.0 == 409 && gone.1.contains("not kept any more"), "{gone:?}");
    house.tasks.end().await;
    house.app.close().await;
}

#[tokio::test]
async fn a_run_goes_on_from_a_step_in_the_work_tree_that_its_job_left() {
    let (mut house, _remote) = failed(|app| app.failed_ms = 3_600_000, Clock::System).await;
    house.is_kept(0, true).await;
    let work = house.app.data.path().join("work");
    let tree = |run: &RunId| work.join(format!("{run}-0/workspace"));
    std::fs::write(tree(&house.run).join("half"), "changed").unwrap();
    let mut socket = connect_async(house.url("build/test", "columns=90")).await.unwrap().0;
    shows(&mut socket, "90x24").await;
    let part = || Part::From("build/test".to_owned());
    let busy = house.app.handle().rerun(&house.run, part(), "ada").await.unwrap_err();
    assert!(busy.to_string().contains("a terminal is open in the work tree"), "{busy}");
    drop(socket);
    house.closed().await;
    let starts = house.app.fake.starts().len();
    let again = house.app.handle().rerun(&house.run, part(), "ada").await.unwrap();
    // Wherever that finds it.
    house.app.restart().await;
    let second = house.app.ended("shop", 2).await;
    assert_eq!(second.because, "ada ran #1 again from `build/test` on");
    let key = AttemptKey { run: again.clone(), job: 0, step: 1, attempt: 1 };
    assert_eq!(house.app.fake.starts()[starts..], std::slice::from_ref(&key)[..], "what passed before is taken over");
    let [make, test, _] = second.jobs[0].steps.as_slice() else { panic!("{second:?}") };
    assert_eq!(make.taken_from.as_ref().map(|from| from.number), Some(1));
    assert_eq!((&test.taken_from, test.exit_code, second.jobs[1].taken_from.is_some()), (&None, Some(3), true));
    let first = second.jobs[0].times.unwrap();
    assert!(first.running_ms < 60_000, "times are those of this run: {first:?}");
    let log = house.app.handle().store().logs().read(key, 1, 10).unwrap();
    assert!(log.lines.iter().any(|line| line.text.contains("goes on in the work tree")), "{log:?}");
    assert!(!tree(&house.run).exists());
    assert_eq!(std::fs::read_to_string(tree(&again).join("half")).unwrap(), "changed");
    // It failed again, so that its tree is kept again, with what the steps before had left.
    house = House::of(house.app, again, house._remote).await;
    house.is_kept(0, true).await;
    let mut socket = connect_async(house.url("build/test", "columns=90")).await.unwrap().0;
    types(&mut socket, "env FOUND\r").await;
    shows(&mut socket, "FOUND=it").await;
    house.tasks.end().await;
}

#[tokio::test]
async fn a_run_from_a_step_whose_tree_is_gone_begins_at_the_first_step_and_says_so() {
    let (house, _remote) = failed(|app| app.failed_ms = 0, Clock::System).await;
    let starts = house.app.fake.starts().len();
    house.app.handle().rerun(&house.run, Part::From("build/test".to_owned()), "ada").await.unwrap();
    let second = house.app.ended("shop", 2).await;
    let note = "the work tree that `build` left is not there any more, so it begins at its first step";
    assert_eq!(second.because, format!("ada ran #1 again from `build/test` on; {note}"));
    let steps: Vec<u32> = house.app.fake.starts()[starts..].iter().map(|key| key.step).collect();
    assert_eq!((steps, second.jobs[1].taken_from.is_some()), (vec![0, 1], true));
    // From a job on, whether it passed or not.
    house.app.handle().rerun(&house.run, Part::From("good".to_owned()), "ada").await.unwrap();
    let third = house.app.ended("shop", 3).await;
    assert_eq!((third.because.as_str(), &third.jobs[1].taken_from), ("ada ran #1 again from `good` on", &None));
    let refused = async |from: &str| {
        house.app.handle().rerun(&house.run, Part::From(from.to_owned()), "ada").await.unwrap_err().to_string()
    };
    assert!(refused("nope").await.contains("has no job `nope`: write JOB or JOB/STEP; it has `build`, `good`"));
    assert!(refused("build/nope").await.contains("has no step `nope`"));
    assert_eq!(refused("build/after").await, "`test` did not pass, and `after` needs it: begin there");
    house.tasks.end().await;
    house.app.close().await;
}
