//! Artifacts and caches over HTTP: what is listed, and that nothing that a step left can run in a browser or lead out of its run.

use std::io::Read;

use bytes::Bytes;
use futures_util::stream;
use reqwest::{Response, StatusCode, header};
use serde_json::{Value, json};

use super::seed::plan;
use super::{Seed, World, text};
use crate::base::{CacheId, Clock, Timestamp};
use crate::run::Run;
use crate::store::{Kind, NewArtifact, NewCache, NewPart, StepOf};

const DAY: u64 = 86_400_000;

/// Keeps these files as artifacts of the run's first job.
async fn keep(world: &World, run: &Run, files: &[(&str, Kind, &[u8])]) {
    let blobs = world.handle.artifact_blobs();
    let mut new = Vec::new();
    for (path, kind, content) in files {
        let content = Bytes::copy_from_slice(content);
        let content = blobs.put(Box::pin(stream::once(async { Ok(content) })), u64::MAX).await.unwrap();
        new.push(NewArtifact { path: (*path).to_owned(), mode: 0o644, kind: *kind, content });
    }
    let now = Clock::System.now();
    let of = StepOf { run: &run.id, job: 0, step: 0 };
    blobs.keep_artifacts(of, &new, now, now.plus_ms(DAY)).await.unwrap();
}

async fn run_of(world: &World) -> Run {
    let seed = Seed { store: &world.store, now: Timestamp(1_000) };
    let repo = seed.repo("site").await;
    seed.run(&repo, seed.trigger(&repo, "main", "m"), plan(&[("build (1.0, x/y)", &[], &["make"]), ("b", &[], &["t"])])).await
}

fn says(answer: &Response, name: header::HeaderName) -> String {
    answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
}

const JOB: &str = "build%20%281.0%2C%20x%2Fy%29";

#[tokio::test]
async fn artifacts_are_listed_paged_and_found_by_job_and_path() {
    let world = World::new().await;
    let run = run_of(&world).await;
    let base = format!("/api/v1/runs/{}/artifacts", run.id);
    assert_eq!(world.json(&base).await, json!({ "items": [], "next": null }));
    keep(
        &world,
        &run,
        &[("dist/a.txt", Kind::Text, b"hello"), ("dist/b", Kind::Other, b"\0"), ("ü/#?%.txt", Kind::Text, b"odd")],
    )
    .await;
    let all = world.json(&base).await;
    let item = &all["items"][0];
    assert_eq!((&item["job"], &item["step"]), (&json!("build (1.0, x/y)"), &json!("make")));
    assert_eq!((&item["path"], &item["size"], &item["kind"]), (&json!("dist/a.txt"), &json!(5), &json!("text")));
    let page = world.json(&format!("{base}?limit=2")).await;
    assert_eq!((page["items"].as_array().unwrap().len(), page["next"].as_str()), (2, Some("0/dist/b")));
    let rest = world.json(&format!("{base}?limit=2&after=0%2Fdist%2Fb")).await;
    assert_eq!((rest["items"].as_array().unwrap().len(), &rest["next"]), (1, &Value::Null));
    assert_eq!(world.json(&format!("{base}?job=b")).await["items"], json!([]));
    assert_eq!(world.json(&format!("{base}?prefix=dist%2F")).await["items"].as_array().unwrap().len(), 2);
    assert_eq!(world.read(&format!("{base}/{JOB}/dist/a.txt")).await, "hello");
    assert_eq!(world.read(&format!("{base}/{JOB}/%C3%BC/%23%3F%25.txt")).await, "odd");
    for (path, status) in [
        (format!("{base}?limit=0"), 400),
        (format!("{base}?limit=10001"), 400),
        (format!("{base}?after=x"), 400),
        (format!("{base}?job=nope"), 404),
        (format!("{base}/nope/dist/a.txt"), 404),
        (format!("{base}/b/dist/a.txt"), 404),
        (format!("{base}/{JOB}/dist"), 404),
        (format!("{base}/{JOB}/dist/"), 404),
    ] {
        assert_eq!(world.get(&path).send().await.unwrap().status().as_u16(), status, "{path}");
    }
}

#[tokio::test]
async fn no_path_leads_out_of_the_rows_of_its_run() {
    let world = World::new().await;
    let run = run_of(&world).await;
    keep(&world, &run, &[("dist/a", Kind::Text, b"hello")]).await;
    for path in [
        "..%2F..%2F..%2F..%2Fetc%2Fpasswd",
        "dist%2F..%2Fdist%2Fa",
        "%2Fetc%2Fpasswd",
        "dist%2Fa%00",
        "dist%5Ca",
        "dist/.%2Fa",
        "%2e%2e/%2e%2e/gantry.db",
    ] {
        let answer = world.get(&format!("/api/v1/runs/{}/artifacts/{JOB}/{path}", run.id)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
        let words = text(answer).await;
        assert!(!words.contains("root:") && !words.contains("SQLite"), "{words}");
    }
    // The same as a client without manners says it, which no library would send.
    for path in ["../../../../../../etc/passwd", "%2e%2e/%2e%2e/lock", "dist/../../../lock"] {
        let said = raw(&world.address, &format!("/api/v1/runs/{}/artifacts/{JOB}/{path}", run.id)).await;
        assert!(said.starts_with("HTTP/1.1 404"), "{path}: {said}");
    }
}

async fn raw(address: &str, path: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn nothing_that_a_step_left_can_run_in_a_browser() {
    let world = World::new().await;
    let run = run_of(&world).await;
    let script = b"<script>alert(document.cookie)</script>";
    let files: [(&str, Kind, &[u8], &str, &str); 8] = [
        ("index.html", Kind::Text, script, "text/plain; charset=utf-8", "inline"),
        ("x.svg", Kind::Text, b"<svg onload='alert(1)'/>", "text/plain; charset=utf-8", "inline"),
        ("x.js", Kind::Text, b"alert(1)", "text/plain; charset=utf-8", "inline"),
        ("x.pdf", Kind::Other, b"%PDF-\xff", "application/octet-stream", "attachment"),
        ("x.html", Kind::Other, b"\xff\xfe<\0s\0", "application/octet-stream", "attachment"),
        ("shot", Kind::Png, b"\x89PNG\r\n\x1a\n<script>", "image/png", "inline"),
        ("x.jpg.html", Kind::Jpeg, b"\xff\xd8\xff", "image/jpeg", "inline"),
        ("a\"b\r.txt", Kind::Text, b"x", "text/plain; charset=utf-8", "inline"),
    ];
    keep(&world, &run, &files.map(|(path, kind, content, _, _)| (path, kind, content))).await;
    for (path, _, content, kind, disposition) in files {
        let encoded: String = path.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let answer = world.get(&format!("/api/v1/runs/{}/artifacts/{JOB}/{encoded}", run.id)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        assert_eq!(says(&answer, header::CONTENT_TYPE), kind, "{path}");
        assert!(says(&answer, header::CONTENT_DISPOSITION).starts_with(disposition), "{path}");
        assert_eq!(says(&answer, header::X_CONTENT_TYPE_OPTIONS), "nosniff");
        let policy = says(&answer, header::CONTENT_SECURITY_POLICY);
        assert!(policy.contains("sandbox") && policy.contains("default-src 'none'") && !policy.contains("script"), "{policy}");
        assert_eq!(answer.headers().get_all(header::CONTENT_SECURITY_POLICY).iter().count(), 1);
        assert_eq!(says(&answer, header::CONTENT_LENGTH), content.len().to_string());
        assert_eq!(answer.bytes().await.unwrap(), content);
    }
}

#[tokio::test]
async fn a_part_of_a_file_is_given_and_what_is_known_is_not_sent_again() {
    let world = World::new().await;
    let run = run_of(&world).await;
    let big: Vec<u8> = (0..9_000_000_u32).map(|n| (n % 251) as u8).collect();
    keep(&world, &run, &[("big", Kind::Other, &big), ("empty", Kind::Text, b"")]).await;
    let url = format!("/api/v1/runs/{}/artifacts/{JOB}/big", run.id);
    let ask = async |name: &str, value: &str| world.get(&url).header(name, value).send().await.unwrap();
    let whole = world.get(&url).send().await.unwrap();
    let tag = says(&whole, header::ETAG);
    assert_eq!(says(&whole, header::ACCEPT_RANGES), "bytes");
    assert!(whole.bytes().await.unwrap() == big);
    let part = ask("range", "bytes=4194300-4194310").await;
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(says(&part, header::CONTENT_RANGE), "bytes 4194300-4194310/9000000");
    assert_eq!(part.bytes().await.unwrap(), big[4_194_300..=4_194_310], "across the end of a frame");
    assert_eq!(ask("range", "bytes=-5").await.bytes().await.unwrap(), big[big.len() - 5..]);
    let outside = ask("range", "bytes=9000000-").await;
    assert_eq!(
        (outside.status(), says(&outside, header::CONTENT_RANGE)),
        (StatusCode::RANGE_NOT_SATISFIABLE, "bytes */9000000".to_owned())
    );
    let known = ask("if-none-match", &tag).await;
    assert_eq!((known.status(), says(&known, header::ETAG)), (StatusCode::NOT_MODIFIED, tag.clone()));
    let head = world.client.head(world.url(&url)).send().await.unwrap();
    assert_eq!((head.status(), says(&head, header::CONTENT_LENGTH)), (StatusCode::OK, "9000000".to_owned()));
    assert_eq!(world.read(&url.replace("/big", "/empty")).await, "");
}

#[tokio::test]
async fn the_artifacts_of_a_job_come_as_one_archive() {
    let world = World::new().await;
    let run = run_of(&world).await;
    keep(&world, &run, &[("dist/a", Kind::Text, b"hello"), ("dist/b/c", Kind::Text, b"there"), ("log", Kind::Text, b"x")]).await;
    let names = async |query: &str| -> Vec<String> {
        let answer = world.get(&format!("/api/v1/runs/{}/artifacts.tar?job={JOB}{query}", run.id)).send().await.unwrap();
        assert_eq!((answer.status(), says(&answer, header::CONTENT_TYPE)), (StatusCode::OK, "application/x-tar".to_owned()));
        assert!(says(&answer, header::CONTENT_DISPOSITION).starts_with("attachment; filename=\"site-1-build _1.0_ x_y_.tar\""));
        let bytes = answer.bytes().await.unwrap();
        let mut archive = tar::Archive::new(&*bytes);
        let mut names = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut content = String::new();
            entry.read_to_string(&mut content).unwrap();
            names.push(format!("{}={content}", entry.path().unwrap().display()));
        }
        names
    };
    assert_eq!(names("").await, ["dist/a=hello", "dist/b/c=there", "log=x"]);
    assert_eq!(names("&prefix=dist%2Fb%2F").await, ["dist/b/c=there"]);
    for (query, status) in [("", 400), ("?job=nope", 404), ("?job=b", 404), (&format!("?job={JOB}&prefix=nope"), 404)] {
        let answer = world.get(&format!("/api/v1/runs/{}/artifacts.tar{query}", run.id)).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{query}");
    }
}

#[tokio::test]
async fn the_runs_page_shows_artifacts_as_a_tree_and_escapes_their_names() {
    let world = World::new().await;
    let run = run_of(&world).await;
    let page = format!("/runs/{}", run.id);
    assert!(!world.read(&page).await.contains("Artifacts"));
    keep(&world, &run, &[("dist/<img src=x onerror=alert(1)>", Kind::Text, b"hello"), ("dist/a", Kind::Text, b"x")]).await;
    let html = world.read(&page).await;
    assert!(html.contains("<h2>Artifacts</h2>") && html.contains("2 files, 6 B"), "{html}");
    assert!(html.contains(&format!("/api/v1/runs/{}/artifacts/{JOB}/dist/a", run.id)));
    assert!(html.contains(&format!("/api/v1/runs/{}/artifacts.tar?job={JOB}", run.id)));
    assert!(!html.contains("<img") && html.contains("&#60;img"), "{html}");
}

#[tokio::test]
async fn caches_are_listed_and_removed_by_api_and_page() {
    let world = World::new().await;
    let run = run_of(&world).await;
    let blobs = world.handle.artifact_blobs();
    let mut ids = Vec::new();
    for key in ["cargo-<a>", "cargo-b"] {
        let content = blobs.put(Box::pin(stream::once(async { Ok(Bytes::from_static(b"tar")) })), 100).await.unwrap();
        let id = CacheId::new(&Clock::System);
        let parts = vec![NewPart { path: "target".to_owned(), content }];
        let (paths, scope) = (["target".to_owned()], "trusted");
        let new = NewCache { id: id.clone(), repo: &run.repo, scope, key, paths: &paths, run: &run.id, parts };
        assert!(blobs.keep_cache(&new, Clock::System.now()).await.unwrap());
        ids.push(id);
    }
    let list = world.json("/api/v1/repos/site/caches").await;
    assert_eq!(list["items"].as_array().unwrap().len(), 2);
    let item = &list["items"][1];
    assert_eq!((&item["key"], &item["paths"], &item["size"]), (&json!("cargo-<a>"), &json!(["target"]), &json!(3)));
    assert_eq!(list["quota_bytes"], json!(5_u64 << 30));
    let html = world.read("/repos/site").await;
    assert!(html.contains("cargo-&#60;a&#62;") && html.contains("of 5 GiB"), "{html}");

    let delete = async |path: String| world.client.delete(world.url(&path)).send().await.unwrap().status().as_u16();
    assert_eq!(delete(format!("/api/v1/repos/site/caches/{}", ids[0])).await, 204);
    assert_eq!(delete(format!("/api/v1/repos/site/caches/{}", ids[0])).await, 404);
    assert_eq!(delete("/api/v1/repos/site/caches/..%2F..".to_owned()).await, 404);
    let gone = world.post(&format!("/repos/site/caches/{}/remove", ids[1])).send().await.unwrap();
    assert_eq!((gone.status(), says(&gone, header::LOCATION)), (StatusCode::SEE_OTHER, "/repos/site".to_owned()));
    assert_eq!(world.json("/api/v1/repos/site/caches").await["items"], json!([]));
    assert_eq!(world.get("/api/v1/repos/nope/caches").send().await.unwrap().status(), StatusCode::NOT_FOUND);
}
