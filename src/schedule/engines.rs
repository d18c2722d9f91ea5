//! The engines that jobs run on: what each offers, whether it answers, which one a job is given, and when one is given up.
//!
//! **Invariants:** a job is given only an engine that has all its labels, answers, and has a free slot; of several the one with the most free slots, and of
//! equals the first of the list, so the same board always chooses the same. An engine is given up only where there is another one: with a single
//! engine everything waits until that answers again.

use std::collections::BTreeMap;

use crate::base::{Span, Timestamp};
use crate::run::{Job, Permit, Permits, Run, Wait};

/// What the board knows of an engine from the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineInfo {
    /// Jobs are stored with it: an engine keeps its name.
    pub name: String,
    /// Jobs that run on it at the same time.
    pub slots: u32,
    /// Steps of a job that may be made ready ahead of their start at the same time.
    pub park: u32,
    /// What `runs_on` may ask for.
    pub labels: Vec<String>,
}

impl EngineInfo {
    /// Name of the one engine of a server that was given no list of them.
    pub const LOCAL: &str = "local";

    /// That engine.
    #[must_use]
    pub fn local(slots: u32, park: u32) -> Self {
        Self { name: Self::LOCAL.to_owned(), slots, park, labels: Vec::new() }
    }
}

/// Whether an engine answers, as far as is known.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Up,
    Down {
        message: String,
        /// `None`: since before the board was first told anything.
        since: Option<Timestamp>,
    },
}

#[derive(Debug, Clone)]
struct Engine {
    info: EngineInfo,
    state: State,
}

/// All engines, in the order of the settings.
#[derive(Debug, Clone)]
pub(super) struct Engines {
    list: Vec<Engine>,
    /// After this long a silence the jobs of an engine are given up.
    patience_ms: u64,
    /// How long the work tree of a job that fails is kept.
    keep_ms: u64,
}

impl Engines {
    /// None of them has answered yet.
    pub(super) fn new(infos: Vec<EngineInfo>, patience_ms: u64) -> Self {
        let message = "Gantry has just started and asks it".to_owned();
        let state = State::Down { message, since: None };
        Self { list: infos.into_iter().map(|info| Engine { info, state: state.clone() }).collect(), patience_ms, keep_ms: 0 }
    }

    pub(super) fn with_patience(self, patience_ms: u64) -> Self {
        Self { patience_ms, ..self }
    }

    pub(super) fn keeping(self, keep_ms: u64) -> Self {
        Self { keep_ms, ..self }
    }

    /// The board is told something: silences of which nothing was known count from here.
    pub(super) fn begin(&mut self, now: Timestamp) {
        for engine in &mut self.list {
            if let State::Down { since: since @ None, .. } = &mut engine.state {
                *since = Some(now);
            }
        }
    }

    /// An engine answers, or does not and why. False when there is none of that name.
    pub(super) fn hear(&mut self, name: &str, said: Result<(), String>, now: Timestamp) -> bool {
        let Some(engine) = self.list.iter_mut().find(|engine| engine.info.name == name) else { return false };
        engine.state = match (said, &engine.state) {
            (Ok(()), _) => State::Up,
            // Another word for the same silence.
            (Err(message), State::Down { since, .. }) => State::Down { message, since: *since },
            (Err(message), State::Up) => State::Down { message, since: Some(now) },
        };
        true
    }

    /// A job that was admitted before engines had names is on the first.
    pub(super) fn put_on_one(&self, run: &mut Run) {
        for job in run.jobs.iter_mut().filter(|job| job.state.holds_slot() && job.engine.is_none()) {
            job.engine = self.list.first().map(|engine| engine.info.name.clone());
        }
    }

    fn of(&self, job: &Job) -> Option<&Engine> {
        self.list.iter().find(|engine| job.engine.as_ref() == Some(&engine.info.name))
    }

    /// Whether the job is on an engine that answers.
    pub(super) fn is_up(&self, job: &Job) -> bool {
        self.of(job).is_some_and(|engine| engine.state == State::Up)
    }

    /// When the engine of a job that holds a slot there is given up, if it stays as silent as it is. One that is not in the list any more is at once.
    pub(super) fn given_up_at(&self, job: &Job) -> Option<Timestamp> {
        if !job.state.holds_slot() {
            return None;
        }
        match self.of(job).map(|engine| &engine.state) {
            None => Some(Timestamp(0)),
            Some(State::Down { since: Some(since), .. }) if self.list.len() > 1 => Some(since.plus_ms(self.patience_ms)),
            Some(State::Down { .. } | State::Up) => None,
        }
    }

    /// Why the engine of this job is given up, if it is.
    pub(super) fn given_up(&self, job: &Job, now: Timestamp) -> Option<String> {
        self.given_up_at(job).filter(|at| now >= *at)?;
        let name = job.engine.as_deref().unwrap_or_default();
        Some(match self.of(job).map(|engine| &engine.state) {
            Some(State::Down { message, .. }) => {
                format!("the engine `{name}` has not answered for {}: {message}", Span(self.patience_ms))
            }
            Some(State::Up) | None => format!("the engine `{name}` is not in the settings any more"),
        })
    }

    /// The engine for a job with these labels, or the `only` one that it can be, where so many slots are taken; else what the job waits for.
    pub(super) fn choose(&self, labels: &[String], only: Option<&str>, taken: &Taken) -> Result<&str, Wait> {
        let has_all = |engine: &&Engine| labels.iter().all(|label| engine.info.labels.contains(label));
        let is_it = |engine: &&Engine| only.is_none_or(|only| engine.info.name == only);
        let fit: Vec<&Engine> = self.list.iter().filter(has_all).filter(is_it).collect();
        if let (Some(only), []) = (only, fit.as_slice()) {
            let message =
                format!("its work tree is on the engine `{only}`, which is not in the settings any more, or has other labels");
            return Err(Wait::Engine { message });
        }
        if fit.is_empty() {
            return Err(Wait::Labels { labels: labels.to_vec() });
        }
        let up: Vec<&Engine> = fit.iter().copied().filter(|engine| engine.state == State::Up).collect();
        if up.is_empty() {
            return Err(Wait::Engine { message: silence(&fit, self.list.len()) });
        }
        let free = |engine: &Engine| engine.info.slots.saturating_sub(taken.on(&engine.info.name));
        // The first of those with the most: `max_by_key` would give the last.
        let most = up.iter().map(|engine| free(engine)).max().unwrap_or_default();
        match up.iter().find(|engine| most > 0 && free(engine) == most) {
            Some(engine) => Ok(&engine.info.name),
            None => Err(Wait::Slot { slots: up.iter().map(|engine| engine.info.slots).sum() }),
        }
    }
}

/// What the engines that fit say, none of which answers. Their names matter only where there are several.
fn silence(fit: &[&Engine], all: usize) -> String {
    let said = fit.iter().filter_map(|engine| match &engine.state {
        State::Down { message, .. } if all == 1 => Some(message.clone()),
        State::Down { message, .. } => Some(format!("`{}`: {message}", engine.info.name)),
        State::Up => None,
    });
    said.collect::<Vec<_>>().join("; ")
}

impl Permits for Engines {
    fn of(&self, job: &Job) -> Permit {
        let keep_ms = self.keep_ms;
        match Engines::of(self, job) {
            Some(Engine { info, state: State::Up }) => Permit { park: info.park, keep_ms, ..Permit::START },
            Some(Engine { state: State::Down { .. }, .. }) | None => Permit { keep_ms, ..Permit::NOTHING },
        }
    }
}

/// Slots that are taken, by engine.
#[derive(Debug, Default)]
pub(super) struct Taken(BTreeMap<String, u32>);

impl Taken {
    pub(super) fn of<'b>(jobs: impl Iterator<Item = &'b Job>) -> Self {
        let mut taken = Self::default();
        for name in jobs.filter(|job| job.state.holds_slot()).filter_map(|job| job.engine.as_deref()) {
            taken.one_more(name);
        }
        taken
    }

    pub(super) fn one_more(&mut self, engine: &str) {
        *self.0.entry(engine.to_owned()).or_default() += 1;
    }

    fn on(&self, engine: &str) -> u32 {
        self.0.get(engine).copied().unwrap_or_default()
    }
}
