//! Pages: what people send comes back as text, forms work without scripts, empty pages say what to do.

use reqwest::StatusCode;

use super::seed::{plan, run_ended, run_is};
use super::{Seed, World, seed_attempt, text};
use crate::base::Timestamp;
use crate::pipeline::{Problem, Severity};
use crate::run::{Outcome, Stream};
use crate::store::{Intake, NewNote};

const EVIL: &str = "<script>alert('x')</script>\"'&<img src=x onerror=alert(1)>";

#[tokio::test]
async fn nothing_that_others_wrote_becomes_markup() {
    let world = World::new().await;
    let seed = Seed { store: &world.store, now: Timestamp(0) };
    let mut repo = seed.repo("site").await;
    repo = crate::store::Repo {
        id: crate::base::RepoId::new(&crate::base::Clock::System),
        name: EVIL.to_owned(),
        url: EVIL.to_owned(),
        ..repo
    };
    repo.status.sentence = EVIL.to_owned();
    repo.default_branch = Some(EVIL.to_owned());
    world.store.add_repo(&repo).await.unwrap();
    let mut trigger = seed.trigger(&repo, EVIL, &format!("{EVIL}\n\n{EVIL}"));
    (trigger.author, trigger.because, trigger.commit) = (EVIL.to_owned(), EVIL.to_owned(), EVIL.to_owned());
    let run = seed.run(&repo, trigger.clone(), plan(&[(EVIL, &[], &[EVIL])])).await;
    seed_attempt(&seed, &run).await;
    seed.log(&run, 0, 0, &[(Stream::Stdout, EVIL), (Stream::Stderr, &format!("\x1b[31m{EVIL}\x1b]8;;{EVIL}\x07"))], true);
    seed.set(&[run_is(&run, run_ended(Outcome::Failed, EVIL, seed.now, 5))]).await;
    let fault = Problem {
        severity: Severity::Error,
        code: EVIL.to_owned(),
        message: EVIL.to_owned(),
        file: EVIL.to_owned(),
        line: 3,
        column: 5,
        length: 4,
        source: EVIL.to_owned(),
        hint: Some(EVIL.to_owned()),
    };
    let invalid = seed.invalid(&repo, trigger, vec![fault]).await;
    let note = NewNote {
        kind: EVIL.to_owned(),
        sentence: EVIL.to_owned(),
        reference: Some(EVIL.to_owned()),
        commit: Some(EVIL.to_owned()),
    };
    let intake =
        Intake { repo: repo.id.clone(), refs: vec![], runs: vec![], notes: vec![note], deliveries: Vec::new(), now: seed.now };
    world.store.take_in(intake).await.unwrap();

    let name = askama::filters::urlencode_strict(EVIL).unwrap().to_string();
    let paths = [
        "/".to_owned(),
        format!("/?branch={name}"),
        "/repos".to_owned(),
        format!("/repos/{name}"),
        format!("/repos/{name}/remove"),
        format!("/runs/{}", run.id),
        format!("/runs/{}?line=1", run.id),
        format!("/runs/{}", invalid.id),
    ];
    for path in paths {
        let page = world.read(&path).await;
        assert!(page.contains("alert("), "{path} shows it");
        for tag in ["<script>alert", "<img src"] {
            assert!(!page.contains(tag), "{path} has {tag} as markup");
        }
        // Every quote inside an attribute is escaped: no attribute value holds a bare piece of it.
        assert!(!page.contains("</script>\"'"), "{path}");
    }
    let lines = world.json(&format!("/runs/{}/steps/{name}/{name}/lines", run.id)).await;
    let html = lines["html"].as_str().unwrap();
    assert!(html.contains("&lt;script&gt;") && !html.contains("<script") && !html.contains("<img"), "{html}");
    let missing = world.get(&format!("/{name}")).send().await.unwrap();
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);
    assert!(!text(missing).await.contains("<script>alert"));
}

#[tokio::test]
async fn pages_say_what_to_do_when_there_is_nothing() {
    let world = World::new().await;
    assert!(world.read("/").await.contains("gantry repo add NAME URL"));
    assert!(world.read("/repos").await.contains("gantry repo add NAME URL"));
    let seed = Seed { store: &world.store, now: Timestamp(0) };
    let repo = seed.repo("site").await;
    assert!(world.read("/").await.contains("No runs yet"));
    assert!(world.read("/repos/site").await.contains("Run now"));
    assert!(world.read("/?outcome=failed").await.contains("No run matches"));
    let run = seed.run(&repo, seed.trigger(&repo, "main", "m"), plan(&[("build", &[], &["test"])])).await;
    assert!(world.read(&format!("/runs/{}", run.id)).await.contains("this step has not run yet"));
}

#[tokio::test]
async fn forms_work_without_scripts_and_lead_back() {
    let world = World::new().await;
    let form = |path: &str, body: String| {
        let kind = ("content-type", "application/x-www-form-urlencoded");
        world.post(path).header(kind.0, kind.1).body(body).send()
    };
    let remote = tempfile::tempdir().unwrap();
    a_commit_in(remote.path());
    let url = askama::filters::urlencode_strict(remote.path().to_str().unwrap()).unwrap().to_string();
    let answer = form("/repos", format!("name=site&url={url}&poll=")).await.unwrap();
    assert_eq!(answer.status(), StatusCode::CREATED);
    let secret = world.store.repo("site").await.unwrap().unwrap().hook_secret;
    assert!(text(answer).await.contains(&secret), "shown this once");
    assert!(!world.read("/repos/site").await.contains(&secret));
    let location = |answer: &reqwest::Response| answer.headers()["location"].to_str().unwrap().to_owned();
    let answer = form("/repos/site/sync", String::new()).await.unwrap();
    assert_eq!((answer.status(), location(&answer).as_str()), (StatusCode::SEE_OTHER, "/repos/site"));
    let answer = form("/repos/site/runs", "branch=".to_owned()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    let to_run = location(&answer);
    let run = world.store.runs(&Default::default()).await.unwrap().items.remove(0);
    assert_eq!(to_run, format!("/runs/{}", run.id));
    assert!(world.read(&to_run).await.contains("the dashboard asked for it"));
    let answer = form("/repos/site/runs", "branch=nowhere".to_owned()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    assert!(text(answer).await.contains("no branch"));

    let again = format!("{to_run}/rerun");
    let mut ended = world.store.run(&run.id).await.unwrap().unwrap();
    let mut changes = world.handle.changes();
    while !ended.is_ended() {
        changes.changed().await.unwrap();
        ended = world.store.run(&run.id).await.unwrap().unwrap();
    }
    let answer = form(&again, String::new()).await.unwrap();
    assert!(answer.status() == StatusCode::SEE_OTHER && location(&answer) != to_run);
    let answer = form(&format!("{to_run}/cancel"), String::new()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::CONFLICT, "it has ended");
    let mut open = world.store.unfinished().await.unwrap();
    while !open.is_empty() {
        changes.changed().await.unwrap();
        open = world.store.unfinished().await.unwrap();
    }

    assert_eq!(world.get("/repos/site/remove").send().await.unwrap().status(), StatusCode::OK);
    assert!(world.store.repo("site").await.unwrap().is_some(), "the question removes nothing");
    let answer = world.post("/repos/site/remove").send().await.unwrap();
    assert_eq!(answer.headers()["location"], "/repos");
    assert!(world.store.repo("site").await.unwrap().is_none());
}

#[tokio::test]
async fn a_run_shows_the_step_that_failed_its_log_and_the_line_asked_for() {
    let world = World::new().await;
    let seed = Seed { store: &world.store, now: Timestamp(0) };
    let repo = seed.repo("site").await;
    let run = seed.run(&repo, seed.trigger(&repo, "main", "Fix it\n\nAt last."), plan(&[("build", &[], &["test"])])).await;
    seed_attempt(&seed, &run).await;
    let lines: Vec<String> = (1..=2_000).map(|n| format!("line {n}")).collect();
    let lines: Vec<(Stream, &str)> = lines.iter().map(|line| (Stream::Stdout, line.as_str())).collect();
    seed.log(&run, 0, 0, &lines, true);
    seed.set(&[run_is(&run, run_ended(Outcome::Failed, "`build / test` failed", seed.now, 5))]).await;
    let page = world.read(&format!("/runs/{}", run.id)).await;
    assert!(page.contains("<title>✗ #1 main – site</title>"));
    assert!(page.contains("favicon-failed.svg"));
    assert!(page.contains(">line 2000<") && page.contains(">line 1601<") && !page.contains(">line 1600<"), "the last lines");
    let page = world.read(&format!("/runs/{}?job=build&step=test&line=500", run.id)).await;
    assert!(page.contains(r#"class="l marked" id="L500""#) && page.contains(">line 300<") && !page.contains(">line 2000<"));
    let page = world.read(&format!("/runs/{}?fragment=1", run.id)).await;
    assert!(!page.contains(">line 2000<"), "a page that is only refreshed has its lines already");
    let part = world.json(&format!("/runs/{}/steps/build/test/lines?from=101&limit=50", run.id)).await;
    assert_eq!((part["first"].as_u64(), part["next"].as_u64(), part["total"].as_u64()), (Some(101), Some(151), Some(2_000)));
}

#[tokio::test]
async fn an_invalid_pipeline_shows_its_problems_in_place() {
    let world = World::new().await;
    let seed = Seed { store: &world.store, now: Timestamp(0) };
    let repo = seed.repo("site").await;
    let fault = Problem {
        severity: Severity::Error,
        code: "unknown-key".to_owned(),
        message: "`comands` is not a key of a step".to_owned(),
        file: ".gantry.yml".to_owned(),
        line: 14,
        column: 9,
        length: 7,
        source: "        comands: [make]".to_owned(),
        hint: Some("did you mean `run`?".to_owned()),
    };
    let run = seed.invalid(&repo, seed.trigger(&repo, "main", "m"), vec![fault]).await;
    let page = world.read(&format!("/runs/{}", run.id)).await;
    assert!(page.contains("error[unknown-key]") && page.contains(".gantry.yml:14:9"));
    assert!(page.contains("        ^^^^^^^ <span class=\"hint\">did you mean `run`?"), "{page}");
}

#[tokio::test]
async fn assets_are_there_and_answered_with_304_when_known() {
    let world = World::new().await;
    for name in
        ["gantry.css", "ansi.css", "gantry.js", "live.js", "log.js", "morph.js", "time.js", "icons.svg", "favicon-failed.svg"]
    {
        let answer = world.get(&format!("/assets/{name}")).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{name}");
        let tag = answer.headers()["etag"].clone();
        let known = world.get(&format!("/assets/{name}")).header("if-none-match", tag).send().await.unwrap();
        assert_eq!(known.status(), StatusCode::NOT_MODIFIED, "{name}");
    }
    for name in ["nothing.css", "..%2f..%2fCargo.toml", "%2e%2e%2fgantry.css"] {
        assert_eq!(world.get(&format!("/assets/{name}")).send().await.unwrap().status(), StatusCode::NOT_FOUND, "{name}");
    }
}

#[tokio::test]
async fn editors_get_the_schema_of_pipelines() {
    let world = World::new().await;
    let answer = world.get("/assets/schema/pipeline.json").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["content-type"], "application/schema+json");
    let schema: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
}

/// A repository with one commit that has a pipeline.
fn a_commit_in(dir: &std::path::Path) {
    std::fs::write(dir.join(".gantry.yml"), "image: busybox\nsteps:\n  - \"true\"\n").unwrap();
    let git = |arguments: &[&str]| {
        let identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"];
        let done = std::process::Command::new("git").arg("-C").arg(dir).args(identity).args(arguments).output().unwrap();
        assert!(done.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    };
    git(&["init", "--quiet", "--initial-branch=main"]);
    git(&["add", "."]);
    git(&["commit", "--quiet", "--message", "Begin"]);
}
