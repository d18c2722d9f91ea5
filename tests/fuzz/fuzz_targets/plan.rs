//! A pipeline that is nearly right, for a trigger and inputs, then the run's part of it.
//!
//! The bytes are a file (none: the grammar writes one), `0xff`, and what the choices are made of. So a file as it is is a case already.

#![no_main]

use gantry_fuzz::pipeline::{Files, ReadOptions, Reading, check, has_errors, read};
use gantry_fuzz::world::World;
use gantry_fuzz::{FILE, grammar, lates, plans, problems};
use libfuzzer_sys::arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let (file, choices) = match bytes.iter().position(|byte| *byte == 0xff) {
        Some(at) => (&bytes[..at], &bytes[at + 1..]),
        None => (bytes, &[][..]),
    };
    let mut choices = Unstructured::new(choices);
    let world = World::new(&mut choices);
    let mut text = String::from_utf8_lossy(file).into_owned();
    if text.is_empty() {
        text = grammar::write(&mut choices);
    }
    grammar::damage(&mut text, &mut choices);
    if std::env::var_os("GANTRY_FUZZ_SHOW").is_some() {
        println!("{text}");
    }
    let options = ReadOptions {
        image_needed: world.image_needed,
        default_image: world.default_image.as_deref(),
        changes: world.changes.as_deref(),
        by_person: world.by_person,
        files: world.files.as_ref().map(|files| files as &dyn Files),
    };
    let valid = !has_errors(&check(FILE, text.as_bytes()));
    let reading = read(FILE, text.as_bytes(), &world.trigger, &options);
    assert_eq!(read(FILE, text.as_bytes(), &world.trigger, &options), reading, "not the same twice");
    match reading {
        Reading::Planned { plan, warnings } => {
            assert!(valid && !has_errors(&warnings));
            problems::well_told(text.as_bytes(), &warnings);
            plans::sound(&plan, world.image_needed);
            lates::evaluate(&plan, &world.trigger, &text, &mut choices);
        }
        Reading::NotWanted(why) | Reading::Refused(why) => {
            assert!(valid, "{why}");
            problems::sentence(&why);
        }
        Reading::Invalid(found) => {
            assert!(has_errors(&found));
            problems::well_told(text.as_bytes(), &found);
        }
    }
});
