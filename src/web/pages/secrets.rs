//! The secrets on a repository's page: names and for whom they are, and the forms to set and remove them. **Invariant:** no page holds a value.

use axum::extract::State;
use axum::response::Redirect;
use serde::Deserialize;

use super::actions::to_repo;
use super::moment::Ago;
use crate::base::{Secret, Timestamp};
use crate::pipeline::Event;
use crate::secrets::Policy;
use crate::server::SecretView;
use crate::web::app::App;
use crate::web::extract::{At, Filled};
use crate::web::problem::Problem;

/// One line of the list.
pub(super) struct SecretRow {
    pub secret: SecretView,
    pub updated: Ago,
}

impl SecretRow {
    pub(super) fn new(secret: SecretView, now: Timestamp) -> Self {
        Self { updated: Ago { at: secret.updated_at, now }, secret }
    }

    /// For whom it is, in words.
    pub(super) fn audience(&self) -> String {
        let events: Vec<&str> = self.secret.policy.events().iter().map(|event| event.as_str()).collect();
        let branches = self.secret.policy.branches().map(|branches| format!(" on {}", branches.join(", ")));
        format!("{}{}", events.join(", "), branches.unwrap_or_default())
    }
}

/// A box that was ticked says `on`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewSecret {
    name: String,
    value: String,
    #[serde(default)]
    branches: String,
    push: Option<String>,
    tag: Option<String>,
    cron: Option<String>,
    manual: Option<String>,
    pull_request: Option<String>,
}

pub(super) async fn set(
    State(app): State<App>,
    At(repo): At<String>,
    Filled(new): Filled<NewSecret>,
) -> Result<Redirect, Problem> {
    let NewSecret { name, value, branches, push, tag, cron, manual, pull_request } = new;
    let ticked = [
        (push, Event::Push),
        (tag, Event::Tag),
        (cron, Event::Cron),
        (manual, Event::Manual),
        (pull_request, Event::PullRequest),
    ];
    let events: Vec<Event> = ticked.into_iter().filter_map(|(ticked, event)| ticked.map(|_| event)).collect();
    if events.is_empty() {
        return Err(Problem::invalid("No event is ticked, so no step could ever use the secret."));
    }
    let branches: Vec<String> = branches.split([',', ' ']).filter(|branch| !branch.is_empty()).map(ToOwned::to_owned).collect();
    let policy = Policy::new(&events, &branches).map_err(Problem::invalid)?;
    // A browser sends a form's lines with `\r\n`.
    let value = Secret::new(Secret::new(value).reveal().replace("\r\n", "\n"));
    app.handle.set_secret(Some(&repo), name.trim(), &value, policy).await?;
    Ok(Redirect::to(&to_repo(&repo)))
}

pub(super) async fn remove(State(app): State<App>, At((repo, name)): At<(String, String)>) -> Result<Redirect, Problem> {
    app.handle.remove_secret(Some(&repo), &name).await?;
    Ok(Redirect::to(&to_repo(&repo)))
}
