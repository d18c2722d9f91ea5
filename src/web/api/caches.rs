//! Caches of a repository: list, remove.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::base::CacheId;
use crate::store::Cache;
use crate::web::app::App;
use crate::web::extract::At;
use crate::web::problem::Problem;

pub(super) async fn list(State(app): State<App>, At(name): At<String>) -> Result<Json<Value>, Problem> {
    let repo = app.repo(&name).await?;
    let caches = app.store().caches(&repo.id).await?;
    let used: u64 = caches.iter().map(|cache| cache.stored).sum();
    let items: Vec<Value> = caches.iter().map(as_json).collect();
    Ok(Json(json!({ "items": items, "next": null, "used_bytes": used, "quota_bytes": app.handle.cache_quota() })))
}

fn as_json(cache: &Cache) -> Value {
    let Cache { id, scope, key, paths, size, stored, run, made_at, used_at } = cache;
    json!({
        "id": id, "scope": scope, "key": key, "paths": paths, "size": size, "stored": stored, "run": run, "made_at": made_at,
        "used_at": used_at,
    })
}

pub(super) async fn remove(State(app): State<App>, At((name, id)): At<(String, String)>) -> Result<StatusCode, Problem> {
    let repo = app.repo(&name).await?;
    app.handle.remove_cache(&repo.name, &id_of(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(in crate::web) fn id_of(id: &str) -> Result<CacheId, Problem> {
    id.parse().map_err(|_| Problem::not_found(format!("There is no cache {}.", id.chars().take(80).collect::<String>())))
}
