//! Seeded simulation of the core: board, store and a world that delays, doubles, reorders, crashes and goes silent.
//!
//! `SEEDS=N cargo test --test simulation` runs more; `SEED=N` runs that one with its whole story printed.

#[path = "simulation/counts.rs"]
mod counts;
#[path = "simulation/dice.rs"]
mod dice;
#[path = "simulation/engine.rs"]
mod engine;
#[path = "simulation/invariants.rs"]
mod invariants;
#[path = "simulation/people.rs"]
mod people;
#[path = "simulation/plans.rs"]
mod plans;
#[path = "simulation/process.rs"]
mod process;
#[path = "simulation/promises.rs"]
mod promises;
#[path = "simulation/values.rs"]
mod values;
#[path = "simulation/world.rs"]
mod world;

use counts::{Counts, KINDS};
use world::World;

/// Seeds in an ordinary test run: four tests of this many, so that two cores share them.
const SEEDS_PER_TEST: u64 = 600;

fn run_seeds(part: u64) {
    if let Some(seed) = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()) {
        if part == 0 {
            World::new(seed, true).run();
        }
        return;
    }
    let seeds =
        std::env::var("SEEDS").ok().and_then(|seeds| seeds.parse().ok()).map_or(SEEDS_PER_TEST, |all: u64| all.div_ceil(4));
    for seed in (part * 1_000_000)..(part * 1_000_000 + seeds) {
        World::new(seed, false).run();
    }
}

#[test]
fn random_worlds_keep_every_promise_a() {
    run_seeds(0);
}

#[test]
fn random_worlds_keep_every_promise_b() {
    run_seeds(1);
}

#[test]
fn random_worlds_keep_every_promise_c() {
    run_seeds(2);
}

#[test]
fn random_worlds_keep_every_promise_d() {
    run_seeds(3);
}

/// The world must be wild enough to prove something: over some seeds, everything that can happen does.
#[test]
fn the_worlds_are_wild_enough() {
    let mut total = Counts::default();
    for seed in 0..600 {
        total.add(&World::new(seed, false).run());
    }
    for kind in KINDS {
        let count = total.of(kind);
        assert!(count >= 20, "only {count} {kind} in 600 seeds: the simulation proves nothing about them");
    }
}
