//! `gantry tests RUN`: the results of a run's tests, those that did not pass first.

use serde_json::Value;

use super::answer::{Run, TestResult, Tests};
use super::api::Api;
use super::screen::{Colour, Hue};
use super::table::{Cell, Table};
use super::text::{cut, log_line, one_line};
use super::{Failure, Reference, Screen};
use crate::base::{limits, took};

/// Columns of a message on a terminal; elsewhere it is whole.
const MESSAGE: usize = 60;
/// Lines of a failed test's message.
const LINES: usize = 12;

pub(super) async fn list(api: &Api, screen: &mut Screen, run: &Reference, failed: bool, json: bool) -> Result<(), Failure> {
    let id = run.find(api).await?;
    let (mut items, mut first, mut before) = (Vec::new(), None, None::<String>);
    loop {
        let mut url = api.url(&["api", "v1", "runs", &id, "tests"]);
        url.query_pairs_mut().append_pair("limit", &limits::PAGE_ROWS.to_string());
        if failed {
            url.query_pairs_mut().append_pair("outcome", "failed");
        }
        if let Some(before) = &before {
            url.query_pairs_mut().append_pair("before", before);
        }
        let mut page: Value = api.get(url).await?.read()?;
        items.extend(page["items"].as_array_mut().map(std::mem::take).unwrap_or_default());
        before = page["next"].as_str().map(ToOwned::to_owned);
        first.get_or_insert(page);
        if before.is_none() {
            break;
        }
    }
    let mut all = first.unwrap_or_default();
    (all["items"], all["next"]) = (Value::from(items), Value::Null);
    if json {
        return screen.json(&all.to_string());
    }
    let Tests { items, summary, problems } = read(api, all)?;
    for problem in problems {
        screen.say(&format!("{} / {}: {}", problem.job, problem.step, problem.sentence))?;
    }
    let Some(summary) = summary else {
        let run: Run = api.get(api.url(&["api", "v1", "runs", &id])).await?.read()?;
        return screen.say(&format!("no step of {} left test reports", run.name()));
    };
    let text = if failed { blocks(&items, screen.colour) } else { table(&items, screen.is_terminal).render(screen.colour) };
    if !items.is_empty() {
        screen.data(&text)?;
    }
    screen.say(&summary.to_string())
}

fn read(api: &Api, all: Value) -> Result<Tests, Failure> {
    serde_json::from_value(all).map_err(|error| api.stranger(error.to_string()))
}

fn hue(test: &TestResult) -> Hue {
    match (test.outcome.as_str(), test.flaky) {
        ("failed" | "error", _) => Hue::Bad,
        ("passed", true) => Hue::Doubtful,
        ("passed", false) => Hue::Good,
        _ => Hue::Quiet,
    }
}

fn word(test: &TestResult) -> String {
    if test.flaky { format!("{}, flaky", test.outcome) } else { test.outcome.clone() }
}

fn name(test: &TestResult) -> String {
    one_line(format!("{} {}", test.suite, test.name).trim())
}

fn table(tests: &[TestResult], is_terminal: bool) -> Table<5> {
    let mut table = Table::new(["TEST", "OUTCOME", "TOOK", "STEP", "MESSAGE"]);
    for test in tests {
        let message = log_line(test.message.as_deref().unwrap_or_default().lines().next().unwrap_or_default(), false);
        table.row([
            Cell::hued(name(test), Hue::Strong),
            Cell::hued(word(test), hue(test)),
            Cell::new(test.duration_ms.map(took).unwrap_or_default()),
            Cell::new(format!("{}/{}", test.job, test.step)),
            Cell::new(if is_terminal { cut(&message, MESSAGE) } else { message }),
        ]);
    }
    table
}

/// Each failed test with its message.
fn blocks(tests: &[TestResult], colour: Colour) -> String {
    let mut out = String::new();
    for test in tests {
        let took = test.duration_ms.map(|ms| format!(" in {}", took(ms))).unwrap_or_default();
        let place = one_line(&format!("{} / {}", test.job, test.step));
        out.push_str(&format!(
            "{} {} {}\n",
            colour.paint(hue(test), &word(test)),
            colour.paint(Hue::Strong, &name(test)),
            colour.paint(Hue::Quiet, &format!("({place}{took})"))
        ));
        out.push_str(&message(test.message.as_deref().unwrap_or_default(), LINES, colour.0));
    }
    out
}

/// A message, indented; colours come through, nothing else that steers a terminal.
pub(in crate::cli) fn message(message: &str, most: usize, colour: bool) -> String {
    let mut lines = message.lines().filter(|line| !line.trim().is_empty());
    let mut out: String = lines.by_ref().take(most).map(|line| format!("    {}\n", log_line(line, colour))).collect();
    if lines.next().is_some() {
        out.push_str("    …\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn some() -> Vec<TestResult> {
        let test = |name: &str, outcome: &str, flaky, message: Option<&str>| {
            let value = json!({
                "suite": "shop::cart", "name": name, "outcome": outcome, "flaky": flaky, "duration_ms": 1_234, "message": message, "job": "test",
                "step": "unit", "new": "field" });
            serde_json::from_value::<TestResult>(value).unwrap()
        };
        vec![
            test("total\x1b[2J", "failed", true, Some("\x1b[31mred\x1b[0m\x1b]0;title\x07\n\n  left: 1\n right: 2")),
            test("later", "skipped", false, Some("not yet")),
            test("adds", "passed", false, None),
        ]
    }

    #[test]
    fn results_are_a_table_and_failed_ones_blocks_with_their_messages() {
        let tests = some();
        insta::assert_snapshot!(table(&tests, true).render(Colour(false)), @"
        TEST                  OUTCOME        TOOK   STEP       MESSAGE
        shop::cart total�[2J  failed, flaky  1.2 s  test/unit  red
        shop::cart later      skipped        1.2 s  test/unit  not yet
        shop::cart adds       passed         1.2 s  test/unit
        ");
        insta::assert_snapshot!(blocks(&tests[..1], Colour(false)), @"
        failed, flaky shop::cart total�[2J (test / unit in 1.2 s)
            red
              left: 1
             right: 2
        ");
        let coloured = blocks(&tests[..1], Colour(true));
        assert!(
            coloured.contains("\x1b[31mred\x1b[0m") && !coloured.contains("title") && !coloured.contains("\x1b[2J"),
            "{coloured:?}"
        );
        assert_eq!(message(&"x\n".repeat(5), 2, false), "    x\n    x\n    …\n");
    }
}
