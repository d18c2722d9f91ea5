//! Whether a trigger is wanted by its branch, its paths, its schedule; and the sentence when it is not.

use super::*;

fn why(on: &str, trigger: &Trigger, changes: Option<&[&str]>) -> Option<String> {
    let changes: Option<Vec<String>> = changes.map(|changes| changes.iter().map(|path| (*path).to_owned()).collect());
    let options = ReadOptions { changes: changes.as_deref(), ..ReadOptions::default() };
    match read("f.yml", format!("on: {on}\nsteps: [x]").as_bytes(), trigger, &options) {
        Reading::Planned { .. } => None,
        Reading::NotWanted(why) => Some(why),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_push_is_wanted_by_its_branch_and_its_paths() {
    let on = "{ push: { branches: [main], paths: { include: [\"src/**\", Makefile], exclude: [\"src/docs/**\"] } } }";
    let main = push("main");
    assert_eq!(why(on, &main, Some(&["README.md", "src/a/b.rs"])), None);
    assert_eq!(why(on, &main, Some(&["src/docs/x.md", "Makefile"])), None);
    assert_eq!(why(on, &main, None), None, "what is not known counts as changed");
    assert_eq!(
        why(on, &push("dev"), Some(&["src/a.rs"])).unwrap(),
        "`on.push.branches` has no pattern that matches branch `dev`"
    );
    for (changes, expected) in [
        (&["README.md"][..], "the one changed path, `README.md`, matches no pattern of `on.push.paths`"),
        (&["README.md", "a/Makefile"], "of the 2 changed paths (`README.md`, …) none matches a pattern of `on.push.paths`"),
        (&["src/docs/x.md"], "the one changed path, `src/docs/x.md`, matches a pattern of `on.push.paths.exclude`"),
        (&["README.md", "src/docs/x"], "of the 2 changed paths (`README.md`, …) none is left by `on.push.paths.exclude`"),
        (&[], "no path was changed, and `on.push.paths` asks for some"),
    ] {
        assert_eq!(why(on, &main, Some(changes)).unwrap(), expected);
    }
    let exclude = "{ push: { paths: { exclude: [\"docs/**\"] } } }";
    assert_eq!(why(exclude, &main, Some(&["docs/a", "b"])), None);
    assert!(why(exclude, &main, Some(&["docs/a", "docs/b"])).is_some());
    assert_eq!(why("push", &main, Some(&[])), None, "without a filter an empty commit is wanted too");
    assert_eq!(why("{ push: { paths: [a] } }", &Trigger { event: Event::Manual, ..push("x") }, Some(&["b"])), None);
}

#[test]
fn a_pull_request_is_wanted_by_the_branch_that_it_is_meant_for() {
    let request = |target: &str, message: &str| Trigger {
        event: Event::PullRequest,
        message: message.to_owned(),
        pull_request: Some(PullRequest {
            number: 3,
            title: String::new(),
            author: String::new(),
            source: "fix".to_owned(),
            target: target.to_owned(),
            fork: false,
        }),
        ..push("fix")
    };
    let on = "{ pull_request: { branches: [main], paths: [src/**] } }";
    assert_eq!(why(on, &request("main", ""), Some(&["src/a"])), None);
    assert_eq!(
        why(on, &request("dev", ""), Some(&["src/a"])).unwrap(),
        "`on.pull_request.branches` has no pattern that matches target branch `dev`"
    );
    assert!(why(on, &request("main", ""), Some(&["a"])).unwrap().contains("`on.pull_request.paths`"));
    assert_eq!(why(on, &request("main", "x [skip ci]"), None).unwrap(), "the head commit's message has `[skip ci]`");
    assert_eq!(why("push", &request("main", ""), None).unwrap(), "`on` does not name `pull_request`");
}

#[test]
fn a_schedule_is_wanted_by_its_name() {
    let cron = |schedule: Option<&str>| Trigger {
        event: Event::Cron,
        schedule: schedule.map(ToOwned::to_owned),
        message: "[skip ci]".to_owned(),
        ..push("main")
    };
    let on = "{ cron: { nightly: \"0 3 * * *\" } }";
    assert_eq!(why(on, &cron(Some("nightly")), None), None);
    assert_eq!(why(on, &cron(None), None), None);
    assert_eq!(why(on, &cron(Some("weekly")), None).unwrap(), "`on.cron` has no schedule `weekly`");
    assert_eq!(why("push", &cron(Some("nightly")), None).unwrap(), "`on` does not name `cron`");
    assert_eq!(why("{ cron: \"0 3 * * *\" }", &cron(Some("cron")), None), None);
}
