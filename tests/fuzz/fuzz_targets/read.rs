//! Any bytes as a pipeline file: its problems, how they are shown, and what each kind of trigger makes of it.
//!
//! **Invariant:** what `check` finds wrong is wrong for each trigger, wanted or not.

#![no_main]

use gantry_fuzz::pipeline::{ReadOptions, Reading, check, has_errors, outline, read};
use gantry_fuzz::world::{EVENTS, trigger};
use gantry_fuzz::{FILE, plans, problems};
use libfuzzer_sys::arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let found = check(FILE, text);
    problems::well_told(text, &found);
    let valid = !has_errors(&found);
    assert_eq!(outline(FILE, text).is_some(), valid);
    let changes = ["src/a.rs".to_owned(), "docs/a.md".to_owned()];
    let options = ReadOptions { changes: Some(&changes), ..ReadOptions::default() };
    for event in EVENTS {
        let trigger = trigger(event, &mut Unstructured::new(&[]));
        match read(FILE, text, &trigger, &options) {
            Reading::Planned { plan, warnings } => {
                assert!(valid && !has_errors(&warnings));
                problems::well_told(text, &warnings);
                plans::sound(&plan, false);
            }
            Reading::NotWanted(why) | Reading::Refused(why) => {
                assert!(valid, "{why}");
                problems::sentence(&why);
            }
            Reading::Invalid(found) => {
                assert!(has_errors(&found));
                problems::well_told(text, &found);
            }
        }
        if !valid {
            // The others find the same.
            break;
        }
    }
});
