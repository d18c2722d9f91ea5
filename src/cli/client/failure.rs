//! What went wrong, as one sentence that says what to do, and the exit code that goes with it.

use std::io;

/// Why a verb could not do its work.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// What was asked for cannot be meant so.
    #[error("{0}")]
    Usage(String),
    /// Nobody listens there.
    #[error("there is no Gantry server at {0}: start one with `gantry serve`, or say where it is with --server or GANTRY_SERVER")]
    NoServer(String),
    /// The connection broke, or nothing came for too long.
    #[error("the connection to the server at {address} broke: {detail}")]
    Broken { address: String, detail: String },
    /// Somebody else listens there.
    #[error("what answers at {address} is not a Gantry server this program understands: {detail}")]
    Stranger { address: String, detail: String },
    /// The server refused; its own sentence.
    #[error("{detail}")]
    Refused { status: u16, detail: String },
    /// What was named is not there.
    #[error("{0}")]
    NotFound(String),
    #[error("the output cannot be written: {0}")]
    Output(#[from] io::Error),
}

impl Failure {
    /// 2 when the command line has to change, 4 when the server or the machine has; 0 when whoever reads the output has read enough.
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Failure::Usage(_) | Failure::Refused { status: 400 | 422, .. } => 2,
            Failure::Output(_) if self.is_closed_pipe() => 0,
            Failure::NoServer(_)
            | Failure::Broken { .. }
            | Failure::Stranger { .. }
            | Failure::Refused { .. }
            | Failure::NotFound(_)
            | Failure::Output(_) => 4,
        }
    }

    /// Whoever reads the output has read enough, such as `head`.
    pub(super) fn is_closed_pipe(&self) -> bool {
        matches!(self, Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// Whether the server may answer the same request a little later: it is away or starting.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Failure::NoServer(_) | Failure::Broken { .. } => true,
            Failure::Refused { status, .. } => *status >= 500,
            Failure::Usage(_) | Failure::Stranger { .. } | Failure::NotFound(_) | Failure::Output(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_tell_a_wrong_command_line_from_trouble() {
        let refused = |status| Failure::Refused { status, detail: "no".to_owned() };
        assert_eq!(Failure::Usage("no".to_owned()).exit_code(), 2);
        assert_eq!(refused(400).exit_code(), 2);
        assert_eq!((refused(404).exit_code(), refused(409).exit_code(), refused(500).exit_code()), (4, 4, 4));
        assert_eq!(Failure::NoServer(String::new()).exit_code(), 4);
        assert_eq!(Failure::Output(io::ErrorKind::StorageFull.into()).exit_code(), 4);
        assert_eq!(Failure::Output(io::ErrorKind::BrokenPipe.into()).exit_code(), 0, "`gantry runs | head -1` is no failure");
    }
}
