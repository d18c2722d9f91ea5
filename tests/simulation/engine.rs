//! The engine and its containers, and the deaths of both sides.

use std::collections::BTreeSet;
use std::sync::Arc;

use gantry::base::{AttemptKey, Timestamp};
use gantry::run::{Exit, Job, StepState, Written};
use gantry::schedule::Input;

use super::world::{Container, Due, Engine, Place, World, board};

impl World {
    /// What the container of this attempt will leave to others.
    pub fn will_write(&mut self, key: &AttemptKey) -> Written {
        let values = |names: &[&str]| Arc::new(names.iter().map(|name| ((*name).to_owned(), key.to_string())).collect());
        let from = format!("FROM_{}", key.step);
        let outputs = if self.dice.chance(80) { values(&["v"]) } else { values(&[]) };
        let env = if self.dice.chance(50) { values(&[&from, "SHARED"]) } else { values(&[]) };
        let problem = self.dice.chance(3).then(|| "line 1 of GANTRY_OUTPUT is odd".to_owned());
        let wrote = Written { outputs, env, problem };
        self.watch.wrote.insert(key.clone(), wrote.clone());
        wrote
    }

    pub fn container_ends(&mut self, place: &Place, exit: Exit) {
        let key = &place.1;
        let Some(container) = self.containers.get_mut(place) else {
            return;
        };
        if !container.running {
            return;
        }
        container.running = false;
        container.exit = exit.clone();
        if !self.watch.is_given_up(place) {
            self.watch.exited.insert(key.clone(), exit);
        }
        if self.live.get(key).is_some_and(|live| !live.finishing && live.engine == place.0) {
            self.follow(key);
        }
    }

    /// `kill -9` of the server, and a new one a little later.
    pub fn crash(&mut self) {
        self.counts.one("crashes");
        self.restart();
    }

    pub fn restart(&mut self) {
        self.say(&"--- a new process ---");
        self.process += 1;
        self.live.clear();
        self.preparing.clear();
        for (key, engine) in std::mem::take(&mut self.parking) {
            // What was asked of the engine may still be done.
            if self.dice.chance(50) {
                let delay = self.dice.below(5_000);
                self.after(delay, Due::StrayPark { place: (engine, key) });
            }
        }
        self.watch.stray = self.parked().map(|(_, key)| key.clone()).collect();
        self.board = board(&self.engines);
        self.disturbed_at = self.now;
        let process = self.process;
        for run in self.stored.values().filter(|run| !run.is_ended()).cloned().collect::<Vec<_>>() {
            self.after(0, Due::Input { process, input: Input::Queued(Box::new(run)), last_of: None });
        }
        for engine in self.names() {
            if self.is_up(&engine) {
                self.after(1, Due::Speech { engine });
            }
        }
    }

    pub fn names(&self) -> Vec<String> {
        self.engines.iter().map(|engine| engine.info.name.clone()).collect()
    }

    pub fn engine(&self, name: &str) -> &Engine {
        self.engines.iter().find(|engine| engine.info.name == name).unwrap()
    }

    pub fn is_up(&self, name: &str) -> bool {
        self.engine(name).silent.is_none()
    }

    fn set_silent(&mut self, name: &str, silent: Option<Timestamp>) {
        self.engines.iter_mut().find(|engine| engine.info.name == name).unwrap().silent = silent;
    }

    pub fn silence(&mut self, name: &str) {
        if !self.is_up(name) {
            return;
        }
        self.counts.one("silences of the engine");
        self.set_silent(name, Some(self.now));
        self.disturbed_at = self.now;
        // Every follower's stream breaks; what was said already is still heard.
        self.live.retain(|_, live| live.finishing || live.engine != name);
        self.tell_engine(name, Err("silent".to_owned()));
        // Now and then the engine's end is the containers' end.
        if self.dice.chance(50) {
            let here = self.containers.iter_mut().filter(|((engine, _), container)| engine == name && container.running);
            for (_, container) in here {
                container.running = false;
                container.exit = Exit::Lost("Docker was stopped".to_owned());
            }
        }
        if self.dice.chance(10) {
            // The engine forgets them, but for those whose start was never answered: whether such a one ran could not be known by anyone.
            let stored = &self.stored;
            let answered = |key: &AttemptKey| {
                let state = &stored[&key.run].jobs[key.job as usize].steps[key.step as usize].state;
                matches!(state, StepState::Running { .. } | StepState::Stopping { started_at: Some(_), .. })
            };
            self.containers.retain(|(engine, key), _| engine != name || !answered(key));
        }
        let longest = self.dice.pick(&[20_000, 90_000]);
        self.at_random(longest, Due::Speech { engine: name.to_owned() });
    }

    /// The engine answers (again): the server says so and compares.
    pub fn speech(&mut self, name: &str) {
        self.set_silent(name, None);
        self.disturbed_at = self.now;
        self.tell_engine(name, Ok(()));
        self.compare(name);
    }

    pub fn compare_all(&mut self) {
        for engine in self.names() {
            self.compare(&engine);
        }
    }

    pub fn compare(&mut self, name: &str) {
        if !self.is_up(name) {
            return;
        }
        // What a live task holds counts as known, as in the server.
        let had = self.containers.keys().filter(|(engine, _)| engine == name).map(|(_, key)| key);
        let held = self.live.iter().filter(|(_, live)| live.engine == name).map(|(key, _)| key);
        let known: BTreeSet<AttemptKey> = had.chain(held).cloned().collect();
        let process = self.process;
        let input = Input::Survivors { engine: name.to_owned(), known: known.into_iter().collect(), asked_at: self.now };
        self.after(1, Due::Input { process, input, last_of: None });
    }

    /// The engine makes an attempt ready, if it has not heard of it.
    pub fn make_ready(&mut self, place: &Place) {
        let (engine, key) = place;
        if !self.parking.contains_key(key) && !self.expected(place) {
            self.watch.stray.insert(key.clone());
        }
        if self.is_up(engine) && !self.containers.contains_key(place) {
            let exit = Exit::NeverRan;
            let container = Container { parked: true, running: false, exit, stubborn: false, wrote: Written::default() };
            self.containers.insert(place.clone(), container);
        }
    }

    /// What waits for its start.
    pub fn parked(&self) -> impl Iterator<Item = &Place> {
        self.containers.iter().filter(|(_, container)| container.parked).map(|(place, _)| place)
    }

    /// Whether the step is held by what is stored, there and in this very attempt.
    pub fn expected(&self, (engine, key): &Place) -> bool {
        let job = &self.stored[&key.run].jobs[key.job as usize];
        job.engine.as_ref() == Some(engine) && job.steps[key.step as usize].state.held_attempt() == Some(key.attempt)
    }

    /// Jobs that hold a slot of this engine by what is stored.
    pub fn jobs_with_slots(&self, name: &str) -> usize {
        let holds = |job: &&Job| job.state.holds_slot() && job.engine.as_deref() == Some(name);
        self.stored.values().filter(|run| !run.is_ended()).flat_map(|run| &run.jobs).filter(holds).count()
    }
}
