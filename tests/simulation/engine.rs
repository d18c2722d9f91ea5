//! The engine and its containers, and the deaths of both sides.

use std::collections::BTreeSet;
use std::sync::Arc;

use gantry::base::AttemptKey;
use gantry::run::{Exit, JobState, StepState, Written};
use gantry::schedule::{Board, Input};

use super::world::{Container, Due, KEEP_MS, World};

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

    pub fn container_ends(&mut self, key: &AttemptKey, exit: Exit) {
        let Some(container) = self.containers.get_mut(key) else {
            return;
        };
        if !container.running {
            return;
        }
        container.running = false;
        container.exit = exit.clone();
        self.watch.exited.insert(key.clone(), exit);
        if self.live.get(key).is_some_and(|live| !live.finishing) {
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
        for key in std::mem::take(&mut self.parking) {
            // What was asked of the engine may still be done.
            if self.dice.chance(50) {
                let delay = self.dice.below(5_000);
                self.after(delay, Due::StrayPark { key });
            }
        }
        self.watch.stray = self.parked().cloned().collect();
        self.board = Board::new(self.slots).parking(self.park).keeping(KEEP_MS);
        self.disturbed_at = self.now;
        let process = self.process;
        for run in self.stored.values().filter(|run| !run.is_ended()).cloned().collect::<Vec<_>>() {
            self.after(0, Due::Input { process, input: Input::Queued(Box::new(run)), last_of: None });
        }
        if self.engine_up {
            self.after(1, Due::Speech);
        }
    }

    pub fn silence(&mut self) {
        if !self.engine_up {
            return;
        }
        self.counts.one("silences of the engine");
        self.engine_up = false;
        self.disturbed_at = self.now;
        // Every follower's stream breaks; what was said already is still heard.
        self.live.retain(|_, live| live.finishing);
        self.tell_engine(Err("silent".to_owned()));
        // Now and then the engine's end is the containers' end.
        if self.dice.chance(50) {
            for container in self.containers.values_mut().filter(|container| container.running) {
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
            self.containers.retain(|key, _| !answered(key));
        }
        self.at_random(20_000, Due::Speech);
    }

    /// The engine answers (again): the server says so and compares.
    pub fn speech(&mut self) {
        self.engine_up = true;
        self.disturbed_at = self.now;
        self.tell_engine(Ok(()));
        self.compare();
    }

    pub fn compare(&mut self) {
        if !self.engine_up {
            return;
        }
        // What a live task holds counts as known, as in the server.
        let known: BTreeSet<AttemptKey> = self.containers.keys().chain(self.live.keys()).cloned().collect();
        let process = self.process;
        let input = Input::Survivors { known: known.into_iter().collect(), asked_at: self.now };
        self.after(1, Due::Input { process, input, last_of: None });
    }

    /// The engine makes an attempt ready, if it has not heard of it.
    pub fn make_ready(&mut self, key: &AttemptKey) {
        if !self.parking.contains(key) && !self.expected(key) {
            self.watch.stray.insert(key.clone());
        }
        if self.engine_up && !self.containers.contains_key(key) {
            let exit = Exit::NeverRan;
            let container = Container { parked: true, running: false, exit, stubborn: false, wrote: Written::default() };
            self.containers.insert(key.clone(), container);
        }
    }

    /// What waits for its start.
    pub fn parked(&self) -> impl Iterator<Item = &AttemptKey> {
        self.containers.iter().filter(|(_, container)| container.parked).map(|(key, _)| key)
    }

    /// Whether the step is held by what is stored, in this very attempt.
    pub fn expected(&self, key: &AttemptKey) -> bool {
        self.stored[&key.run].jobs[key.job as usize].steps[key.step as usize].state.held_attempt() == Some(key.attempt)
    }

    /// Jobs that hold a slot by what is stored.
    pub fn jobs_with_slots(&self) -> usize {
        let holds = |state: &JobState| state.holds_slot();
        self.stored.values().filter(|run| !run.is_ended()).flat_map(|run| &run.jobs).filter(|job| holds(&job.state)).count()
    }
}
