//! A stop watch, and what is told of many rounds.

use gantry::base::Clock;

/// Started when it is made.
pub struct Watch(i64);

impl Watch {
    pub fn start() -> Self {
        Self(Clock::System.now_ns())
    }

    /// Milliseconds since it was started.
    pub fn ms(&self) -> f64 {
        (Clock::System.now_ns() - self.0) as f64 / 1e6
    }
}

/// Of rounds that differ: the middle one, the least and the most, in milliseconds.
#[derive(Clone, Copy)]
pub struct Spread {
    pub median: f64,
    pub least: f64,
    pub most: f64,
}

impl Spread {
    /// # Panics
    /// Without any round.
    pub fn of(rounds: &[f64]) -> Self {
        let mut sorted = rounds.to_vec();
        sorted.sort_by(f64::total_cmp);
        Self { median: sorted[sorted.len() / 2], least: sorted[0], most: sorted[sorted.len() - 1] }
    }

    /// Of `rounds` rounds of work.
    pub fn of_rounds(rounds: usize, mut work: impl FnMut()) -> Self {
        let times: Vec<f64> = (0..rounds)
            .map(|_| {
                let watch = Watch::start();
                work();
                watch.ms()
            })
            .collect();
        Self::of(&times)
    }
}
