//! The verbs that talk to a server, against the real router and server with the fake executor, over real HTTP.

mod support;

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Parser;
use gantry::base::{Clock, RunId, Tasks};
use gantry::cli::client::{Screen, ServerArgs, Verb, run_on};
use gantry::run::RunView;
use gantry::web::{WebOptions, router, serve};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;

use support::{App, PATIENCE, Remote};

/// The part of the program's command line that is tested here.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    server: ServerArgs,
}

/// What was written so far.
#[derive(Clone, Default)]
struct Paper(watch::Sender<Vec<u8>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.send_modify(|written| written.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Paper {
    /// Takes what was written, for the next to begin on white.
    fn take(&self) -> String {
        String::from_utf8(self.0.send_replace(Vec::new())).unwrap()
    }

    /// Waits until so many lines hold these words.
    async fn says(&self, lines: usize, words: &str) {
        let mut written = self.0.subscribe();
        let has = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).lines().filter(|line| line.contains(words)).count() >= lines;
        let waited = tokio::time::timeout(PATIENCE, written.wait_for(has)).await;
        waited.unwrap_or_else(|_| panic!("waited in vain for `{words}`")).unwrap();
    }
}

/// How a command ended, and what it wrote.
#[derive(Debug)]
struct Done {
    code: u8,
    data: String,
    talk: String,
}

/// A user with a server's address.
struct User {
    address: String,
    here: PathBuf,
    data: Paper,
    talk: Paper,
}

impl User {
    fn of(address: &str) -> Self {
        Self { address: address.to_owned(), here: PathBuf::from("/"), data: Paper::default(), talk: Paper::default() }
    }

    /// `gantry ARGS`; none of them holds a blank.
    async fn types(&self, args: &str) -> Done {
        let words = ["gantry", "--server", &self.address].into_iter().chain(args.split_whitespace());
        let Cli { verb, server } = Cli::try_parse_from(words).unwrap();
        let clock = Clock::System;
        let mut screen = Screen::new(Box::new(self.data.clone()), Box::new(self.talk.clone()), self.here.clone(), clock);
        let code = tokio::time::timeout(PATIENCE, run_on(verb, &server, &mut screen)).await.expect("the command does not end");
        Done { code, data: self.data.take(), talk: self.talk.take() }
    }

    /// The same, ending well; answers what went to stdout.
    async fn gets(&self, args: &str) -> String {
        let done = self.types(args).await;
        assert_eq!(done.code, 0, "{args}: {done:?}");
        done.data
    }

    async fn json(&self, args: &str) -> Value {
        serde_json::from_str(&self.gets(&format!("{args} --json")).await).unwrap()
    }

    /// The same, refused with that exit code and a sentence that holds these words.
    async fn is_refused(&self, args: &str, code: u8, words: &str) {
        let done = self.types(args).await;
        assert_eq!((done.code, done.data.as_str()), (code, ""), "{args}: {done:?}");
        assert!(done.talk.starts_with("gantry: ") && done.talk.contains(words), "{args}: {done:?}");
        assert_eq!(done.talk.lines().count(), 1, "{args}: {done:?}");
    }
}

/// The real binary, since a value comes from its stdin.
fn set_secret(address: &str, args: &[&str], value: &str) -> Done {
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_gantry"))
        .args(["--server", address, "secret", "set"])
        .args(args)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(value.as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Done { code: u8::try_from(done.status.code().unwrap()).unwrap(), data: text(done.stdout), talk: text(done.stderr) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_set_from_stdin_listed_without_its_value_and_removed() {
    let house = House::open().await;
    house.app.watch("shop", &Remote::empty()).await;
    let user = User::of(&house.address);
    let done =
        set_secret(&house.address, &["TOKEN", "--repo", "shop", "--event", "tag", "--branch", "main"], "hunter2-hunter3\n");
    assert_eq!((done.code, done.talk.as_str()), (0, "TOKEN is set for shop, tag on main\n"), "{done:?}");
    let done = set_secret(&house.address, &["GLOBAL", "--json"], "hunter4-hunter5");
    assert!(done.code == 0 && done.data.contains("\"repo\":null") && !done.data.contains("hunter"), "{done:?}");
    let list = user.gets("secret list --repo shop").await;
    let rows: Vec<Vec<&str>> = list.lines().map(|line| line.split_whitespace().take(4).collect()).collect();
    assert_eq!(rows[1..], [vec!["GLOBAL", "all", "repositories", "push,"], vec!["TOKEN", "shop", "tag", "on"]], "{list}");
    assert_eq!(user.json("secret list").await["items"].as_array().unwrap().len(), 1);
    let done = set_secret(&house.address, &["SHORT"], "abc\n");
    assert!(done.code == 2 && done.talk.contains("too short or too plain"), "{done:?}");
    let done = set_secret(&house.address, &["TOKEN", "--repo", "other"], "hunter2-hunter3");
    assert!(done.code == 4 && done.talk.contains("There is no repository `other`"), "{done:?}");
    user.gets("secret rm TOKEN --repo shop").await;
    user.is_refused("secret rm TOKEN --repo shop", 4, "There is no secret `TOKEN` of `shop`").await;
    assert!(Cli::try_parse_from(["gantry", "secret", "set", "NAME", "value"]).is_err(), "no value on the command line");
    house.close().await;
}

/// A server that answers over HTTP.
struct House {
    app: App,
    tasks: Tasks,
    address: String,
}

impl House {
    async fn open() -> Self {
        let mut house = Self { app: App::start().await, tasks: Tasks::default(), address: "127.0.0.1:0".to_owned() };
        house.listen().await;
        house
    }

    async fn listen(&mut self) {
        let listener = TcpListener::bind(&self.address).await.unwrap();
        self.address = listener.local_addr().unwrap().to_string();
        self.tasks = Tasks::default();
        let router = router(self.app.handle().clone(), WebOptions { tasks: self.tasks.clone() });
        self.tasks.spawn(serve(listener, router, self.tasks.ending.clone()));
    }

    fn user(&self) -> User {
        User::of(&self.address)
    }

    /// Waits until a step of that name runs; answers its run.
    async fn step_runs(&self, step: &str) -> RunId {
        let running = async |app: &App| {
            let has = |run: &RunView| run.jobs.iter().flat_map(|job| &job.steps).any(|s| s.name == step && s.state == "running");
            app.runs("shop").await.into_iter().find(has).map(|run| run.id.parse().unwrap())
        };
        self.app.until(&format!("step {step} to run"), running).await
    }

    async fn close(self) {
        self.tasks.end().await;
        self.app.close().await;
    }
}

const TWO_JOBS: &str = r#"
jobs:
  build:
    steps:
      - { name: compile, run: make, env: { FAKE_OUTPUT: "one\ntwo\n" } }
      - { name: test, run: make test, env: { FAKE_STDERR: "oh\n", FAKE_EXIT: "3" } }
  lint:
    steps:
      - { name: test, run: lint, env: { FAKE_OUTPUT: "clean\n" } }
"#;

#[tokio::test]
async fn a_repository_is_added_listed_polled_and_removed() {
    let house = House::open().await;
    let remote = Remote::with("steps: [make]\n");
    let mut user = house.user();
    let path = remote.dir.path().canonicalize().unwrap();
    user.here = path.parent().unwrap().to_owned();
    let name = path.file_name().unwrap().to_str().unwrap();

    let done = user.types(&format!("repo add shop ./{name} --poll 5m")).await;
    assert_eq!(done.code, 0, "{done:?}");
    let field = |what: &str| done.data.lines().find_map(|line| line.strip_prefix(what)).unwrap_or_default().trim().to_owned();
    assert_eq!(Path::new(&field("url")), path, "a relative path is meant from the user's directory");
    assert_eq!((field("webhook").as_str(), field("polled").as_str()), ("/hooks/generic/shop", "every 5 min"));
    let secret = field("secret");
    assert_eq!(secret.len(), 64, "{done:?}");
    assert!(done.talk.contains(&format!("-hmac {secret} ")), "{}", done.talk);
    assert!(done.talk.contains(&format!("http://{}/hooks/generic/shop", house.address)), "{}", done.talk);
    house.app.ended("shop", 1).await;

    let list = user.gets("repo list").await;
    assert!(list.starts_with("NAME") && list.contains("shop") && !list.contains(&secret), "{list}");
    assert_eq!(user.json("repo list").await["items"][0]["poll_ms"], 300_000);

    remote.commit(&[("a", "1")], "second");
    assert_eq!(user.gets("repo sync shop").await, "");
    house.app.ended("shop", 2).await;

    assert_eq!(user.gets("repo remove shop").await, "");
    let list = user.types("repo list").await;
    assert!(list.code == 0 && list.data.is_empty() && list.talk.contains("gantry repo add"), "{list:?}");
    house.close().await;
}

#[tokio::test]
async fn runs_are_listed_shown_and_their_logs_printed() {
    let house = House::open().await;
    let remote = Remote::with(TWO_JOBS);
    house.app.watch("shop", &remote).await;
    let run = house.app.ended("shop", 1).await;
    let user = house.user();

    let list = user.gets("runs").await;
    let row: Vec<&str> = list.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row[..2], ["shop#1", "failed"], "{list}");
    assert!(row.contains(&&run.commit[..8]) && row.contains(&"first"), "{list}");
    assert_eq!(user.json("runs --outcome failed --repo shop --branch main").await["items"][0]["id"], run.id.as_str());
    assert_eq!(user.json("runs --outcome passed").await["items"].as_array().unwrap().len(), 0);

    let shown = user.gets("show shop/latest").await;
    assert!(shown.starts_with("shop#1 failed in "), "{shown}");
    assert!(shown.lines().any(|line| line.starts_with("  compile") && line.contains("passed")), "{shown}");
    for name in ["shop#1", "shop/1", "1", "latest", &run.id, &run.id[16..]] {
        assert_eq!(user.json(&format!("show {name}")).await["id"], run.id.as_str(), "{name}");
    }

    let all = user.gets("logs shop#1").await;
    assert_eq!(
        all.lines().filter(|line| line.starts_with("build/compile | ")).collect::<Vec<_>>(),
        ["build/compile | one", "build/compile | two"]
    );
    assert!(all.contains("build/test | oh\n") && all.contains("lint/test | clean\n"), "{all}");
    assert_eq!(user.gets("logs shop#1 compile").await, "one\ntwo\n");
    assert_eq!(user.gets("logs shop#1 lint/test").await, "clean\n");
    let lines = user.gets("logs shop#1 build/test --json").await;
    let line: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    assert_eq!((&line["job"], &line["step"], &line["attempt"]), (&"build".into(), &"test".into(), &1.into()));
    assert_eq!((&line["stream"], &line["text"]), (&"stderr".into(), &"oh".into()));
    house.close().await;
}

#[tokio::test]
async fn a_trigger_names_a_pipeline_and_gives_it_inputs() {
    let house = House::open().await;
    let remote = Remote::empty();
    let deploy = "on: { manual: { inputs: { to: { type: choice, options: [test, live] }, dry: { type: boolean, default: true } } } }\nsteps: [make]\n";
    remote.commit(&[(".gantry/deploy.yml", deploy), (".gantry/other.yml", "on: manual\nsteps: [make]\n")], "first");
    house.app.watch("shop", &remote).await;
    house.app.noted("shop", ".gantry/other.yml").await;
    let user = house.user();
    let name = user.gets("trigger shop --pipeline deploy --input to=live --input dry=false").await;
    assert_eq!(name, "shop#1\n");
    let run = house.app.ended("shop", 1).await;
    let kept = house.app.run(&run.id.parse().unwrap()).await;
    assert_eq!((kept.trigger.inputs["to"].as_str(), kept.trigger.inputs["dry"].as_str()), ("live", "false"));
    for (typed, says) in [
        ("trigger shop --pipeline deploy --input too=live", "did you mean `to`?"),
        ("trigger shop --input to=moon", "must be one of `test`, `live`"),
        ("trigger shop --pipeline deplo", "no pipeline `deplo`; there are `deploy`"),
    ] {
        let refused = user.types(typed).await;
        assert_eq!((refused.code, refused.data.as_str()), (2, ""), "{refused:?}");
        assert!(refused.talk.contains(says), "{refused:?}");
    }
    house.close().await;
}

#[tokio::test]
async fn following_an_ended_run_prints_it_and_tells_how_it_ended() {
    let house = House::open().await;
    let remote = Remote::with(TWO_JOBS);
    house.app.watch("shop", &remote).await;
    house.app.ended("shop", 1).await;
    let user = house.user();
    let run = user.types("logs -f shop#1").await;
    assert_eq!(run.code, 1, "{run:?}");
    assert_eq!(run.data, user.gets("logs shop#1").await, "in the plan's order");
    assert!(run.talk.starts_with("shop#1 failed in "), "{run:?}");
    let passed = user.types("logs -f shop#1 lint/test").await;
    assert_eq!((passed.code, passed.data.as_str()), (0, "clean\n"), "{passed:?}");
    assert_eq!(user.types("logs -f shop#1 build/test").await.code, 1);
    house.close().await;
}

#[tokio::test]
async fn following_goes_on_through_every_attempt_until_the_run_ends() {
    let house = House::open().await;
    let remote = Remote::with(
        r#"
steps:
  - name: flaky
    run: x
    env: { FAKE_EXIT: "1,0", FAKE_MS: "100" }
    retry: { max: 1, when: [failure], backoff: 100ms }
  - { name: after, run: y }
"#,
    );
    house.app.watch("shop", &remote).await;
    let user = house.user();
    house.app.until("the first run", async |app| app.runs("shop").await.pop()).await;
    let run = user.types("logs --follow shop/latest").await;
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.talk.contains("flaky: attempt 2\n") && run.talk.contains("shop#1 passed in "), "{run:?}");
    let said: Vec<&str> = run.data.lines().map(|line| line.split_once(" | ").unwrap().0.rsplit_once('/').unwrap().1).collect();
    assert_eq!(said, ["flaky", "flaky", "after"], "each line of each attempt once: {run:?}");

    let first = user.types("logs -f shop#1 flaky --attempt 1").await;
    assert!(first.code == 1 && first.talk.contains("attempt 1 did not pass"), "{first:?}");
    assert_eq!(user.types("logs -f shop#1 flaky --attempt 2").await.code, 0);
    user.is_refused("logs -f shop#1 flaky --attempt 3", 4, "no attempt 3").await;
    user.is_refused("logs shop#1 flaky --attempt 3", 4, "no attempt 3").await;
    house.close().await;
}

#[tokio::test]
async fn following_the_latest_run_of_a_new_repository_waits_for_its_first() {
    let house = House::open().await;
    let remote = Remote::empty();
    house.app.watch("shop", &remote).await;
    let user = house.user();
    let talk = user.talk.clone();
    let meanwhile = async {
        talk.says(1, "shop: it is empty").await;
        remote.commit(&[(".gantry.yml", "steps: [make]\n")], "first");
        house.app.handle().sync_repo("shop").await.unwrap();
    };
    let (run, ()) = tokio::join!(user.types("logs -f shop/latest"), meanwhile);
    assert!(run.code == 0 && run.talk.contains("shop#1 passed"), "{run:?}");
    user.is_refused("logs -f nowhere/latest", 4, "no repository `nowhere`").await;
    house.close().await;
}

#[tokio::test]
async fn following_outlives_a_restart_of_the_server() {
    let mut house = House::open().await;
    let remote = Remote::with("steps:\n  - { name: long, run: x, env: { FAKE_OUTPUT: \"one\\ntwo\\n\", FAKE_MS: hang } }\n");
    house.app.watch("shop", &remote).await;
    let id = house.step_runs("long").await;
    let user = house.user();
    let (data, talk) = (user.data.clone(), user.talk.clone());
    let meanwhile = async {
        data.says(2, " | ").await;
        house.tasks.end().await;
        talk.says(1, "the connection broke").await;
        house.app.restart().await;
        house.listen().await;
        house.app.handle().cancel(&id, "ada").await.unwrap();
    };
    let (run, ()) = tokio::join!(user.types("logs -f shop#1"), meanwhile);
    assert_eq!(run.code, 1, "{run:?}");
    let lines: Vec<&str> = run.data.lines().map(|line| line.split_once(" | ").unwrap().1).collect();
    assert_eq!(lines, ["one", "two"], "{run:?}");
    assert!(run.talk.contains("shop#1 cancelled in ") && run.talk.contains("cancelled by ada"), "{run:?}");
    house.close().await;
}

#[tokio::test]
async fn jobs_are_approved_and_rejected_by_name() {
    let house = House::open().await;
    let remote = Remote::with("approval: { message: Go?, by: [ops] }\nsteps: [{ name: go, run: x }]\n");
    house.app.watch("shop", &remote).await;
    let user = house.user();
    let asks = async |number: u64| {
        let asked = async |app: &App| {
            let run = app.runs("shop").await.into_iter().find(|run| run.number == number)?;
            run.jobs[0].approval.as_ref().is_some_and(|approval| approval.asked).then(|| run.jobs[0].name.clone())
        };
        house.app.until("the question", asked).await
    };
    let job = asks(1).await;
    let shown = user.types("show shop#1").await;
    assert!(shown.data.contains("waits for approval by ops: Go?"), "{shown:?}");
    user.is_refused(&format!("approve shop#1 {job} --as bob"), 4, "only ops may").await;
    user.is_refused("approve shop#1 nope --as ops", 4, "waits for approval").await;
    let yes = user.types(&format!("approve shop#1 {job} --as ops")).await;
    assert!(yes.code == 0 && yes.data.is_empty() && yes.talk.contains("of shop#1 is approved by ops"), "{yes:?}");
    assert_eq!(house.app.ended("shop", 1).await.outcome.unwrap().as_str(), "passed");
    user.is_refused(&format!("approve shop#1 {job} --as ops"), 4, "has ended").await;

    user.gets("rerun shop#1").await;
    asks(2).await;
    let no = user.types(&format!("approve shop#2 {job} --as ops --reject --json")).await;
    assert_eq!(serde_json::from_str::<Value>(&no.data).unwrap()["job"], job.as_str());
    assert_eq!(house.app.ended("shop", 2).await.jobs[0].reason, "rejected by ops");
    house.close().await;
}

#[tokio::test]
async fn runs_are_asked_for_run_again_and_cancelled() {
    let house = House::open().await;
    let remote = Remote::with("steps:\n  - { name: long, run: x, env: { FAKE_MS: hang } }\n");
    house.app.watch("shop", &remote).await;
    let user = house.user();
    house.step_runs("long").await;
    user.is_refused("repo remove shop", 4, "under way").await;
    let cancelled = user.types("cancel shop#1").await;
    assert!(cancelled.code == 0 && cancelled.data.is_empty() && cancelled.talk.contains("shop#1 is "), "{cancelled:?}");
    assert_eq!(house.app.ended("shop", 1).await.outcome.unwrap().as_str(), "cancelled");
    user.is_refused("cancel shop#1", 4, "has ended already").await;

    // What is printed is what the next command takes.
    let again = user.gets("rerun shop#1").await;
    assert_eq!(again, "shop#2\n");
    assert_eq!(user.gets(&format!("cancel {again}")).await, "");
    house.app.ended("shop", 2).await;
    assert_eq!(user.gets("trigger shop --branch main").await, "shop#3\n");
    user.gets("cancel shop/3").await;
    house.app.ended("shop", 3).await;

    let page = user.types("runs --limit 2").await;
    assert!(page.data.contains("shop#3") && !page.data.contains("shop#1"), "{page:?}");
    assert!(page.talk.contains("--before shop#2"), "{page:?}");
    let rest = user.gets("runs --before shop#2").await;
    assert!(rest.contains("shop#1") && !rest.contains("shop#2"), "{rest}");
    house.close().await;
}

#[tokio::test]
async fn a_pipeline_that_is_not_valid_is_shown_with_its_problems() {
    let house = House::open().await;
    let remote = Remote::with("steps:\n  - { name: build, comands: [make] }\n");
    house.app.watch("shop", &remote).await;
    house.app.ended("shop", 1).await;
    let user = house.user();
    let shown = user.gets("show latest").await;
    assert!(shown.contains("shop#1 error") && shown.contains("error[unknown-key]"), "{shown}");
    let logs = user.types("logs latest").await;
    assert!(logs.code == 0 && logs.data.is_empty() && logs.talk.contains("shop#1 has no log"), "{logs:?}");
    house.close().await;
}

#[tokio::test]
async fn what_is_not_there_is_said_in_one_sentence() {
    let house = House::open().await;
    let user = house.user();
    user.is_refused("show latest", 4, "no run yet").await;
    user.is_refused("show 1", 4, "no repository yet").await;
    for args in ["repo remove shop", "repo sync shop", "trigger shop", "show shop#1", "show shop/latest", "runs --repo shop"] {
        user.is_refused(args, 4, "no repository `shop`").await;
    }
    user.is_refused("show 01k3v5xw3v8e2d9ghyq0r5m7pz", 4, "no run").await;
    user.is_refused("show abcdefgh", 4, "ends in `abcdefgh`").await;
    user.is_refused("repo add bad/name /srv/x", 2, "bad/name").await;
    user.is_refused("repo add shop ext::sh", 2, "").await;
    user.is_refused("repo add shop /srv/x --poll often", 2, "often").await;

    let remote = Remote::with(TWO_JOBS);
    house.app.watch("shop", &remote).await;
    house.app.ended("shop", 1).await;
    user.is_refused("show shop#7", 4, "no run #7; its latest is #1").await;
    user.is_refused("logs shop#1 test", 2, "`build/test`, `lint/test`").await;
    user.is_refused("logs shop#1 nothing", 4, "no step `nothing`").await;
    user.is_refused(&format!("repo add shop {}", remote.url()), 4, "already").await;
    user.is_refused("trigger shop --branch nowhere", 4, "no branch `nowhere`").await;
    house.close().await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_said_with_what_to_do() {
    // A port that was free a moment ago.
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    let user = User::of(&address);
    for args in ["runs", "repo list", "logs -f latest", "trigger shop"] {
        user.is_refused(args, 4, "start one with `gantry serve`").await;
    }
    User::of("https://localhost").is_refused("runs", 2, "plain http").await;
}

#[tokio::test]
async fn something_else_at_the_address_is_told_from_a_server() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let user = User::of(&listener.local_addr().unwrap().to_string());
    let other = async {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut stream, _) = listener.accept().await.unwrap();
        let _request = stream.read(&mut [0; 4096]).await.unwrap();
        stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 5\r\n\r\nHello").await.unwrap();
    };
    tokio::join!(user.is_refused("runs", 4, "not a Gantry server"), other);
}

#[tokio::test]
async fn tests_of_a_run_are_listed_and_failed_ones_told_with_their_messages() {
    let house = House::open().await;
    let user = house.user();
    let cases: String = (0..250).map(|n| format!("<testcase classname='shop' name='t{n}' time='0.5'/>")).collect();
    let failed =
        "<testcase classname='shop' name='total'><failure message='41 is not 42&#10;at cart.rs:9'>trace</failure></testcase>";
    let pipeline = format!(
        "steps:\n  - name: unit\n    run: x\n    env:\n      FAKE_EXIT: 1\n      FAKE_FILES: |\n        out/a.xml=<testsuite>{cases}{failed}</testsuite>\n        out/b.xml=<html/>\n    reports: {{ junit: \"out/*.xml\" }}\n  - name: plain\n    run: y\n"
    );
    let remote = Remote::with(&pipeline);
    house.app.watch("shop", &remote).await;
    house.app.ended("shop", 1).await;
    let all = user.types("tests shop#1").await;
    assert_eq!((all.code, all.data.lines().count()), (0, 252), "{all:?}");
    assert!(all.data.lines().nth(1).unwrap().starts_with("shop total  failed"), "{}", all.data);
    assert!(all.talk.contains("251 tests: 1 failed") && all.talk.contains("`out/b.xml` is no JUnit report"), "{}", all.talk);
    assert_eq!(
        user.gets("tests shop#1 --failed").await,
        "failed shop total (gantry / unit)\n    41 is not 42\n    at cart.rs:9\n"
    );
    let json = user.json("tests shop#1").await;
    assert_eq!(
        (json["items"].as_array().unwrap().len(), &json["next"], &json["summary"]["failed"]),
        (251, &Value::Null, &1.into())
    );
    assert!(user.gets("show shop#1").await.contains("tests     251 tests: 1 failed"));

    remote.commit(&[(".gantry.yml", "steps: [x]\n")], "without reports");
    house.app.handle().sync_repo("shop").await.unwrap();
    house.app.ended("shop", 2).await;
    let none = user.types("tests shop#2").await;
    assert_eq!((none.code, none.data.as_str(), none.talk.as_str()), (0, "", "no step of shop#2 left test reports\n"));
    house.close().await;
}
