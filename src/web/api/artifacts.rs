//! Artifacts: the list, one file, and all of a job as an archive.
//!
//! **Invariants:** a path is looked up among the rows of its run and job, and nowhere else; no answer can run in a browser: texts are plain text, pages and
//! scripts among them, four kinds of images are images, everything else is saved.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::range::{self, Wanted};
use crate::base::{JobIx, limits};
use crate::run::Run;
use crate::store::{Artifact, ArtifactQuery, Kind};
use crate::web::app::App;
use crate::web::extract::{Asked, At};
use crate::web::problem::Problem;

/// Artifacts of a page that does not say how many.
const PAGE: u32 = 1_000;
/// Nothing in it may load, run, be sent or be framed.
const SANDBOX: &str = "sandbox; default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Which artifacts.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    job: Option<String>,
    #[serde(default)]
    prefix: String,
    after: Option<String>,
    limit: Option<u32>,
}

pub(super) async fn list(State(app): State<App>, At(id): At<String>, Asked(which): Asked<Which>) -> Result<Json<Value>, Problem> {
    let Which { job, prefix, after, limit } = which;
    let limit = limit.unwrap_or(PAGE);
    if limit == 0 || limit > limits::ARTIFACT_PAGE {
        return Err(Problem::invalid(format!("`limit` must be from 1 to {}.", limits::ARTIFACT_PAGE)));
    }
    let run = app.run(&id).await?;
    let job = job.map(|name| job_named(&run, &name)).transpose()?;
    let after = after.map(|after| read_after(&after)).transpose()?;
    // One more, to know whether there is another page.
    let query = ArtifactQuery { job, prefix, after, limit: limit + 1 };
    let mut found = app.store().artifacts(&run.id, &query, app.now()).await?;
    let has_more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = found.last().filter(|_| has_more).map(|last| format!("{}/{}", last.job, last.path));
    let items: Vec<Value> = found.iter().map(|artifact| as_json(&run, artifact)).collect();
    Ok(Json(json!({ "items": items, "next": next })))
}

fn as_json(run: &Run, artifact: &Artifact) -> Value {
    let Artifact { job, step, path, mode, kind, size, hash, made_at, expires_at } = artifact;
    let plan = run.plan.jobs.get(*job as usize);
    let step = plan.and_then(|plan| plan.steps.get(*step as usize)).map(|step| step.name.as_str());
    json!({
        "job": plan.map(|plan| plan.name.as_str()), "step": step, "path": path, "size": size, "mode": mode, "kind": kind, "sha256": hash,
        "made_at": made_at, "expires_at": expires_at,
    })
}

/// `next` of the page before: a job's position and a path.
fn read_after(after: &str) -> Result<(JobIx, String), Problem> {
    let read = after.split_once('/').and_then(|(job, path)| Some((job.parse().ok()?, path.to_owned())));
    read.ok_or_else(|| Problem::invalid("`after` must be `next` of the page before."))
}

fn job_named(run: &Run, name: &str) -> Result<JobIx, Problem> {
    let missing = || Problem::not_found(format!("This run has no job `{}`.", name.chars().take(100).collect::<String>()));
    run.plan.job_named(name).map(|(job, _)| job).ok_or_else(missing)
}

/// One file, whole or in part.
pub(super) async fn file(
    State(app): State<App>,
    At((id, job, path)): At<(String, String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let run = app.run(&id).await?;
    let job = job_named(&run, &job)?;
    let missing = || Problem::not_found("There is no such artifact: it never was, or its time is over.");
    let artifact = app.store().artifact(&run.id, job, &path, app.now()).await?.ok_or_else(missing)?;
    let blobs = app.handle.artifact_blobs();
    let blob = blobs.find(&artifact.hash).await?.ok_or_else(missing)?;
    let tag = format!("\"{}\"", artifact.hash);
    let mut answer = match range::wanted(&headers, &tag, blob.size) {
        Wanted::Known => StatusCode::NOT_MODIFIED.into_response(),
        Wanted::Nothing => {
            let content_range = format!("bytes */{}", blob.size);
            (StatusCode::RANGE_NOT_SATISFIABLE, [(header::CONTENT_RANGE, content_range)]).into_response()
        }
        Wanted::Whole => {
            let length = [(header::CONTENT_LENGTH, blob.size)];
            (length, Body::from_stream(blobs.read(&blob))).into_response()
        }
        Wanted::Part(part) => {
            let content_range = format!("bytes {}-{}/{}", part.start, part.end - 1, blob.size);
            let length = (part.end - part.start).to_string();
            let headers = [(header::CONTENT_RANGE, content_range), (header::CONTENT_LENGTH, length)];
            (StatusCode::PARTIAL_CONTENT, headers, Body::from_stream(blobs.read_range(&blob, part))).into_response()
        }
    };
    let headers = answer.headers_mut();
    let (kind, disposition) = shown_as(artifact.kind);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(SANDBOX));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    let name = artifact.path.rsplit('/').next().unwrap_or_default();
    for (header, value) in [(header::ETAG, tag), (header::CONTENT_DISPOSITION, named(disposition, name))] {
        headers.insert(header, HeaderValue::try_from(value).map_err(Problem::internal)?);
    }
    Ok(answer)
}

/// Media type, and whether a browser shows it or saves it.
fn shown_as(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Text => ("text/plain; charset=utf-8", "inline"),
        Kind::Png => ("image/png", "inline"),
        Kind::Jpeg => ("image/jpeg", "inline"),
        Kind::Gif => ("image/gif", "inline"),
        Kind::Webp => ("image/webp", "inline"),
        Kind::Other => ("application/octet-stream", "attachment"),
    }
}

/// With the file's name: as far as ASCII goes, and in full as RFC 8187 writes it.
fn named(disposition: &str, name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ' ') { c } else { '_' };
    let ascii: String = name.chars().map(plain).collect();
    let mut full = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_') {
            full.push(char::from(byte));
        } else {
            full.push_str(&format!("%{byte:02X}"));
        }
    }
    format!("{disposition}; filename=\"{ascii}\"; filename*=UTF-8''{full}")
}

/// Which artifacts go into an archive.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Packed {
    job: String,
    #[serde(default)]
    prefix: String,
}

/// The artifacts of a job, packed while they are sent.
pub(super) async fn tar(
    State(app): State<App>,
    At(id): At<String>,
    Asked(Packed { job: name, prefix }): Asked<Packed>,
) -> Result<Response, Problem> {
    let run = app.run(&id).await?;
    let job = job_named(&run, &name)?;
    let query = ArtifactQuery { job: Some(job), prefix: prefix.clone(), after: None, limit: 1 };
    if app.store().artifacts(&run.id, &query, app.now()).await?.is_empty() {
        return Err(Problem::not_found("There are no such artifacts: they never were, or their time is over."));
    }
    let file = format!("{}-{}-{name}.tar", run.repo_name, run.number);
    let headers = [
        (header::CONTENT_TYPE, "application/x-tar".to_owned()),
        (header::CONTENT_SECURITY_POLICY, SANDBOX.to_owned()),
        (header::CONTENT_DISPOSITION, named("attachment", &file)),
    ];
    Ok((headers, Body::from_stream(app.handle.artifacts_tar(&run.id, job, &prefix))).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_end_its_own_header() {
        let header = named("attachment", "a\"; x=\"\r\nSet-Cookie: ü.txt");
        assert_eq!(
            header,
            "attachment; filename=\"a__ x____Set-Cookie_ _.txt\"; filename*=UTF-8''a%22%3B%20x%3D%22%0D%0ASet-Cookie%3A%20%C3%BC.txt"
        );
        assert!(HeaderValue::try_from(header).is_ok());
    }
}
