//! `gantry shell`: a terminal in a running step, or in what a failed one left, here.
//!
//! **Invariants:** the terminal is as it was before, however this ends; what the step's terminal shows is passed on as it is, since that is what was asked
//! for; the exit code is that of the shell.

mod raw;

use std::io::IsTerminal;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::signal::unix::{SignalKind, signal};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::answer::{ProblemDocument, Run, Step};
use super::api::Api;
use super::text::one_line;
use super::{Failure, Reference, Screen, runs};
use crate::cli::signals::Signals;
use raw::Raw;

/// End of input, as a terminal sends it.
const END_OF_INPUT: u8 = 4;
/// Read from the keyboard, or out of a pipe, at once.
const PIECE: usize = 16 * 1024;

/// Which step.
#[derive(Debug, Clone, clap::Args)]
pub struct ShellArgs {
    /// REPO#NUMBER, REPO/latest, latest, an id or how an id ends
    #[arg(value_name = "RUN")]
    pub run: Reference,
    /// Name of the job
    pub job: String,
    /// Name of the step [default: the one of the job that runs; of a failed job, the one that failed]
    pub step: Option<String>,
    /// Who asks: it is written down
    #[arg(long = "as", value_name = "NAME", env = "USER", hide_env_values = true, default_value = "somebody")]
    pub by: String,
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The last text frame of the server.
#[derive(Deserialize)]
struct Last {
    exit: Option<i64>,
    end: Option<String>,
}

/// Opens a terminal and holds it to its end; answers the exit code of what ran in it.
pub(super) async fn shell(api: &Api, screen: &mut Screen, args: &ShellArgs) -> Result<u8, Failure> {
    let id = args.run.find(api).await?;
    let run = runs::read(api, &id).await?;
    let step = step_of(&run, args)?;
    let (columns, rows) = raw::size().unwrap_or((80, 24));
    let mut url = api.url(&["api", "v1", "runs", &id, "steps", &args.job, &step, "terminal"]);
    url.query_pairs_mut()
        .append_pair("columns", &columns.to_string())
        .append_pair("rows", &rows.to_string())
        .append_pair("by", &args.by);
    let socket = connect(api, url).await?;
    screen.say(&format!("a terminal in `{}/{step}` of {}; `exit` leaves it, {}", args.job, run.name(), after(&run, args)))?;
    let raw = Raw::on();
    let end = hold(socket).await;
    drop(raw);
    match end {
        Ok(Last { exit: Some(code), .. }) => Ok(u8::try_from(code).unwrap_or(1)),
        Ok(Last { end, .. }) => {
            screen.say(&format!("the terminal was closed: {}", one_line(&end.unwrap_or_default())))?;
            Ok(super::super::TROUBLE)
        }
        Err(detail) => Err(Failure::Broken { address: api.address(), detail }),
    }
}

/// What becomes of where it is.
fn after(run: &Run, args: &ShellArgs) -> &'static str {
    let kept = run.jobs.iter().any(|job| job.name == args.job && job.kept_until.is_some());
    if kept { "what was written in the work tree stays" } else { "the step goes on" }
}

/// The step that is named, or the only one of the job that runs, or the one that failed.
fn step_of(run: &Run, args: &ShellArgs) -> Result<String, Failure> {
    let job = run.jobs.iter().find(|job| job.name == args.job);
    let job = job.ok_or_else(|| {
        let names: Vec<String> = run.jobs.iter().map(|job| format!("`{}`", job.name)).collect();
        Failure::NotFound(format!("{} has no job `{}`; it has {}", run.name(), args.job, names.join(", ")))
    })?;
    if let Some(step) = &args.step {
        return Ok(step.clone());
    }
    let running: Vec<&str> = job.steps.iter().filter(|step| step.state == "running").map(|step| step.name.as_str()).collect();
    match running.as_slice() {
        [step] => Ok((*step).to_owned()),
        [] if job.kept_until.is_some() => {
            let good = ["passed", "warning", "skipped"];
            let bad = |step: &&Step| step.outcome.as_deref().is_some_and(|outcome| !good.contains(&outcome));
            let failed = job.steps.iter().find(bad).or(job.steps.first());
            failed.map(|step| step.name.clone()).ok_or_else(|| Failure::NotFound(format!("`{}` has no steps", job.name)))
        }
        [] if job.state == "ended" => {
            let why = format!("`{}` of {} has ended, and its work tree is not kept (any more)", job.name, run.name());
            Err(Failure::NotFound(why))
        }
        [] => Err(Failure::NotFound(format!("no step of `{}` in {} runs at this moment", job.name, run.name()))),
        several => Err(Failure::Usage(format!("several steps of `{}` run: say which of {}", job.name, several.join(", ")))),
    }
}

async fn connect(api: &Api, mut url: reqwest::Url) -> Result<Socket, Failure> {
    let broken = |detail: String| Failure::Broken { address: api.address(), detail };
    url.set_scheme("ws").map_err(|()| broken("its address cannot be a socket's".to_owned()))?;
    match tokio_tungstenite::connect_async(url.as_str()).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(answer)) => {
            let body = answer.body().as_deref().unwrap_or_default();
            let detail = match serde_json::from_slice::<ProblemDocument>(body) {
                Ok(problem) => problem.detail,
                Err(_) => format!("it opens no terminal: {}", answer.status()),
            };
            Err(Failure::Refused { status: answer.status().as_u16(), detail })
        }
        Err(Error::Io(_)) => Err(Failure::NoServer(api.address())),
        Err(error) => Err(broken(error.to_string())),
    }
}

/// Passes on both ways until the server says that it is over.
async fn hold(socket: Socket) -> Result<Last, String> {
    let (mut to, from) = socket.split();
    let mut signals = Signals::new().map_err(|error| error.to_string())?;
    let end = tokio::select! {
        end = show(from) => return end,
        why = send(&mut to) => why,
        // In raw mode Ctrl-C is a byte like others: one that comes as a signal was not typed.
        who = signals.next() => Ok(format!("ended by {who}")),
    };
    // Whoever leaves says so; nobody may be there to hear it.
    let _ = to.close().await;
    end.map(|why| Last { exit: None, end: Some(why) })
}

async fn show(mut from: SplitStream<Socket>) -> Result<Last, String> {
    let mut stdout = tokio::io::stdout();
    while let Some(message) = from.next().await {
        match message.map_err(|error| error.to_string())? {
            Message::Binary(bytes) => {
                stdout.write_all(&bytes).await.map_err(|error| error.to_string())?;
                stdout.flush().await.map_err(|error| error.to_string())?;
            }
            Message::Text(text) => return serde_json::from_str(&text).map_err(|error| error.to_string()),
            Message::Close(_) => break,
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
    }
    Err("the server closed it without a word".to_owned())
}

/// What is typed, and every change of the size. Ends only by an error.
async fn send(to: &mut SplitSink<Socket, Message>) -> Result<String, String> {
    let mut stdin = tokio::io::stdin();
    let mut piece = vec![0; PIECE];
    let mut resized = signal(SignalKind::window_change()).map_err(|error| error.to_string())?;
    let mut over = false;
    loop {
        let message = tokio::select! {
            read = stdin.read(&mut piece), if !over => match read.map_err(|error| error.to_string())? {
                0 => {
                    over = true;
                    Message::Binary(vec![END_OF_INPUT].into())
                }
                n => Message::Binary(piece[..n].to_vec().into()),
            },
            _ = resized.recv() => match raw::size() {
                Some((columns, rows)) => Message::Text(json!({ "resize": [columns, rows] }).to_string().into()),
                None => continue,
            },
        };
        to.send(message).await.map_err(|error| error.to_string())?;
    }
}

/// Whether somebody sits there.
fn is_terminal() -> bool {
    std::io::stdin().is_terminal()
}
