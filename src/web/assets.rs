//! Style sheets, modules and icons, inside the binary. They are on this machine, so they are asked for anew each time and answered with 304 when they
//! are what the browser has. What is in `web/assets/xterm` is others' work, byte by byte as they published it; `license.txt` there says which.

use std::borrow::Cow;

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest, Sha256};

use super::ansi;
use super::app::App;
use super::problem::Problem;

const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";
const SVG: &str = "image/svg+xml";

macro_rules! file {
    ($name:literal) => {
        Cow::Borrowed(include_str!(concat!("../../web/assets/", $name)))
    };
}

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/assets/{name}", get(asset))
        .route("/assets/schema/pipeline.json", get(pipeline_schema))
        .route("/favicon.ico", get(favicon))
}

/// The description of the API.
pub(super) async fn openapi(headers: HeaderMap) -> Response {
    answer(&headers, "application/json", &file!("openapi.json"))
}

/// What pipeline files may hold, for editors.
async fn pipeline_schema(headers: HeaderMap) -> Response {
    answer(&headers, "application/schema+json", &file!("schema/pipeline.json"))
}

async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Result<Response, Problem> {
    let (kind, text) = find(&name).ok_or_else(|| Problem::not_found("There is no such file."))?;
    Ok(answer(&headers, kind, &text))
}

async fn favicon(headers: HeaderMap) -> Response {
    answer(&headers, SVG, &favicon_svg("idle"))
}

/// The file of that name: its media type and text.
fn find(name: &str) -> Option<(&'static str, Cow<'static, str>)> {
    let found = match name {
        "gantry.css" => (CSS, file!("gantry.css")),
        "ansi.css" => (CSS, Cow::Owned(ansi::stylesheet())),
        "gantry.js" => (JS, file!("gantry.js")),
        "live.js" => (JS, file!("live.js")),
        "morph.js" => (JS, file!("morph.js")),
        "time.js" => (JS, file!("time.js")),
        "log.js" => (JS, file!("log.js")),
        "terminal.js" => (JS, file!("terminal.js")),
        "policy.js" => (JS, file!("policy.js")),
        "xterm.mjs" => (JS, file!("xterm/xterm.mjs")),
        "xterm-addon-fit.mjs" => (JS, file!("xterm/addon-fit.mjs")),
        "xterm.css" => (CSS, file!("xterm/xterm.css")),
        "xterm-license.txt" => (TEXT, file!("xterm/license.txt")),
        "icons.svg" => (SVG, file!("icons.svg")),
        name => {
            let face = name.strip_prefix("favicon-")?.strip_suffix(".svg")?;
            (SVG, Cow::Owned(favicon_svg(face)))
        }
    };
    Some(found)
}

/// The icon of a browser's tab, in the colour of an outcome. A name that is none of ours is grey.
fn favicon_svg(face: &str) -> String {
    let colour = match face {
        "passed" => "#2da44e",
        "warning" => "#bf8700",
        "failed" | "timed_out" | "error" | "lost" => "#d1383d",
        "running" | "stopping" | "preparing" | "starting" => "#2f6feb",
        "idle" => "#3d4b5f",
        _ => "#768390",
    };
    include_str!("../../web/assets/favicon.svg").replace("#3d4b5f", colour)
}

fn answer(asked: &HeaderMap, kind: &'static str, text: &str) -> Response {
    let tag = format!("\"{}\"", &hex::encode(Sha256::digest(text.as_bytes()))[..16]);
    let is_known = asked.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let headers = [(header::CONTENT_TYPE, kind.to_owned()), (header::ETAG, tag), (header::CACHE_CONTROL, "no-cache".to_owned())];
    match is_known {
        true => (StatusCode::NOT_MODIFIED, headers).into_response(),
        false => (headers, text.to_owned()).into_response(),
    }
}
