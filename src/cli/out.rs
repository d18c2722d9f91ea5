//! Data on stdout. **Invariant:** a reader that went away (`| head`) ends nothing: a run still has things to clean up.

use std::fmt::Arguments;
use std::io::Write;

use anyhow::Context;
use serde::Serialize;

/// A line for whoever still reads.
pub(super) fn line(text: Arguments<'_>) {
    text_as_is(&format!("{text}\n"));
}

/// Text as it is.
pub(super) fn text_as_is(text: &str) {
    let mut stdout = std::io::stdout().lock();
    // See above: there is nobody to tell.
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// One JSON document.
///
/// # Errors
/// It cannot be written as JSON.
pub(super) fn json(document: &impl Serialize) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(document).context("the answer cannot be written as JSON")?;
    line(format_args!("{text}"));
    Ok(())
}

/// A reason as it stands beside its state's word: `skipped: …` is not to be read twice.
pub(super) fn beside<'a>(state: &str, reason: &'a str) -> &'a str {
    reason.strip_prefix(state).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(reason)
}
