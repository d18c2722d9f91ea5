//! The images of one engine: pulled when they have to be, each once at a time, whoever wants it.
//!
//! **Invariants:** everybody who wants an image that is being pulled waits for that one pull and sees how far it is; when nobody wants it any more, it ends;
//! within one run an image is asked of its registry once; a log gets at most a line for each tenth, and for each try.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bollard::models::ImageInspect;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::output::Output;
use super::pull::Progress;
use super::trouble::Trouble;
use super::{Inner, Registries, image, seen, stock};
use crate::base::{AttemptKey, RunId, Timestamp, limits, took};
use crate::executor::{Failure, Live, Pulls, StepSpec};
use crate::pipeline::Pull;

/// Between two words to those who look at pages.
const TELL_EVERY: Duration = Duration::from_millis(500);
/// Lines about progress in one log, at most.
const LINES: u64 = 10;
/// Images that are remembered to have been asked for, at most.
const ASKED: usize = 10_000;

/// How images come to the engine.
#[derive(Debug, Clone, Default)]
pub struct ImageRules {
    /// Where the pipeline does not say.
    pub pull: Pull,
    pub registries: Registries,
}

/// The images of one engine.
pub(super) struct Images {
    rules: ImageRules,
    flights: Mutex<BTreeMap<String, Weak<Flight>>>,
    /// What was pulled for a run, whose further steps take it as it is.
    asked: Mutex<BTreeSet<(RunId, String)>>,
    /// How long attempts have waited for their images.
    waited: Mutex<BTreeMap<AttemptKey, u64>>,
    going: watch::Sender<Pulls>,
}

/// A pull under way; it ends with the last one who holds it.
struct Flight {
    told: watch::Receiver<Told>,
    _stop: DropGuard,
}

/// What is told of a pull.
#[derive(Debug, Clone, Default)]
struct Told {
    words: String,
    percent: u64,
    /// What went wrong with the tries so far, and when the next one is.
    tries: Vec<String>,
    end: Option<Result<(), Failure>>,
}

/// Who wants an image.
pub(super) enum For<'a> {
    Run(&'a RunId),
    Attempt(&'a AttemptKey),
}

impl For<'_> {
    fn run(&self) -> &RunId {
        match self {
            For::Run(run) => run,
            For::Attempt(key) => &key.run,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Images {
    pub(super) fn new(rules: ImageRules) -> Self {
        let (flights, asked, waited) = Default::default();
        Self { rules, flights, asked, waited, going: watch::Sender::new(Pulls::new()) }
    }

    pub(super) fn going(&self) -> watch::Receiver<Pulls> {
        self.going.subscribe()
    }

    /// Whether the registry is to be asked although the engine may have the image.
    pub(super) fn must_ask(&self, run: &RunId, image: &str, pull: Option<Pull>) -> bool {
        // What a digest names never changes.
        pull.unwrap_or(self.rules.pull) == Pull::Always
            && !image.contains("@sha256:")
            && !lock(&self.asked).contains(&(run.clone(), image.to_owned()))
    }

    fn was_asked(&self, run: &RunId, image: &str) {
        let mut asked = lock(&self.asked);
        asked.insert((run.clone(), image.to_owned()));
        // Ids are in the order of time.
        while asked.len() > ASKED {
            asked.pop_first();
        }
    }
}

/// Makes sure that an image is there, by the policy, and answers whether it had to be pulled; lines about a pull go to `output`. Dropping the future gives
/// up this part in the pull.
pub(super) async fn provide(
    inner: &Inner,
    whose: For<'_>,
    (image, pull): (&str, Option<Pull>),
    output: Option<&mut Output>,
) -> Result<bool, Failure> {
    let (images, run) = (&inner.images, whose.run());
    inner.uses.note(image, inner.clock.now());
    let cannot = |trouble: Trouble| trouble.into_failure("could not be asked for the image");
    if !images.must_ask(run, image, pull) && image::has(&inner.engine, image).await.map_err(cannot)? {
        return Ok(false);
    }
    match pull.unwrap_or(images.rules.pull) {
        Pull::Always | Pull::Missing => {}
        Pull::Never => {
            let why = "is not on the engine, and `pull: never` keeps it from being pulled";
            return Err(Failure::Infrastructure(format!("the image `{image}` {why}")));
        }
    }
    let begun = inner.clock.now();
    let done = follow(inner.flight(image), image, begun, inner, output).await;
    if let For::Attempt(key) = whose {
        lock(&images.waited).insert(key.clone(), inner.clock.now().ms_since(begun));
    }
    if done.is_ok() {
        images.was_asked(run, image);
    }
    done.map(|()| true)
}

/// Waits for the end of a pull and tells of it.
async fn follow(
    flight: Arc<Flight>,
    image: &str,
    begun: Timestamp,
    inner: &Inner,
    mut output: Option<&mut Output>,
) -> Result<(), Failure> {
    let mut say = |sentence: &str| {
        if let Some(output) = output.as_mut() {
            output.say(sentence);
        }
    };
    say(&format!("pulling {image}"));
    let mut told = flight.told.clone();
    let (mut tenths, mut tries) = (0, 0);
    loop {
        let now = told.borrow_and_update().clone();
        for sentence in now.tries.iter().skip(tries) {
            say(sentence);
        }
        tries = now.tries.len();
        match now.end {
            Some(Ok(())) => {
                say(&format!("pulled {image} in {}", took(inner.clock.now().ms_since(begun))));
                return Ok(());
            }
            Some(Err(failure)) => return Err(failure),
            None => {}
        }
        // It may fall when a further layer becomes known: what was told is not told again.
        let tenth = now.percent * LINES / 100;
        if tenth > tenths && tenth < LINES {
            tenths = tenth;
            say(&format!("pulling {image}: {}", now.words));
        }
        if told.changed().await.is_err() {
            return Err(Failure::Infrastructure(format!("the pull of the image `{image}` broke off")));
        }
    }
}

/// Before a step's container is made: asks the registry where that has to be done although the image may be here. Nothing is asked for a container that
/// is there already.
pub(super) async fn refresh(inner: &Inner, step: &StepSpec, container: &str, output: &mut Output) -> Result<(), Failure> {
    let Some(image) = step.image.as_deref().filter(|image| inner.images.must_ask(&step.key.run, image, step.pull)) else {
        return Ok(());
    };
    let cannot = |trouble: Trouble| trouble.into_failure("could not be asked about the step");
    match seen::look(&inner.engine, container).await.map_err(cannot)? {
        Some(_) => Ok(()),
        None => provide(inner, For::Attempt(&step.key), (image, step.pull), Some(output)).await.map(drop),
    }
}

impl Inner {
    /// The pull of an image, begun now if there is none.
    fn flight(&self, image: &str) -> Arc<Flight> {
        let mut flights = lock(&self.images.flights);
        if let Some(flight) = flights.get(image).and_then(Weak::upgrade).filter(|flight| flight.told.borrow().end.is_none()) {
            return flight;
        }
        let stop = CancellationToken::new();
        let (tell, told) = watch::channel(Told::default());
        let flight = Arc::new(Flight { told, _stop: stop.clone().drop_guard() });
        flights.insert(image.to_owned(), Arc::downgrade(&flight));
        drop(flights);
        let (inner, image) = (self.me.upgrade(), image.to_owned());
        self.tasks.spawn(async move {
            let Some(inner) = inner else { return };
            inner.images.going.send_modify(|going| drop(going.insert(image.clone(), String::new())));
            tokio::select! {
                end = pull_by_tries(&inner, &image, &tell) => tell.send_modify(|told| told.end = Some(end)),
                () = stop.cancelled() => {}
                () = inner.tasks.ending.cancelled() => {}
            }
            let mut flights = lock(&inner.images.flights);
            let is_last =
                flights.get(&image).is_none_or(|flight| flight.upgrade().is_none_or(|flight| flight.told.borrow().end.is_some()));
            if is_last {
                flights.remove(&image);
                inner.images.going.send_modify(|going| drop(going.remove(&image)));
            }
        });
        flight
    }
}

/// Pulls, again after a while where that makes sense.
async fn pull_by_tries(inner: &Inner, image: &str, tell: &watch::Sender<Told>) -> Result<(), Failure> {
    let tries = limits::PULL_PAUSES_MS.len() + 1;
    let before = stock::before(&inner.engine).await;
    for (number, pause) in (1..).zip(limits::PULL_PAUSES_MS.into_iter().map(Some).chain([None])) {
        let trouble = match pull_once(inner, image, tell).await {
            Ok(pulled) => {
                stock::tell(inner, before, pulled).await;
                return Ok(());
            }
            Err(trouble) => trouble,
        };
        let (status, message) = match trouble {
            Trouble::Unreachable(sentence) => return Err(Failure::Unreachable(sentence)),
            Trouble::Refused { status, message } => {
                (status, inner.images.rules.registries.without_password(image, message.trim()))
            }
        };
        let Some(pause) = pause.filter(|_| !is_final(status, &message)) else {
            let after = if number == 1 { String::new() } else { format!(" in {number} tries") };
            return Err(Failure::Infrastructure(format!("the image `{image}` cannot be pulled{after}: {message}")));
        };
        let again = format!("try {number} of {tries} to pull {image} failed: {message}; the next one is in {}", took(pause));
        tell.send_modify(|told| told.tries.push(again));
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    Err(Failure::Infrastructure(format!("the image `{image}` cannot be pulled")))
}

/// Whether another try would get the same answer. A registry's own refusal comes with no status of its own: the engine hands on the registry's code
/// (`unauthorized`, `denied`; the distribution API's words), or says that it had nothing to log in with.
fn is_final(status: u16, message: &str) -> bool {
    matches!(status, 400 | 401 | 403 | 404)
        || ["unauthorized:", "denied:", "no basic auth credentials"].iter().any(|code| message.contains(code))
}

async fn pull_once(inner: &Inner, image: &str, tell: &watch::Sender<Told>) -> Result<ImageInspect, Trouble> {
    let mut progress = Progress::default();
    let mut last = None;
    let hear = |info: &bollard::models::CreateImageInfo| {
        progress.take(info);
        let now = inner.clock.now();
        if last.is_some_and(|last| now.ms_since(last) < TELL_EVERY.as_millis() as u64) {
            return;
        }
        last = Some(now);
        let (words, percent) = (progress.words(), progress.percent());
        inner.images.going.send_if_modified(|going| match going.get_mut(image) {
            Some(said) if *said != words => {
                words.clone_into(said);
                true
            }
            Some(_) | None => false,
        });
        tell.send_modify(|told| (told.words, told.percent) = (words, percent));
    };
    image::pull(&inner.engine, image, inner.images.rules.registries.for_image(image), hear).await?;
    // An engine that went away in the middle also ends the stream: only an image that is there was pulled.
    let stopped = || Trouble::Refused { status: 500, message: "the engine stopped without saying why".to_owned() };
    image::inspect(&inner.engine, image).await?.ok_or_else(stopped)
}

/// The attempt, with what its image stood for and how long it waited for it.
pub(super) fn seen_in(
    inner: &Arc<Inner>,
    key: &AttemptKey,
    image: impl Future<Output = Option<String>> + Send + 'static,
    live: Live,
) -> Live {
    let inner = Arc::clone(inner);
    let pulled_ms = lock(&inner.images.waited).remove(key);
    let Live { started_at, exit } = live;
    let exit = async move {
        let resolve = async {
            // What cannot be told is left out: the step does not depend on it.
            image::resolve(&inner.engine, &image.await?).await.ok().flatten()
        };
        let (ended, image) = tokio::join!(exit, resolve);
        let mut ended = ended?;
        (ended.observed.image, ended.observed.pulled_ms) = (image, pulled_ms);
        Ok(ended)
    };
    Live { started_at, exit: Box::pin(exit) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_registry_refuses_is_not_asked_again() {
        for (status, message) in [
            (404, "manifest for a:1 not found: manifest unknown"),
            (400, "invalid reference format"),
            (500, "unauthorized: authentication required"),
            (500, "Head \"http://r/v2/a/manifests/1\": no basic auth credentials"),
            (500, "denied: requested access to the resource is denied"),
        ] {
            assert!(is_final(status, message), "{message}");
        }
        for message in [
            "dial tcp 127.0.0.1:1: connect: connection refused",
            "received unexpected HTTP status: 503",
            "EOF",
            "toomanyrequests: slow down",
        ] {
            assert!(!is_final(500, message), "{message}");
        }
    }

    #[test]
    fn always_asks_once_in_a_run_and_never_for_a_digest() {
        let clock = crate::base::Clock::System;
        let (one, other) = (RunId::new(&clock), RunId::new(&clock));
        let images = Images::new(ImageRules { pull: Pull::Always, ..ImageRules::default() });
        assert!(images.must_ask(&one, "a:1", None));
        assert!(!images.must_ask(&one, "a:1", Some(Pull::Missing)));
        assert!(!images.must_ask(&one, "a@sha256:00", None));
        images.was_asked(&one, "a:1");
        assert!(
            !images.must_ask(&one, "a:1", None) && images.must_ask(&other, "a:1", None) && images.must_ask(&one, "a:2", None)
        );
    }
}
