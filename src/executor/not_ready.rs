//! The sentences about services that did not become ready, the same from every executor.

use super::Failure;
use crate::base::took;
use crate::pipeline::{Ready, ServicePlan};

/// It ended by itself. `last_words`: the end of its output.
pub(super) fn ended(service: &ServicePlan, code: i64, last_words: Option<String>) -> Failure {
    with_last_words(format!("service `{}` ended with {code} before it was ready", service.name), last_words)
}

/// It took too long. `said`: what the way in which it shows its readiness said last.
pub(super) fn late(service: &ServicePlan, said: Option<String>, last_words: Option<String>) -> Failure {
    let ServicePlan { name, ready_timeout_ms, .. } = service;
    let said = said.map(|said| format!(", which said: {said}")).unwrap_or_default();
    let sentence = format!("service `{name}` was not ready within {} ({}{said})", took(*ready_timeout_ms), way(service));
    with_last_words(sentence, last_words)
}

fn with_last_words(sentence: String, last_words: Option<String>) -> Failure {
    Failure::Infrastructure(match last_words {
        Some(words) => format!("{sentence}; its last lines: {words}"),
        None => format!("{sentence}; it said nothing"),
    })
}

fn way(service: &ServicePlan) -> String {
    match &service.ready {
        Ready::Port(port) => format!("port {port}"),
        Ready::Command(text) => format!("command `{}`", shortened(text)),
        Ready::Log(text) => format!("log `{}`", shortened(text)),
        Ready::Health => "its image's HEALTHCHECK".to_owned(),
    }
}

fn shortened(text: &str) -> String {
    let line = text.trim().lines().next().unwrap_or_default();
    if line.chars().count() > 80 { line.chars().take(80).chain(['…']).collect() } else { line.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_says_what_was_waited_for_and_what_was_heard_last() {
        let service = |ready| ServicePlan {
            name: "db".to_owned(),
            image: "postgres:17".to_owned(),
            pull: None,
            env: Default::default(),
            command: None,
            ready,
            ready_timeout_ms: 60_000,
        };
        let sentence = |failure: Failure| failure.to_string();
        assert_eq!(
            sentence(late(&service(Ready::Port(5432)), None, Some("starting".to_owned()))),
            "service `db` was not ready within 1 min 00 s (port 5432); its last lines: starting"
        );
        assert_eq!(
            sentence(late(&service(Ready::Command(format!("{}\nmore", "x".repeat(90)))), Some("no".to_owned()), None)),
            format!(
                "service `db` was not ready within 1 min 00 s (command `{}…`, which said: no); it said nothing",
                "x".repeat(80)
            )
        );
        assert_eq!(
            sentence(ended(&service(Ready::Health), 3, Some("FATAL".to_owned()))),
            "service `db` ended with 3 before it was ready; its last lines: FATAL"
        );
    }
}
