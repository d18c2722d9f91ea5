//! Secrets at rest: sealed, so nothing here can tell a value. **Invariant:** a sealed text and its policy are kept exactly as given, since the one is
//! bound to the other.

use sqlx::any::AnyRow;

use super::row::Fields;
use super::{Error, Store, sql};
use crate::base::{AttemptKey, JobKey, RepoId, RunId, Timestamp};

/// One secret, sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedSecret {
    /// `None`: for all repositories.
    pub repo: Option<RepoId>,
    pub name: String,
    pub sealed: String,
    /// For whom it is, as JSON.
    pub policy: String,
    pub updated_at: Timestamp,
}

/// What one attempt was given, sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedAttempt {
    pub key: AttemptKey,
    pub sealed: String,
}

/// The scope of what is for all repositories.
fn scope(repo: Option<&RepoId>) -> &str {
    repo.map_or("", RepoId::as_str)
}

impl Store {
    /// Keeps a secret in the place of an older one. [`Error::Gone`] when its repository was removed.
    pub async fn set_secret(&self, secret: &SealedSecret) -> Result<(), Error> {
        let SealedSecret { repo, name, sealed, policy, updated_at } = secret;
        let query = sqlx::query(sql::SECRET_SET)
            .bind(scope(repo.as_ref()))
            .bind(name)
            .bind(repo.as_ref().map(RepoId::as_str))
            .bind(sealed)
            .bind(policy)
            .bind(updated_at.0);
        query.execute(&self.inner.write).await.map_err(|error| match error.as_database_error() {
            Some(e) if e.is_foreign_key_violation() => Error::Gone("its repository".to_owned()),
            _ => self.error("the secret cannot be kept", error),
        })?;
        Ok(())
    }

    /// Removes a secret; tells whether there was one.
    pub async fn remove_secret(&self, repo: Option<&RepoId>, name: &str) -> Result<bool, Error> {
        let query = sqlx::query(sql::SECRET_REMOVE).bind(scope(repo)).bind(name);
        let done = query.execute(&self.inner.write).await;
        Ok(done.map_err(|error| self.error("the secret cannot be removed", error))?.rows_affected() > 0)
    }

    /// The secrets that are for all repositories, and those of this one; by name, a repository's own before one for all.
    pub async fn secrets(&self, repo: Option<&RepoId>) -> Result<Vec<SealedSecret>, Error> {
        let rows = sqlx::query(sql::SECRETS).bind(scope(repo)).fetch_all(&self.inner.read).await;
        let rows = rows.map_err(|error| self.error("the secrets cannot be read", error))?;
        let read = |row: &AnyRow| {
            let fields = Fields::new(row, "secret", "name");
            Ok(SealedSecret {
                repo: fields.parse_or_null("repo_id")?,
                name: fields.text("name")?,
                sealed: fields.text("sealed")?,
                policy: fields.text("policy_json")?,
                updated_at: fields.time("updated_at")?,
            })
        };
        let mut secrets = rows.iter().map(read).collect::<Result<Vec<_>, Error>>()?;
        // Not by the database, whose idea of the alphabet may be another.
        secrets.sort_by(|a, b| (&a.name, a.repo.is_none()).cmp(&(&b.name, b.repo.is_none())));
        Ok(secrets)
    }

    /// Keeps what an attempt is given, unless that is kept already. [`Error::Gone`] when its run was removed.
    pub async fn keep_attempt_secrets(&self, attempt: &SealedAttempt) -> Result<(), Error> {
        let SealedAttempt { key: AttemptKey { run, job, step, attempt }, sealed } = attempt;
        let query = sqlx::query(sql::ATTEMPT_SECRETS_ADD)
            .bind(run.as_str())
            .bind(i64::from(*job))
            .bind(i64::from(*step))
            .bind(i64::from(*attempt))
            .bind(sealed);
        query.execute(&self.inner.write).await.map_err(|error| match error.as_database_error() {
            Some(e) if e.is_foreign_key_violation() => Error::Gone(format!("run {run}")),
            _ => self.error("what a step is given cannot be kept", error),
        })?;
        Ok(())
    }

    /// What the attempts of a run's living jobs were given.
    pub async fn attempt_secrets(&self, run: &RunId) -> Result<Vec<SealedAttempt>, Error> {
        let rows = sqlx::query(sql::ATTEMPT_SECRETS).bind(run.as_str()).fetch_all(&self.inner.read).await;
        let rows = rows.map_err(|error| self.error("what steps were given cannot be read", error))?;
        let read = |row| {
            let fields = Fields::new(row, "what was given in run", "run_id");
            let (job, step, attempt) = (fields.count("job")?, fields.count("step")?, fields.count("attempt")?);
            let key = AttemptKey { run: fields.parse("run_id")?, job, step, attempt };
            Ok(SealedAttempt { key, sealed: fields.text("sealed")? })
        };
        rows.iter().map(read).collect()
    }

    /// Forgets what the attempts of a job that has ended were given.
    pub async fn forget_attempt_secrets(&self, job: &JobKey) -> Result<(), Error> {
        let query = sqlx::query(sql::ATTEMPT_SECRETS_REMOVE).bind(job.run.as_str()).bind(i64::from(job.job));
        let done = query.execute(&self.inner.write).await;
        done.map(drop).map_err(|error| self.error("what steps were given cannot be forgotten", error))
    }

    /// The same of all runs that have ended: what a crash left.
    pub async fn sweep_attempt_secrets(&self) -> Result<(), Error> {
        let done = sqlx::query(sql::ATTEMPT_SECRETS_SWEEP).execute(&self.inner.write).await;
        done.map(drop).map_err(|error| self.error("what steps were given cannot be forgotten", error))
    }
}
