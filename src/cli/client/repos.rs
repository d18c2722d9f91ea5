//! `gantry repo …`: add, list, sync, remove.

use std::path::Path;

use serde_json::json;

use super::answer::{Page, Repo};
use super::api::Api;
use super::screen::Hue;
use super::table::{Cell, Table};
use super::{Failure, RepoVerb, Screen};
use crate::base::{Span, ago};

pub(super) async fn perform(api: &Api, screen: &mut Screen, verb: RepoVerb, json: bool) -> Result<(), Failure> {
    match verb {
        RepoVerb::Add { name, url, poll } => add(api, screen, &name, &url, poll.as_deref(), json).await,
        RepoVerb::List => list(api, screen, json).await,
        RepoVerb::Sync { name } => {
            let answer = api.post(&["api", "v1", "repos", &name, "sync"], None).await?;
            if json { screen.json(&answer.text) } else { screen.say(&format!("{name} is being polled")) }
        }
        RepoVerb::Remove { name } => {
            let answer = api.delete(&["api", "v1", "repos", &name]).await?;
            if json {
                screen.json(&answer.text)
            } else {
                screen.say(&format!("{name} is no longer watched; its runs are forgotten"))
            }
        }
    }
}

async fn add(api: &Api, screen: &mut Screen, name: &str, url: &str, poll: Option<&str>, json: bool) -> Result<(), Failure> {
    let url = from_here(url, &screen.here);
    let mut new = json!({ "name": name, "url": url });
    if let Some(poll) = poll {
        new["poll"] = poll.into();
    }
    let answer = api.post(&["api", "v1", "repos"], Some(&new)).await?;
    if json {
        return screen.json(&answer.text);
    }
    let repo: Repo = answer.read()?;
    let hook = format!("{}{}", api.address(), repo.webhook.path);
    let secret = repo.webhook.secret.unwrap_or_default();
    for (what, value) in [
        ("repository", repo.name.as_str()),
        ("url", repo.url.as_str()),
        ("polled", &format!("every {}", Span(repo.poll_ms))),
        ("webhook", &repo.webhook.path),
        ("secret", &secret),
    ] {
        let what = screen.colour.paint(Hue::Quiet, &format!("{what:<12}"));
        screen.data(&format!("{what}{value}\n"))?;
    }
    screen.say(&hook_advice(&hook, &secret))?;
    screen.say(&format!(
        "\nIts default branch is run once it has been fetched: gantry logs -f {0}/latest\nHow watching it goes: gantry repo list",
        repo.name
    ))
}

/// How to say that there is news: lines for a shell.
fn hook_advice(hook: &str, secret: &str) -> String {
    format!(
        "
Polling finds every push. A hook finds it at once; this one says so by hand. The secret is not shown again:

  BODY='{{}}'
  SIGNATURE=$(printf %s \"$BODY\" | openssl dgst -sha256 -hmac {secret} -r | cut -d' ' -f1)
  curl -X POST -H \"X-Gantry-Signature-256: sha256=$SIGNATURE\" --data-binary \"$BODY\" {hook}"
    )
}

async fn list(api: &Api, screen: &mut Screen, json: bool) -> Result<(), Failure> {
    let answer = api.get(api.url(&["api", "v1", "repos"])).await?;
    if json {
        return screen.json(&answer.text);
    }
    let repos: Page<Repo> = answer.read()?;
    if repos.items.is_empty() {
        return screen.say("there is no repository yet: add one with `gantry repo add NAME URL`");
    }
    let now = screen.now();
    let mut table = Table::new(["NAME", "URL", "POLLED", "SINCE", "STATUS"]);
    for repo in &repos.items {
        table.row([
            Cell::hued(&repo.name, Hue::Strong),
            Cell::new(&repo.url),
            Cell::new(format!("every {}", Span(repo.poll_ms))),
            Cell::new(ago(now.ms_since(repo.status.at))),
            Cell::hued(&repo.status.sentence, if repo.status.ok { Hue::Good } else { Hue::Bad }),
        ]);
    }
    screen.data(&table.render(screen.colour))
}

/// A relative path is meant from where the user stands, which the server cannot know. Everything else stays as it is, and the server judges it.
fn from_here(url: &str, here: &Path) -> String {
    // As Git reads it: a colon before any slash makes it a host's.
    let is_remote = url.contains("://") || url.find(':').is_some_and(|colon| !url[..colon].contains('/'));
    if url.is_empty() || is_remote || Path::new(url).is_absolute() {
        return url.to_owned();
    }
    let path = here.join(url);
    path.canonicalize().unwrap_or(path).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_path_is_meant_from_the_users_directory() {
        let dir = tempfile::tempdir().unwrap();
        let here = dir.path().canonicalize().unwrap();
        std::fs::create_dir_all(here.join("shop.git")).unwrap();
        std::fs::create_dir_all(here.join("work")).unwrap();
        let meant = here.join("shop.git").to_string_lossy().into_owned();
        assert_eq!(from_here("shop.git", &here), meant);
        assert_eq!(from_here("./shop.git/", &here), meant);
        assert_eq!(from_here("../shop.git", &here.join("work")), meant);
        assert_eq!(from_here(".", &here), here.to_string_lossy());
        assert_eq!(from_here("missing", &here), here.join("missing").to_string_lossy(), "the server says that it is not there");
    }

    #[test]
    fn what_is_no_relative_path_stays_as_it_is() {
        let here = Path::new("/home/ada");
        for url in
            ["", "/srv/shop.git", "file:///srv/shop.git", "https://example.org/shop.git", "git@example.org:shop.git", "host:a/b"]
        {
            assert_eq!(from_here(url, here), url);
        }
        assert_eq!(from_here("./odd:name", here), "/home/ada/./odd:name");
    }
}
