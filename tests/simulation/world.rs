//! The world around the board: a store, a clock, an engine with containers, people, and a server process that can die at any moment.
//!
//! `process` is the server, `engine` the engine, `people` what people do.

use std::collections::BTreeMap;

use gantry::base::{AttemptKey, JobKey, RunId, Timestamp};
use gantry::run::{Exit, Filled, Run, Written};
use gantry::schedule::{Board, EngineInfo, Input};

use super::counts::Counts;
use super::dice::Dice;
use super::invariants::{self, Watch};
use super::promises;

/// An engine.
pub struct Engine {
    pub info: EngineInfo,
    /// Since when it does not answer; `None`: it does.
    pub silent: Option<Timestamp>,
}

/// What an engine has for an attempt, by the engine's name.
pub type Place = (String, AttemptKey);

/// A container, as the engine has it. Lives on when the server dies.
#[derive(Debug, Clone)]
pub struct Container {
    /// It is ready, and waits for its start. It may be dead meanwhile: whoever starts it makes it anew then.
    pub parked: bool,
    pub running: bool,
    pub exit: Exit,
    /// It ignores SIGTERM: only the kill after the grace ends it.
    pub stubborn: bool,
    /// What it leaves to others, if it comes to an end of its own.
    pub wrote: Written,
}

/// A live task.
#[derive(Debug, Clone, Default)]
pub struct Live {
    pub engine: String,
    pub told_to_stop: bool,
    /// Its last word is under way.
    pub finishing: bool,
    /// What it is to start, as the performer filled it in.
    pub filled: Option<Filled>,
}

/// What can come to pass at a moment.
#[derive(Debug, Clone)]
pub enum Due {
    /// An input reaches the board, if the process that sent it still lives.
    /// The last word of a live task names its attempt: with it the task is over.
    Input {
        process: u64,
        input: Input,
        last_of: Option<AttemptKey>,
    },
    /// The start of an attempt reaches the engine.
    StartReaches {
        process: u64,
        key: AttemptKey,
    },
    PrepareReaches {
        process: u64,
        engine: String,
        key: JobKey,
    },
    /// The wish to make an attempt ready ahead of its start reaches the engine.
    ParkReaches {
        process: u64,
        key: AttemptKey,
    },
    /// The same, of a process that is gone.
    StrayPark {
        place: Place,
    },
    ContainerEnds {
        place: Place,
        exit: Exit,
    },
    NewRun,
    DoAgain,
    Cancel,
    Answer,
    Crash,
    Silence,
    Speech {
        engine: String,
    },
    Compare,
    /// The comparison that comes by itself.
    Minute,
    Tick {
        process: u64,
    },
}

pub struct World {
    pub dice: Dice,
    pub now: Timestamp,
    pub board: Board,
    /// What is stored: survives every crash.
    pub stored: BTreeMap<RunId, Run>,
    pub containers: BTreeMap<Place, Container>,
    /// Live tasks of this process. Kept until the loop has *heard* the task's last word: dropped when it was merely sent, a start that comes in
    /// between would make a second container of an attempt that has just ended.
    pub live: BTreeMap<AttemptKey, Live>,
    pub preparing: BTreeMap<JobKey, String>,
    /// Attempts that are being made ready.
    pub parking: BTreeMap<AttemptKey, String>,
    /// Runs that will be cancelled once more.
    pub again: Vec<RunId>,
    /// Number of the server process; a crash makes the next one.
    pub process: u64,
    pub engines: Vec<Engine>,
    /// The last crash or silence: bounds on starts and stops count from here.
    pub disturbed_at: Timestamp,
    queue: BTreeMap<(Timestamp, u64), Due>,
    order: u64,
    pub calm: bool,
    /// A busy loop wakes late, by this.
    pub late_ms: u64,
    pub watch: Watch,
    pub counts: Counts,
    pub seed: u64,
    talk: bool,
}

/// What `number` of the engines is.
fn engine(dice: &mut Dice, number: u32) -> Engine {
    let labels = if number == 0 || dice.chance(50) { vec!["a".to_owned()] } else { Vec::new() };
    let (slots, park) = (1 + dice.below(3) as u32, dice.pick(&[0, 1, 2, 2, 5]));
    Engine { info: EngineInfo { name: format!("engine{number}"), slots, park, labels }, silent: None }
}

/// A new board for these engines.
pub fn board(engines: &[Engine]) -> Board {
    Board::new(engines.iter().map(|engine| engine.info.clone()).collect()).patient_for(PATIENCE_MS).keeping(KEEP_MS)
}

/// After this long a silence an engine is given up, where there are others. Above what a doubled word of a preparation is late by.
pub const PATIENCE_MS: u64 = 25_000;
const CHAOS_MS: u64 = 180_000;
/// Between two comparisons with the engine, as the server makes them.
const MINUTE_MS: u64 = 60_000;
/// How long work trees of failed jobs are kept.
pub const KEEP_MS: u64 = 3_600_000;
pub const GRACE_MS: u64 = 10_000;

impl World {
    pub fn new(seed: u64, talk: bool) -> Self {
        let mut dice = Dice::new(seed);
        let late_ms = dice.pick(&[0, 1_500]);
        let engines: Vec<Engine> = (0..dice.pick(&[1, 2, 2, 3])).map(|number| engine(&mut dice, number)).collect();
        let board = board(&engines);
        let mut world = World {
            dice,
            now: Timestamp(1_000_000),
            board,
            stored: BTreeMap::new(),
            containers: BTreeMap::new(),
            live: BTreeMap::new(),
            preparing: BTreeMap::new(),
            parking: BTreeMap::new(),
            again: Vec::new(),
            process: 1,
            engines,
            disturbed_at: Timestamp(1_000_000),
            queue: BTreeMap::new(),
            order: 0,
            calm: false,
            late_ms,
            watch: Watch::default(),
            counts: Counts::default(),
            seed,
            talk,
        };
        world.plan_chaos();
        world
    }

    /// Throws what will happen over the first minutes.
    fn plan_chaos(&mut self) {
        for _ in 0..1 + self.dice.below(7) {
            self.at_random(CHAOS_MS / 2, Due::NewRun);
        }
        let wild = [(3, Due::Crash), (4, Due::Silence), (5, Due::Cancel), (12, Due::Answer), (4, Due::Compare)];
        for (most, due) in wild {
            for _ in 0..self.dice.below(most) {
                self.at_random(CHAOS_MS, due.clone());
            }
        }
        for _ in 0..self.dice.below(4) {
            self.at_random(CHAOS_MS, Due::DoAgain);
        }
        self.at_random(MINUTE_MS, Due::Minute);
        self.restart();
    }

    pub fn at_random(&mut self, within_ms: u64, due: Due) {
        let after = self.dice.below(within_ms);
        self.after(after, due);
    }

    pub fn after(&mut self, ms: u64, due: Due) {
        self.order += 1;
        self.queue.insert((self.now.plus_ms(ms), self.order), due);
    }

    pub fn say(&self, what: &dyn std::fmt::Debug) {
        if self.talk {
            println!("{:>8} {what:?}", self.now.0 - 1_000_000);
        }
    }

    pub fn fail(&self, what: &str) -> ! {
        panic!(
            "seed {} at {} ms: {what}\nsee its story: SEED={} cargo test --test simulation -- --nocapture",
            self.seed,
            self.now.0 - 1_000_000,
            self.seed
        );
    }

    /// Lets the world go on until nothing happens any more, checking every promise on the way.
    pub fn run(mut self) -> Counts {
        let end = self.now.plus_ms(CHAOS_MS);
        let mut steps = 0;
        while let Some(((at, _), due)) = self.queue.pop_first() {
            if at > end && !self.calm {
                self.calm = true;
                for engine in self.names() {
                    self.after(0, Due::Speech { engine });
                }
                self.after(1, Due::Compare);
                self.after(2, Due::Answer);
            }
            self.now = self.now.max(at);
            self.say(&due);
            self.come_to_pass(due);
            invariants::after_each_step(&mut self);
            promises::after_each_step(&self);
            steps += 1;
            if steps > 20_000 {
                self.fail("it does not come to rest");
            }
        }
        // One more restart: what is left over must be swept.
        self.restart();
        while let Some(((at, _), due)) = self.queue.pop_first() {
            self.now = self.now.max(at);
            self.say(&due);
            self.come_to_pass(due);
        }
        invariants::at_the_end(&mut self);
        self.counts
    }

    fn come_to_pass(&mut self, due: Due) {
        match due {
            Due::Input { process, input, last_of } if process == self.process => {
                if let Some(key) = last_of {
                    self.live.remove(&key);
                }
                self.turn(input);
            }
            Due::StartReaches { process, key } if process == self.process => self.start_reaches(&key),
            Due::PrepareReaches { process, engine, key } if process == self.process => self.prepare_reaches(engine, key),
            Due::Tick { process } if process == self.process => self.turn(Input::Woken),
            Due::ParkReaches { process, key } if process == self.process => self.park_reaches(&key),
            Due::StrayPark { place } => self.make_ready(&place),
            Due::Input { .. }
            | Due::StartReaches { .. }
            | Due::PrepareReaches { .. }
            | Due::ParkReaches { .. }
            | Due::Tick { .. } => {}
            Due::ContainerEnds { place, exit } => self.container_ends(&place, exit),
            Due::NewRun => self.new_run(),
            Due::DoAgain => self.do_again(),
            Due::Cancel => self.cancel(),
            Due::Answer => self.answer(),
            Due::Crash => self.crash(),
            Due::Silence => {
                let engine = self.dice.pick(&self.names());
                self.silence(&engine);
            }
            Due::Speech { engine } => self.speech(&engine),
            Due::Compare => self.compare_all(),
            Due::Minute => {
                self.compare_all();
                if !self.calm || self.stored.values().any(|run| !run.is_ended()) {
                    self.after(MINUTE_MS, Due::Minute);
                }
            }
        }
    }
}
