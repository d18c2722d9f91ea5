//! Secrets on the server: set, listed and removed; given to a step at its start; known to the masks of its output.
//!
//! **Invariants:** a value is opened only to be given to a step that may see it, and to mask output; what an attempt was given is kept, sealed, for as
//! long as its job lives, so that after a crash it gets the same again and its output is masked with the same; an attempt whose values cannot be
//! known does not run, and one that runs is not followed unmasked.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::handle::{Handle, Refusal, Shared};
use crate::base::limits::SECRETS_KEPT;
use crate::base::{AttemptKey, JobIx, RepoId, Secret, Timestamp};
use crate::pipeline::Trigger;
use crate::run::{Exit, Run};
use crate::secrets::{Key, KeyError, Masks, Policy, check_name, check_value};
use crate::store::{self, Repo, SealedAttempt, SealedSecret};

/// What a secret is, but for its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SecretView {
    pub name: String,
    /// The repository that it is of; `None`: of all.
    pub repo: Option<String>,
    #[serde(flatten)]
    pub policy: Policy,
    pub updated_at: Timestamp,
}

impl Handle {
    /// The secrets for all repositories and, if one is named, its own; by name, its own first.
    pub async fn secrets(&self, repo: Option<&str>) -> Result<Vec<SecretView>, Refusal> {
        let repo = self.scope(repo).await?;
        let kept = self.store().secrets(repo.as_ref().map(|repo| &repo.id)).await?;
        let view = |kept: SealedSecret| {
            let own = kept.repo.is_some();
            let policy = policy_of(&kept).map_err(Refusal::Unavailable)?;
            let repo = repo.as_ref().filter(|_| own).map(|repo| repo.name.clone());
            Ok(SecretView { name: kept.name, repo, policy, updated_at: kept.updated_at })
        };
        kept.into_iter().map(view).collect()
    }

    /// Sets a secret of a repository or of all, in the place of an older one.
    pub async fn set_secret(
        &self,
        repo: Option<&str>,
        name: &str,
        value: &Secret,
        policy: Policy,
    ) -> Result<SecretView, Refusal> {
        check_name(name).map_err(Refusal::Invalid)?;
        check_value(value).map_err(Refusal::Invalid)?;
        let repo = self.scope(repo).await?;
        let id = repo.as_ref().map(|repo| repo.id.clone());
        let kept = self.store().secrets(id.as_ref()).await?;
        let others = kept.iter().filter(|kept| kept.repo == id && kept.name != name).count();
        if others >= SECRETS_KEPT as usize {
            let why =
                format!("there are {SECRETS_KEPT} secrets already, the most that one place keeps: remove one that nobody uses");
            return Err(Refusal::Conflict(why));
        }
        let key = key(self.shared(), true).await.map_err(|error| Refusal::Unavailable(error.to_string()))?;
        let text = serde_json::to_string(&policy).map_err(|error| Refusal::Invalid(error.to_string()))?;
        let sealed = key.seal(&place(id.as_ref(), name, &text), value).map_err(Refusal::Invalid)?;
        let updated_at = self.clock().now();
        let secret = SealedSecret { repo: id, name: name.to_owned(), sealed, policy: text, updated_at };
        self.store().set_secret(&secret).await?;
        tracing::info!(name, repo = repo.as_ref().map(|repo| &repo.name), "a secret was set");
        Ok(SecretView { name: name.to_owned(), repo: repo.map(|repo| repo.name), policy, updated_at })
    }

    /// Removes a secret of a repository or of all.
    pub async fn remove_secret(&self, repo: Option<&str>, name: &str) -> Result<(), Refusal> {
        let repo = self.scope(repo).await?;
        if self.store().remove_secret(repo.as_ref().map(|repo| &repo.id), name).await? {
            tracing::info!(name, repo = repo.as_ref().map(|repo| &repo.name), "a secret was removed");
            return Ok(());
        }
        let whose = whose(repo.as_ref().map(|repo| repo.name.as_str()));
        let shown: String = name.escape_debug().take(100).collect();
        Err(Refusal::NotFound(format!("there is no secret `{shown}` {whose}")))
    }

    async fn scope(&self, repo: Option<&str>) -> Result<Option<Repo>, Refusal> {
        Ok(match repo {
            Some(name) => Some(self.find_repo(name).await?),
            None => None,
        })
    }
}

/// What a run wants to know of the vault, on behalf of one attempt.
pub(super) struct Asked {
    key: AttemptKey,
    repo: RepoId,
    repo_name: String,
    trigger: Trigger,
    /// The attempt's own: variable → name.
    own: BTreeMap<String, String>,
    /// All that the run's steps name: any of them may come to light anywhere in the run.
    named: BTreeSet<String>,
}

/// What an attempt is given.
#[derive(Default)]
pub(super) struct Given {
    pub env: BTreeMap<String, Secret>,
    pub masks: Masks,
}

impl Asked {
    /// `None` when no step of the run names a secret.
    pub fn of(run: &Run, key: &AttemptKey) -> Option<Self> {
        let steps = || run.plan.jobs.iter().flat_map(|job| &job.steps);
        let named: BTreeSet<String> = steps().flat_map(|step| step.secrets.values().cloned()).collect();
        let own = run.plan.jobs.get(key.job as usize).and_then(|job| job.steps.get(key.step as usize));
        (!named.is_empty()).then(|| Self {
            key: key.clone(),
            repo: run.repo.clone(),
            repo_name: run.repo_name.clone(),
            trigger: run.trigger.clone(),
            own: own.map(|step| step.secrets.clone()).unwrap_or_default(),
            named,
        })
    }
}

/// What the logs of a job's services are masked with.
///
/// # Errors
/// The sentence that says why nobody knows.
pub(super) async fn masks_of_job(shared: &Shared, run: &Run, job: JobIx) -> Result<Masks, String> {
    let has_services = run.plan.jobs.get(job as usize).is_some_and(|job| !job.services.is_empty());
    let nobody = AttemptKey { run: run.id.clone(), job, step: 0, attempt: 0 };
    let Some(asked) = Asked::of(run, &nobody).filter(|_| has_services) else { return Ok(Masks::default()) };
    match give(shared, &asked, false).await {
        Ok(given) => Ok(given.masks),
        Err(Exit::Refused(why) | Exit::Infrastructure(why) | Exit::Lost(why)) => Err(why),
        Err(Exit::Code(_) | Exit::NeverRan) => Ok(Masks::default()),
    }
}

/// What the attempt is given, and what its output is masked with. `fresh`: it may not have been given anything yet.
///
/// # Errors
/// How the attempt ends instead.
pub(super) async fn give(shared: &Shared, asked: &Asked, fresh: bool) -> Result<Given, Exit> {
    let trouble = |error: store::Error| Exit::Infrastructure(format!("its secrets cannot be read: {error}"));
    let kept = shared.store.secrets(Some(&asked.repo)).await.map_err(trouble)?;
    let before = shared.store.attempt_secrets(&asked.key.run).await.map_err(trouble)?;
    let vault = Vault { asked, kept, with_server: shared.config.watch };
    let own: Vec<(&String, &SealedSecret)> = match before.iter().any(|attempt| attempt.key == asked.key) || !fresh {
        // It has been given what it gets.
        true => Vec::new(),
        false => asked
            .own
            .iter()
            .map(|(variable, name)| Ok((variable, vault.find(name)?)))
            .collect::<Result<_, _>>()
            .map_err(Exit::Refused)?,
    };
    if before.is_empty() && vault.kept.is_empty() {
        return Ok(Given::default());
    }
    let key = key(shared, false).await.map_err(|error| Exit::Refused(error.to_string()))?;
    let mut given = Given::default();
    let mut values = Vec::new();
    for attempt in &before {
        let opened = open_attempt(&key, attempt).map_err(Exit::Refused)?;
        values.extend(opened.values().cloned());
        if attempt.key == asked.key {
            given.env = opened;
        }
    }
    for (variable, secret) in own {
        given.env.insert(variable.clone(), open(&key, secret).map_err(Exit::Refused)?);
    }
    values.extend(given.env.values().cloned());
    // One that cannot be opened or seen is told by the step that needs it.
    let others = asked.named.iter().filter_map(|name| vault.find(name).ok());
    values.extend(others.filter_map(|secret| open(&key, secret).ok()));
    // Large values have many forms; that takes a moment.
    let masks = shared.tasks.spawn_blocking(move || Masks::of(&values)).await;
    given.masks = masks.map_err(|panic| Exit::Infrastructure(panic.to_string()))?.map_err(Exit::Refused)?;
    if fresh && !given.env.is_empty() {
        let sealed = seal_attempt(&key, &asked.key, &given.env).map_err(Exit::Refused)?;
        shared.store.keep_attempt_secrets(&SealedAttempt { key: asked.key.clone(), sealed }).await.map_err(trouble)?;
    }
    Ok(given)
}

/// What is kept, for one attempt.
struct Vault<'a> {
    asked: &'a Asked,
    kept: Vec<SealedSecret>,
    /// Not `gantry run`.
    with_server: bool,
}

impl Vault<'_> {
    /// The secret that a name means here: a repository's own before one for all. Not the other one when the own one may not be seen: it would be a
    /// surprise.
    fn find(&self, name: &str) -> Result<&SealedSecret, String> {
        let repo = &self.asked.repo_name;
        // In their order.
        let Some(found) = self.kept.iter().find(|kept| kept.name == name) else {
            return Err(match self.with_server {
                true => format!("there is no secret `{name}` for `{repo}`: set it with `gantry secret set {name} --repo {repo}`"),
                false => format!(
                    "there is no secret `{name}`: give it with `--secret {name}`, which reads the variable of that name, or in a `--secrets-file`"
                ),
            });
        };
        policy_of(found)?.allows(&self.asked.trigger).map_err(|why| {
            let whose = whose(found.repo.as_ref().map(|_| repo.as_str()));
            format!(
                "the secret `{name}` {whose} {why}: whoever may set secrets can allow it, or let the step's `if` leave it out"
            )
        })?;
        Ok(found)
    }
}

fn whose(repo: Option<&str>) -> String {
    repo.map_or_else(|| "of all repositories".to_owned(), |repo| format!("of `{repo}`"))
}

fn policy_of(secret: &SealedSecret) -> Result<Policy, String> {
    serde_json::from_str(&secret.policy)
        .map_err(|error| format!("for whom the secret `{}` is cannot be read ({error}): set it again", secret.name))
}

/// What a secret's sealed value is bound to: the row with all that decides who may see it.
fn place<'a>(repo: Option<&'a RepoId>, name: &'a str, policy: &'a str) -> [&'a str; 4] {
    ["secret", repo.map_or("", RepoId::as_str), name, policy]
}

fn open(key: &Key, secret: &SealedSecret) -> Result<Secret, String> {
    let place = place(secret.repo.as_ref(), &secret.name, &secret.policy);
    key.open(&place, &secret.sealed).map_err(|why| format!("the secret `{}` cannot be opened: {why}; set it again", secret.name))
}

fn seal_attempt(key: &Key, attempt: &AttemptKey, env: &BTreeMap<String, Secret>) -> Result<String, String> {
    let env: BTreeMap<&str, &str> = env.iter().map(|(variable, value)| (variable.as_str(), value.reveal())).collect();
    let text = serde_json::to_string(&env).map_err(|error| error.to_string())?;
    key.seal(&["attempt", &attempt.to_string()], &Secret::new(text))
}

fn open_attempt(key: &Key, attempt: &SealedAttempt) -> Result<BTreeMap<String, Secret>, String> {
    let opened = key.open(&["attempt", &attempt.key.to_string()], &attempt.sealed);
    let opened = opened.map_err(|why| format!("what the step was given cannot be opened: {why}"))?;
    let env: BTreeMap<String, String> =
        serde_json::from_str(opened.reveal()).map_err(|_| "what the step was given cannot be read".to_owned())?;
    Ok(env.into_iter().map(|(variable, value)| (variable, Secret::new(value))).collect())
}

/// The data directory's key; `make` it if there is none.
async fn key(shared: &Shared, make: bool) -> Result<Key, KeyError> {
    let path = shared.layout.secret_key();
    let shown = path.display().to_string();
    let read = shared.tasks.spawn_blocking(move || if make { Key::read_or_make(&path) } else { Key::read(&path) });
    read.await.unwrap_or_else(|panic| Err(KeyError::Io { path: shown, source: std::io::Error::other(panic) }))
}
