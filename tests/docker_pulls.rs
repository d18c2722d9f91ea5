//! Images from a registry of our own (`docker-registry` on loopback, with basic auth) into a real engine.

mod executor_rig;
#[path = "support/process.rs"]
mod process;
mod support;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use executor_rig::docker::{Rig, docker};
use executor_rig::{IMAGE, Log, TestJob, run_to_end};
use gantry::base::{Clock, Tasks};
use gantry::executor::{Docker, Executor, Failure, ImageRules, Limits, Registries, StepSpec};
use gantry::pipeline::Pull;
use gantry::run::Exit;
use process::Served;
use support::{PATIENCE, Remote};
use tokio_util::sync::CancellationToken;

const USER: &str = "ci";
/// In base64 it has `+` and `/`, at some place or other.
const PASSWORD: &str = "s3cret/+pw?>~";
/// The password as `htpasswd -B` writes it.
const HTPASSWD: &str = "ci:$2b$05$abcdefghijklmnopqrstuuj0d61/EjcOBPsz.kDCL4GediSg692Va\n";

/// A registry that asks who comes; it and what was pushed to it go away with the test.
struct Registry {
    dir: tempfile::TempDir,
    port: u16,
    child: Option<Child>,
    images: Vec<String>,
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

impl Registry {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), port: free_port(), child: None, images: Vec::new() }
    }

    fn started() -> Self {
        let mut registry = Self::new();
        registry.start();
        registry
    }

    fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    fn start(&mut self) {
        let dir = self.dir.path().display();
        std::fs::write(self.dir.path().join("htpasswd"), HTPASSWD).unwrap();
        let settings = format!(
            "version: 0.1\nlog: {{ level: info, accesslog: {{ disabled: false }} }}\nstorage: {{ filesystem: {{ rootdirectory: {dir}/data }} }}\n\
             http: {{ addr: \"{}\" }}\nauth: {{ htpasswd: {{ realm: test, path: {dir}/htpasswd }} }}\n",
            self.host()
        );
        std::fs::write(self.dir.path().join("settings.yml"), settings).unwrap();
        let log = File::options().create(true).append(true).open(self.log()).unwrap();
        let child = Command::new("docker-registry")
            .args(["serve", "settings.yml"])
            .current_dir(self.dir.path())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        self.child = Some(child.expect("`.ci/docker-up --all` installs docker-registry"));
        let deadline = Clock::System.now().plus_ms(30_000);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            assert!(Clock::System.now() < deadline, "the registry never listened");
            std::thread::yield_now();
        }
    }

    fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// The settings of the client that pushes and pulls by hand.
    fn client(&self) -> String {
        self.dir.path().join("config").to_str().unwrap().to_owned()
    }

    /// Pushes an image that says `VERSION=version` in its environment and is then no more on the engine; gives its name.
    fn push(&mut self, tag: &str, version: &str) -> String {
        self.push_with(tag, version, 0)
    }

    /// The same with a file of so many bytes, which no two images share.
    fn push_with(&mut self, tag: &str, version: &str, bytes: usize) -> String {
        let name = format!("{}/private/tool:{tag}", self.host());
        let container = docker(&["create", IMAGE, "true"]).remove(0);
        if bytes > 0 {
            let file = self.dir.path().join("file");
            std::fs::write(&file, name.bytes().cycle().take(bytes).collect::<Vec<_>>()).unwrap();
            docker(&["cp", file.to_str().unwrap(), &format!("{container}:/file")]);
        }
        docker(&["commit", "--change", &format!("ENV VERSION={version}"), &container, &name]);
        docker(&["rm", &container]);
        let config = PathBuf::from(self.client());
        std::fs::create_dir_all(&config).unwrap();
        let auth = base64(&format!("{USER}:{PASSWORD}"));
        let text = format!("{{ \"auths\": {{ \"{}\": {{ \"auth\": \"{auth}\" }} }} }}", self.host());
        std::fs::write(config.join("config.json"), text).unwrap();
        let pushed = docker(&["--config", &self.client(), "push", &name]);
        assert!(pushed.iter().any(|line| line.contains("digest: sha256:")), "{pushed:?}");
        docker(&["rmi", &name]);
        self.images.push(name.clone());
        name
    }

    /// How often a manifest was asked for.
    fn asked(&self) -> usize {
        let log = std::fs::read_to_string(self.log()).unwrap();
        let is_ask = |line: &&str| {
            line.contains("http.request.method=GET") && line.contains("/manifests/") && line.contains("response completed")
        };
        log.lines().filter(is_ask).count()
    }

    fn registries(&self) -> Registries {
        Registries::default().with(&self.host(), USER, PASSWORD).unwrap()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.stop();
        for image in &self.images {
            docker(&["rmi", image]);
            let (repository, _) = image.rsplit_once(':').unwrap();
            for digest in docker(&["images", "--digests", "--format", "{{.Repository}}@{{.Digest}}", repository]) {
                docker(&["rmi", &digest]);
            }
        }
    }
}

fn base64(text: &str) -> String {
    let mut child = Command::new("base64").arg("-w0").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

fn executor(rig: &Rig, registries: Registries) -> Docker {
    let rules = ImageRules { pull: Pull::Missing, registries };
    Docker::connect_with(None, rig.instance.clone(), Tasks::default(), Clock::System, Limits::default(), rules)
}

fn step(job: &TestJob, number: u32, image: &str, pull: Option<Pull>) -> StepSpec {
    StepSpec { image: Some(image.to_owned()), pull, ..job.script(number, "echo $VERSION") }
}

#[track_caller]
fn passed(ended: &Result<gantry::executor::Ended, Failure>) -> gantry::run::Observed {
    match ended {
        Ok(ended) => {
            assert_eq!(ended.exit, Exit::Code(0));
            ended.observed.clone()
        }
        Err(failure) => panic!("{failure}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_image_is_pulled_with_what_is_bound_to_its_registry_and_no_other() {
    let rig = Rig::new().await;
    let mut registry = Registry::started();
    let image = registry.push("1", "one");
    let job = rig.job().await;
    // Nothing for this host and port: told at once, and not tried again.
    let elsewhere = Registries::default().with("127.0.0.1:1", USER, PASSWORD).unwrap();
    let wrong = Registries::default().with(&registry.host(), USER, "hunter2hunter2").unwrap();
    for (number, registries) in [(1, Registries::default()), (2, elsewhere), (3, wrong)] {
        let (ended, kept) = run_to_end(&executor(&rig, registries), &step(&job, number, &image, None)).await;
        let Err(Failure::Infrastructure(why)) = ended else { panic!("{ended:?}") };
        assert!(why.starts_with(&format!("the image `{image}` cannot be pulled: ")), "{why}");
        assert!(why.contains("no basic auth credentials") || why.contains("unauthorized"), "{why}");
        assert_eq!(kept.system(), format!("pulling {image}\n"));
        assert!(!why.contains("hunter2") && !why.contains(PASSWORD), "{why}");
    }
    let (ended, kept) = run_to_end(&executor(&rig, registry.registries()), &step(&job, 4, &image, None)).await;
    let observed = passed(&ended);
    assert_eq!(kept.stdout(), "one\n");
    assert!(kept.system().starts_with(&format!("pulling {image}\n")) && kept.system().contains(&format!("pulled {image} in ")));
    assert!(!kept.system().contains(PASSWORD));
    let digest = observed.image.unwrap();
    assert!(digest.starts_with(&format!("{}/private/tool@sha256:", registry.host())), "{digest}");
    assert!(observed.pulled_ms.is_some());
    // What is not there is told at once too.
    let missing = format!("{}/private/tool:none", registry.host());
    let (ended, kept) = run_to_end(&executor(&rig, registry.registries()), &step(&job, 5, &missing, None)).await;
    assert!(matches!(&ended, Err(Failure::Infrastructure(why)) if why.contains("not found")), "{ended:?}");
    assert_eq!(kept.system(), format!("pulling {missing}\n"));
    rig.docker.release(&job.spec.key).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_policy_asks_when_it_says_so_and_a_digest_stays_what_it_is() {
    let rig = Rig::new().await;
    let mut registry = Registry::started();
    let image = registry.push("moving", "one");
    let docker = executor(&rig, registry.registries());
    let job = rig.job().await;
    let (ended, _) = run_to_end(&docker, &step(&job, 1, &image, Some(Pull::Never))).await;
    let why = format!("the image `{image}` is not on the engine, and `pull: never` keeps it from being pulled");
    assert_eq!(ended, Err(Failure::Infrastructure(why)));
    let (ended, _) = run_to_end(&docker, &step(&job, 2, &image, Some(Pull::Always))).await;
    let one = passed(&ended).image.unwrap();
    // The name gets another meaning; pushing it away has taken it from the engine too.
    let image = registry.push("moving", "two");
    let (ended, _) = run_to_end(&docker, &step(&job, 3, &one, Some(Pull::Missing))).await;
    assert_eq!(passed(&ended).image, Some(one.clone()));
    executor_rig::docker::docker(&["tag", &one, &image]);
    let asked = registry.asked();
    for (number, pull) in [(4, None), (5, Some(Pull::Missing)), (6, Some(Pull::Never)), (7, Some(Pull::Always))] {
        let (ended, kept) = run_to_end(&docker, &step(&job, number, &image, pull)).await;
        passed(&ended);
        // Asked in this run already: its steps have the same image.
        assert_eq!((kept.stdout().as_str(), kept.system().as_str()), ("one\n", ""), "{pull:?}");
    }
    assert_eq!(registry.asked(), asked);
    let next = rig.job().await;
    for (number, lines) in [(1, 2), (2, 0)] {
        let (ended, kept) = run_to_end(&docker, &step(&next, number, &image, Some(Pull::Always))).await;
        assert_ne!(passed(&ended).image, Some(one.clone()));
        assert_eq!((kept.stdout().as_str(), kept.system().lines().count()), ("two\n", lines));
    }
    assert_eq!(registry.asked(), asked + 1);
    let (ended, kept) = run_to_end(&docker, &step(&next, 3, &one, Some(Pull::Always))).await;
    passed(&ended);
    assert_eq!((kept.stdout().as_str(), kept.system().as_str()), ("one\n", ""));
    for job in [&job, &next] {
        docker.release(&job.spec.key).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_wants_an_image_at_the_same_time_waits_for_the_same_pull() {
    let rig = Rig::new().await;
    let mut registry = Registry::new();
    registry.start();
    let image = registry.push("1", "one");
    // Down: the pull stays on its way until it is up again.
    registry.stop();
    let docker = executor(&rig, registry.registries());
    let job = rig.job().await;
    let logs: Vec<Log> = (0..3).map(|_| Log::default()).collect();
    let starts = (1..).zip(&logs).map(|(number, log)| {
        let (docker, step) = (&docker, step(&job, number, &image, None));
        async move { docker.start(&step, log.sink(), CancellationToken::new()).await.map(|live| live.exit)?.await }
    });
    let up = async {
        for log in &logs {
            log.until("that a try failed", |kept| kept.system().contains("try 1 of 4 to pull")).await;
        }
        let pulls = docker.pulls().remove(0);
        assert_eq!(pulls.borrow().keys().collect::<Vec<_>>(), [&image]);
        registry.start();
    };
    let (ends, ahead, ()) = tokio::join!(futures_util::future::join_all(starts), docker.pull(&job.spec.key, &image, None), up);
    ahead.unwrap();
    for (ended, log) in ends.iter().zip(&logs) {
        passed(ended);
        let said = log.kept().system();
        assert!(said.contains("the next one is in 1.0 s") && said.contains(&format!("pulled {image} in ")), "{said}");
        assert!(said.lines().count() < 8, "{said}");
    }
    assert_eq!(registry.asked(), 1, "one pull for all");
    assert!(docker.pulls().remove(0).borrow().is_empty());
    docker.release(&job.spec.key).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_that_never_ends_ends_with_the_step_that_wants_it() {
    let rig = Rig::new().await;
    // Takes connections and never answers.
    let deaf = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let image = format!("{}/deaf/tool:1", deaf.local_addr().unwrap());
    let docker = executor(&rig, Registries::default());
    let job = rig.job().await;
    let (log, stop) = (Log::default(), CancellationToken::new());
    let mut pulls = docker.pulls().remove(0);
    let step = step(&job, 1, &image, None);
    let cancel = async {
        log.until("that it pulls", |kept| kept.system().contains("pulling ")).await;
        pulls.wait_for(|pulls| pulls.contains_key(&image)).await.unwrap();
        stop.cancel();
    };
    let (started, ()) = tokio::join!(docker.start(&step, log.sink(), stop.clone()), cancel);
    assert_eq!(started.err(), Some(Failure::Stopped));
    // Nobody wants it any more.
    tokio::time::timeout(Duration::from_secs(30), pulls.wait_for(|pulls| pulls.is_empty())).await.unwrap().unwrap();
    assert_eq!(rig.step_containers(), [""; 0]);
    docker.release(&job.spec.key).await.unwrap();
}

fn is_there(image: &str) -> bool {
    let asked = Command::new("docker").args(["image", "inspect", image]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    asked.unwrap().success()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_pull_brought_is_told_of_and_goes_only_when_nobody_needs_or_names_it() {
    let rig = Rig::new().await;
    let mut registry = Registry::started();
    let [one, two, theirs] = ["one", "two", "theirs"].map(|tag| registry.push_with(tag, tag, 100_000));
    docker(&["--config", &registry.client(), "pull", &theirs]);
    let docker_of = executor(&rig, registry.registries());
    let job = rig.job().await;
    let mut ids = Vec::new();
    for (number, image) in (1..).zip([&one, &two, &theirs]) {
        let (ended, _) = run_to_end(&docker_of, &step(&job, number, image, Some(Pull::Always))).await;
        passed(&ended);
        let pulled = tokio::time::timeout(PATIENCE, docker_of.pulled()).await.unwrap();
        assert_eq!(pulled.is_new, *image != theirs, "{pulled:?}");
        if pulled.is_new {
            assert!(pulled.names.contains(image) && pulled.names.len() == 2, "its name and its digest: {pulled:?}");
            ids.push((pulled.id, pulled.names));
        } else {
            assert!(pulled.names.is_empty(), "its user gave it all names before: {pulled:?}");
        }
    }
    let all: BTreeSet<String> = ids.iter().map(|(id, _)| id.clone()).collect();
    let needed = async |wanted: &[&String]| {
        let wanted = wanted.iter().map(|name| (*name).clone()).collect();
        let stock = docker_of.stock(&all, &wanted).await.unwrap().unwrap();
        assert!(stock.images.iter().all(|image| image.used_at.is_some()));
        let (base, file) = (&stock.images[0].layers[0], stock.images[0].layers.last().unwrap());
        assert_eq!((stock.images[1].layers[0], file.bytes >= 100_000), (*base, true), "they share what they stand on");
        let needed = ids.iter().map(|(id, _)| stock.images.iter().find(|image| image.id == *id).unwrap().is_needed);
        needed.collect::<Vec<_>>()
    };
    assert_eq!(needed(&[]).await, [true, true], "the containers of their steps are still there");
    let (one_id, one_names) = &ids[0];
    assert!(!docker_of.remove_image(one_id, one_names).await.unwrap() && is_there(&one), "and the engine says so too");
    docker_of.release(&job.spec.key).await.unwrap();
    rig.docker.release(&job.spec.key).await.unwrap();
    assert_eq!(needed(&[&two, &theirs]).await, [false, true], "a name that is wanted");
    // Somebody's name makes it somebody's.
    docker(&["tag", &one, "gantry-test/somebodys:1"]);
    assert!(!docker_of.remove_image(one_id, one_names).await.unwrap() && is_there(&one));
    docker(&["rmi", "gantry-test/somebodys:1"]);
    assert!(docker_of.remove_image(one_id, one_names).await.unwrap());
    assert!(!is_there(one_id) && is_there(&two) && is_there(&theirs));
    assert!(docker_of.remove_image(one_id, one_names).await.unwrap(), "twice is the same as once");
    assert!(docker_of.stock(&all, &BTreeSet::new()).await.unwrap().unwrap().images.iter().all(|image| image.id != *one_id));
}

#[tokio::test(flavor = "multi_thread")]
async fn past_their_budget_images_that_the_server_pulled_go_and_no_others() {
    let mut registry = Registry::started();
    let [old, new, theirs] = ["old", "new", "theirs"].map(|tag| registry.push_with(tag, tag, 2_000_000));
    docker(&["--config", &registry.client(), "pull", &theirs]);
    let dir = tempfile::tempdir().unwrap();
    let (settings, password) = (dir.path().join("gantry.yml"), dir.path().join("password"));
    std::fs::write(&password, PASSWORD).unwrap();
    let budget = |size: u64| {
        let host = registry.host();
        let registries = format!("[{{ host: \"{host}\", user: {USER}, password_file: {} }}]", password.display());
        std::fs::write(&settings, format!("registries: {registries}\ndisk: {{ images: {size}B }}\n")).unwrap();
    };
    budget(1_000_000_000);
    let mut served = Served::start_with(&["--config", settings.to_str().unwrap()], &[]);
    let pipeline =
        |name: &str, image: &str| format!("steps:\n  - {{ name: {name}, image: \"{image}\", pull: always, run: true }}\n");
    let remote = Remote::with(&pipeline("old", &old));
    served.add_repo("shop", &remote.url()).await;
    for (number, image) in (1..).zip([&old, &theirs, &new]) {
        if number > 1 {
            remote.commit(&[(".gantry.yml", &pipeline("next", image))], "another image");
            served.sync("shop").await;
        }
        assert_eq!(served.ended("shop", number).await["outcome"], "passed", "{}", served.log());
    }
    served.nothing_left().await;
    assert!(is_there(&old) && is_there(&new) && is_there(&theirs));
    // Room for one of the two, beside what both stand on.
    let base: u64 = docker(&["image", "inspect", "--format", "{{.Size}}", IMAGE]).remove(0).parse().unwrap();
    let gone = async |image: &str| {
        let looked = tokio::time::timeout(PATIENCE, async {
            while is_there(image) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        looked.await.is_ok()
    };
    served.terminate();
    budget(base + 3_000_000);
    served.boot();
    assert!(gone(&old).await, "{}", served.log());
    assert!(is_there(&new) && is_there(&theirs));
    served.terminate();
    budget(0);
    served.boot();
    assert!(gone(&new).await, "{}", served.log());
    assert!(is_there(&theirs) && is_there(IMAGE), "what was there before stays");
}
