//! The whole room over real HTTP: a real store in a temporary directory, a listener on a free port, a client.

mod api;
mod approve;
mod guard;
mod hooks;
mod kept;
mod live;
mod look;
mod pages;
mod results;
mod secrets;
mod seed;
mod world;

pub(super) use seed::Seed;
pub(super) use world::{World, text};

/// The first step of the first job is being tried for the first time.
async fn seed_attempt(seed: &Seed<'_>, run: &crate::run::Run) {
    let running = crate::run::StepState::Running { attempt: 1, since: seed.now };
    seed.set(&[seed::step_is(run, 0, 0, running)]).await;
}
