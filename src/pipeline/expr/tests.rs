//! Expressions: what is found without a trigger, what they give with one, and that no expression costs much.

use std::collections::BTreeMap;

use super::*;
use crate::base::limits;
use crate::pipeline::parts::InputValue;
use crate::pipeline::plan::Text;
use crate::pipeline::problem::Problem;
use crate::pipeline::read::{FileEntry, Files};
use crate::pipeline::report::Report;
use crate::pipeline::trigger::{Event, PullRequest, Trigger};
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
        pull_request: Some(PullRequest {
            number: 7,
            title: "Faster".to_owned(),
            author: "ann".to_owned(),
            source: "fast".to_owned(),
            target: "main".to_owned(),
            fork: true,
        }),
    }
}

/// What the tests' expressions look at.
fn with_facts<T>(changes: &[String], use_facts: impl FnOnce(&Facts) -> T) -> T {
    let trigger = trigger();
    let text = |text: &str| InputValue::Text(text.to_owned());
    let inputs = BTreeMap::from([
        ("level".to_owned(), text("full")),
        ("count".to_owned(), InputValue::Number("3".to_owned())),
        ("share".to_owned(), InputValue::Number("0.50".to_owned())),
        ("dry run".to_owned(), InputValue::Boolean(true)),
    ]);
    let matrix = BTreeMap::from([("rust".to_owned(), "1.95".to_owned())]);
    let outer = Level::from([("A".to_owned(), "outer".into()), ("B".to_owned(), "b".into())]);
    let inner = Level::from([("A".to_owned(), "inner".into()), ("L".to_owned(), Text::Late(crate::pipeline::Late::new("x")))]);
    let shared = Shared::new(&trigger, &inputs, changes);
    use_facts(&Facts::new(&shared, Some(&matrix)).with(&outer).with(&inner))
}

fn library() -> Library {
    Library::new(limits::EXPRESSIONS_COST)
}

fn evaluated(expression: &Expression) -> Result<bool, Trouble> {
    let changes = ["src/a.rs".to_owned(), "docs/b.md".to_owned()];
    with_facts(&changes, |facts| expression.holds(facts, &library()))
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
    evaluated(&compiled(text, Want::Condition).unwrap()).unwrap()
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
        ("pr.number == 7 && pr.fork && pr.target == 'main'", true),
        ("pr.title + pr.author + pr.source == 'Fasterannfast'", true),
        ("inputs.level == 'full' && inputs[\"level\"] != 'fast'", true),
        ("inputs.count == 3 && inputs.count > 2 && inputs.count < 3.5", true),
        ("inputs.share == 0.5 && inputs.share < 1", true),
        ("inputs['dry run'] ? inputs.count * 2 == 6 : false", true),
        ("matrix.rust == '1.95'", true),
        ("env.A == 'inner' && env.B == 'b'", true),
        ("'src/a.rs' in changes && size(changes) == 2", true),
        ("changes.exists(path, glob(path, 'docs/**'))", true),
        ("changes.all(path, path.matches('^(src|docs)/'))", true),
        ("changes.filter(branch, branch.startsWith('src/')) == ['src/a.rs']", true),
        ("changes.map(path, size(path)).exists(length, length > 9)", false),
        ("has(inputs.level) && has(pr.fork)", true),
    ] {
        assert_eq!(holds(text), expected, "{text}");
    }
}

#[test]
fn what_is_wrong_whatever_the_trigger_is_told() {
    for (text, expected) in [
        ("brnch == 'x'", "unknown-name: `brnch` is not a name that expressions know"),
        ("branch == \"x\" && github.ref == 'x'", "unknown-name: `github` is not a name that expressions know"),
        ("inputs == 1", "expression: `inputs` is a map: name what is meant in it"),
        ("size(matrix) > 1", "expression: `matrix` is a map: name what is meant in it"),
        ("inputs[branch] == 1", "expression: `inputs` is a map: name what is meant in it"),
        ("steps.build == 'x'", "expression: `steps.build` is a map: name what is meant in it"),
        ("needs.a.outputs == 'x'", "expression: `needs.a.outputs` is a map: name what is meant in it"),
        ("needs.a.result == 'x'", "unknown-name: `result` is nothing that expressions know of a job"),
        ("pr.nmber == 1", "unknown-name: `pr` has no field `nmber`"),
        ("run.nr == 1", "unknown-name: `run` has no field `nr`"),
        ("run.number == '1'", "expression-type: a number is compared with text: they are never equal"),
        ("pr.fork == 'true'", "expression-type: true or false is compared with text: they are never equal"),
        ("changes == 'x'", "expression-type: a list is compared with text: they are never equal"),
        ("matrix.os.name == 'x'", "expression-type: text has no field `name`"),
        ("hash() == ''", "expression: `hash` is not called like this"),
        ("hash(1) == ''", "expression-type: `hash` takes text, found a number"),
        ("hash('a', '[') == ''", "expression: the pattern of `hash` is wrong"),
        ("branch.matches('\\\\w{900}')", "expression: the pattern of `matches` is wrong: it is too large"),
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
            let _ = compiled(&text, Want::Condition).map(|expression| evaluated(&expression));
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
        let filled = template.map(|template| {
            let text = with_facts(&[], |facts| template.fill(facts, &library())).unwrap();
            text.fixed().unwrap().to_owned()
        });
        filled.ok_or_else(|| {
            report.finish().into_iter().map(|problem| (problem.column, problem.length, problem.message)).collect::<Vec<_>>()
        })
    };
    assert_eq!(fill("plain").unwrap(), "plain");
    assert_eq!(fill("a-${{ branch }}-${{repo + \"}}\"}}").unwrap(), "a-release/1.0-shop}}");
    assert_eq!(fill("n${{ size(repo) }}").unwrap(), "n4");
    assert_eq!(fill("${{ inputs.share }} ${{ inputs.count + 1 }} ${{ pr.fork }} ${{ pr.number }}").unwrap(), "0.50 4 true 7");
    assert_eq!(fill("ä ${{ brnch }} b").unwrap_err(), [(7, 5, "`brnch` is not a name that expressions know".to_owned())]);
    assert_eq!(fill("x ${{ branch }").unwrap_err(), [(3, 3, "`${{` is never closed".to_owned())]);
    assert!(fill("${{ [1] }}").unwrap_err()[0].2.contains("must be text, but it is a list"));
}

#[test]
fn a_false_condition_says_what_it_saw() {
    let expression = compiled("branch == 'main' ||\n  tag != ''", Want::Condition).unwrap();
    let because = |expression: &Expression, changes: &[String]| with_facts(changes, |facts| expression.because(facts));
    assert_eq!(because(&expression, &[]), "branch == 'main' || tag != '' (branch is \"release/1.0\", tag is \"\")");
    let expression =
        compiled("inputs.count > 3 && matrix.rust == pr.title && pr.fork && size(changes) > 5", Want::Condition).unwrap();
    let seen = "inputs.count is 3, matrix.rust is \"1.95\", pr.title is \"Faster\", pr.fork is true, changes is";
    let text = &expression.text;
    assert_eq!(because(&expression, &[]), format!("{text} ({seen} empty)"));
    assert_eq!(because(&expression, &["a".to_owned()]), format!("{text} ({seen} \"a\")"));
    assert_eq!(because(&expression, &["a".to_owned(), "b".to_owned()]), format!("{text} ({seen} \"a\" and 1 more)"));
}

#[test]
fn a_failing_evaluation_is_a_sentence() {
    for text in [
        "1 / 0 == 1",
        "int(branch) == 1",
        "glob(branch, branch + '[')",
        "[1][7] == 1",
        "{'a': 1}.b == 1",
        "branch.matches(branch + '(')",
        "{'a': 1}['a']",
    ] {
        let trouble = evaluated(&compiled(text, Want::Condition).unwrap()).expect_err(text);
        assert!(matches!(&trouble, Trouble::Wrong(why) if why.starts_with("the expression ")), "{text}: {trouble:?}");
    }
}

#[test]
fn what_the_run_will_know_is_later_unless_the_rest_decides() {
    for (text, expected) in [
        ("steps.a.outputs.x == 'y'", Err(Trouble::Later)),
        ("run.number > 1", Err(Trouble::Later)),
        ("env.L == 'x'", Err(Trouble::Later)),
        ("has(steps.a.outputs.x)", Err(Trouble::Later)),
        ("needs['a b'].outcome == 'passed' && branch == 'main'", Ok(false)),
        ("jobs.a.outcome == 'passed' || event == 'push'", Ok(true)),
        ("event == 'push' || jobs.a.outcome == 'passed'", Ok(true)),
        ("event == 'push' ? true : jobs.a.outcome == 'passed'", Ok(true)),
        ("event == 'push' && jobs.a.outcome == 'passed'", Err(Trouble::Later)),
    ] {
        assert_eq!(evaluated(&compiled(text, Want::Condition).unwrap()), expected, "{text}");
    }
}

#[test]
fn a_hash_is_of_the_files_that_match_and_changes_with_each_of_them() {
    struct Tree(Vec<(&'static str, &'static str)>);
    impl Files for Tree {
        fn list(&self) -> Result<Vec<FileEntry>, String> {
            Ok(self.0.iter().map(|(path, id)| FileEntry { path: (*path).to_owned(), id: (*id).to_owned() }).collect())
        }
    }
    let hash = |text: &str, files: Option<&dyn Files>| {
        let library = library();
        library.offer(files);
        with_facts(&[], |facts| compiled(text, Want::Text).unwrap().text(facts, &library)).map_err(Trouble::sentence)
    };
    let tree = Tree(vec![("Cargo.lock", "1"), ("a/Cargo.lock", "2"), ("b", "3")]);
    let one = hash("hash('Cargo.lock')", Some(&tree)).unwrap();
    assert!(one.len() == 16 && one.bytes().all(|byte| byte.is_ascii_hexdigit()), "{one}");
    let all = hash("hash('**/Cargo.lock')", Some(&tree)).unwrap();
    assert_ne!(one, all);
    assert_eq!(hash("hash('Cargo.lock', 'a/*')", Some(&tree)).unwrap(), all);
    assert_eq!(hash("hash('a/*', repo == 'shop' ? 'Cargo.lock' : '')", Some(&tree)).unwrap(), all);
    let changed = Tree(vec![("Cargo.lock", "1"), ("a/Cargo.lock", "4"), ("b", "3")]);
    assert_ne!(hash("hash('**/Cargo.lock')", Some(&changed)).unwrap(), all);
    assert_eq!(hash("hash('Cargo.lock')", Some(&changed)).unwrap(), one);
    let renamed = Tree(vec![("Cargo.lock", "1"), ("c/Cargo.lock", "2")]);
    assert_ne!(hash("hash('**/Cargo.lock')", Some(&renamed)).unwrap(), all);
    assert_eq!(hash("hash('x', 'y/*')", Some(&tree)).unwrap_err(), "no file matches `x` or `y/*`");
    assert_eq!(hash("hash('x')", None).unwrap_err(), "the files of the commit are not known here");
}

#[test]
fn a_costly_expression_is_refused_before_it_is_evaluated() {
    let changes: Vec<String> = (0..10_000).map(|at| format!("src/file{at}.rs")).collect();
    let holds = |text: &str| with_facts(&changes, |facts| compiled(text, Want::Condition).unwrap().holds(facts, &library()));
    assert_eq!(holds("changes.exists(c, glob(c, 'docs/**') || c.matches('x{20}$'))"), Ok(false));
    let Err(Trouble::Wrong(why)) = holds("changes.all(c, c in changes)") else { panic!() };
    assert!(why.contains("too costly"), "{why}");
    let library = Library::new(1_000);
    let expression = compiled("branch == 'main' && tag == ''", Want::Condition).unwrap();
    let spent = with_facts(&[], |facts| (0..1_000).position(|_| expression.holds(facts, &library).is_err()));
    assert!(spent.is_some_and(|at| at > 50), "{spent:?}");
}

#[test]
fn names_have_their_places() {
    let places = |text: &str| {
        let problems = compiled(text, Want::Condition).expect_err(text);
        problems.into_iter().map(|problem| (problem.column, problem.length)).collect::<Vec<_>>()
    };
    assert_eq!(places("true && pr . nmber == 1"), [(14, 5)]);
    assert_eq!(places("pr[ 'nmber' ] == 1"), [(6, 5)]);
    assert_eq!(places("needs['ä b'].result == '' && steps.x"), [(14, 6), (30, 5)]);
    assert_eq!(places("branch == 'ä' || brnch == ''"), [(18, 5)]);
}
