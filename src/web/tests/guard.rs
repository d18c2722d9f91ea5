//! The guard stands before every route, whatever it is.

use reqwest::{Method, StatusCode, header};

use super::{World, text};

/// Every route, with a method it answers.
const READS: [&str; 37] = [
    "/",
    "/live",
    "/repos",
    "/repos/r",
    "/repos/r/remove",
    "/repos/r/tests",
    "/repos/r/tests/t",
    "/runs/x",
    "/runs/x/tests",
    "/runs/x/summary",
    "/runs/x/steps/j/s/lines",
    "/runs/x/steps/j/s/terminal",
    "/api/v1/runs/x/steps/j/s/terminal",
    "/api/v1/repos",
    "/api/v1/repos/r",
    "/api/v1/runs",
    "/api/v1/repos/r/tests",
    "/api/v1/repos/r/tests/t",
    "/api/v1/runs/x",
    "/api/v1/runs/x/tests",
    "/api/v1/runs/x/summary",
    "/api/v1/runs/x/events",
    "/api/v1/events",
    "/api/v1/secrets",
    "/api/v1/repos/r/secrets",
    "/api/v1/runs/x/steps/j/s/log",
    "/api/v1/runs/x/steps/j/s/log/raw",
    "/api/v1/runs/x/steps/j/s/log/stream",
    "/api/openapi.json",
    "/healthz",
    "/readyz",
    "/assets/gantry.css",
    "/assets/xterm.mjs",
    "/assets/xterm-license.txt",
    "/assets/schema/pipeline.json",
    "/favicon.ico",
    "/nothing/here",
];
const WRITES: [(Method, &str); 23] = [
    (Method::POST, "/repos"),
    (Method::POST, "/repos/r/sync"),
    (Method::POST, "/repos/r/runs"),
    (Method::POST, "/repos/r/remove"),
    (Method::POST, "/runs/x/cancel"),
    (Method::POST, "/runs/x/rerun"),
    (Method::POST, "/runs/x/rerun-failed"),
    (Method::POST, "/runs/x/rerun-from"),
    (Method::POST, "/runs/x/approve"),
    (Method::POST, "/api/v1/repos"),
    (Method::DELETE, "/api/v1/repos/r"),
    (Method::POST, "/api/v1/repos/r/sync"),
    (Method::POST, "/api/v1/repos/r/runs"),
    (Method::POST, "/api/v1/runs/x/cancel"),
    (Method::POST, "/api/v1/runs/x/rerun"),
    (Method::POST, "/repos/r/secrets"),
    (Method::POST, "/repos/r/secrets/s/remove"),
    (Method::PUT, "/api/v1/repos/r/secrets/s"),
    (Method::DELETE, "/api/v1/repos/r/secrets/s"),
    (Method::PUT, "/api/v1/secrets/s"),
    (Method::DELETE, "/api/v1/secrets/s"),
    (Method::POST, "/api/v1/runs/x/approve"),
    (Method::PUT, "/nothing/here"),
];

#[tokio::test]
async fn no_route_answers_a_name_that_is_not_loopback() {
    let world = World::new().await;
    let hook = (Method::POST, "/hooks/generic/r");
    let all = READS.iter().map(|path| (Method::GET, *path)).chain(WRITES).chain([hook]);
    for (method, path) in all {
        for host in ["example.com", "gantry.example.com:7070", "10.0.0.1", "localhost.example.com"] {
            let answer = world.client.request(method.clone(), world.url(path)).header(header::HOST, host).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{method} {path} as {host}");
        }
    }
}

#[tokio::test]
async fn no_write_is_taken_from_another_site() {
    let world = World::new().await;
    let strangers = [
        ("origin", "https://example.com"),
        ("origin", "http://localhost:1"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ];
    for (method, path) in WRITES {
        for (name, value) in strangers {
            let answer = world.client.request(method.clone(), world.url(path)).header(name, value).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{method} {path} with {name}: {value}");
        }
        let own = format!("http://{}", world.address);
        let answer = world.client.request(method.clone(), world.url(path)).header("origin", own).send().await.unwrap();
        assert_ne!(answer.status(), StatusCode::FORBIDDEN, "{method} {path} from our own page");
    }
}

#[tokio::test]
async fn a_hook_needs_no_origin_and_still_a_signature() {
    let world = World::new().await;
    let answer = world.post("/hooks/generic/r").header("origin", "https://forge.example.com").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn every_answer_has_the_headers_and_no_page_has_anything_inline() {
    let world = World::new().await;
    for path in READS.iter().filter(|path| !path.ends_with("/live") && !path.ends_with("/v1/events")) {
        let answer = world.get(path).send().await.unwrap();
        let headers = answer.headers().clone();
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{path}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["referrer-policy"], "same-origin", "{path}");
        assert!(headers.contains_key("x-request-id"), "{path}");
        if headers.get("content-type").is_some_and(|kind| kind.to_str().unwrap().starts_with("text/html")) {
            let page = text(answer).await;
            for inline in [" style=", "<style", "<script>", " onclick", " onload", "javascript:"] {
                assert!(!page.contains(inline), "{path} has {inline}");
            }
        }
    }
}
