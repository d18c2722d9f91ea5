//! The life of one attempt in the executor, straight from start to exit.
//!
//! **Invariant:** whatever happens, its last word is sent exactly once; the loop keeps the attempt in its list of live ones until it has heard it.

use tokio_util::sync::CancellationToken;

use crate::base::limits::STEP_FILE_BYTES;
use crate::base::{AttemptKey, Clock};
use crate::executor::{Ended, Failure, Live, Sink, StepSpec, Wrote};
use crate::run::{Event, Exit, Written};
use crate::secrets::Masks;
use crate::store::{Logs, Store};

use super::core::Message;
use super::fleet::{Engine, Silent};
use super::handle::Shared;
use super::harvest::Harvester;
use super::keep::{Left, StepFiles};
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

/// What a step keeps besides its output.
#[derive(Default)]
pub(super) struct Beside {
    pub files: Option<StepFiles>,
    pub reports: Option<Harvester>,
}

/// Runs the attempt and tells the loop of it.
pub(super) async fn live(
    mut begin: Begin,
    masks: Result<Masks, Exit>,
    beside: Beside,
    (engine, shared): (&Engine, &Shared),
    stop: CancellationToken,
) {
    let (executor, store, clock, tell) = (&*engine.executor, &shared.store, &shared.clock, &shared.tell);
    let Beside { files, reports } = beside;
    let key = begin.key().clone();
    let AttemptKey { run: _, job, step, attempt } = key;
    let logs = store.logs();
    let wrote_nothing =
        |exit| Event::StepExited { job, step, attempt, exit, wrote: Written::default(), observed: Box::default() };
    let last = |event, silent: Option<String>| {
        let silent = silent.map(|why| Silent { engine: engine.info.name.clone(), why });
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
    let mut sink = match LogSink::open(logs, &key, &masks) {
        Ok(sink) => sink,
        Err(error) => {
            return last(Some(wrote_nothing(Exit::Infrastructure(format!("its log cannot be written: {error}")))), None);
        }
    };
    if matches!(begin, Begin::Start(_)) {
        for line in shared.notes(&key.job_key()).await {
            // A log that cannot be written is told by the first line of the step itself.
            let _ = sink.say(clock, &line);
        }
    }
    if let (Begin::Start(spec), Some(files)) = (&mut begin, &files) {
        for line in files.before(spec, clock).await {
            // A log that cannot be written is told by the first line of the step itself.
            let _ = sink.say(clock, &line);
        }
    }
    let asked_at = clock.now();
    let pauses = sink.pauses(&masks);
    let sink: Box<dyn Sink> = Box::new(sink.goes_on());
    let begun = match &begin {
        Begin::Start(spec) => executor.start(spec, sink, stop.clone()).await,
        Begin::Attach(key) => executor.attach(key, sink, stop.clone()).await,
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
        Ok(Ended { exit, wrote, mut observed }) => {
            if let Begin::Start(_) = &begin {
                observed.prepared_ms = Some(at.ms_since(asked_at).saturating_sub(observed.pulled_ms.unwrap_or_default()));
            }
            let wrote = masked(wrote, &masks);
            // Before the exit is told: once that is stored, nobody asks for the rest again.
            let left = match &files {
                Some(files) => files.after(executor, &key, &exit, &stop, clock).await,
                None => Left::default(),
            };
            if left.silent.is_some() {
                return last(None, left.silent);
            }
            let told = match &reports {
                Some(reports) => reports.at_end(&exit, &stop, &masks).await,
                None => Ok(Vec::new()),
            };
            match told {
                Ok(told) => finish_log(&key, logs, clock, &masks, &[left.lines, told].concat()),
                Err(silent) => return last(None, Some(silent)),
            }
            keep_summary(&key, &wrote.summary, store, clock, &masks).await;
            let mut wrote = Written::read(&wrote.output, &wrote.env, &wrote.summary);
            wrote.problem = wrote.problem.or(left.problem).map(|problem| masks.text(&problem));
            let exit = left.trouble.map_or(exit, |why| Exit::Infrastructure(masks.text(&why)));
            last(Some(Event::StepExited { job, step, attempt, exit, wrote, observed: Box::new(observed) }), None);
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
pub(super) fn say(key: &AttemptKey, logs: &Logs, clock: &Clock, masks: &Masks, sentence: &str) {
    finish_log(key, logs, clock, masks, &[sentence.to_owned()]);
}

/// The attempt's log is complete but for these lines of Gantry's own.
fn finish_log(key: &AttemptKey, logs: &Logs, clock: &Clock, masks: &Masks, lines: &[String]) {
    let written = LogSink::open(logs, key, masks).and_then(|mut sink| {
        lines.iter().try_for_each(|line| sink.say(clock, line))?;
        sink.finish()
    });
    if let Err(error) = written {
        tracing::warn!(attempt = %key, %error, "the end of an attempt could not be written to its log");
    }
}
