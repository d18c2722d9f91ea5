//! Rows of caches: what is kept from one run to the next.
//!
//! **Invariants:** what is kept under a key stays as it is: the first one wins, and only its removal makes room for another; a cache is found only in the
//! repository it is of, and only in the scopes that are asked for.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use sqlx::any::AnyRow;

use super::blobs::{Blobs, Kept};
use super::row::{Fields, plain, to_int, to_json};
use super::write::Write;
use super::{Error, Store, sql};
use crate::base::{CacheId, RepoId, RunId, Timestamp};

/// A kept cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    pub id: CacheId,
    /// `trusted`, or `pr-N`.
    pub scope: String,
    pub key: String,
    /// Those that were asked for.
    pub paths: Vec<String>,
    /// Bytes of its archives.
    pub size: u64,
    /// Compressed.
    pub stored: u64,
    /// Wrote it; may be gone.
    pub run: RunId,
    pub made_at: Timestamp,
    pub used_at: Timestamp,
}

/// The archive of one path of a cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachePart {
    pub path: String,
    pub size: u64,
    /// SHA-256 of the archive, as hex.
    pub hash: String,
}

/// A cache that is to be kept.
pub struct NewCache<'a> {
    pub id: CacheId,
    pub repo: &'a RepoId,
    pub scope: &'a str,
    pub key: &'a str,
    pub paths: &'a [String],
    pub run: &'a RunId,
    /// Of the paths that were there.
    pub parts: Vec<NewPart>,
}

/// The archive of one path that was there.
pub struct NewPart {
    pub path: String,
    pub content: Arc<Kept>,
}

impl NewCache<'_> {
    /// Compressed bytes.
    #[must_use]
    pub fn stored(&self) -> u64 {
        self.parts.iter().map(|part| part.content.stored).sum()
    }
}

impl Blobs {
    /// Keeps a cache; false when there is one of that key and those paths already.
    pub async fn keep_cache(&self, cache: &NewCache<'_>, now: Timestamp) -> Result<bool, Error> {
        let NewCache { id, repo, scope, key, paths, run, parts } = cache;
        let store = self.store();
        let paths = to_json(paths)?;
        let mut write = Write::begin(store, now).await?;
        let add = sqlx::query(sql::CACHE_ADD)
            .bind(id.as_str())
            .bind(repo.as_str())
            .bind(*scope)
            .bind(plain(key))
            .bind(plain(&paths))
            .bind(paths_id(&paths))
            .bind(to_int("a size", parts.iter().map(|part| part.content.size).sum())?)
            .bind(to_int("a size", cache.stored())?)
            .bind(run.as_str())
            .bind(now.0);
        let added = add.execute(write.connection()).await.map_err(|error| match error.as_database_error() {
            Some(e) if e.is_foreign_key_violation() => Error::Gone(format!("repository {repo}")),
            _ => store.error("a cache cannot be kept", error),
        })?;
        if added.rows_affected() == 0 {
            return Ok(false);
        }
        let mut doubles = Vec::new();
        for (position, NewPart { path, content }) in (0_i64..).zip(parts) {
            doubles.extend(self.name_blob(&mut write, content, now).await?);
            let part = sqlx::query(sql::CACHE_PART_ADD)
                .bind(id.as_str())
                .bind(position)
                .bind(plain(path))
                .bind(to_int("a size", content.size)?)
                .bind(content.hash.as_str());
            write.execute("a cache cannot be kept", part).await?;
        }
        write.commit().await?;
        self.remove_doubles(doubles).await;
        Ok(true)
    }
}

impl Store {
    /// The cache of this very key and these paths.
    pub async fn cache_of(&self, repo: &RepoId, scope: &str, key: &str, paths: &[String]) -> Result<Option<Cache>, Error> {
        let query =
            sqlx::query(sql::CACHE_EXACT).bind(repo.as_str()).bind(scope).bind(plain(key)).bind(paths_id(&to_json(&paths)?));
        let row = query.fetch_optional(&self.inner.read).await;
        row.map_err(|error| self.error("a cache cannot be looked up", error))?.as_ref().map(cache_of).transpose()
    }

    /// The newest cache of these paths whose key begins so, in either scope.
    pub async fn newest_cache(
        &self,
        repo: &RepoId,
        scopes: [&str; 2],
        prefix: &str,
        paths: &[String],
    ) -> Result<Option<Cache>, Error> {
        let query = sqlx::query(sql::CACHE_NEWEST)
            .bind(repo.as_str())
            .bind(scopes[0])
            .bind(scopes[1])
            .bind(paths_id(&to_json(&paths)?))
            .bind(plain(prefix));
        let row = query.fetch_optional(&self.inner.read).await;
        row.map_err(|error| self.error("a cache cannot be looked up", error))?.as_ref().map(cache_of).transpose()
    }

    /// The archives of a cache, in order.
    pub async fn cache_parts(&self, id: &CacheId) -> Result<Vec<CachePart>, Error> {
        let rows = sqlx::query(sql::CACHE_PARTS).bind(id.as_str()).fetch_all(&self.inner.read).await;
        let rows = rows.map_err(|error| self.error("a cache cannot be looked up", error))?;
        let part_of = |row: &AnyRow| {
            let fields = Fields::new(row, "part of a cache", "position");
            Ok(CachePart { path: fields.text("path")?, size: fields.count("size")?, hash: fields.text("blob")? })
        };
        rows.iter().map(part_of).collect()
    }

    /// It was used just now.
    pub async fn cache_was_used(&self, id: &CacheId, now: Timestamp) -> Result<(), Error> {
        let mut write = Write::begin(self, now).await?;
        let used = sqlx::query(sql::CACHE_USED).bind(id.as_str()).bind(now.0);
        write.execute("the use of a cache cannot be noted", used).await?;
        write.commit().await?;
        Ok(())
    }

    /// The caches of a repository, last used first.
    pub async fn caches(&self, repo: &RepoId) -> Result<Vec<Cache>, Error> {
        let rows = sqlx::query(sql::CACHES).bind(repo.as_str()).fetch_all(&self.inner.read).await;
        rows.map_err(|error| self.error("the caches cannot be read", error))?.iter().map(cache_of).collect()
    }

    /// Removes a cache of this repository; false when there is none.
    pub async fn remove_cache(&self, repo: &RepoId, id: &CacheId, now: Timestamp) -> Result<bool, Error> {
        let mut write = Write::begin(self, now).await?;
        let remove = sqlx::query(sql::CACHE_REMOVE).bind(id.as_str()).bind(repo.as_str());
        let removed = write.execute("the cache cannot be removed", remove).await?;
        write.commit().await?;
        Ok(removed > 0)
    }

    /// Repositories that have caches.
    pub async fn repos_with_caches(&self) -> Result<Vec<RepoId>, Error> {
        let rows = sqlx::query(sql::CACHE_REPOS).fetch_all(&self.inner.read).await;
        let rows = rows.map_err(|error| self.error("the caches cannot be read", error))?;
        rows.iter().map(|row| Fields::new(row, "caches of repository", "repo_id").parse("repo_id")).collect()
    }

    /// Removes the least recently used caches of a repository until the rest is at most `quota` compressed bytes; answers those that went.
    pub async fn evict_caches(&self, repo: &RepoId, quota: u64, now: Timestamp) -> Result<Vec<Cache>, Error> {
        let mut write = Write::begin(self, now).await?;
        let rows = sqlx::query(sql::CACHES).bind(repo.as_str()).fetch_all(write.connection()).await;
        let rows = rows.map_err(|error| self.error("the caches cannot be read", error))?;
        let (mut total, mut evicted) = (0_u64, Vec::new());
        for row in &rows {
            let cache = cache_of(row)?;
            if total.saturating_add(cache.stored) <= quota {
                total += cache.stored;
                continue;
            }
            let remove = sqlx::query(sql::CACHE_REMOVE).bind(cache.id.as_str()).bind(repo.as_str());
            write.execute("a cache cannot be removed", remove).await?;
            evicted.push(cache);
        }
        if !evicted.is_empty() {
            write.commit().await?;
        }
        Ok(evicted)
    }
}

fn paths_id(json: &str) -> String {
    hex::encode(Sha256::digest(json.as_bytes()))
}

fn cache_of(row: &AnyRow) -> Result<Cache, Error> {
    let fields = Fields::new(row, "cache", "id");
    Ok(Cache {
        id: fields.parse("id")?,
        scope: fields.text("scope")?,
        key: fields.text("key")?,
        paths: fields.json("paths_json")?,
        size: fields.count("size")?,
        stored: fields.count("stored")?,
        run: fields.parse("run_id")?,
        made_at: fields.time("made_at")?,
        used_at: fields.time("used_at")?,
    })
}
