//! A real browser without a window, spoken to by the DevTools protocol over a pipe: no driver, no web socket, no library.
//!
//! **Invariants:** whatever the page complains about (errors of scripts, refused loads, breaches of the content security policy) is kept and fails the
//! test at its end; the browser ends with the test.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::PATIENCE;

/// Told before any script of a page runs: breaches of the policy are no console messages everywhere.
const WATCH: &str = "addEventListener('securitypolicyviolation', (event) => console.error('policy: ' + event.violatedDirective))";

pub struct Browser {
    process: Child,
    to: ChildStdin,
    from: Receiver<Value>,
    next_id: u64,
    session: String,
    complaints: VecDeque<String>,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts one with an empty page. `None` where there is no Chromium, which only a developer's machine may lack.
    pub fn start() -> Option<Self> {
        let names = ["chromium", "chromium-browser", "google-chrome", "chrome"];
        let is_there = |name: &&str| Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success());
        let Some(name) = names.into_iter().find(is_there) else {
            let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
            assert!(!ci, "no Chromium on this machine: run .ci/docker-up --with-browser");
            eprintln!("not tested: there is no Chromium on this machine (.ci/docker-up --with-browser installs it)");
            return None;
        };
        let profile = tempfile::tempdir().unwrap();
        // The protocol is on descriptors 3 (to the browser) and 4 (from it).
        let script = "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>\"$PROFILE/said\"";
        let mut process = Command::new("sh")
            .args([
                "-c",
                script,
                name,
                "--headless",
                "--remote-debugging-pipe",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
            ])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"])
            .args(["--disable-background-timer-throttling", "--window-size=1280,800"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .env("PROFILE", profile.path())
            .env("HOME", profile.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (tell, from) = channel();
        let said = process.stdout.take().unwrap();
        std::thread::spawn(move || {
            let messages = BufReader::new(said).split(0).map_while(Result::ok);
            messages.for_each(|message| tell.send(serde_json::from_slice(&message).unwrap()).unwrap_or(()));
        });
        let to = process.stdin.take().unwrap();
        let complaints = VecDeque::new();
        let mut browser = Self { process, to, from, next_id: 0, session: String::new(), complaints, _profile: profile };
        let target = browser.ask("Target.createTarget", json!({ "url": "about:blank" }))["targetId"].clone();
        let attached = browser.ask("Target.attachToTarget", json!({ "targetId": target, "flatten": true }));
        browser.session = attached["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.ask(&format!("{domain}.enable"), json!({}));
        }
        browser.ask("Page.addScriptToEvaluateOnNewDocument", json!({ "source": WATCH }));
        Some(browser)
    }

    /// One command of the protocol; its result.
    #[track_caller]
    fn ask(&mut self, method: &str, params: Value) -> Value {
        self.next_id += 1;
        let id = self.next_id;
        let mut command = json!({ "id": id, "method": method, "params": params });
        if !self.session.is_empty() {
            command["sessionId"] = json!(self.session);
        }
        self.to.write_all(format!("{command}\0").as_bytes()).unwrap();
        loop {
            let message = self.from.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("{method}: the browser: {error}"));
            if message["id"] == id {
                assert!(message["error"].is_null(), "{method}: {}", message["error"]);
                return message["result"].clone();
            }
            self.hear(&message);
        }
    }

    /// Keeps what an event complains about.
    fn hear(&mut self, event: &Value) {
        let params = &event["params"];
        let complaint = match event["method"].as_str() {
            Some("Runtime.exceptionThrown") => Some(params["exceptionDetails"].to_string()),
            Some("Runtime.consoleAPICalled") if params["type"] == "error" || params["type"] == "assert" => {
                Some(params["args"].to_string())
            }
            Some("Log.entryAdded") if params["entry"]["level"] == "error" => Some(params["entry"].to_string()),
            _ => None,
        };
        self.complaints.extend(complaint);
    }

    /// Goes to a page and waits until its script runs.
    pub fn open(&mut self, url: &str) {
        let answer = self.ask("Page.navigate", json!({ "url": url }));
        assert!(answer["errorText"].is_null(), "{url}: {answer}");
        self.until(
            "the page's script",
            &format!("location.href === {} && document.documentElement.classList.contains('js')", json!(url)),
        );
    }

    /// The value of an expression in the page.
    #[track_caller]
    pub fn eval(&mut self, expression: &str) -> Value {
        let params = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let answer = self.ask("Runtime.evaluate", params);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Waits until an expression is true in the page.
    #[track_caller]
    pub fn until(&mut self, what: &str, expression: &str) {
        const PAUSE: Duration = Duration::from_millis(25);
        for _ in 0..PATIENCE.as_millis() / PAUSE.as_millis() {
            // Between two pages there is none to ask.
            let answer =
                self.ask("Runtime.evaluate", json!({ "expression": format!("Boolean({expression})"), "returnByValue": true }));
            if answer["result"]["value"] == true {
                return;
            }
            std::thread::sleep(PAUSE);
        }
        let page = self.eval("location.href + '\\n' + document.body.innerText");
        panic!("waited in vain for {what}; the page is {}\n{:#?}", page.as_str().unwrap_or("?"), self.complaints);
    }

    /// Types a text into what has the focus, as an input method does.
    pub fn types(&mut self, text: &str) {
        self.ask("Input.insertText", json!({ "text": text }));
    }

    /// Presses one key: `Enter`, or a letter with Ctrl.
    pub fn presses(&mut self, key: &str, ctrl: bool) {
        let code = if key == "Enter" { 13 } else { u32::from(key.to_ascii_uppercase().as_bytes()[0]) };
        let modifiers = if ctrl { 2 } else { 0 };
        for kind in ["rawKeyDown", "keyUp"] {
            let event = json!({ "type": kind, "key": key, "windowsVirtualKeyCode": code, "modifiers": modifiers });
            self.ask("Input.dispatchKeyEvent", event);
        }
    }

    /// Makes the window so large.
    pub fn resize(&mut self, width: u32, height: u32) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.ask("Emulation.setDeviceMetricsOverride", metrics);
    }

    /// A picture of what is seen, as PNG in base64.
    pub fn picture(&mut self) -> String {
        self.ask("Page.captureScreenshot", json!({}))["data"].as_str().unwrap().to_owned()
    }

    /// What pages complained about since it was last asked.
    pub fn complaints(&mut self) -> Vec<String> {
        // An answer comes after all events before it.
        self.eval("0");
        self.complaints.drain(..).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It also ends when its pipe does.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
