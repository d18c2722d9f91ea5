//! The dashboard in a real browser: live without a reload, and right again after a lost connection. Steps run on this machine and wait for files of the
//! test, so every state is there for as long as the test looks at it.

#[path = "support/browser.rs"]
mod browser;
#[path = "support/process.rs"]
mod process;
#[path = "support/mod.rs"]
mod support;

use browser::Browser;
use process::Served;
use support::Remote;

/// What a step does to wait for a file of the test.
fn wait_for(gate: &tempfile::TempDir, name: &str) -> String {
    format!("until [ -e '{}/{name}' ]; do sleep 0.05; done", gate.path().display())
}

fn open(gate: &tempfile::TempDir, name: &str) {
    std::fs::write(gate.path().join(name), "").unwrap();
}

/// The state's word of a step in the list of steps.
fn word_of(step: &str) -> String {
    format!("document.querySelector('[data-key=\"step-{step}\"] .sr')?.textContent")
}

/// A mark that a reload would take away.
const MARK: &str = "window.neverReloaded = true";
const MARKED: &str = "window.neverReloaded === true";

#[tokio::test]
async fn pages_are_live_without_a_reload() {
    let Some(mut browser) = Browser::start() else { return };
    let served = Served::start_with(&["--executor", "host", "--slots", "4"], &[]);
    let gate = tempfile::tempdir().unwrap();
    let remote = Remote::with("on: tag\nsteps: [true]\n");
    served.add_repo("shop", &remote.url()).await;
    browser.open(&format!("{}/", served.url));
    browser.eval(MARK);

    // A new run on the page of all runs.
    let text = format!(
        "steps:\n  - name: build\n    run: |\n      echo first line\n      {}\n      printf '\\033[32mgreen\\033[0m & <b>bold</b>\\n'\n      {}\n      seq 1 1000\n  - name: after\n    run: echo after\n",
        wait_for(&gate, "more"),
        wait_for(&gate, "end"),
    );
    remote.commit(&[(".gantry.yml", &text)], "A commit to look at");
    served.sync("shop").await;
    browser.until("the new run", "document.querySelector('.row .title')?.textContent.includes('A commit to look at')");
    browser.until("the run to run", "document.querySelector('.row .badge')?.textContent.includes('running')");

    // The run's page: its step, and the log as it grows.
    let run = served.step_is("shop", 1, 0, "running").await;
    // With its step in the address, the page stays with it.
    let page = format!("{}/runs/{}?job=gantry&step=build", served.url, run["id"].as_str().unwrap());
    assert_eq!(browser.eval(MARKED), true, "the page was reloaded");
    browser.open(&page);
    browser.eval(MARK);
    browser.until("the step to run", &format!("{} === 'running'", word_of("build")));
    browser.until("its first line", "document.querySelector('.log .lines').innerText.includes('first line')");
    assert_eq!(browser.eval("document.querySelector('.log .lines').innerText.includes('green')"), false);
    open(&gate, "more");
    browser.until("the next line", "document.querySelector('.log .lines').innerText.includes('green & <b>bold</b>')");
    assert_eq!(browser.eval(&word_of("build")), "running");
    assert_eq!(browser.eval("document.querySelector('.log .lines b')"), serde_json::Value::Null, "output is text, never HTML");
    let colour =
        "getComputedStyle([...document.querySelectorAll('.lines span span')].find((s) => s.textContent === 'green')).color";
    let plain = "getComputedStyle(document.querySelector('.lines .chunk > div span')).color";
    assert_ne!(browser.eval(colour), browser.eval(plain), "the colours of the output are shown");
    open(&gate, "end");
    browser.until("the last line at the end of the log", "document.querySelector('#L1002')?.innerText.trim().endsWith('1000')");
    browser.until("the step to have passed", &format!("{} === 'passed'", word_of("build")));
    browser.until("the run to have passed", "document.querySelector('.verdict .badge').textContent.includes('passed')");
    browser.until("the next step too", &format!("{} === 'passed'", word_of("after")));
    browser.until("the log to be followed to its end", "(() => { const box = document.querySelector('.log .lines'); return box.scrollTop + box.clientHeight >= box.scrollHeight - 25; })()");
    // Another step's log, in place.
    browser.eval("document.querySelector('[data-key=\"step-after\"] a').click()");
    browser.until("the other log", "document.querySelector('.pane h2').textContent.includes('after') && document.querySelector('#L1')?.innerText.includes('after')");
    assert_eq!(browser.eval(MARKED), true, "the page was reloaded");
    assert_eq!(browser.complaints(), [""; 0]);
}

#[tokio::test]
async fn the_cancel_button_cancels() {
    let Some(mut browser) = Browser::start() else { return };
    let served = Served::start_with(&["--executor", "host"], &[]);
    let remote = Remote::with("steps:\n  - name: long\n    run: echo begun; sleep 600\n  - name: never\n    run: echo never\n");
    served.add_repo("shop", &remote.url()).await;
    let run = served.step_is("shop", 1, 0, "running").await;
    browser.open(&format!("{}/runs/{}", served.url, run["id"].as_str().unwrap()));
    browser.until("the step to run", &format!("{} === 'running'", word_of("long")));
    browser.eval("document.querySelector('form[action$=\"/cancel\"] button').click()");
    browser.until("it to be cancelled", &format!("{} === 'cancelled' && {} === 'cancelled'", word_of("long"), word_of("never")));
    browser.until(
        "no cancel button any more",
        "document.querySelector('.verdict') && !document.querySelector('form[action$=\"/cancel\"]')",
    );
    assert_eq!(served.ended("shop", 1).await["outcome"], "cancelled");
    // And once more from its own button.
    browser.eval("document.querySelector('form[action$=\"/rerun\"] button').click()");
    browser.until("the page of the new run", "document.querySelector('.crumbs .number')?.textContent === '#2'");
    browser.until("its step to run", &format!("{} === 'running'", word_of("long")));
    assert_eq!(browser.complaints(), [""; 0]);
}

#[tokio::test]
async fn pages_are_right_again_after_the_server_was_killed() {
    let Some(mut browser) = Browser::start() else { return };
    let mut served = Served::start_with(&["--executor", "host"], &[]);
    served.keep_address();
    let gate = tempfile::tempdir().unwrap();
    // Processes of this machine are lost with the server, so the step is made again.
    let text = format!(
        "steps:\n  - name: build\n    retry: {{ max: 1, when: [infrastructure], backoff: 0s }}\n    run: |\n      echo first line\n      {}\n      echo last line\n",
        wait_for(&gate, "end"),
    );
    let remote = Remote::with(&text);
    served.add_repo("shop", &remote.url()).await;
    let run = served.step_is("shop", 1, 0, "running").await;
    browser.open(&format!("{}/runs/{}", served.url, run["id"].as_str().unwrap()));
    browser.eval(MARK);
    browser.until("its first line", "document.querySelector('.log .lines').innerText.includes('first line')");
    assert_eq!(browser.complaints(), [""; 0]);

    served.kill();
    browser.until("the page to say that it lost the server", "!document.querySelector('#link').hidden");
    served.boot();
    browser.until("the page to say no more that it lost the server", "document.querySelector('#link').hidden");
    browser.until("the second attempt", "document.querySelector('[data-key=\"step-build\"] .attempt')?.textContent === '×2'");
    browser.until("the step to run again", &format!("{} === 'running'", word_of("build")));
    // Only that the server was not there may have been complained about.
    let others: Vec<_> = browser.complaints().into_iter().filter(|complaint| !complaint.contains("net::ERR_")).collect();
    assert_eq!(others, [""; 0]);

    // Live as before.
    browser.until("the new log", "document.querySelector('.log .lines').innerText.includes('first line')");
    open(&gate, "end");
    browser.until("the last line", "document.querySelector('.log .lines').innerText.includes('last line')");
    browser.until("the step to have passed", &format!("{} === 'passed'", word_of("build")));
    let lines = "[...document.querySelectorAll('.log .lines .chunk > div > span')].map((line) => line.textContent)";
    assert_eq!(browser.eval(lines), serde_json::json!(["first line", "last line"]));
    assert_eq!(browser.eval(MARKED), true, "the page was reloaded");
    assert_eq!(browser.complaints(), [""; 0]);
}
