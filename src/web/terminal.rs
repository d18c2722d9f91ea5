//! A terminal over a WebSocket. Binary frames are what is typed and what is shown; text frames are JSON: `{"resize":[COLUMNS,ROWS]}` and
//! `{"taken":BYTES}` from the client, and as the last one from the server `{"exit":CODE}`, `{"end":"SENTENCE"}` or `{"refused":"SENTENCE"}`. An ordinary
//! GET of the same address says whether there can be one.
//!
//! A browser's socket takes everything that comes, however slowly it is shown, and hides the answer of a refused handshake. Therefore `window` (no more
//! than so many bytes are sent that the client has not `taken`) and `refusals=frame` (the sentence comes as a frame).
//!
//! **Invariants:** it is a write and guarded like one (see `guard`), whoever asks and however refusals are told; what is shown is read from the container
//! only as fast as the client takes it; it ends when nobody types for too long, when a client takes nothing for too long, and when the server ends.

use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::pin::pin;
use std::time::Duration;

use axum::Json;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{ConnectInfo, State};
use axum::http::{Extensions, HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;

use super::app::App;
use super::extract::{Asked, At};
use super::problem::Problem;
use crate::base::limits;
use crate::executor::{Terminal, TerminalControl, TerminalSize};
use crate::run::Run;
use crate::server::{OpenTerminal, Refusal, TerminalAsked};

const IDLE: Duration = Duration::from_millis(limits::TERMINAL_IDLE_MS);
/// A client that takes nothing for so long is gone.
const SLOW: Duration = Duration::from_secs(30);

/// What the client says beside the address.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    #[serde(default = "usual_columns")]
    columns: u16,
    #[serde(default = "usual_rows")]
    rows: u16,
    by: Option<String>,
    window: Option<NonZeroU64>,
    #[serde(default)]
    refusals: Refusals,
}

/// How a client hears that there is no terminal.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Refusals {
    /// By the handshake's answer.
    #[default]
    Status,
    /// By the last frame of a socket that opens.
    Frame,
}

fn usual_columns() -> u16 {
    80
}

fn usual_rows() -> u16 {
    24
}

/// A text frame of the client.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    Resize(u16, u16),
    /// So many more bytes are shown.
    Taken(u64),
}

/// How much may be sent before the client says that it took it.
struct Window {
    bytes: Option<NonZeroU64>,
    taken: watch::Sender<u64>,
}

impl Window {
    /// Waits until there is room, `sent` bytes having gone before.
    async fn room(&self, sent: u64) {
        let Some(bytes) = self.bytes else { return };
        // The sender is here, so this waits for the word alone.
        let _ = self.taken.subscribe().wait_for(|taken| sent.saturating_sub(*taken) < bytes.get()).await;
    }

    fn took(&self, bytes: u64) {
        self.taken.send_modify(|taken| *taken = taken.saturating_add(bytes));
    }
}

/// How it came to its end.
enum End {
    /// The shell ended.
    Shell(Option<i64>),
    Because(&'static str),
}

pub(super) async fn open(
    State(app): State<App>,
    At((run, job, step)): At<(String, String, String)>,
    Asked(wanted): Asked<Wanted>,
    headers: HeaderMap,
    extensions: Extensions,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let run = app.run(&run).await?;
    if !headers.contains_key(header::UPGRADE) {
        return Ok(Json(offer(&app, &run, &job, &step).await?).into_response());
    }
    let upgrade = upgrade.map_err(|_| Problem::new(StatusCode::UPGRADE_REQUIRED, "A terminal is a WebSocket of version 13"))?;
    let address = extensions.get::<ConnectInfo<SocketAddr>>().map(|from| from.0.to_string());
    let Wanted { columns, rows, by, window, refusals } = wanted;
    let asked = TerminalAsked {
        job,
        step,
        by: by.filter(|by| !by.is_empty()).unwrap_or_else(|| "somebody".to_owned()),
        address: address.unwrap_or_else(|| "unknown".to_owned()),
        size: TerminalSize { columns, rows },
    };
    let opened = app.handle.open_terminal(&run.id, asked).await;
    let upgrade = upgrade.max_message_size(limits::TERMINAL_FRAME_BYTES).max_frame_size(limits::TERMINAL_FRAME_BYTES);
    match (opened, refusals) {
        (Ok(open), Refusals::Status | Refusals::Frame) => Ok(upgrade.on_upgrade(move |socket| async move {
            let tasks = app.options.tasks.clone();
            // Tracked, so that the server's end waits for the word of its end.
            let _ = tasks.spawn(hold(app, socket, open, window)).await;
        })),
        (Err(refusal @ Refusal::Internal(_)), Refusals::Frame) | (Err(refusal), Refusals::Status) => Err(refusal.into()),
        (Err(refusal), Refusals::Frame) => Ok(upgrade.on_upgrade(move |socket| async move {
            let (mut to_client, _) = socket.split();
            last(&mut to_client, &json!({ "refused": Problem::from(refusal).detail })).await;
        })),
    }
}

/// Whether there can be one, for whoever would ask for it.
async fn offer(app: &App, run: &Run, job: &str, step: &str) -> Result<Value, Problem> {
    match app.handle.terminal_offer(run, job, step) {
        Ok(offer) => Ok(json!({ "possible": true, "about": offer.about, "sees_secrets": offer.sees_secrets, "reason": null })),
        Err(refusal @ (Refusal::Conflict(_) | Refusal::Forbidden(_))) => {
            let reason = Problem::from(refusal).detail;
            Ok(json!({ "possible": false, "about": null, "sees_secrets": false, "reason": reason }))
        }
        Err(refusal) => Err(refusal.into()),
    }
}

/// Holds a terminal from its beginning to its end.
async fn hold(app: App, socket: WebSocket, mut open: OpenTerminal, window: Option<NonZeroU64>) {
    let (mut to_client, from_client) = socket.split();
    let Some(terminal) = open.terminal() else { return };
    let Terminal { output, input, control } = terminal;
    let control: &dyn TerminalControl = control.as_ref();
    let window = Window { bytes: window, taken: watch::Sender::new(0) };
    let shown = async {
        let mut sent = 0;
        while let Some(Ok(bytes)) = output.next().await {
            window.room(sent).await;
            sent += bytes.len() as u64;
            if !send(&mut to_client, Message::Binary(bytes)).await {
                return End::Because("its reader was too slow, or went away");
            }
        }
        End::Shell(control.exit_code().await.unwrap_or_default())
    };
    let typed = take(from_client, input, control, &window);
    let end = tokio::select! {
        end = shown => end,
        end = typed => end,
        () = app.options.tasks.ending.cancelled() => End::Because("the server ends"),
    };
    let (word, reason, code) = match end {
        End::Shell(Some(code)) => (json!({ "exit": code }), format!("its shell exited with {code}"), Some(code)),
        End::Shell(None) => (json!({ "end": "the step has ended" }), "the step ended".to_owned(), None),
        End::Because(why) => (json!({ "end": why }), why.to_owned(), None),
    };
    last(&mut to_client, &word).await;
    open.close(reason, code).await;
}

/// The last frame, and the end of the socket.
async fn last(client: &mut SplitSink<WebSocket, Message>, word: &Value) {
    if send(client, Message::Text(word.to_string().into())).await {
        let _ = tokio::time::timeout(SLOW, client.close()).await;
    }
}

/// `false` when the client takes nothing.
async fn send(client: &mut SplitSink<WebSocket, Message>, message: Message) -> bool {
    matches!(tokio::time::timeout(SLOW, client.send(message)).await, Ok(Ok(())))
}

/// What is typed goes into the terminal until nobody types any more.
async fn take(
    mut client: SplitStream<WebSocket>,
    input: &mut (impl AsyncWrite + Unpin),
    control: &dyn TerminalControl,
    window: &Window,
) -> End {
    // What a client says by itself is not typed.
    let mut idle = pin!(tokio::time::sleep(IDLE));
    loop {
        let message = tokio::select! {
            message = client.next() => message,
            () = idle.as_mut() => return End::Because("nobody typed anything for too long"),
        };
        let Some(Ok(message)) = message else { return End::Because("whoever had it went away") };
        match message {
            Message::Binary(bytes) => {
                idle.set(tokio::time::sleep(IDLE));
                let written = async {
                    input.write_all(&bytes).await?;
                    input.flush().await
                };
                match tokio::time::timeout(IDLE, written).await {
                    Ok(Ok(())) => {}
                    // Its end is told by the output.
                    Ok(Err(_)) => std::future::pending().await,
                    Err(_) => return End::Because("what was typed was not read for too long"),
                }
            }
            Message::Text(text) => {
                let sides = 1..=limits::TERMINAL_SIDE;
                match serde_json::from_str(&text) {
                    Ok(Said::Resize(columns, rows)) if sides.contains(&columns) && sides.contains(&rows) => {
                        let _ = control.resize(TerminalSize { columns, rows }).await;
                    }
                    Ok(Said::Resize(_, _)) => {}
                    Ok(Said::Taken(bytes)) => window.took(bytes),
                    Err(_) => return End::Because("its client said something that is not understood"),
                }
            }
            Message::Ping(_) | Message::Pong(_) => {}
            Message::Close(_) => return End::Because("whoever had it left"),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn a_window_is_full_until_what_was_sent_is_taken() {
        let window = |bytes| Window { bytes: NonZeroU64::new(bytes), taken: watch::Sender::new(0) };
        let ten = window(10);
        assert!(ten.room(9).now_or_never().is_some());
        assert!(ten.room(10).now_or_never().is_none());
        ten.took(1);
        assert!(ten.room(10).now_or_never().is_some());
        assert!(ten.room(11).now_or_never().is_none());
        ten.took(u64::MAX);
        assert!(ten.room(11).now_or_never().is_some(), "who says that more was taken than was sent only opens it");
        assert!(window(0).room(u64::MAX).now_or_never().is_some(), "without one there is always room");
    }
}
