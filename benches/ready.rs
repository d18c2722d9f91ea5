//! From nothing to ready: `gantry serve` on an empty directory.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::table::{Row, Target};
use crate::watch::{Spread, Watch};

const ROUNDS: usize = 15;
const GANTRY: &str = env!("CARGO_BIN_EXE_gantry");

pub async fn rows() -> Vec<Row> {
    // Interleaved, so that a busy moment of the machine meets both.
    let (served, reference): (Vec<f64>, Vec<f64>) = (0..ROUNDS).map(|_| (ready_ms(), version_ms())).unzip();
    vec![Row {
        figure: "start to ready, empty directory".to_owned(),
        unit: "ms",
        measured: Spread::of(&served),
        rounds: ROUNDS,
        reference: Some(("`gantry --version`".to_owned(), Spread::of(&reference).median)),
        target: Target::Below(300.0, "ms"),
    }]
}

/// From before the process is made to the line that says it is ready.
fn ready_ms() -> f64 {
    let data = tempfile::tempdir().expect("a directory");
    let watch = Watch::start();
    let mut command = Command::new(GANTRY);
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data.path());
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = Killed(child.expect("gantry starts"));
    let mut line = String::new();
    BufReader::new(child.0.stdout.as_mut().expect("piped")).read_line(&mut line).expect("a line");
    let ms = watch.ms();
    assert!(line.starts_with("Gantry is ready"), "{line:?}");
    ms
}

fn version_ms() -> f64 {
    let watch = Watch::start();
    let output = Command::new(GANTRY).arg("--version").output().expect("gantry starts");
    assert!(output.status.success());
    watch.ms()
}

/// A process that does not outlive its value.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
