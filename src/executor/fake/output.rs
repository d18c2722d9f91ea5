//! What steps and services of the fake engine say.

use crate::executor::{Failure, Sink};
use crate::run::Stream;

/// Nothing is written where nothing is said.
pub(super) fn write(sink: &mut dyn Sink, at_ns: i64, stream: Stream, bytes: &[u8]) -> Result<(), Failure> {
    if bytes.is_empty() {
        return Ok(());
    }
    sink.write(at_ns, stream, bytes).map_err(|error| Failure::Infrastructure(format!("the log cannot be written: {error}")))
}
