//! `gantry artifacts RUN [PATH]`: the list, one file, or a directory as an archive.
//!
//! **Invariant:** what comes from the server is written to stdout or to the one file that was named, and nowhere else: no name in it becomes a path here.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use reqwest::Url;
use serde_json::json;

use super::answer::{Artifact, Page, Run};
use super::api::Api;
use super::screen::Hue;
use super::table::{Cell, Table};
use super::text::one_line;
use super::{Failure, Reference, Screen, runs};
use crate::base::Size;

/// Files asked for at once.
const PAGE: &str = "5000";

pub(super) async fn list(api: &Api, screen: &mut Screen, run: &Reference, json: bool) -> Result<(), Failure> {
    let id = run.find(api).await?;
    let mut all: Vec<Artifact> = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let mut url = api.url(&["api", "v1", "runs", &id, "artifacts"]);
        url.query_pairs_mut().append_pair("limit", PAGE);
        if let Some(after) = &after {
            url.query_pairs_mut().append_pair("after", after);
        }
        let page: Page<Artifact> = api.get(url).await?.read()?;
        all.extend(page.items);
        // A server that does not move on must not keep us here for ever.
        if page.next.is_none() || page.next == after {
            break;
        }
        after = page.next;
    }
    if json {
        return screen.json(&json!({ "items": all, "next": null }).to_string());
    }
    if all.is_empty() {
        return screen.say("it has no artifacts: its steps left none, or their time is over");
    }
    let mut table = Table::new(["JOB", "PATH", "SIZE"]);
    for Artifact { job, path, size, .. } in &all {
        table.row([Cell::new(one_line(job)), Cell::hued(one_line(path), Hue::Strong), Cell::new(Size(*size).to_string())]);
    }
    screen.data(&table.render(screen.colour))
}

/// What a path of the command line means.
struct Meant {
    job: String,
    path: String,
    is_dir: bool,
}

pub(super) async fn fetch(
    api: &Api,
    screen: &mut Screen,
    run: &Reference,
    path: &str,
    output: Option<&Path>,
) -> Result<(), Failure> {
    let id = run.find(api).await?;
    let run = runs::read(api, &id).await?;
    let Meant { job, path, is_dir } = meant(api, &run, path).await?;
    let url = if is_dir {
        if output.is_none() && screen.is_terminal {
            return Err(Failure::Usage(
                "that is a directory, which comes as an archive: say where to by `-o FILE.tar`".to_owned(),
            ));
        }
        let mut url = api.url(&["api", "v1", "runs", &id, "artifacts.tar"]);
        let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
        url.query_pairs_mut().append_pair("job", &job).append_pair("prefix", &prefix);
        url
    } else {
        let mut parts = vec!["api", "v1", "runs", &id, "artifacts", &job];
        parts.extend(path.split('/'));
        api.url(&parts)
    };
    receive(api, screen, url, output).await
}

async fn receive(api: &Api, screen: &mut Screen, url: Url, output: Option<&Path>) -> Result<(), Failure> {
    let mut answer = api.file(url).await?;
    let mut file = match output {
        Some(path) => Some(
            OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .open(path)
                .map_err(|error| Failure::Usage(format!("{} cannot be written: {error}", path.display())))?,
        ),
        None => None,
    };
    let mut bytes = 0;
    while let Some(piece) = answer.chunk().await.map_err(|error| api.broken(&error))? {
        bytes += piece.len() as u64;
        match &mut file {
            Some(file) => file.write_all(&piece)?,
            None => screen.bytes(&piece)?,
        }
    }
    match output {
        Some(path) => screen.say(&format!("{}: {}", path.display(), Size(bytes))),
        None => Ok(()),
    }
}

/// Finds the file or directory: of the job that the path begins with, else of the only job that has it.
async fn meant(api: &Api, run: &Run, path: &str) -> Result<Meant, Failure> {
    let path = path.trim_matches('/');
    for job in &run.jobs {
        let inside = path
            .strip_prefix(job.name.as_str())
            .and_then(|rest| if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') });
        if let Some(inside) = inside
            && let Some(found) = look(api, run, &job.name, inside).await?
        {
            return Ok(found);
        }
    }
    let mut found = Vec::new();
    for job in &run.jobs {
        found.extend(look(api, run, &job.name, path).await?);
    }
    let name = one_line(path);
    match found.len() {
        0 => Err(Failure::NotFound(format!(
            "{} has no artifact `{name}`: `gantry artifacts {}` lists them",
            run.name(),
            run.name()
        ))),
        1 => Ok(found.remove(0)),
        _ => {
            let jobs: Vec<String> = found.iter().map(|meant| format!("`{}/{name}`", one_line(&meant.job))).collect();
            Err(Failure::Usage(format!("several jobs have `{name}`: say {}", jobs.join(" or "))))
        }
    }
}

async fn look(api: &Api, run: &Run, job: &str, path: &str) -> Result<Option<Meant>, Failure> {
    let dir = if path.is_empty() { String::new() } else { format!("{path}/") };
    let found = |is_dir| Some(Meant { job: job.to_owned(), path: path.to_owned(), is_dir });
    if !path.is_empty() && first(api, run, job, path).await?.is_some_and(|artifact| artifact.path == path) {
        return Ok(found(false));
    }
    Ok(if first(api, run, job, &dir).await?.is_some() { found(true) } else { None })
}

/// The first artifact whose path begins so.
async fn first(api: &Api, run: &Run, job: &str, prefix: &str) -> Result<Option<Artifact>, Failure> {
    let mut url = api.url(&["api", "v1", "runs", &run.id, "artifacts"]);
    url.query_pairs_mut().append_pair("job", job).append_pair("prefix", prefix).append_pair("limit", "1");
    let page: Page<Artifact> = api.get(url).await?.read()?;
    Ok(page.items.into_iter().next())
}
