//! `gantry runs`, and the verbs that ask something of a run.

use serde_json::json;

use super::answer::{Made, Page, Run, hue_of, took};
use super::api::{Answer, Api};
use super::screen::Hue;
use super::table::{Cell, Table};
use super::text::{cut, one_line};
use super::{Failure, Reference, RunsArgs, Screen, TriggerArgs};
use crate::base::ago;

/// Columns of a commit's message on a terminal; elsewhere it is whole.
const MESSAGE: usize = 50;

pub(super) async fn list(api: &Api, screen: &mut Screen, args: RunsArgs, json: bool) -> Result<(), Failure> {
    let RunsArgs { repo, branch, outcome, limit, before } = args;
    let before = match before {
        Some(run) => Some(run.find(api).await?),
        None => None,
    };
    let mut url = api.url(&["api", "v1", "runs"]);
    url.query_pairs_mut().append_pair("limit", &limit.to_string());
    for (key, value) in [("repo", &repo), ("branch", &branch), ("outcome", &outcome), ("before", &before)] {
        if let Some(value) = value {
            url.query_pairs_mut().append_pair(key, value);
        }
    }
    let answer = api.get(url).await?;
    let page: Page<Run> = answer.read()?;
    if page.items.is_empty()
        && let Some(repo) = &repo
    {
        // A repository that there is none of has no runs either, but that is not what was meant.
        api.get(api.url(&["api", "v1", "repos", repo])).await?;
    }
    if json {
        return screen.json(&answer.text);
    }
    if page.items.is_empty() {
        return screen.say("no such run");
    }
    screen.data(&table(&page.items, screen).render(screen.colour))?;
    match page.items.last() {
        Some(last) if page.next.is_some() => screen.say(&format!("there are more: add --before {}", last.name())),
        _ => Ok(()),
    }
}

fn table(runs: &[Run], screen: &Screen) -> Table<8> {
    let now = screen.now();
    let mut table = Table::new(["RUN", "STATE", "TOOK", "QUEUED", "PIPELINE", "FOR", "COMMIT", "MESSAGE"]);
    for run in runs {
        let message = one_line(&run.message);
        table.row([
            Cell::hued(run.name(), Hue::Strong),
            Cell::hued(run.standing(), hue_of(run.standing())),
            Cell::new(took(run.started_at, run.ended_at, now)),
            Cell::new(ago(now.ms_since(run.queued_at))),
            Cell::new(&run.pipeline),
            Cell::new(format!("{} {}", run.event, run.reference())),
            Cell::hued(run.short_commit(), Hue::Quiet),
            Cell::new(if screen.is_terminal { cut(&message, MESSAGE) } else { message }),
        ]);
    }
    table
}

pub(super) async fn cancel(api: &Api, screen: &mut Screen, run: &Reference, json: bool) -> Result<(), Failure> {
    let id = run.find(api).await?;
    let answer = api.post(&["api", "v1", "runs", &id, "cancel"], None).await?;
    if json {
        return screen.json(&answer.text);
    }
    let run = read(api, &id).await?;
    if run.is_ended() {
        return screen.say(&format!("{} is {}", run.name(), run.standing()));
    }
    screen.say(&format!("{} is being cancelled; once more, and its steps are made to end", run.name()))
}

/// `failed` or `from` say which part of it.
pub(super) async fn rerun(
    api: &Api,
    screen: &mut Screen,
    run: &Reference,
    (failed, from): (bool, Option<&str>),
    json: bool,
) -> Result<(), Failure> {
    let id = run.find(api).await?;
    let asked = from.map(|from| json!({ "from": from })).or_else(|| failed.then(|| json!({ "failed": true })));
    let answer = api.post(&["api", "v1", "runs", &id, "rerun"], asked.as_ref()).await?;
    let made = answer.read::<Made>()?;
    told(api, screen, &answer, &[made], json).await
}

/// The job, who answers, and whether it is a no.
pub(super) async fn approve(
    api: &Api,
    screen: &mut Screen,
    run: &Reference,
    (job, by, reject): (&str, &str, bool),
    json: bool,
) -> Result<(), Failure> {
    let id = run.find(api).await?;
    let asked = json!({ "job": job, "by": by, "decision": if reject { "reject" } else { "approve" } });
    let answer = api.post(&["api", "v1", "runs", &id, "approve"], Some(&asked)).await?;
    if json {
        return screen.json(&answer.text);
    }
    let run = read(api, &id).await?;
    screen.say(&format!("`{}` of {} is {} by {by}", one_line(job), run.name(), if reject { "rejected" } else { "approved" }))
}

pub(super) async fn trigger(api: &Api, screen: &mut Screen, args: &TriggerArgs, json: bool) -> Result<(), Failure> {
    let TriggerArgs { repo, branch, pipeline, inputs } = args;
    let mut asked = serde_json::Map::new();
    for (key, value) in [("branch", branch), ("pipeline", pipeline)] {
        asked.extend(value.as_ref().map(|value| (key.to_owned(), json!(value))));
    }
    if !inputs.is_empty() {
        asked.insert("inputs".to_owned(), inputs.iter().map(|(name, value)| (name.clone(), json!(value))).collect());
    }
    let asked = asked.into();
    let answer = api.post(&["api", "v1", "repos", repo, "runs"], Some(&asked)).await?;
    let made = answer.read::<Page<Made>>()?;
    told(api, screen, &answer, &made.items, json).await
}

/// New runs: their names are the data, so that `gantry logs -f $(gantry trigger shop)` works.
async fn told(api: &Api, screen: &mut Screen, answer: &Answer, made: &[Made], json: bool) -> Result<(), Failure> {
    if json {
        return screen.json(&answer.text);
    }
    for made in made {
        let run = read(api, &made.id).await?;
        screen.data(&format!("{}\n", one_line(&run.name())))?;
        let what = format!("{} for {} {}", run.pipeline, run.reference(), run.short_commit());
        screen.say(&format!("{} runs {what}; follow it with `gantry logs -f {}`", run.name(), run.name()))?;
    }
    Ok(())
}

/// The whole run.
pub(super) async fn read(api: &Api, id: &str) -> Result<Run, Failure> {
    api.get(api.url(&["api", "v1", "runs", id])).await?.read()
}
