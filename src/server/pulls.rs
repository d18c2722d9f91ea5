//! What is being pulled now, as pages and the API see it: not of any run's state, since nothing of it is worth keeping.

use futures_util::future::select_all;
use tokio::sync::watch;

use super::{Handle, kept};
use crate::executor::Pulls;
use crate::run::{Run, RunView, view_pulling};

/// Follows the pulls of all engines.
pub struct PullWatch(Vec<watch::Receiver<Pulls>>);

impl PullWatch {
    /// What is pulled now.
    #[must_use]
    pub fn now(&self) -> Pulls {
        self.0.iter().flat_map(|pulls| pulls.borrow().clone()).collect()
    }

    /// Called before reading, so that what comes during the read is news afterwards.
    pub fn mark_seen(&mut self) {
        self.0.iter_mut().for_each(watch::Receiver::mark_unchanged);
    }

    /// Waits until it is something else.
    pub async fn changed(&mut self) {
        while !self.0.is_empty() {
            let (changed, at, rest) = select_all(self.0.iter_mut().map(|pulls| Box::pin(pulls.changed()))).await;
            drop(rest);
            if changed.is_ok() {
                return;
            }
            // An engine that is no more pulls nothing.
            self.0.remove(at);
        }
        std::future::pending().await
    }
}

impl Handle {
    /// What the engines pull now.
    #[must_use]
    pub fn pulls(&self) -> PullWatch {
        PullWatch(self.shared().fleet.pulls())
    }

    /// A run as people and programs see it, with what is being pulled for it and what is still kept of it.
    #[must_use]
    pub fn view(&self, run: &Run) -> RunView {
        let mut view = view_pulling(run, &self.pulls().now());
        for (ix, job) in (0..).zip(&mut view.jobs) {
            job.kept_until = job.kept_until.and_then(|_| kept::until(self.shared(), run, ix));
        }
        view
    }
}
