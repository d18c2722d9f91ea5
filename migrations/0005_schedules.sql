-- Entries of `on.cron` in the files of each repository's default branch. What belongs to a repository's removal goes with it.
CREATE TABLE schedules (
    repo_id TEXT NOT NULL REFERENCES repos (id) ON DELETE CASCADE,
    file TEXT NOT NULL,
    name TEXT NOT NULL,
    expression TEXT NOT NULL,
    timezone TEXT NOT NULL,
    -- NULL: it has no next time (30 February).
    next_at BIGINT,
    -- The last time that it was due, when it was answered, and the run that came of it, if one did.
    due_at BIGINT,
    fired_at BIGINT,
    last_run TEXT REFERENCES runs (id) ON DELETE SET NULL,
    PRIMARY KEY (repo_id, file, name)
);
CREATE INDEX schedules_next ON schedules (next_at);
CREATE INDEX schedules_last_run ON schedules (last_run);
