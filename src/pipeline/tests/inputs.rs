//! Inputs: values that someone gave, checked against what the file declares.

use super::*;

const DECLARED: &str = "on:
  push:
  manual:
    inputs:
      level: { type: choice, options: [fast, full], description: How much }
      times: { type: number, default: 2 }
      share: { type: number }
      dry: { type: boolean, default: true }
      note: { type: string }
";

fn given(inputs: &[(&str, &str)]) -> Trigger {
    let inputs = inputs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Trigger { event: Event::Manual, inputs, ..push("main") }
}

fn refused(text: &str, inputs: &[(&str, &str)]) -> String {
    match read("f.yml", text.as_bytes(), &given(inputs), &ReadOptions::default()) {
        Reading::Refused(why) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn inputs_have_the_value_given_or_the_default_or_the_empty_one_of_their_type() {
    let text = format!(
        "{DECLARED}steps: [{{ run: x, env: {{ V: \"${{{{ inputs.level }}}} ${{{{ inputs.times + 1 }}}} ${{{{ inputs.dry }}}} ${{{{ inputs.note }}}}\" }} }}]"
    );
    let value = |trigger: &Trigger| planned(&text, trigger).jobs[0].steps[0].env["V"].shown().to_owned();
    assert_eq!(value(&push("main")), "fast 3 true ");
    assert_eq!(value(&given(&[])), "fast 3 true ");
    assert_eq!(
        value(&given(&[("level", "full"), ("times", "-4"), ("dry", "false"), ("note", "a \"b\" ${{ x }}")])),
        "full -3 false a \"b\" ${{ x }}"
    );
    let inputs = planned(&text, &given(&[("share", "0.50")])).inputs;
    assert_eq!(inputs["share"], InputValue::Number("0.50".to_owned()));
    assert_eq!(inputs["times"], InputValue::Number("2".to_owned()));
    assert_eq!(inputs["dry"], InputValue::Boolean(true));
    assert_eq!(inputs.len(), 5);
}

#[test]
fn what_does_not_fit_is_refused_in_a_sentence() {
    let text = format!("{DECLARED}      who: {{ type: string, required: true }}\nsteps: [x]");
    for (name, value, expected) in [
        ("levl", "fast", "the pipeline has no input `levl` (did you mean `level`?)"),
        ("zzz", "", "the pipeline has no input `zzz` (its inputs are `level`, `times`, `share`, `dry`, `note`, `who`)"),
        ("level", "Full", "the input `level` must be one of `fast`, `full`, found `Full`"),
        ("times", "1e3", "the input `times` must be a number like 3 or -0.5, found `1e3`"),
        ("times", "", "the input `times` must be a number like 3 or -0.5, found ``"),
        ("share", ".5", "the input `share` must be a number like 3 or -0.5, found `.5`"),
        ("dry", "yes", "the input `dry` must be true or false, found `yes`"),
        ("note", "a\0b", "the input `note` has a NUL character"),
        ("note", "", "the input `who` must be given"),
    ] {
        assert_eq!(refused(&text, &[(name, value)]), expected);
    }
    assert_eq!(refused("steps: [x]", &[("a", "b")]), "the pipeline has no input `a` (it declares none)");
    let most = "x".repeat(crate::base::limits::INPUT_BYTES);
    assert!(matches!(read("f", text.as_bytes(), &given(&[("who", &most)]), &ReadOptions::default()), Reading::Planned { .. }));
    assert_eq!(refused(&text, &[("who", &format!("{most}x"))]), "the input `who` is larger than 16 KiB");
    assert!(
        matches!(read("f", text.as_bytes(), &push("m"), &ReadOptions::default()), Reading::Planned { .. }),
        "only a person must give one"
    );
}

#[test]
fn inputs_and_schedules_are_told_to_those_who_ask() {
    let text = format!(
        "{DECLARED}      who: {{ type: string, required: true }}\n  cron: {{ nightly: \"0 3 * * *\", late: {{ schedule: \"0 23 * * 5\", timezone: Europe/Berlin }} }}\nsteps: [x]"
    );
    let inputs = inputs_of("f.yml", text.as_bytes());
    let told: Vec<(&str, Option<&str>, bool)> =
        inputs.iter().map(|input| (input.name.as_str(), input.default.as_deref(), input.required)).collect();
    let expected = [
        ("level", Some("fast"), false),
        ("times", Some("2"), false),
        ("share", None, false),
        ("dry", Some("true"), false),
        ("note", None, false),
        ("who", None, true),
    ];
    assert_eq!(told, expected);
    assert_eq!(inputs[0].kind, InputKind::Choice(vec!["fast".to_owned(), "full".to_owned()]));
    assert_eq!(inputs[0].description, "How much");
    let schedules = schedules_of("f.yml", text.as_bytes());
    let told: Vec<[&str; 3]> =
        schedules.iter().map(|(name, expression, timezone)| [name.as_str(), expression.as_str(), timezone.as_str()]).collect();
    assert_eq!(told, [["nightly", "0 3 * * *", "UTC"], ["late", "0 23 * * 5", "Europe/Berlin"]]);
    assert!(inputs_of("f.yml", b"on: { manual: { inputs: { a: { type: x } } } }\nsteps: [x]").is_empty());
    assert!(schedules_of("f.yml", b"steps: [{ rn: x }]").is_empty());
}
