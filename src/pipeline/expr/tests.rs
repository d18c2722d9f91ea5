//! Expressions: what is found without a trigger, what they give with one, and that no expression costs much.

use super::*;
use crate::pipeline::problem::Problem;
use crate::pipeline::trigger::{Event, Trigger};
use crate::pipeline::yaml::{self, Source, Tolerance};

fn trigger() -> Trigger {
    Trigger {
        event: Event::Push,
        branch: "release/1.0".to_owned(),
        tag: None,
        commit: "5d6e7f8".repeat(6),
        message: "Fix it\n\nwell".to_owned(),
        author: "Ann <ann@example.org>".to_owned(),
        default_branch: "main".to_owned(),
        repo: "shop".to_owned(),
        url: String::new(),
        because: String::new(),
        inputs: Default::default(),
        schedule: None,
        pull_request: None,
    }
}

fn compiled(text: &str, want: Want) -> Result<Expression, Vec<Problem>> {
    let source = Source::new(text.as_bytes());
    let mut report = Report::new("f", &source);
    let quoted = format!("'{}'", text.replace('\'', "''"));
    let document = yaml::read(&Source::new(quoted.as_bytes()), Tolerance::default());
    let place = Place::of(&document.root.unwrap(), &source);
    let expression = Expression::new(text, &place, 0, want, &mut report);
    expression.ok_or_else(|| report.finish())
}

fn holds(text: &str) -> bool {
    compiled(text, Want::Condition).unwrap().holds(&Facts::new(&trigger())).unwrap()
}

fn refused(text: &str) -> String {
    let problems = compiled(text, Want::Condition).expect_err(text);
    problems.into_iter().map(|problem| format!("{}: {}", problem.code, problem.message)).collect::<Vec<_>>().join("\n")
}

#[test]
fn conditions_see_the_trigger() {
    for (text, expected) in [
        ("branch == \"main\"", false),
        ("branch != default_branch && event == 'push'", true),
        ("branch.startsWith(\"release/\")", true),
        ("glob(branch, \"release/**\")", true),
        ("glob(branch, 'release*')", false),
        ("branch in ['main', 'release/1.0']", true),
        ("['main', 'dev'].exists(b, b == branch)", false),
        ("tag == ''", true),
        ("ref == 'refs/heads/release/1.0'", true),
        ("repo == 'shop' && size(commit) > 7", true),
        ("message.contains('Fix') && message.matches('^Fix')", true),
        ("!(event == 'tag') ? true : false", true),
        ("true", true),
    ] {
        assert_eq!(holds(text), expected, "{text}");
    }
}

#[test]
fn what_is_wrong_whatever_the_trigger_is_told() {
    for (text, expected) in [
        ("brnch == 'x'", "unknown-name: `brnch` is not a name that expressions know"),
        ("branch == \"x\" && github.ref == 'x'", "unknown-name: `github` is not a name that expressions know"),
        ("matrix.os == 'x'", "unsupported-name: `matrix` is not available in expressions of this version"),
        ("hash('x') == ''", "unsupported-name: `hash` is not available in this version"),
        ("always()", "unknown-name: `always` is not a function that expressions know"),
        ("branch", "expression-type: the expression must be true or false, but it is text"),
        ("branch == 1", "expression-type: text is compared with a number: they are never equal"),
        ("branch && true", "expression-type: `&&` takes true or false, found text"),
        ("branch in 'main'", "expression-type: `in` takes a list, found text"),
        ("branch.name == 'x'", "expression-type: text has no field `name`"),
        ("startsWith(branch, 'x')", "expression: `startsWith` is not called like this"),
        ("branch.startsWith(1)", "expression-type: `startsWith` takes text, found a number"),
        ("branch.matches('(')", "expression: the pattern of `matches` is wrong"),
        ("glob(branch, '[')", "expression: the pattern of `glob` is wrong"),
        ("[1].all(x, [2].all(y, true))", "expression: a loop inside a loop is not allowed"),
        ("branch =", "expression: the expression cannot be read"),
        ("'open", "expression: the expression cannot be read"),
        ("", "expression: the expression is empty"),
    ] {
        let found = refused(text);
        assert!(found.starts_with(expected), "{text}: {found}");
    }
}

#[test]
fn an_expression_at_the_limit_is_taken_and_one_past_it_refused() {
    let long = |length: usize| format!("branch == '{}'", "x".repeat(length - "branch == ''".len()));
    assert!(compiled(&long(limits::EXPRESSION_CHARS), Want::Condition).is_ok());
    assert!(refused(&long(limits::EXPRESSION_CHARS + 1)).starts_with("expression-too-long"));
    let deep = |levels: usize| format!("{}true{}", "(".repeat(levels), ")".repeat(levels));
    assert!(compiled(&deep(limits::EXPRESSION_DEPTH), Want::Condition).is_ok());
    assert!(refused(&deep(limits::EXPRESSION_DEPTH + 1)).starts_with("expression-too-deep"));
    let sum = |levels: usize| format!("1{} > 0", "+1".repeat(levels - 1));
    assert!(compiled(&sum(limits::EXPRESSION_DEPTH), Want::Condition).is_ok());
    assert!(refused(&sum(limits::EXPRESSION_DEPTH + 1)).starts_with("expression-too-deep"));
}

#[test]
fn no_expression_overflows_a_small_stack() {
    let hostile = |unit: &str, end: &str| format!("{}{end}", unit.repeat((limits::EXPRESSION_CHARS - end.len()) / unit.len()));
    let texts: Vec<String> = [
        "!",
        "-",
        "(",
        "[",
        "{1:",
        "true?",
        "true?true:",
        "a.",
        "a[",
        "f(",
        "1+",
        "true&&",
        "true||",
        "1==",
        "!(",
        "[[",
        "'",
        "\\",
        "-(-",
        "x.all(x,",
        "true ? (true) : ",
    ]
    .iter()
    .flat_map(|unit| ["true", ""].map(|end| hostile(unit, end)))
    .collect();
    let thread = std::thread::Builder::new().stack_size(1024 * 1024).spawn(move || {
        for text in texts {
            let _ = compiled(&text, Want::Condition).map(|expression| expression.holds(&Facts::new(&trigger())));
        }
    });
    thread.unwrap().join().unwrap();
}

#[test]
fn braces_are_filled_and_their_faults_have_places() {
    let fill = |text: &str| {
        let source = Source::new(text.as_bytes());
        let mut report = Report::new("f", &source);
        let document = yaml::read(&source, Tolerance::default());
        let place = Place::of(&document.root.unwrap(), &source);
        let template = Template::new(text, &place, &mut report);
        let filled = template.map(|template| template.fill(&Facts::new(&trigger())).unwrap());
        filled.ok_or_else(|| {
            report.finish().into_iter().map(|problem| (problem.column, problem.length, problem.message)).collect::<Vec<_>>()
        })
    };
    assert_eq!(fill("plain").unwrap(), "plain");
    assert_eq!(fill("a-${{ branch }}-${{repo + \"}}\"}}").unwrap(), "a-release/1.0-shop}}");
    assert_eq!(fill("n${{ size(repo) }}").unwrap(), "n4");
    assert_eq!(fill("ä ${{ brnch }} b").unwrap_err(), [(7, 5, "`brnch` is not a name that expressions know".to_owned())]);
    assert_eq!(fill("x ${{ branch }").unwrap_err(), [(3, 3, "`${{` is never closed".to_owned())]);
    assert!(fill("${{ [1] }}").unwrap_err()[0].2.contains("must be text, but it is a list"));
}

#[test]
fn a_false_condition_says_what_it_saw() {
    let expression = compiled("branch == 'main' ||\n  tag != ''", Want::Condition).unwrap();
    assert_eq!(
        expression.because(&Facts::new(&trigger())),
        "branch == 'main' || tag != '' (branch is \"release/1.0\", tag is \"\")"
    );
}

#[test]
fn a_failing_evaluation_is_a_sentence() {
    let facts = Facts::new(&trigger());
    for text in [
        "1 / 0 == 1",
        "int(branch) == 1",
        "glob(branch, branch + '[')",
        "[1][7] == 1",
        "{'a': 1}.b == 1",
        "branch.matches(branch + '(')",
        "{'a': 1}['a']",
    ] {
        assert!(compiled(text, Want::Condition).unwrap().holds(&facts).is_err(), "{text}");
    }
}
