//! What surrounds every page: title, icon, navigation, and what the live channel is asked for.

use super::face::Face;
use crate::web::app::App;
use crate::web::problem::Problem;

/// The frame of one page.
pub(super) struct Shell {
    /// Of the tab: `✓ #12 main – repo`.
    pub title: String,
    /// Of the tab's icon.
    pub face: &'static str,
    /// Which part of the navigation is here: `runs`, `repos`, `engines`, `docs` or nothing.
    pub here: &'static str,
    /// Where the live channel is asked for nudges; empty for a page that does not change.
    pub live: String,
    /// When an engine does not work: whether any does, and the sentence that says why.
    pub engine: Option<(bool, String)>,
}

impl Shell {
    /// A page that follows the record. What is read after this call is at least as new as the number the live channel begins at.
    pub(super) async fn live(app: &App, here: &'static str, title: impl Into<String>) -> Result<Self, Problem> {
        let seq = app.store().last_event().await?;
        Ok(Self { here, live: format!("/live?after={seq}"), ..Self::still(app, title) })
    }

    /// A page that stays as it is.
    pub(super) fn still(app: &App, title: impl Into<String>) -> Self {
        let readiness = app.handle.readiness();
        let engine = readiness.problem().map(|sentence| (readiness.any_answers(), sentence));
        Self { title: title.into(), face: "idle", here: "", live: String::new(), engine }
    }

    /// With the face of what the page is about.
    pub(super) fn of(mut self, face: Face) -> Self {
        self.face = face.class;
        self
    }
}
