//! Any bytes as a test runner's report.
//!
//! **Invariant:** the cases are within the limits and their names can be shown, or there is one sentence.

#![no_main]

use gantry_fuzz::base::limits;
use gantry_fuzz::problems::sentence;
use gantry_fuzz::run::{TestCase, read_junit};
use libfuzzer_sys::fuzz_target;

/// What a cut text may have behind it: an ellipsis, or how much is missing.
const MARK: usize = 100;

fuzz_target!(|bytes: &[u8]| {
    let cases = match read_junit(bytes) {
        Ok(cases) => cases,
        Err(why) => return sentence(&why),
    };
    assert!(cases.len() <= limits::REPORT_CASES);
    for case in &cases {
        let TestCase { suite, name, identity, file, outcome: _, flaky: _, duration_ms, message, details } = case;
        for text in [suite, name].into_iter().chain(file) {
            assert!(text.chars().count() <= limits::TEST_NAME_CHARS + 1 && !text.contains(char::is_control), "{case:?}");
        }
        assert_eq!(identity.len(), 32);
        assert!(duration_ms.is_none_or(|ms| ms <= limits::TIMEOUT_MAX_MS), "{case:?}");
        assert!(
            message.as_ref().is_none_or(|text| !text.is_empty() && text.len() <= limits::TEST_MESSAGE_BYTES + MARK),
            "{case:?}"
        );
        assert!(
            details.as_ref().is_none_or(|text| !text.is_empty() && text.len() <= limits::TEST_DETAILS_BYTES + MARK),
            "{case:?}"
        );
    }
});
