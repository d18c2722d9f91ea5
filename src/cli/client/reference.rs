//! Which run is meant: `shop#12`, `shop/12`, `shop/latest`, `latest`, `12` where there is one repository, an id, or how an id ends.

use std::str::FromStr;

use super::Failure;
use super::answer::{Page, Repo, Run};
use super::api::Api;
use crate::base::{RunId, limits};

/// Characters of an id's end that are taken for a reference: fewer would be a guess.
const SUFFIX: usize = 4;

/// A run as the user names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    Id(String),
    /// The last characters of an id.
    Suffix(String),
    Numbered {
        repo: String,
        number: u64,
    },
    /// Of the only repository.
    Number(u64),
    LatestOf(String),
    Latest,
}

impl FromStr for Reference {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const FORM: &str = "write it as REPO#NUMBER, REPO/latest, latest or as an id";
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let number = |text: &str| text.parse::<u64>().map_err(|_| "a run's number is not so large".to_owned());
        if let Some((repo, which)) = text.rsplit_once(['#', '/']) {
            return match (repo, which) {
                (_, which) if repo.contains(['#', '/']) || which.is_empty() => Err(FORM.to_owned()),
                ("", which) if digits(which) => Ok(Reference::Number(number(which)?)),
                ("", _) => Err(FORM.to_owned()),
                (repo, "latest") => Ok(Reference::LatestOf(repo.to_owned())),
                (repo, which) if digits(which) => Ok(Reference::Numbered { repo: repo.to_owned(), number: number(which)? }),
                _ => Err(FORM.to_owned()),
            };
        }
        if text == "latest" {
            return Ok(Reference::Latest);
        }
        if text.parse::<RunId>().is_ok() {
            return Ok(Reference::Id(text.to_owned()));
        }
        if digits(text) {
            return Ok(Reference::Number(number(text)?));
        }
        let looks_like_an_id = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if looks_like_an_id && text.len() >= SUFFIX { Ok(Reference::Suffix(text.to_owned())) } else { Err(FORM.to_owned()) }
    }
}

impl Reference {
    /// The id of the run that is meant.
    pub(super) async fn find(&self, api: &Api) -> Result<String, Failure> {
        match self {
            Reference::Id(id) => Ok(id.clone()),
            Reference::Suffix(suffix) => ends_in(api, suffix).await,
            Reference::Numbered { repo, number } => numbered(api, repo, *number).await,
            Reference::Number(number) => numbered(api, &only_repo(api, *number).await?, *number).await,
            Reference::LatestOf(repo) => latest(api, Some(repo)).await,
            Reference::Latest => latest(api, None).await,
        }
    }
}

/// A page of runs, newest first.
async fn page(api: &Api, repo: Option<&str>, before: Option<&str>, limit: u32) -> Result<Page<Run>, Failure> {
    let mut url = api.url(&["api", "v1", "runs"]);
    url.query_pairs_mut().append_pair("limit", &limit.to_string());
    for (key, value) in [("repo", repo), ("before", before)] {
        if let Some(value) = value {
            url.query_pairs_mut().append_pair(key, value);
        }
    }
    api.get(url).await?.read()
}

async fn latest(api: &Api, repo: Option<&str>) -> Result<String, Failure> {
    if let Some(run) = page(api, repo, None, 1).await?.items.into_iter().next() {
        return Ok(run.id);
    }
    let Some(repo) = repo else {
        return Err(Failure::NotFound("there is no run yet: add a repository with `gantry repo add`, or push to one".to_owned()));
    };
    known(api, repo).await?;
    Err(Failure::NotFound(format!("`{repo}` has no run yet: push to it, or ask for one with `gantry trigger {repo}`")))
}

/// Refuses, in the server's words, a repository that there is none of.
async fn known(api: &Api, repo: &str) -> Result<(), Failure> {
    api.get(api.url(&["api", "v1", "repos", repo])).await.map(drop)
}

/// Numbers fall along the list, so the search ends where the number should have been.
async fn numbered(api: &Api, repo: &str, number: u64) -> Result<String, Failure> {
    let mut before: Option<String> = None;
    let mut newest = None;
    loop {
        let found = page(api, Some(repo), before.as_deref(), limits::PAGE_ROWS).await?;
        newest = newest.or(found.items.first().map(|run| run.number));
        if let Some(run) = found.items.iter().find(|run| run.number == number) {
            return Ok(run.id.clone());
        }
        let is_past = found.items.last().is_none_or(|run| run.number < number);
        before = found.next.filter(|_| !is_past);
        if before.is_none() {
            break;
        }
    }
    let Some(newest) = newest else {
        known(api, repo).await?;
        return Err(Failure::NotFound(format!("`{repo}` has no run yet")));
    };
    Err(Failure::NotFound(format!("`{repo}` has no run #{number}; its latest is #{newest}")))
}

async fn only_repo(api: &Api, number: u64) -> Result<String, Failure> {
    let repos: Page<Repo> = api.get(api.url(&["api", "v1", "repos"])).await?.read()?;
    match repos.items.as_slice() {
        [repo] => Ok(repo.name.clone()),
        [] => Err(Failure::NotFound("there is no repository yet: add one with `gantry repo add NAME URL`".to_owned())),
        [first, ..] => Err(Failure::Usage(format!("there are several repositories: say which, as in `{}#{number}`", first.name))),
    }
}

/// Looks through the latest runs only: it is a convenience, not a search.
async fn ends_in(api: &Api, suffix: &str) -> Result<String, Failure> {
    let latest = page(api, None, None, limits::PAGE_ROWS).await?;
    let found: Vec<&Run> = latest.items.iter().filter(|run| run.id.ends_with(suffix)).collect();
    match found.as_slice() {
        [run] => Ok(run.id.clone()),
        [] => Err(Failure::NotFound(format!("none of the latest runs has an id that ends in `{suffix}`"))),
        [first, second, ..] => {
            let names = format!("{} and {}", first.name(), second.name());
            Err(Failure::Usage(format!("more than one run's id ends in `{suffix}`, such as those of {names}: say more of it")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_named_as_people_write_them() {
        let numbered = |repo: &str, number| Reference::Numbered { repo: repo.to_owned(), number };
        for (text, meant) in [
            ("shop#12", numbered("shop", 12)),
            ("shop/12", numbered("shop", 12)),
            ("my.shop-2#1", numbered("my.shop-2", 1)),
            ("shop#latest", Reference::LatestOf("shop".to_owned())),
            ("shop/latest", Reference::LatestOf("shop".to_owned())),
            ("latest", Reference::Latest),
            ("12", Reference::Number(12)),
            ("#12", Reference::Number(12)),
            ("01k3v5xw3v8e2d9ghyq0r5m7pz", Reference::Id("01k3v5xw3v8e2d9ghyq0r5m7pz".to_owned())),
            ("m7pz", Reference::Suffix("m7pz".to_owned())),
        ] {
            assert_eq!(text.parse(), Ok(meant), "{text}");
        }
        for wrong in [
            "",
            "#",
            "shop#",
            "shop#x",
            "#latest",
            "a/b#1",
            "shop#1#2",
            "shop",
            "abc",
            "SHOP",
            "../..",
            "99999999999999999999",
            "é123",
        ] {
            let read = wrong.parse::<Reference>();
            let is_suffix = wrong == "shop" && read == Ok(Reference::Suffix("shop".to_owned()));
            assert!(read.is_err() || is_suffix, "{wrong}: {read:?}");
        }
    }
}
