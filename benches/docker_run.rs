//! The reference: what Docker's own client takes for the same trivial step.

use std::process::{Command, Stdio};

use crate::process::IMAGE;
use crate::watch::Watch;

/// The step.
pub const STEP: &str = "echo hi";

/// An engine and the image, or what to do.
pub fn engine_answers() -> Result<(), String> {
    let asked = Command::new("docker").args(["image", "inspect", "--format", "{{.Id}}", IMAGE]).output();
    let asked =
        asked.map_err(|error| format!("it needs Docker's client to compare with: {error}; `.ci/docker-up` installs it"))?;
    if asked.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&asked.stderr);
    Err(format!("it needs Docker with the image {IMAGE}, which `.ci/docker-up` makes: {}", said.trim()))
}

/// Milliseconds of `times` containers, one after the other: made, run, removed.
pub fn ms(times: usize) -> f64 {
    let watch = Watch::start();
    for _ in 0..times {
        let run = Command::new("docker").args(["run", "--rm", IMAGE]).args(STEP.split(' ')).stdin(Stdio::null()).output();
        let run = run.expect("docker runs");
        assert_eq!(run.stdout, b"hi\n", "{}", String::from_utf8_lossy(&run.stderr));
    }
    watch.ms()
}
