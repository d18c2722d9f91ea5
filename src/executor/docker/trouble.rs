//! What goes wrong between us and the engine, told apart by status code and connection, never by the English text.

use std::io;

use bollard::errors::Error;

use crate::executor::Failure;

/// An answer of the engine that is none.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It answered with this status and message.
    Refused { status: u16, message: String },
    /// It did not answer; the sentence says how.
    Unreachable(String),
}

impl Trouble {
    pub(super) fn is(&self, wanted: u16) -> bool {
        matches!(self, Trouble::Refused { status, .. } if *status == wanted)
    }

    /// As the port tells it; `doing` goes on after "Docker …", as in "could not create the container".
    pub(super) fn into_failure(self, doing: &str) -> Failure {
        match self {
            Trouble::Unreachable(sentence) => Failure::Unreachable(sentence),
            Trouble::Refused { message, .. } => Failure::Infrastructure(format!("Docker {doing}: {}", message.trim())),
        }
    }
}

/// A sentence of our own inside a client's error.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Said(String);

impl Said {
    pub(super) fn error(sentence: impl Into<String>) -> Error {
        Error::IOError { err: io::Error::other(Said(sentence.into())) }
    }

    fn in_error(error: &Error) -> Option<&Said> {
        match error {
            Error::IOError { err } => err.get_ref()?.downcast_ref(),
            _ => None,
        }
    }
}

/// Reads a client's error; `host` is the engine's address for the sentence.
pub(super) fn read(error: &Error, host: &str) -> Trouble {
    if let Some(said) = Said::in_error(error) {
        return Trouble::Unreachable(format!("Docker is not reachable at {host}: {said}"));
    }
    let message = match error {
        Error::DockerResponseServerError { status_code, message } => {
            return Trouble::Refused { status: *status_code, message: message.clone() };
        }
        Error::DockerStreamError { error } => {
            return Trouble::Refused { status: 500, message: error.clone() };
        }
        Error::JsonDataError { message, .. } => {
            return Trouble::Refused { status: 500, message: format!("its answer is not understood: {message}") };
        }
        Error::RequestTimeoutError => "it does not answer in time".to_owned(),
        Error::SocketNotFoundError(_) => "there is no such socket".to_owned(),
        other => root_cause(other),
    };
    Trouble::Unreachable(format!("Docker is not reachable at {host}: {message}; is it running?"))
}

/// The innermost cause says most: "connection refused" rather than "client error (Connect)".
fn root_cause(error: &Error) -> String {
    // The client's variant for these hides the error that it holds from `source`.
    let mut innermost: &dyn std::error::Error = match error {
        Error::IOError { err } => err,
        other => other,
    };
    loop {
        if let Some(io) = innermost.downcast_ref::<io::Error>().filter(|io| io.get_ref().is_none()) {
            return match io.kind() {
                io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
                io::ErrorKind::NotFound => "there is no such socket".to_owned(),
                io::ErrorKind::PermissionDenied => "permission denied (is this user in the group `docker`?)".to_owned(),
                _ => io.to_string(),
            };
        }
        match innermost.source() {
            Some(source) => innermost = source,
            None => return innermost.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_connection_is_told_with_the_address_and_a_question() {
        let refused = Error::IOError { err: io::Error::from_raw_os_error(111) };
        let failure = read(&refused, "unix:///var/run/docker.sock").into_failure("could not be asked");
        assert_eq!(
            failure,
            Failure::Unreachable(
                "Docker is not reachable at unix:///var/run/docker.sock: connection refused; is it running?".to_owned()
            )
        );
    }

    #[test]
    fn an_answer_with_a_status_is_a_refusal_and_keeps_its_status() {
        let missing = Error::DockerResponseServerError { status_code: 404, message: "no such thing\n".to_owned() };
        let trouble = read(&missing, "x");
        assert!(trouble.is(404) && !trouble.is(409));
        assert_eq!(
            trouble.into_failure("could not do it"),
            Failure::Infrastructure("Docker could not do it: no such thing".to_owned())
        );
    }
}
