//! `gantry logs RUN [STEP]`: what is there now, page by page, so that a log of any length takes little memory.

use reqwest::Url;

use super::answer::LogPage;
use super::api::Api;
use super::track::{Printer, Track, choose};
use super::{Failure, LogsArgs, Screen, runs};

/// Lines asked for at once.
const PAGE: &str = "5000";

pub(super) async fn print(api: &Api, screen: &mut Screen, args: &LogsArgs, json: bool) -> Result<(), Failure> {
    let id = args.run.find(api).await?;
    let run = runs::read(api, &id).await?;
    let tracks = choose(&run, args.step.as_deref())?;
    let printer = Printer::new(&tracks, args.step.is_none(), json, screen);
    let mut silent = Vec::new();
    for (index, track) in tracks.iter().enumerate() {
        let latest = track.step_in(&run).map_or(0, |step| step.attempt);
        match args.attempt.unwrap_or(latest) {
            0 => silent.push(track),
            attempt => print_attempt(api, screen, &id, &printer, index, track, attempt).await?,
        }
    }
    // All steps that never ran are not worth a line each, unless they are what was asked for.
    match silent.as_slice() {
        [track] if args.step.is_some() => {
            let reason = track.step_in(&run).map_or("", |step| step.reason.as_str());
            screen.say(&format!("{} of {} has no log: {reason}", track.label(), run.name()))
        }
        _ if silent.len() == tracks.len() => screen.say(&format!("{} has no log: {}", run.name(), run.reason)),
        _ => Ok(()),
    }
}

/// Prints one attempt's log as far as it goes.
pub(super) async fn print_attempt(
    api: &Api,
    screen: &mut Screen,
    id: &str,
    printer: &Printer,
    index: usize,
    track: &Track,
    attempt: u32,
) -> Result<(), Failure> {
    let mut from = 1;
    loop {
        let mut url = address(api, id, track, None, attempt);
        url.query_pairs_mut().append_pair("from", &from.to_string()).append_pair("limit", PAGE);
        let page: LogPage = api.get(url).await?.read()?;
        for line in &page.lines {
            printer.line(screen, index, track, attempt, line)?;
        }
        screen.flush()?;
        // A server that does not move on must not keep us here for ever.
        if page.end || page.lines.is_empty() || page.next <= from {
            return Ok(());
        }
        from = page.next;
    }
}

/// Where an attempt's log is; `form` is `stream`, or nothing for pages.
pub(super) fn address(api: &Api, id: &str, track: &Track, form: Option<&str>, attempt: u32) -> Url {
    let mut parts = vec!["api", "v1", "runs", id, "steps", &track.job, &track.step, "log"];
    parts.extend(form);
    let mut url = api.url(&parts);
    url.query_pairs_mut().append_pair("attempt", &attempt.to_string());
    url
}
