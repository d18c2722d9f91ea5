//! `gantry demo`: a sample repository, a server on a free port, two pushes, one green and one red, and where to look closer.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;

use crate::base::{Clock, InstanceId, Tasks, limits};
use crate::executor::{Docker, Executor};
use crate::git::{Credentials, Sample};
use crate::run::{Outcome, RunView, view};
use crate::server::{Handle, KeepConfig};
use crate::store::RunFilter;

use super::engine::Kind;
use super::engines::EngineSetup;
use super::serve::{Running, Setup, slots};
use super::signals::Signals;
use super::{Ended, OK, RUN_FAILED, out};

/// The pipeline of the sample repository; the image at hand is put in.
const PIPELINE: &str = include_str!("../../examples/demo/.gantry.yml");
const PROGRAM: &str = include_str!("../../examples/demo/greet.sh");
const TEST: &str = include_str!("../../examples/demo/test.sh");
/// What the second push breaks.
const BROKEN: &str = include_str!("../../examples/demo/greet-broken.sh");

/// What a machine with a way out pulls, where no image can be made on the spot.
const PULLED_IMAGE: &str = "busybox:1";

/// How long what still runs may take to end.
const PATIENCE: Duration = Duration::from_secs(15);

#[derive(clap::Args)]
pub(super) struct Args {
    /// Ends when the runs have ended: 0 if they ended as expected
    #[arg(long)]
    once: bool,
}

/// Shows what Gantry does.
pub(super) async fn demo(args: Args) -> Result<u8, Ended> {
    let mut signals = Signals::new()?;
    let here = tempfile::Builder::new().prefix("gantry-demo-").tempdir().context("no temporary directory can be made")?;
    let (kind, image) = choose(here.path()).await;
    let remote = here.path().join("greeter.git");
    let sample = Sample::create(&remote)?;
    let running = Running::start(Setup {
        data: here.path().join("data"),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        kind,
        engines: vec![EngineSetup::local(slots())],
        images: Default::default(),
        database: None,
        grace_ms: limits::GRACE_MS,
        engine_timeout_ms: limits::ENGINE_SILENCE_MS,
        credentials: Credentials::default(),
        keep: KeepConfig::default(),
        shell_secrets: false,
    })
    .await?;
    out::line(format_args!("Dashboard:  {}", running.url));
    out::line(format_args!("Repository: {} (a bare Git repository: clone it, push to it)", remote.display()));
    let shown = tokio::select! {
        shown = show(running.handle(), &running.url, &remote, &sample, &image) => shown.map(Some),
        _ = signals.next() => Ok(None),
    };
    if matches!(shown, Ok(Some(_))) && !args.once {
        out::line(format_args!("\nLook closer: open {} in a browser. Ctrl-C ends the demo and removes its files.", running.url));
        signals.next().await;
    }
    tokio::select! {
        ended = tokio::time::timeout(PATIENCE, end_runs(running.handle())) => if ended.is_err() {
            tracing::warn!("some runs did not end; what they left in the engine has labels that begin with io.gantry");
        },
        _ = signals.next() => {}
    }
    running.stop().await;
    match shown? {
        Some(true) | None => Ok(OK),
        Some(false) => Ok(RUN_FAILED),
    }
}

/// Ends at once what still runs. A server leaves that to its next start, but the demo's data goes with it.
async fn end_runs(handle: &Handle) -> anyhow::Result<()> {
    let mut changes = handle.changes();
    loop {
        changes.mark_unchanged();
        let runs = handle.store().unfinished().await?;
        if runs.is_empty() {
            return Ok(());
        }
        for run in runs {
            // Once asks, twice makes; a refusal means that it is on its way, or has ended.
            for _ in 0..2 {
                let _ = handle.cancel(&run.id, "the end of the demo").await;
            }
        }
        changes.changed().await?;
    }
}

/// Docker where an engine answers, with an image made on the spot if that can be; else this machine itself.
async fn choose(here: &Path) -> (Kind, String) {
    let tasks = Tasks::default();
    let docker = Docker::connect(None, InstanceId::new(&Clock::System), tasks.clone(), Clock::System);
    let chosen = match docker.health().await {
        Ok(()) => match docker.demo_image().await {
            Ok(Some(image)) => {
                out::line(format_args!(
                    "Steps run in Docker containers of {image}, an image made of this machine's own busybox."
                ));
                (Kind::Docker, image)
            }
            Ok(None) | Err(_) => {
                out::line(format_args!("Steps run in Docker containers of {PULLED_IMAGE}, which is pulled when it is missing."));
                (Kind::Docker, PULLED_IMAGE.to_owned())
            }
        },
        Err(why) => {
            out::line(format_args!("{why}"));
            out::line(format_args!("So the steps run as processes on this machine, below {}.", here.display()));
            (Kind::Host, PULLED_IMAGE.to_owned())
        }
    };
    tasks.end().await;
    chosen
}

/// Pushes twice and tells how it went; true when it went as expected.
async fn show(handle: &Handle, url: &str, remote: &Path, sample: &Sample, image: &str) -> anyhow::Result<bool> {
    let pipeline = PIPELINE.replace("busybox:1", image);
    let address = remote.to_str().context("the temporary directory's name is not text")?;
    let first = [(".gantry.yml", pipeline.as_str(), false), ("greet.sh", PROGRAM, true), ("test.sh", TEST, true)];
    sample.push(&first, "Greet whoever comes")?;
    out::line(format_args!("\nPush 1: a program and its test"));
    handle.add_repo("greeter", address, None).await?;
    let green = tell(handle, url, 1, Outcome::Passed).await?;
    sample.push(&[("greet.sh", BROKEN, true)], "Greet more warmly (and break the test)")?;
    out::line(format_args!("\nPush 2: a change that breaks the test"));
    handle.sync_repo("greeter").await?;
    let red = tell(handle, url, 2, Outcome::Failed).await?;
    Ok(green && red)
}

/// Waits for a run's end and tells it; true when it ended as expected.
async fn tell(handle: &Handle, url: &str, number: u64, expected: Outcome) -> anyhow::Result<bool> {
    let run = ended(handle, number).await?;
    out::line(format_args!("  #{number} {}: {}", run.outcome.map_or("?", Outcome::as_str), run.reason));
    for step in run.jobs.iter().flat_map(|job| &job.steps) {
        let outcome = step.outcome.map_or("?", Outcome::as_str);
        let why = if step.reason == outcome { "" } else { out::beside(outcome, &step.reason) };
        out::line(format_args!("{}", format!("     {:<8} {outcome:<8} {why}", step.name).trim_end()));
    }
    out::line(format_args!("     {url}/runs/{}", run.id));
    let as_expected = run.outcome == Some(expected);
    if !as_expected {
        eprintln!("  expected was: {expected}");
    }
    Ok(as_expected)
}

async fn ended(handle: &Handle, number: u64) -> anyhow::Result<RunView> {
    let mut changes = handle.changes();
    loop {
        changes.mark_unchanged();
        for summary in handle.store().runs(&RunFilter::default()).await?.items {
            if summary.number != number {
                continue;
            }
            let run = handle.store().run(&summary.id.to_string().parse()?).await?.context("a run is gone from the store")?;
            if run.is_ended() {
                return Ok(view(&run));
            }
        }
        changes.changed().await.context("the server has ended")?;
    }
}
