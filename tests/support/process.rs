//! The real binary, with the real Docker, killed and started as a machine would.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::PATIENCE;

/// The image that `.ci/docker-up` makes.
pub const IMAGE: &str = "gantry-test/busybox:1";
/// The same with `--with-debian`.
pub const DEBIAN: &str = "gantry-test/debian:1";

/// A `gantry serve`, ended hard when dropped.
pub struct Served {
    pub data: tempfile::TempDir,
    child: Option<Child>,
    pub url: String,
    listen: String,
    args: Vec<String>,
    env: Vec<(String, String)>,
    client: reqwest::Client,
}

impl Served {
    /// Starts a server on a free port.
    pub fn start() -> Self {
        Self::start_with(&[], &[])
    }

    pub fn start_with(args: &[&str], env: &[(&str, &str)]) -> Self {
        let mut served = Self {
            data: tempfile::tempdir().unwrap(),
            child: None,
            url: String::new(),
            listen: "127.0.0.1:0".to_owned(),
            args: args.iter().map(ToString::to_string).collect(),
            env: env.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
            // No connection of a server that was killed is used again.
            client: reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap(),
        };
        served.boot();
        served
    }

    /// From now on it listens where it listens now: who talks to it finds it again after a restart.
    pub fn keep_address(&mut self) {
        self.listen = self.url.trim_start_matches("http://").to_owned();
    }

    /// Where its engine is, if not where Docker usually is.
    fn docker_host(&self) -> Option<&str> {
        self.env.iter().find(|(name, _)| name == "DOCKER_HOST").map(|(_, host)| host.as_str())
    }

    /// Starts the process and waits for its word that it is ready.
    pub fn boot(&mut self) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_gantry"))
            .args(["serve", "--listen", &self.listen, "--data"])
            .arg(self.data.path())
            .args(&self.args)
            .env("GANTRY_LOG", "gantry=debug,warn")
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(self.log_file())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        self.child = Some(child);
        let url = line.trim().strip_prefix("Gantry is ready: ");
        self.url = url.unwrap_or_else(|| panic!("not ready: {line:?}\n{}", self.log())).to_owned();
    }

    fn log_file(&self) -> std::fs::File {
        let path = self.data.path().with_extension("log");
        std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap()
    }

    /// What the server said on stderr so far, over all its lives.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.data.path().with_extension("log")).unwrap_or_default()
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// SIGTERM, and waits for the end.
    pub fn terminate(&mut self) -> std::process::ExitStatus {
        let mut child = self.child.take().unwrap();
        let sent = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        child.wait().unwrap()
    }

    pub async fn get(&self, path: &str) -> Value {
        let answer = self.client.get(format!("{}{path}", self.url)).send().await.unwrap();
        let status = answer.status();
        let body = answer.text().await.unwrap();
        assert!(status.is_success(), "GET {path}: {status} {body}\n{}", self.log());
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("GET {path}: {error}: {body}"))
    }

    /// Status and body of a POST.
    pub async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let answer = self.client.post(format!("{}{path}", self.url)).json(&body).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap_or(Value::Null))
    }

    /// Sets a secret.
    pub async fn set_secret(&self, path: &str, value: &str) {
        let answer = self.client.put(format!("{}{path}", self.url)).json(&json!({ "value": value })).send().await.unwrap();
        assert!(answer.status().is_success(), "PUT {path}: {}", answer.status());
    }

    /// Status of a POST of raw bytes with a header.
    pub async fn post_raw(&self, path: &str, header: Option<(&str, &str)>, body: &str) -> u16 {
        let mut request = self.client.post(format!("{}{path}", self.url)).body(body.to_owned());
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        request.send().await.unwrap().status().as_u16()
    }

    /// Watches a repository, polled only when poked; answers its webhook's secret.
    pub async fn add_repo(&self, name: &str, url: &str) -> String {
        let (status, body) = self.post("/api/v1/repos", json!({ "name": name, "url": url, "poll": "24h" })).await;
        assert!((200..300).contains(&status), "{status} {body}");
        body["webhook"]["secret"].as_str().unwrap().to_owned()
    }

    pub async fn sync(&self, name: &str) {
        let (status, body) = self.post(&format!("/api/v1/repos/{name}/sync"), Value::Null).await;
        assert!((200..300).contains(&status), "{status} {body}");
    }

    /// The run of that number, if it is there.
    pub async fn run(&self, repo: &str, number: u64) -> Option<Value> {
        let runs = self.get(&format!("/api/v1/runs?repo={repo}")).await;
        let id = runs["items"].as_array()?.iter().find(|run| run["number"] == number)?["id"].as_str()?.to_owned();
        Some(self.get(&format!("/api/v1/runs/{id}")).await)
    }

    /// Waits until a run looks as wanted.
    pub async fn until(&self, what: &str, repo: &str, number: u64, wanted: impl Fn(&Value) -> bool) -> Value {
        let looked = tokio::time::timeout(PATIENCE * 2, async {
            loop {
                if let Some(run) = self.run(repo, number).await
                    && wanted(&run)
                {
                    return run;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        match looked.await {
            Ok(run) => run,
            Err(_) => panic!("waited in vain for {what}; it is {:#?}\n{}", self.run(repo, number).await, self.log()),
        }
    }

    pub async fn ended(&self, repo: &str, number: u64) -> Value {
        self.until("its end", repo, number, |run| run["state"] == "ended").await
    }

    /// Waits until the step at this position of the first job is in this state.
    pub async fn step_is(&self, repo: &str, number: u64, step: usize, state: &str) -> Value {
        self.until(&format!("step {step} to be {state}"), repo, number, |run| run["jobs"][0]["steps"][step]["state"] == state)
            .await
    }

    /// All lines of a step's log, in order, checked to be numbered without a gap.
    pub async fn log_of(&self, run: &Value, job: &str, step: &str) -> Vec<(String, String)> {
        let mut lines = Vec::new();
        let mut from = 1;
        loop {
            let path = format!("/api/v1/runs/{}/steps/{job}/{step}/log?from={from}&limit=10000", run["id"].as_str().unwrap());
            let page = self.get(&path).await;
            for line in page["lines"].as_array().unwrap() {
                assert_eq!(line["n"].as_u64().unwrap(), lines.len() as u64 + 1);
                lines.push((line["stream"].as_str().unwrap().to_owned(), line["text"].as_str().unwrap().to_owned()));
            }
            if page["end"] == true {
                return lines;
            }
            let next = page["next"].as_u64().unwrap();
            assert!(next > from, "a log of an ended step does not end: {page}");
            from = next;
        }
    }

    /// Waits until a run of this repository runs, or all have ended.
    pub async fn until_any_runs(&self, repo: &str) {
        let looked = tokio::time::timeout(PATIENCE, async {
            loop {
                let runs = self.get(&format!("/api/v1/runs?repo={repo}")).await;
                let states: Vec<_> = runs["items"].as_array().unwrap().iter().map(|run| run["state"].clone()).collect();
                if states.contains(&json!("running")) || (!states.is_empty() && states.iter().all(|state| state == "ended")) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        assert!(looked.await.is_ok(), "no run of {repo} runs\n{}", self.log());
    }

    /// Waits until a step, which may still run, has said this line.
    pub async fn said(&self, run: &Value, job: &str, step: &str, line: &str) {
        let path = format!("/api/v1/runs/{}/steps/{job}/{step}/log?limit=10000", run["id"].as_str().unwrap());
        let looked = tokio::time::timeout(PATIENCE, async {
            while !self.get(&path).await["lines"].as_array().unwrap().iter().any(|found| found["text"] == line) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        assert!(looked.await.is_ok(), "{job} / {step} never said `{line}`\n{}", self.log());
    }

    /// Sandboxes that wait for jobs.
    pub fn pool(&self) -> Vec<String> {
        let names = docker_names(self.docker_host(), self.data.path());
        names.into_iter().filter(|name| name.contains("-pool-")).collect()
    }

    /// Waits until nothing of this server is left in Docker, but for the sandboxes that wait for jobs, and in its work directory, but for the work trees of
    /// jobs that failed.
    pub async fn nothing_left(&self) {
        let work = self.data.path().join("work");
        let left = || {
            let is_left = |entry: &std::fs::DirEntry| !entry.path().join("kept").exists();
            let on_disk = std::fs::read_dir(&work).map(|dir| dir.flatten().filter(is_left).count()).unwrap_or(0);
            let (host, data) = (self.docker_host(), self.data.path());
            let names = docker_names(host, data).into_iter().filter(|name| !name.contains("-pool-")).collect();
            (names, docker_networks(host, data), docker_volumes(host, data), on_disk)
        };
        let looked = tokio::time::timeout(PATIENCE, async {
            while left() != (Vec::new(), Vec::new(), Vec::new(), 0) {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        let looked: Result<(), _> = looked.await;
        assert!(looked.is_ok(), "left over: {:?}\n{}", left(), self.log());
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
        // A failed test must not leave its containers to the others.
        if self.docker_host().is_none() {
            for name in docker_names(None, self.data.path()) {
                let _ = Command::new("docker").args(["rm", "-f", &name]).output();
            }
            for name in docker_networks(None, self.data.path()) {
                let _ = Command::new("docker").args(["network", "rm", &name]).output();
            }
            for name in docker_volumes(None, self.data.path()) {
                let _ = Command::new("docker").args(["volume", "rm", &name]).output();
            }
        }
        let _ = std::fs::remove_file(self.data.path().with_extension("log"));
    }
}

/// Containers of this directory: their labels name their job's directory.
pub fn docker_names(host: Option<&str>, dir: &Path) -> Vec<String> {
    listed(host, &["ps", "-a", "--no-trunc", "--format", "{{.Names}} {{.Labels}} {{.Mounts}}"], dir)
}

/// Networks of this directory: only where its jobs have one each.
fn docker_networks(host: Option<&str>, dir: &Path) -> Vec<String> {
    listed(host, &["network", "ls", "--no-trunc", "--format", "{{.Name}} {{.Labels}}"], dir)
}

/// Volumes of this directory: the work trees that are layers.
fn docker_volumes(host: Option<&str>, dir: &Path) -> Vec<String> {
    listed(host, &["volume", "ls", "--format", "{{.Name}} {{.Labels}}"], dir)
}

/// The first word of each line that names this directory.
fn listed(host: Option<&str>, args: &[&str], dir: &Path) -> Vec<String> {
    let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let output = Command::new("docker").args(host.map(|host| format!("--host={host}"))).args(args).output().unwrap();
    assert!(output.status.success(), "docker {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    let mine = |line: &&str| line.contains(&*dir.to_string_lossy());
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().filter(mine).filter_map(|line| line.split(' ').next()).map(ToOwned::to_owned).collect()
}
