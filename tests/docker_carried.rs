//! Runs on an engine that sees none of this machine's directories, as one on another machine does not: over TLS, and by ssh. Its own engine, started once.

#[path = "support/certs.rs"]
mod certs;
#[path = "support/engine.rs"]
mod engine;
#[path = "support/process.rs"]
mod process;
#[path = "support/sshd.rs"]
mod sshd;
#[path = "support/mod.rs"]
mod support;

use engine::{OwnEngine, docker};
use process::{IMAGE, Served};
use serde_json::Value;
use sshd::Sshd;
use support::Remote;

const PIPELINE: &str = r#"
jobs:
  build:
    services:
      web:
        image: IMAGE
        command: ["sh", "-c", "mkdir /www && echo served > /www/index.html && exec httpd -f -p 8080 -h /www"]
        ready: { port: 8080 }
    steps:
      - name: make
        run: |
          cat greeting deep/er/tool; ls -l deep/er/tool | cut -c1-10; test -d .git/objects/pack && test ! -e .git/objects/info/alternates
          ls .git/objects/pack/*.idx | wc -l; wget -qO- http://web:8080/
          echo "word=from the first" >> "$GANTRY_OUTPUT"; echo "KEPT=in the environment" >> "$GANTRY_ENV"; echo "Said." >> "$GANTRY_SUMMARY"
          mkdir dist; echo made > dist/thing; test "$(id -u)" = 0
        artifacts: ["dist/**"]
      - name: use
        env: { WORD: "${{ steps.make.outputs.word }}" }
        run: echo "$WORD, $KEPT"; cat dist/thing; touch left-by-use
      - name: links
        run: rm "$GANTRY_OUTPUT"; ln -s /etc/passwd "$GANTRY_OUTPUT"; test -e left-by-use
      - name: alone
        network: none
        run: echo alone
  other:
    needs: [build]
    steps:
      - { name: look, run: "cat dist/thing; test ! -e left-by-use; exit 3" }
"#;

/// A step that outlives a server.
const LONG: &str =
    "steps:\n  - name: long\n    run: i=0; while [ $i -lt 400 ]; do i=$((i+1)); echo line $i; usleep 20000; done\n";

fn outputs(lines: Vec<(String, String)>) -> Vec<String> {
    lines.into_iter().filter(|(stream, _)| stream == "stdout").map(|(_, text)| text).collect()
}

fn remote() -> Remote {
    let remote = Remote::empty();
    let pipeline = format!("defaults: {{ image: {IMAGE} }}\n{}", PIPELINE.replace("IMAGE", IMAGE));
    remote.commit(&[(".gantry.yml", &pipeline), ("greeting", "hello\n"), ("deep/er/tool", "echo tool\n")], "everything");
    remote.git(&["update-index", "--chmod=+x", "deep/er/tool"]);
    remote.git(&["commit", "-qm", "A tool"]);
    remote
}

async fn a_pipeline_runs(served: &Served, remote: &Remote) {
    served.add_repo("shop", &remote.url()).await;
    let run = served.ended("shop", 1).await;
    let steps: Vec<String> =
        run["jobs"][0]["steps"].as_array().unwrap().iter().map(|s| format!("{}={}", s["name"], s["outcome"])).collect();
    let log = served.log();
    assert_eq!(steps.join(" "), r#""make"="passed" "use"="passed" "links"="passed" "alone"="passed""#, "{run:#}\n{log}");
    let made = outputs(served.log_of(&run, "build", "make").await);
    assert_eq!(made, ["hello", "echo tool", "-rwxr-xr-x", "1", "served"]);
    assert_eq!(outputs(served.log_of(&run, "build", "use").await), ["from the first, in the environment", "made"]);
    let links = served.log_of(&run, "build", "links").await;
    let told = "nothing is taken from GANTRY_OUTPUT: in the file's place is a symbolic link";
    assert!(links.iter().any(|(stream, text)| stream == "system" && text == told), "{links:?}");
    let look = &run["jobs"][1]["steps"][0];
    assert_eq!((&look["outcome"], &look["exit_code"]), (&Value::from("failed"), &Value::from(3)), "{run:#}");
}

async fn a_server_is_killed(served: &mut Served, remote: &Remote) {
    remote.commit(&[(".gantry.yml", &format!("image: {IMAGE}\n{LONG}"))], "long");
    served.sync("shop").await;
    let run = served.step_is("shop", 2, 0, "running").await;
    served.said(&run, "gantry", "long", "line 20").await;
    served.kill();
    served.boot();
    let run = served.ended("shop", 2).await;
    assert_eq!(run["outcome"], "passed", "{run:#}\n{}", served.log());
    let wanted: Vec<String> = (1..=400).map(|n| format!("line {n}")).collect();
    assert_eq!(outputs(served.log_of(&run, "gantry", "long").await), wanted);
}

/// Nothing is left on the engine but the images.
async fn nothing_is_left(host: &str) {
    let kinds = [&["ps", "-aq"][..], &["volume", "ls", "-q"], &["network", "ls", "-q", "--filter", "label=io.gantry.instance"]];
    for args in kinds {
        let gone = tokio::time::timeout(support::PATIENCE, async {
            while !docker(host, args).1.is_empty() {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        });
        assert!(gone.await.is_ok(), "{args:?}: {}", docker(host, args).1);
    }
}

#[tokio::test]
async fn an_engine_elsewhere_runs_whole_pipelines_over_tls_and_by_ssh() {
    let dir = tempfile::tempdir().unwrap();
    let certs = dir.path();
    let (listener, port) = certs::for_an_engine(certs);
    let mut engine = OwnEngine::with_tls(listener, certs);
    engine.start();
    let sshd = Sshd::start();
    let settings = certs.join("gantry.yml");
    let tls = format!(
        "docker:\n  host: tcp://localhost:{port}\n  tls: {{ ca: {at}/ca.pem, cert: {at}/me.pem, key: {at}/me.key }}\n",
        at = certs.display()
    );
    let ssh = format!("docker: {{ host: \"{}\" }}\n", sshd.host(&engine.socket()));
    for text in [ssh, tls] {
        std::fs::write(&settings, &text).unwrap();
        let mut served = Served::start_with(&["--config", settings.to_str().unwrap()], &[("PATH", &sshd.path())]);
        engine.hide(served.data.path());
        let remote = remote();
        a_pipeline_runs(&served, &remote).await;
        a_server_is_killed(&mut served, &remote).await;
        nothing_is_left(&engine.host()).await;
    }
}
