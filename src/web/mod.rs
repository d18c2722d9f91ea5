//! Pages, JSON API, live streams and hooks. Reads the store, asks the server's [`Handle`].
//!
//! | Where | What |
//! |---|---|
//! | `guard` | who may talk to us at all: loopback names, no writes from other sites, headers of every answer |
//! | `problem` | every refusal, as RFC 9457 for programs and as a page for people |
//! | `extract` | what a request says, or a sentence about what is wrong with it |
//! | `api` | `/api/v1`, `/healthz`, `/readyz` |
//! | `hooks` | `/hooks/{forge}/{repo}` |
//! | `pages` | the dashboard; its forms work without JavaScript |
//! | `live` | server-sent events: rows after a number, then wait for a nudge |
//! | `terminal` | a terminal in a running step, over a WebSocket |
//! | `ansi` | terminal escapes → class names |
//! | `markdown`, `summaries` | what steps wrote for the run's page → safe HTML |
//! | `assets` | style sheets, modules and icons inside the binary |
//!
//! **Invariants:** nothing is written by a GET; nothing untrusted reaches a page unescaped; every stream ends when the server ends.

mod ansi;
mod api;
mod app;
mod assets;
mod extract;
mod guard;
mod hooks;
mod live;
mod log;
mod markdown;
mod pages;
mod problem;
mod summaries;
mod terminal;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use tokio_util::sync::CancellationToken;

use crate::base::Tasks;
use crate::server::Handle;
use app::App;

/// What the web room needs besides the server's handle.
#[derive(Debug, Clone, Default)]
pub struct WebOptions {
    /// Reads of log files run on these; streams end when they are asked to end.
    pub tasks: Tasks,
}

/// Everything that is answered over HTTP. Knows loopback names only: see `guard`.
pub fn router(handle: Handle, options: WebOptions) -> Router {
    let app = App::new(handle, options);
    Router::new()
        .merge(pages::routes())
        .merge(api::routes())
        .merge(hooks::routes())
        .merge(assets::routes())
        .fallback(problem::no_such_page)
        .method_not_allowed_fallback(problem::no_such_method)
        .layer(from_fn(guard::refuse_strangers))
        .layer(from_fn_with_state(app.clone(), problem::render))
        .layer(from_fn(guard::add_headers))
        .with_state(app)
}

/// Answers on `listener` until `ending` is cancelled and the last answer is given.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: tokio::net::TcpListener, router: Router, ending: CancellationToken) -> std::io::Result<()> {
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).with_graceful_shutdown(ending.cancelled_owned()).await
}
