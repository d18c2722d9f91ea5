//! `gantry cache …`: list, rm.

use super::answer::{Cache, Page};
use super::api::Api;
use super::screen::Hue;
use super::table::{Cell, Table};
use super::text::one_line;
use super::{CacheVerb, Failure, Screen};
use crate::base::{Size, ago};

pub(super) async fn perform(api: &Api, screen: &mut Screen, verb: CacheVerb, json: bool) -> Result<(), Failure> {
    match verb {
        CacheVerb::List { repo } => list(api, screen, &repo, json).await,
        CacheVerb::Rm { repo, keys, all } => remove(api, screen, &repo, &keys, all, json).await,
    }
}

async fn list(api: &Api, screen: &mut Screen, repo: &str, json: bool) -> Result<(), Failure> {
    let answer = api.get(api.url(&["api", "v1", "repos", repo, "caches"])).await?;
    if json {
        return screen.json(&answer.text);
    }
    let caches: Page<Cache> = answer.read()?;
    if caches.items.is_empty() {
        return screen.say(&format!("{repo} has no cache yet: a job that passes saves those of its steps"));
    }
    let now = screen.now();
    let mut table = Table::new(["ID", "KEY", "SCOPE", "SIZE", "MADE", "USED"]);
    for cache in &caches.items {
        table.row([
            Cell::hued(&cache.id, Hue::Quiet),
            Cell::hued(one_line(&cache.key), Hue::Strong),
            Cell::new(&cache.scope),
            Cell::new(Size(cache.stored).to_string()),
            Cell::new(ago(now.ms_since(cache.made_at))),
            Cell::new(ago(now.ms_since(cache.used_at))),
        ]);
    }
    screen.data(&table.render(screen.colour))
}

/// Every cache of each key, in whatever scope; an id is one cache.
async fn remove(api: &Api, screen: &mut Screen, repo: &str, keys: &[String], all: bool, json: bool) -> Result<(), Failure> {
    let answer = api.get(api.url(&["api", "v1", "repos", repo, "caches"])).await?;
    let caches: Page<Cache> = answer.read()?;
    let is_meant = |cache: &&Cache, key: &String| cache.key == *key || cache.id == *key;
    for key in keys {
        if !caches.items.iter().any(|cache| is_meant(&cache, key)) {
            let advice = format!("`gantry cache list {repo}` shows which there are");
            return Err(Failure::NotFound(format!("{repo} has no cache `{}`: {advice}", one_line(key))));
        }
    }
    let meant: Vec<&Cache> = caches.items.iter().filter(|cache| all || keys.iter().any(|key| is_meant(cache, key))).collect();
    for cache in &meant {
        api.delete(&["api", "v1", "repos", repo, "caches", &cache.id]).await?;
        if !json {
            screen.say(&format!("removed {} ({})", one_line(&cache.key), Size(cache.stored)))?;
        }
    }
    if json {
        let ids: Vec<&str> = meant.iter().map(|cache| cache.id.as_str()).collect();
        return screen.json(&serde_json::json!({ "removed": ids }).to_string());
    }
    if meant.is_empty() { screen.say("there was none") } else { Ok(()) }
}
