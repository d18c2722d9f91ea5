//! `gantry logs --follow`: the logs of one or all steps until the step or the run ends.
//!
//! The run's own stream says when to look at the run again; each step whose attempt has begun has a stream of its lines. All of them are read by
//! one task, so that a line is printed whole.
//!
//! **Invariants:** of one step, one attempt at a time, in order, each line once; nothing that was printed before the end is missing at the end.

use std::time::Duration;

use futures_util::stream::{BoxStream, SelectAll};
use futures_util::{FutureExt, StreamExt};

use super::answer::{LogLine, Repo, Run, is_good, took};
use super::api::Api;
use super::logs::{address, print_attempt};
use super::sse::{self, News};
use super::track::{Printer, Track, choose};
use super::{Ending, Failure, LogsArgs, Reference, Screen, runs};

/// News handled before the screen is brought up to date and the run is looked at.
const BATCH: usize = 1_000;
/// Looks at the run in a row that may fail, as long as a restart may take.
const LOOKS: u32 = 60;
/// Between two of them.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What one of the streams says.
enum Heard {
    /// The run changed, or its record is complete.
    Run,
    Interrupted,
    Line {
        index: usize,
        attempt: u32,
        line: LogLine,
    },
    /// The attempt's log is complete.
    LogEnd {
        index: usize,
    },
}

type Streams = SelectAll<BoxStream<'static, Result<Heard, Failure>>>;

/// How far a step is followed.
#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    /// The latest attempt whose log was begun; 0: none.
    attempt: u32,
    /// Its log is not complete yet.
    is_open: bool,
}

struct Follower<'a> {
    api: &'a Api,
    id: String,
    tracks: Vec<Track>,
    progress: Vec<Progress>,
    /// Only this attempt.
    attempt: Option<u32>,
    /// One step, not the run.
    is_one_step: bool,
    printer: Printer,
    streams: Streams,
    run: Run,
    /// Looks at the run that failed since the last good one.
    missed: u32,
}

pub(super) async fn follow(api: &Api, screen: &mut Screen, args: &LogsArgs, json: bool) -> Result<Ending, Failure> {
    let id = match args.run.find(api).await {
        Err(Failure::NotFound(why)) if matches!(args.run, Reference::LatestOf(_)) => {
            first_run(api, screen, &args.run, &why).await?
        }
        found => found?,
    };
    let run = runs::read(api, &id).await?;
    let tracks = choose(&run, args.step.as_deref())?;
    let is_one_step = args.step.is_some();
    let mut follower = Follower {
        api,
        progress: vec![Progress::default(); tracks.len()],
        attempt: args.attempt,
        is_one_step,
        printer: Printer::new(&tracks, !is_one_step, json, screen),
        streams: SelectAll::new(),
        id,
        tracks,
        run,
        missed: 0,
    };
    follower.catch_up(screen).await?;
    if !follower.is_done() {
        follower.streams.push(run_stream(api, &follower.id));
    }
    while !follower.is_done() {
        follower.step_once(screen).await?;
    }
    follower.conclude(screen)
}

/// Waits for the first run of a repository, since it was perhaps added only now. How its watching goes is said meanwhile.
async fn first_run(api: &Api, screen: &mut Screen, run: &Reference, why: &str) -> Result<String, Failure> {
    let Reference::LatestOf(repo) = run else {
        return run.find(api).await;
    };
    screen.say(&format!("{why}; waiting for its first one"))?;
    let mut news = std::pin::pin!(sse::follow(api, api.url(&["api", "v1", "events"])));
    let mut told = String::new();
    while let Some(heard) = news.next().await {
        if let News::Interrupted = heard? {
            continue;
        }
        match run.find(api).await {
            Err(Failure::NotFound(_)) => {}
            Err(failure) if failure.is_passing() => continue,
            found => return found,
        }
        let status = api.get(api.url(&["api", "v1", "repos", repo])).await?.read::<Repo>()?.status;
        if status.sentence != told {
            screen.say(&format!("{repo}: {}", status.sentence))?;
            told = status.sentence;
        }
    }
    Err(api.stranger("it ended its live stream".to_owned()))
}

impl Follower<'_> {
    /// Prints what is over already, step by step as in the plan, rather than mixed.
    async fn catch_up(&mut self, screen: &mut Screen) -> Result<(), Failure> {
        for (index, track) in self.tracks.iter().enumerate() {
            let Some(step) = track.step_in(&self.run) else { continue };
            let attempt = self.attempt.unwrap_or(step.attempt);
            let is_over = attempt < step.attempt || attempt == step.attempt && step.attempt_is_over();
            if attempt == 0 {
                continue;
            }
            if is_over {
                print_attempt(self.api, screen, &self.id, &self.printer, index, track, attempt).await?;
                self.progress[index] = Progress { attempt, is_open: false };
            } else {
                // The one that is live is begun with, also when it is not the first.
                self.progress[index].attempt = attempt - 1;
            }
        }
        self.begin(screen)
    }

    /// Opens the logs of attempts that have begun and are not followed yet.
    fn begin(&mut self, screen: &mut Screen) -> Result<(), Failure> {
        for (index, track) in self.tracks.iter().enumerate() {
            let latest = track.step_in(&self.run).map_or(0, |step| step.attempt);
            let progress = &mut self.progress[index];
            let last = self.attempt.map_or(latest, |only| only.min(latest));
            if progress.is_open || progress.attempt >= last {
                continue;
            }
            *progress = Progress { attempt: progress.attempt + 1, is_open: true };
            if progress.attempt > 1 {
                screen.say(&format!("{}: attempt {}", track.label(), progress.attempt))?;
            }
            self.streams.push(log_stream(self.api, &self.id, track, index, progress.attempt));
        }
        Ok(())
    }

    /// Waits for news and handles all that there are.
    async fn step_once(&mut self, screen: &mut Screen) -> Result<(), Failure> {
        let Some(mut heard) = self.streams.next().await else {
            // Nothing speaks any more: the run's own record is complete, or the server is confused.
            self.look(screen).await?;
            if !self.is_done() && self.streams.is_empty() {
                return Err(self.api.stranger("it ended a run's live stream before the run".to_owned()));
            }
            return Ok(());
        };
        let mut has_moved = false;
        for _ in 0..BATCH {
            match heard? {
                Heard::Run => has_moved = true,
                Heard::Interrupted => screen.say("the connection broke; going on as soon as the server is there again")?,
                Heard::Line { index, attempt, line } => {
                    self.printer.line(screen, index, &self.tracks[index], attempt, &line)?;
                }
                Heard::LogEnd { index } => {
                    self.progress[index].is_open = false;
                    has_moved = true;
                }
            }
            match self.streams.next().now_or_never() {
                Some(Some(next)) => heard = next,
                Some(None) | None => break,
            }
        }
        screen.flush()?;
        if has_moved {
            self.look(screen).await?;
        }
        Ok(())
    }

    /// Reads the run anew.
    async fn look(&mut self, screen: &mut Screen) -> Result<(), Failure> {
        match runs::read(self.api, &self.id).await {
            Ok(run) => (self.run, self.missed) = (run, 0),
            // The server is away for a moment; what was to be seen is looked at a little later.
            Err(failure) if failure.is_passing() && self.missed < LOOKS => {
                self.missed += 1;
                let again = async { tokio::time::sleep(LOOK_AGAIN).await };
                self.streams.push(futures_util::stream::once(again).map(|()| Ok(Heard::Run)).boxed());
                return Ok(());
            }
            Err(failure) => return Err(failure),
        }
        self.begin(screen)
    }

    /// What is followed has ended and all of it is printed.
    fn is_done(&self) -> bool {
        let printed = self.tracks.iter().zip(&self.progress).all(|(track, progress)| {
            let latest = track.step_in(&self.run).map_or(0, |step| step.attempt);
            !progress.is_open && (self.attempt.is_some() || progress.attempt >= latest)
        });
        printed && if self.is_one_step { self.step_is_over() } else { self.run.is_ended() }
    }

    /// The one step has ended; or of a single attempt, that one.
    fn step_is_over(&self) -> bool {
        let Some(step) = self.tracks.first().and_then(|track| track.step_in(&self.run)) else {
            return self.run.is_ended();
        };
        match self.attempt {
            Some(only) => step.state == "ended" || step.attempt > only || step.attempt == only && step.attempt_is_over(),
            None => step.state == "ended",
        }
    }

    /// Says how it ended.
    fn conclude(&self, screen: &mut Screen) -> Result<Ending, Failure> {
        let now = screen.now();
        let run = &self.run;
        let step = self.tracks.first().filter(|_| self.is_one_step).and_then(|track| Some((track, track.step_in(run)?)));
        let (name, outcome, took, reason) = match step {
            Some((track, step)) => {
                let name = format!("{} of {}", track.label(), run.name());
                if let Some(only) = self.attempt.filter(|only| *only > step.attempt) {
                    return Err(Failure::NotFound(format!("{name} has no attempt {only}; the latest is {}", step.attempt)));
                }
                // An attempt that was followed by another, or will be, did not pass.
                let is_last = self.attempt.is_none_or(|only| only == step.attempt) && step.state == "ended";
                if !is_last {
                    screen.say(&format!("{name}: attempt {} did not pass", self.attempt.unwrap_or(step.attempt)))?;
                    return Ok(Ending::NotPassed);
                }
                (name, step.outcome.as_deref(), took(step.started_at, step.ended_at, now), &step.reason)
            }
            None => (run.name(), run.outcome.as_deref(), took(run.started_at, run.ended_at, now), &run.reason),
        };
        let word = outcome.unwrap_or("ended");
        let time = if took.is_empty() { String::new() } else { format!(" in {took}") };
        let why = if reason == word { String::new() } else { format!(": {reason}") };
        screen.say(&format!("{name} {word}{time}{why}"))?;
        Ok(if is_good(outcome) { Ending::Good } else { Ending::NotPassed })
    }
}

/// A word for each change of the run, and one when its record is complete.
fn run_stream(api: &Api, id: &str) -> BoxStream<'static, Result<Heard, Failure>> {
    let events = sse::follow(api, api.url(&["api", "v1", "runs", id, "events"])).map(|news| match news? {
        News::Open | News::Event(_) => Ok(Heard::Run),
        News::Interrupted => Ok(Heard::Interrupted),
    });
    events.chain(futures_util::stream::iter([Ok(Heard::Run)])).boxed()
}

/// The lines of one attempt, and the word that there are no more. That the connection broke, the run's stream says.
fn log_stream(api: &Api, id: &str, track: &Track, index: usize, attempt: u32) -> BoxStream<'static, Result<Heard, Failure>> {
    let speaker = api.clone();
    let lines = sse::follow(api, address(api, id, track, Some("stream"), attempt)).filter_map(move |news| {
        let heard = match news {
            Ok(News::Event(event)) => Some(
                serde_json::from_str(&event.data)
                    .map(|line| Heard::Line { index, attempt, line })
                    .map_err(|error| speaker.stranger(error.to_string())),
            ),
            Ok(News::Open | News::Interrupted) => None,
            Err(failure) => Some(Err(failure)),
        };
        std::future::ready(heard)
    });
    lines.chain(futures_util::stream::iter([Ok(Heard::LogEnd { index })])).boxed()
}
