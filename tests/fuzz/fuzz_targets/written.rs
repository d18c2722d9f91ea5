//! Any bytes as what a step wrote for others: the three files, with `0xff` between them.
//!
//! **Invariant:** the values are within the limits, fit for a variable, and none is Gantry's own; what is wrong is one sentence.

#![no_main]

use gantry_fuzz::base::limits;
use gantry_fuzz::problems::sentence;
use gantry_fuzz::run::Written;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut files = bytes.splitn(3, |byte| *byte == 0xff);
    let mut next = || files.next().unwrap_or_default();
    let (output, env, summary) = (next(), next(), next());
    let Written { outputs, env, problem } = Written::read(output, env, summary);
    for values in [&outputs, &env] {
        assert!(values.len() <= limits::STEP_VALUES);
        for (name, value) in values.iter() {
            assert!(!name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()), "{name:?}");
            assert!(name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric()), "{name:?}");
            assert!(value.len() <= limits::VALUE_BYTES && !value.contains('\0'), "{value:?}");
        }
    }
    assert!(!env.keys().any(|name| name == "CI" || name.starts_with("CI_") || name.starts_with("GANTRY")), "{env:?}");
    problem.iter().for_each(|why| sentence(why));
});
