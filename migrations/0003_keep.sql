-- Artifacts and caches. Contents are outside of the database, under generated names; a row here is what makes them count.

-- One for each different content. It may go once no other row names it.
CREATE TABLE blobs (
    -- SHA-256 of the content, as hex.
    hash TEXT NOT NULL PRIMARY KEY,
    -- The name of the object that holds it, compressed.
    object TEXT NOT NULL UNIQUE,
    size BIGINT NOT NULL,
    -- Bytes of content in each frame but the last, and the compressed length of each, as a JSON list.
    frame BIGINT NOT NULL,
    frames_json TEXT NOT NULL,
    -- Compressed bytes.
    stored BIGINT NOT NULL,
    made_at BIGINT NOT NULL
);

CREATE TABLE artifacts (
    run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    job BIGINT NOT NULL,
    -- Relative to the work tree.
    path TEXT NOT NULL,
    step BIGINT NOT NULL,
    mode BIGINT NOT NULL,
    -- What it may be shown as: 'text', 'png', 'jpeg', 'gif', 'webp' or 'other'.
    kind TEXT NOT NULL,
    size BIGINT NOT NULL,
    blob TEXT NOT NULL REFERENCES blobs (hash),
    made_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (run_id, job, path)
);
CREATE INDEX artifacts_of_blob ON artifacts (blob);
CREATE INDEX artifacts_expiring ON artifacts (expires_at);

CREATE TABLE caches (
    id TEXT NOT NULL PRIMARY KEY,
    repo_id TEXT NOT NULL REFERENCES repos (id) ON DELETE CASCADE,
    -- 'trusted', or 'pr-N'.
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    -- The paths that were asked for, as a JSON list, and its SHA-256: a cache of other paths is another cache.
    paths_json TEXT NOT NULL,
    paths_id TEXT NOT NULL,
    size BIGINT NOT NULL,
    stored BIGINT NOT NULL,
    -- The run that wrote it; it may be gone.
    run_id TEXT NOT NULL,
    made_at BIGINT NOT NULL,
    used_at BIGINT NOT NULL,
    UNIQUE (repo_id, scope, key, paths_id)
);

-- One for each path that was there.
CREATE TABLE cache_parts (
    cache_id TEXT NOT NULL REFERENCES caches (id) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    path TEXT NOT NULL,
    size BIGINT NOT NULL,
    blob TEXT NOT NULL REFERENCES blobs (hash),
    PRIMARY KEY (cache_id, position)
);
CREATE INDEX cache_parts_of_blob ON cache_parts (blob);
