//! Refusals: RFC 9457 documents for programs, a page for people.
//!
//! **Invariants:** what is said is a safe sentence; the inner error goes to the log only, with the request's id to find it by.

use std::fmt::Display;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::app::App;
use super::pages;
use crate::base::random_hex;
use crate::server::Refusal;

/// One refusal, on its way through the router. [`render`] turns it into an answer.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    pub status: StatusCode,
    /// One sentence that is safe to show.
    pub detail: String,
    /// For the log only.
    inner: Option<String>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: as_sentence(detail.into()), inner: None }
    }

    pub(super) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    pub(super) fn internal(error: impl Display) -> Self {
        let detail = "Something went wrong inside Gantry. Its log has the details under this request's id.";
        Self { inner: Some(error.to_string()), ..Self::new(StatusCode::INTERNAL_SERVER_ERROR, detail) }
    }

    /// What kind of problem it is, as a few words.
    pub(super) fn title(&self) -> &'static str {
        self.status.canonical_reason().unwrap_or("Problem")
    }
}

impl From<crate::store::Error> for Problem {
    fn from(error: crate::store::Error) -> Self {
        Self::internal(error)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotFound(sentence) => Self::not_found(sentence),
            Refusal::Invalid(sentence) => Self::invalid(sentence),
            Refusal::Unprocessable(sentence) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, sentence),
            Refusal::Forbidden(sentence) => Self::new(StatusCode::FORBIDDEN, sentence),
            Refusal::Conflict(sentence) => Self::new(StatusCode::CONFLICT, sentence),
            Refusal::Unavailable(sentence) => Self::new(StatusCode::SERVICE_UNAVAILABLE, sentence),
            Refusal::Internal(error) => Self::internal(error),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// With a capital and a full stop, wherever it comes from.
fn as_sentence(text: String) -> String {
    let mut text = text;
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    if !text.ends_with(['.', '?', '!']) {
        text.push('.');
    }
    text
}

/// The answer for a path that nothing is at.
pub(super) async fn no_such_page(uri: Uri) -> Problem {
    Problem::not_found(format!("There is nothing at {}.", uri.path().chars().take(200).collect::<String>()))
}

/// The answer for a method that the path does not know; axum adds `Allow`.
pub(super) async fn no_such_method(method: Method) -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("This address does not answer {method}."))
}

/// Middleware: gives the request an id, and every [`Problem`] its form.
pub(super) async fn render(State(app): State<App>, request: Request, next: Next) -> Response {
    let id = random_hex(8);
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let for_people = wants_page(&path, &request);
    let mut response = next.run(request).await;
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        match &problem.inner {
            Some(inner) => tracing::error!(request_id = %id, %method, path, "a request failed: {inner}"),
            None => tracing::debug!(request_id = %id, %method, path, status = problem.status.as_u16(), "{}", problem.detail),
        }
        let allow = response.headers_mut().remove(header::ALLOW);
        response = if for_people { pages::problem(&app, &problem, &id) } else { document(&problem, &id) };
        if let Some(allow) = allow {
            response.headers_mut().insert(header::ALLOW, allow);
        }
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("x-request-id", id);
    }
    response
}

/// Pages are for people, unless they ask for JSON; everything else is for programs.
fn wants_page(path: &str, request: &Request) -> bool {
    let for_programs = ["/api/", "/hooks/", "/healthz", "/readyz", "/metrics", "/assets/", "/live"];
    let asks_json =
        request.headers().get(header::ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"application/json"));
    !asks_json && path != "/api" && !for_programs.iter().any(|start| path.starts_with(start))
}

fn document(problem: &Problem, id: &str) -> Response {
    let body = json!({
        "type": "about:blank",
        "title": problem.title(),
        "status": problem.status.as_u16(),
        "detail": problem.detail,
        "request_id": id,
    });
    let media = [(header::CONTENT_TYPE, "application/problem+json")];
    (problem.status, media, Json(body)).into_response()
}
