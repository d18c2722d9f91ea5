//! The life of one attempt in the executor, straight from start to exit.
//!
//! **Invariant:** whatever happens, its last word is sent exactly once; the loop keeps the attempt in its list of live ones until it has heard it.

use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

use crate::base::limits::STEP_FILE_BYTES;
use crate::base::{AttemptKey, Clock};
use crate::executor::{Ended, Executor, Failure, Live, Sink, StepSpec, Wrote};
use crate::run::{Event, Exit, Stream, Written};
use crate::secrets::Masks;
use crate::store::{Logs, Store};

use super::core::Message;
use super::handle::Shared;
use super::secrets::{self, Asked, Given};
use super::sink::LogSink;

/// How an attempt comes into the executor's hands.
pub(super) enum Begin {
    Start(Box<StepSpec>),
    /// It is known to be there.
    Attach(AttemptKey),
}

impl Begin {
    pub fn key(&self) -> &AttemptKey {
        match self {
            Begin::Start(spec) => &spec.key,
            Begin::Attach(key) => key,
        }
    }

    /// Puts the secrets that a step is given into its environment; with what its output is masked, or how the attempt ends instead.
    pub async fn given(mut self, shared: &Shared, asked: Option<Asked>) -> (Self, Result<Masks, Exit>) {
        let Some(asked) = asked else { return (self, Ok(Masks::default())) };
        let given = secrets::give(shared, &asked, matches!(self, Begin::Start(_))).await;
        let masks = given.map(|Given { env, masks }| {
            if let Begin::Start(spec) = &mut self {
                spec.env.extend(env.into_iter().map(|(variable, value)| (variable, value.reveal().to_owned())));
            }
            masks
        });
        (self, masks)
    }
}

/// Runs the attempt and tells the loop of it.
pub(super) async fn live(
    begin: Begin,
    executor: &dyn Executor,
    store: &Store,
    clock: &Clock,
    masks: Result<Masks, Exit>,
    stop: CancellationToken,
    tell: &UnboundedSender<Message>,
) {
    let key = begin.key().clone();
    let AttemptKey { run: _, job, step, attempt } = key;
    let logs = store.logs();
    let wrote_nothing = |exit| Event::StepExited { job, step, attempt, exit, wrote: Written::default() };
    let last = |event, silent| {
        // The loop only ever goes away with the server.
        let _ = tell.send(Message::Last { key: key.clone(), event, silent });
    };
    let masks = match masks {
        Ok(masks) => masks,
        Err(exit) => {
            if let Exit::Refused(why) | Exit::Infrastructure(why) | Exit::Lost(why) = &exit {
                say(&key, logs, clock, &Masks::default(), why);
            }
            return last(Some(wrote_nothing(exit)), None);
        }
    };
    let (sink, pauses): (Box<dyn Sink>, _) = match LogSink::open(logs, &key, &masks) {
        Ok(sink) => {
            let pauses = sink.pauses(&masks);
            (Box::new(sink), pauses)
        }
        Err(error) => {
            return last(Some(wrote_nothing(Exit::Infrastructure(format!("its log cannot be written: {error}")))), None);
        }
    };
    let begun = match &begin {
        Begin::Start(spec) => executor.start(spec, sink, stop).await,
        Begin::Attach(key) => executor.attach(key, sink, stop).await,
    };
    let Live { started_at: at, exit } = match begun {
        Ok(live) => live,
        Err(Failure::Unreachable(why)) => {
            // One that is known to be there is attached to again; one that may not be is started again.
            let event = matches!(begin, Begin::Start(_)).then_some(Event::StepNotStarted { job, step, attempt });
            return last(event, Some(why));
        }
        Err(failure) => return last(Some(wrote_nothing(told(&key, logs, clock, &masks, &failure))), None),
    };
    let _ = tell.send(Message::Happened { key: key.clone(), event: Event::StepStarted { job, step, attempt, at } });
    match pauses.beside(exit).await {
        Ok(Ended { exit, wrote }) => {
            let wrote = masked(wrote, &masks);
            // Before the exit is told: once that is stored, nobody asks for the rest again.
            keep_summary(&key, &wrote.summary, store, clock, &masks).await;
            let wrote = Written::read(&wrote.output, &wrote.env, &wrote.summary);
            last(Some(Event::StepExited { job, step, attempt, exit, wrote }), None);
        }
        Err(Failure::Unreachable(why)) => last(None, Some(why)),
        Err(failure) => last(Some(wrote_nothing(told(&key, logs, clock, &masks, &failure))), None),
    }
}

/// What an attempt wrote, as it may be kept. A file that is too large is never kept, and has to be seen to be too large.
fn masked(wrote: Wrote, masks: &Masks) -> Wrote {
    let Wrote { output, env, summary } = wrote;
    let masked = |file: Vec<u8>| if masks.is_empty() || file.len() > STEP_FILE_BYTES { file } else { masks.bytes(&file) };
    Wrote { output: masked(output), env: masked(env), summary: masked(summary) }
}

/// Keeps what an attempt wrote for the run's page. One that is too large makes the step fail, and is not kept.
async fn keep_summary(key: &AttemptKey, summary: &[u8], store: &Store, clock: &Clock, masks: &Masks) {
    if summary.trim_ascii().is_empty() || summary.len() > STEP_FILE_BYTES {
        return;
    }
    if let Err(error) = store.keep_summary(key, &String::from_utf8_lossy(summary)).await {
        tracing::warn!(attempt = %key, %error, "a summary could not be kept");
        say(key, store.logs(), clock, masks, "its summary could not be kept");
    }
}

/// The exit that a failure stands for. The log gets the sentence as its last line, for whoever looks there first.
fn told(key: &AttemptKey, logs: &Logs, clock: &Clock, masks: &Masks, failure: &Failure) -> Exit {
    say(key, logs, clock, masks, &failure.to_string());
    match failure {
        Failure::Infrastructure(why) => Exit::Infrastructure(masks.text(why)),
        Failure::Stopped => Exit::NeverRan,
        Failure::Gone => Exit::Lost(failure.to_string()),
        Failure::Unreachable(why) => Exit::Lost(masks.text(why)),
    }
}

/// A last line of Gantry's own in the attempt's log.
fn say(key: &AttemptKey, logs: &Logs, clock: &Clock, masks: &Masks, sentence: &str) {
    let written = LogSink::open(logs, key, masks).and_then(|mut sink| {
        sink.write(clock.now_ns(), Stream::System, format!("{sentence}\n").as_bytes())?;
        sink.finish()
    });
    if let Err(error) = written {
        tracing::warn!(attempt = %key, %error, "the end of an attempt could not be written to its log");
    }
}
