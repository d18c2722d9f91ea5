//! A terminal over a WebSocket. Binary frames are what is typed and what is shown; text frames are JSON: `{"resize":[COLUMNS,ROWS]}` from the client, and
//! as the last one from the server `{"exit":CODE}` or `{"end":"SENTENCE"}`.
//!
//! **Invariants:** it is a write and guarded like one (see `guard`); what is shown is read from the container only as fast as the client takes it; it ends
//! when nobody types for too long, when a client takes nothing for too long, and when the server ends.

use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{ConnectInfo, State};
use axum::http::{Extensions, StatusCode};
use axum::response::Response;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::app::App;
use super::extract::{Asked, At};
use super::problem::Problem;
use crate::base::limits;
use crate::executor::{Terminal, TerminalControl, TerminalSize};
use crate::server::{OpenTerminal, TerminalAsked};

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
}

fn usual_columns() -> u16 {
    80
}

fn usual_rows() -> u16 {
    24
}

/// A text frame of the client.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    resize: (u16, u16),
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
    extensions: Extensions,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let run = app.run(&run).await?;
    let upgrade = upgrade.map_err(|_| {
        Problem::new(
            StatusCode::UPGRADE_REQUIRED,
            "A terminal is a WebSocket: use `gantry shell`, or the button on the run's page",
        )
    })?;
    let address = extensions.get::<ConnectInfo<SocketAddr>>().map(|from| from.0.to_string());
    let Wanted { columns, rows, by } = wanted;
    let asked = TerminalAsked {
        job,
        step,
        by: by.filter(|by| !by.is_empty()).unwrap_or_else(|| "somebody".to_owned()),
        address: address.unwrap_or_else(|| "unknown".to_owned()),
        size: TerminalSize { columns, rows },
    };
    let open = app.handle.open_terminal(&run.id, asked).await?;
    let upgrade = upgrade.max_message_size(limits::TERMINAL_FRAME_BYTES).max_frame_size(limits::TERMINAL_FRAME_BYTES);
    Ok(upgrade.on_upgrade(move |socket| async move {
        let tasks = app.options.tasks.clone();
        // Tracked, so that the server's end waits for the word of its end.
        let _ = tasks.spawn(hold(app, socket, open)).await;
    }))
}

/// Holds a terminal from its beginning to its end.
async fn hold(app: App, socket: WebSocket, mut open: OpenTerminal) {
    let (mut to_client, from_client) = socket.split();
    let Some(terminal) = open.terminal() else { return };
    let Terminal { output, input, control } = terminal;
    let control: &dyn TerminalControl = control.as_ref();
    let shown = async {
        while let Some(Ok(bytes)) = output.next().await {
            if !send(&mut to_client, Message::Binary(bytes)).await {
                return End::Because("its reader was too slow, or went away");
            }
        }
        End::Shell(control.exit_code().await.unwrap_or_default())
    };
    let typed = take(from_client, input, control);
    let end = tokio::select! {
        end = shown => end,
        end = typed => end,
        () = app.options.tasks.ending.cancelled() => End::Because("the server ends"),
    };
    let (last, reason, code) = match end {
        End::Shell(Some(code)) => (json!({ "exit": code }), format!("its shell exited with {code}"), Some(code)),
        End::Shell(None) => (json!({ "end": "the step has ended" }), "the step ended".to_owned(), None),
        End::Because(why) => (json!({ "end": why }), why.to_owned(), None),
    };
    if send(&mut to_client, Message::Text(last.to_string().into())).await {
        let _ = tokio::time::timeout(SLOW, to_client.close()).await;
    }
    open.close(reason, code).await;
}

/// `false` when the client takes nothing.
async fn send(client: &mut SplitSink<WebSocket, Message>, message: Message) -> bool {
    matches!(tokio::time::timeout(SLOW, client.send(message)).await, Ok(Ok(())))
}

/// What is typed goes into the terminal until nobody types any more.
async fn take(mut client: SplitStream<WebSocket>, input: &mut (impl AsyncWrite + Unpin), control: &dyn TerminalControl) -> End {
    loop {
        let message = match tokio::time::timeout(IDLE, client.next()).await {
            Err(_) => return End::Because("nobody typed anything for too long"),
            Ok(None | Some(Err(_))) => return End::Because("whoever had it went away"),
            Ok(Some(Ok(message))) => message,
        };
        match message {
            Message::Binary(bytes) => {
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
                let Ok(Said { resize: (columns, rows) }) = serde_json::from_str(&text) else {
                    return End::Because("its client said something that is not understood");
                };
                if (1..=limits::TERMINAL_SIDE).contains(&columns) && (1..=limits::TERMINAL_SIDE).contains(&rows) {
                    let _ = control.resize(TerminalSize { columns, rows }).await;
                }
            }
            Message::Ping(_) | Message::Pong(_) => {}
            Message::Close(_) => return End::Because("whoever had it left"),
        }
    }
}
