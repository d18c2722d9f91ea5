//! `gantry show RUN`: one run with its jobs, its steps and the sentence that explains each.

use super::answer::{Job, Run, hue_of, standing, took as span};
use super::api::Api;
use super::screen::{Colour, Hue};
use super::table::{Cell, Table};
use super::text::one_line;
use super::{Failure, Reference, Screen};
use crate::base::{Timestamp, ago, shell_word, took};
use crate::cli::out::beside;
use crate::pipeline;
use crate::run::Usage;

pub(super) async fn show(api: &Api, screen: &mut Screen, run: &Reference, json: bool) -> Result<(), Failure> {
    let id = run.find(api).await?;
    let answer = api.get(api.url(&["api", "v1", "runs", &id])).await?;
    if json {
        return screen.json(&answer.text);
    }
    let text = render(&answer.read()?, screen.now(), screen.colour);
    screen.data(&text)
}

fn render(run: &Run, now: Timestamp, colour: Colour) -> String {
    let state = colour.paint(hue_of(run.standing()), run.standing());
    let took = span(run.started_at, run.ended_at, now);
    let time = match (run.is_ended(), took.is_empty()) {
        (_, true) => String::new(),
        (true, false) => format!(" in {took}"),
        (false, false) => format!(" for {took}"),
    };
    let why =
        if run.reason == run.standing() { String::new() } else { format!(": {}", one_line(beside(run.standing(), &run.reason))) };
    let mut out = format!("{} {state}{time}{why}\n\n", colour.paint(Hue::Strong, &one_line(&run.name())));
    let because = if run.because.is_empty() { run.event.clone() } else { run.because.clone() };
    for (what, value) in [
        ("id", run.id.clone()),
        ("pipeline", run.pipeline.clone()),
        (if run.tag.is_some() { "tag" } else { "branch" }, run.reference().to_owned()),
        ("commit", format!("{} {}", run.short_commit(), one_line(&run.message))),
        ("author", run.author.clone()),
        ("why", because),
        ("queued", ago(now.ms_since(run.queued_at))),
        ("tests", run.tests.map(|tests| tests.to_string()).unwrap_or_default()),
    ] {
        if !value.is_empty() {
            out.push_str(&format!("{}{}\n", colour.paint(Hue::Quiet, &format!("{what:<10}")), one_line(&value)));
        }
    }
    if !run.problems.is_empty() {
        out.push_str(&format!("\n{}", pipeline::render(&run.problems, colour.0)));
    }
    if !run.jobs.is_empty() {
        out.push_str(&format!("\n{}", table(run, now).render(colour)));
    }
    let kept = run.jobs.iter().filter_map(|job| Some((job, job.kept_until?)));
    let kept: String = kept.map(|(job, until)| left_of(run, job, until, now)).collect();
    if !kept.is_empty() {
        out.push_str(&format!("\n{kept}"));
    }
    out
}

/// What is left of a job that failed, and what it is good for.
fn left_of(run: &Run, job: &Job, until: Timestamp, now: Timestamp) -> String {
    let (name, time) = (one_line(&job.name), took(until.ms_since(now)));
    format!("the work tree of {name} is kept for {time}: gantry shell {} {}\n", one_line(&run.name()), shell_word(&name))
}

fn table(run: &Run, now: Timestamp) -> Table<6> {
    let mut table = Table::new(["JOB / STEP", "STATE", "TOOK", "BEFORE", "USED", "REASON"]);
    // What the state says already needs no second telling.
    let reason = |state: &str, reason: &str| if state == reason { String::new() } else { one_line(beside(state, reason)) };
    for job in &run.jobs {
        let state = standing(&job.state, job.outcome.as_deref());
        table.row([
            Cell::hued(&job.name, Hue::Strong),
            Cell::hued(state, hue_of(state)),
            Cell::new(span(job.started_at, job.ended_at, now)),
            Cell::new(job.times.map(|times| times.before()).unwrap_or_default()),
            Cell::new(""),
            Cell::new(reason(state, &job.reason)),
        ]);
        for step in &job.steps {
            let state = standing(&step.state, step.outcome.as_deref());
            let attempt = if step.attempt > 1 { format!("attempt {}: ", step.attempt) } else { String::new() };
            table.row([
                Cell::indented(&step.name, 2),
                Cell::hued(state, hue_of(state)),
                Cell::new(span(step.started_at, step.ended_at, now)),
                Cell::new(step.times.map(|times| times.before()).unwrap_or_default()),
                Cell::new(step.usage.as_ref().map(Usage::words).unwrap_or_default()),
                Cell::new(if attempt.is_empty() { reason(state, &step.reason) } else { attempt + &step.reason }),
            ]);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_run_is_shown_with_the_sentence_that_explains_each_part() {
        let times = json!({ "waiting_ms": 0, "pulling_ms": 3000, "preparing_ms": 80, "running_ms": 3000 });
        let of_job = json!({ "waiting_ms": 1000, "pulling_ms": 0, "preparing_ms": 500, "running_ms": 1 });
        let usage = json!({ "memory_peak_bytes": 1_048_576, "memory_limit_bytes": null, "cpu_user_ms": 900, "new": 1 });
        let compile = json!({ "name": "compile", "state": "ended", "outcome": "passed", "reason": "passed", "attempt": 1, "started_at": 2000,
                      "ended_at": 5000, "times": times, "usage": usage });
        let run = json!({
            "id": "01k3v5xw3v8e2d9ghyq0r5m7pz", "number": 12, "repo": "shop", "pipeline": "ci", "event": "push", "branch": "main", "tag": null,
            "commit": "0123456789abcdef", "message": "second\n\nmore\u{1b}[2J", "author": "Ada", "state": "ended", "outcome": "failed",
            "reason": "`build / test` failed", "because": "`main` moved", "queued_at": 1000, "started_at": 2000, "ended_at": 65000,
            "new": "field", "tests": { "total": 214, "failed": 2, "skipped": 4, "flaky": 1 }, "problems": [{
                "severity": "warning", "code": "old-key", "message": "use another", "file": ".gantry.yml", "line": 0, "column": 1,
                "length": 1, "source": "", "hint": null }],
            "jobs": [{ "name": "build", "state": "ended", "outcome": "failed", "reason": "a step failed", "started_at": 2000, "ended_at": 65000,
                "times": of_job, "kept_until": 3_605_000,
                "steps": [
                    compile,
                    { "name": "test", "state": "ended", "outcome": "failed", "reason": "exit code 1", "attempt": 2, "started_at": 5000,
                      "ended_at": 65000 },
                    { "name": "ship", "state": "ended", "outcome": "skipped", "reason": "skipped: `test` failed", "attempt": 0, "started_at": null,
                      "ended_at": 65000 }] }],
        });
        let run: Run = serde_json::from_value(run).unwrap();
        insta::assert_snapshot!(render(&run, Timestamp(125_000), Colour(false)), @"
        shop#12 failed in 1 min 03 s: `build / test` failed

        id        01k3v5xw3v8e2d9ghyq0r5m7pz
        pipeline  ci
        branch    main
        commit    01234567 second
        author    Ada
        why       `main` moved
        queued    2 min ago
        tests     214 tests: 2 failed, 1 flaky, 4 skipped

        warning[old-key]: use another
         --> .gantry.yml

        JOB / STEP  STATE    TOOK        BEFORE                         USED                      REASON
        build       failed   1 min 03 s  waited 1.0 s, prepared 500 ms                            a step failed
          compile   passed   3.0 s       pulled 3.0 s, prepared 80 ms   1 MiB memory, 900 ms CPU
          test      failed   1 min 00 s                                                           attempt 2: exit code 1
          ship      skipped                                                                       `test` failed

        the work tree of build is kept for 58 min 00 s: gantry shell shop#12 build
        ");
        let colours = render(&run, Timestamp(125_000), Colour(true));
        assert!(colours.contains("\x1b[31mfailed\x1b[0m"), "{colours:?}");
        assert!(!colours.contains("\x1b[2J"), "{colours:?}");
    }
}
