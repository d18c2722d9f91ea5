//! What every handler is given.

use crate::base::Timestamp;
use crate::run::Run;
use crate::server::Handle;
use crate::store::{Repo, RepoTest, Store};

use super::WebOptions;
use super::problem::Problem;

/// The server's handle and the web room's options. Cheap to clone.
#[derive(Clone)]
pub(super) struct App {
    pub handle: Handle,
    pub options: WebOptions,
}

impl App {
    pub(super) fn new(handle: Handle, options: WebOptions) -> Self {
        Self { handle, options }
    }

    pub(super) fn store(&self) -> &Store {
        self.handle.store()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.handle.clock().now()
    }

    /// The run of that id, or 404.
    pub(super) async fn run(&self, id: &str) -> Result<Run, Problem> {
        let missing = || Problem::not_found(format!("There is no run {}.", shortened(id)));
        let id = id.parse().map_err(|_| missing())?;
        self.store().run(&id).await?.ok_or_else(missing)
    }

    /// The repository of that name, or 404.
    pub(super) async fn repo(&self, name: &str) -> Result<Repo, Problem> {
        let repo = self.store().repo(name).await?;
        repo.ok_or_else(|| Problem::not_found(format!("There is no repository `{}`.", shortened(name))))
    }

    /// The test of that id in the repository of that name, or 404.
    pub(super) async fn test(&self, repo: &str, id: &str) -> Result<(Repo, RepoTest), Problem> {
        let repo = self.repo(repo).await?;
        let test = self.store().repo_test(&repo.id, id).await?;
        let missing = || Problem::not_found(format!("`{}` has no test {}.", repo.name, shortened(id)));
        let test = test.ok_or_else(missing)?;
        Ok((repo, test))
    }

    /// Reads log files off the async threads.
    pub(super) async fn reading<T: Send + 'static>(
        &self,
        work: impl FnOnce(&crate::store::Logs) -> std::io::Result<T> + Send + 'static,
    ) -> Result<T, Problem> {
        let logs = self.store().logs().clone();
        let read = self.options.tasks.spawn_blocking(move || work(&logs)).await;
        read.map_err(Problem::internal)?.map_err(Problem::internal)
    }
}

/// At most 80 characters of what somebody asked for, to say it back.
fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}
