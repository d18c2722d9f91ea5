//! Who had a terminal in one of a run's steps, as a part of its page.

use super::moment::{Ago, Took};
use crate::base::Timestamp;
use crate::run::Run;
use crate::store::KeptTerminal;
use crate::web::app::App;
use crate::web::problem::Problem;

/// One terminal.
pub(super) struct TerminalRow {
    pub who: String,
    pub address: String,
    /// `job / step`.
    pub place: String,
    pub opened: Ago,
    pub took: Took,
    /// `None` while it is open.
    pub reason: Option<String>,
}

/// All of a run, in the order in which they were opened.
pub(super) async fn read(app: &App, run: &Run, now: Timestamp) -> Result<Vec<TerminalRow>, Problem> {
    let kept = app.store().terminals(&run.id).await?;
    Ok(kept.into_iter().map(|kept| row(run, kept, now)).collect())
}

fn row(run: &Run, kept: KeptTerminal, now: Timestamp) -> TerminalRow {
    let KeptTerminal { id: _, key, who, address, opened_at, closed } = kept;
    let job = run.plan.jobs.get(key.job as usize);
    let step = job.and_then(|job| job.steps.get(key.step as usize));
    TerminalRow {
        who,
        address,
        place: format!("{} / {}", job.map_or("?", |job| &job.name), step.map_or("?", |step| &step.name)),
        opened: Ago { at: opened_at, now },
        took: Took { from: Some(opened_at), to: closed.as_ref().map(|closed| closed.at), now },
        reason: closed.map(|closed| closed.reason),
    }
}
