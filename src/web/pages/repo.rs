//! `/repos/{name}`: how watching goes, what can be run by hand and runs by itself, the repository's runs, and what was not made, and why.
//!
//! `?branch=&pipeline=` and `input:NAME` fill the form that runs a pipeline by hand.

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::artifacts::{CacheRow, read_caches};
use super::html;
use super::moment::{Ago, Took};
use super::row::{Row, short};
use super::schedules::ScheduleRow;
use super::secrets::SecretRow;
use super::shell::Shell;
use super::start::{self, FieldKind, Start};
use super::words::Words;
use crate::base::{Size, Span};
use crate::store::{Note, Repo, RunFilter};
use crate::web::app::App;
use crate::web::extract::{Asked, At};
use crate::web::problem::Problem;

/// Runs and notes that are shown.
const SHOWN: u32 = 20;

#[derive(Template)]
#[template(path = "repo.html")]
struct RepoPage {
    shell: Shell,
    repo: Repo,
    poll: String,
    /// How long its status has been so.
    since: Took,
    rows: Vec<Row>,
    has_more: bool,
    notes: Vec<NoteRow>,
    secrets: Vec<SecretRow>,
    caches: Vec<CacheRow>,
    cache_used: Size,
    cache_quota: Size,
    start: Start,
    schedules: Vec<ScheduleRow>,
}

struct NoteRow {
    note: Note,
    at: Ago,
}

impl NoteRow {
    /// Branch or tag without its folder.
    fn reference(&self) -> Option<&str> {
        let reference = self.note.reference.as_deref()?;
        let short = ["refs/heads/", "refs/tags/"].iter().find_map(|folder| reference.strip_prefix(folder));
        Some(short.unwrap_or(reference))
    }

    fn short_commit(&self) -> Option<&str> {
        self.note.commit.as_deref().map(short)
    }
}

pub(super) async fn page(
    State(app): State<App>,
    At(name): At<String>,
    Asked(asked): Asked<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    let asked = start::read(asked)?;
    let shell = Shell::live(&app, "repos", format!("{name} – Gantry")).await?;
    let repo = app.repo(&name).await?;
    let now = app.now();
    let filter = RunFilter { repo: Some(name), limit: SHOWN, ..RunFilter::default() };
    let runs = app.store().runs(&filter).await?;
    let secrets = app.handle.secrets(Some(&repo.name)).await?;
    let notes = app.store().notes(&repo.id, SHOWN).await?;
    let (caches, cache_used) = read_caches(&app, &repo.id, now).await?;
    let start = Start::new(&app, &repo, &asked).await;
    let schedules = app.store().schedules(&repo.id).await?;
    let rows: Vec<Row> = runs.items.into_iter().map(|run| Row::new(run, now)).collect();
    let shell = match rows.first() {
        Some(latest) => shell.of(latest.face),
        None => shell,
    };
    html(&RepoPage {
        shell,
        poll: Span(repo.poll_ms).to_string(),
        since: Took { from: Some(repo.status.at), to: None, now },
        repo,
        rows,
        start,
        schedules: schedules.into_iter().map(|schedule| ScheduleRow::new(schedule, now)).collect(),
        has_more: runs.next.is_some(),
        caches,
        cache_used,
        cache_quota: Size(app.handle.cache_quota()),
        notes: notes.into_iter().map(|note| NoteRow { at: Ago { at: note.at, now }, note }).collect(),
        secrets: secrets.into_iter().map(|secret| SecretRow::new(secret, now)).collect(),
    })
}

#[derive(Template)]
#[template(path = "removal.html")]
struct RemovalPage {
    shell: Shell,
    repo: Repo,
}

/// The question before a removal.
pub(super) async fn removal(State(app): State<App>, At(name): At<String>) -> Result<Response, Problem> {
    let repo = app.repo(&name).await?;
    html(&RemovalPage { shell: Shell::still(&app, format!("Remove {name}? – Gantry")), repo })
}
