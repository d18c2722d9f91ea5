-- One text for SQLite and Postgres: columns are TEXT and BIGINT only. Times are Unix milliseconds, JSON and enums are text.

-- 'events': the highest sequence number given. Every writing transaction takes this row first, so numbers grow in the order of commits.
CREATE TABLE counters (
    name TEXT NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO counters (name, value) VALUES ('events', 0);

CREATE TABLE settings (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE repos (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    url TEXT NOT NULL,
    poll_ms BIGINT NOT NULL,
    hook_secret TEXT NOT NULL,
    added_at BIGINT NOT NULL,
    default_branch TEXT,
    status_ok BIGINT NOT NULL,
    status_sentence TEXT NOT NULL,
    status_at BIGINT NOT NULL,
    -- The number of its newest run.
    last_number BIGINT NOT NULL
);

-- What was last taken in.
CREATE TABLE refs (
    repo_id TEXT NOT NULL REFERENCES repos (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    target TEXT NOT NULL,
    PRIMARY KEY (repo_id, name)
);

CREATE TABLE notes (
    seq BIGINT NOT NULL PRIMARY KEY,
    repo_id TEXT NOT NULL REFERENCES repos (id) ON DELETE CASCADE,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    sentence TEXT NOT NULL,
    reference TEXT,
    commit_id TEXT
);
CREATE INDEX notes_of_repo ON notes (repo_id, seq);

CREATE TABLE deliveries (
    id TEXT NOT NULL PRIMARY KEY,
    repo_id TEXT NOT NULL REFERENCES repos (id) ON DELETE CASCADE,
    forge TEXT NOT NULL,
    headers TEXT NOT NULL,
    body_hex TEXT NOT NULL,
    received_at BIGINT NOT NULL,
    -- NULL until an intake has answered it.
    done_at BIGINT
);
CREATE INDEX deliveries_of_repo ON deliveries (repo_id);
CREATE INDEX deliveries_open ON deliveries (received_at, id) WHERE done_at IS NULL;

CREATE TABLE runs (
    id TEXT NOT NULL PRIMARY KEY,
    -- Sequence number of its first event: the order in which runs were made.
    made BIGINT NOT NULL UNIQUE,
    repo_id TEXT NOT NULL REFERENCES repos (id) ON DELETE CASCADE,
    repo_name TEXT NOT NULL,
    number BIGINT NOT NULL,
    pipeline TEXT NOT NULL,
    branch TEXT NOT NULL,
    queued_at BIGINT NOT NULL,
    trigger_json TEXT NOT NULL,
    plan_json TEXT NOT NULL,
    problems_json TEXT NOT NULL,
    rerun_of TEXT,
    -- The truth …
    life_json TEXT NOT NULL,
    stop_json TEXT,
    -- … and the same for lists.
    state TEXT NOT NULL,
    outcome TEXT,
    started_at BIGINT,
    ended_at BIGINT,
    UNIQUE (repo_id, number)
);
CREATE INDEX runs_of_repo ON runs (repo_name, made);
CREATE INDEX runs_open ON runs (made) WHERE state <> 'ended';

-- A job or step without a row is as it was when its run was made: waiting.
CREATE TABLE jobs (
    run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    job BIGINT NOT NULL,
    state_json TEXT NOT NULL,
    PRIMARY KEY (run_id, job)
);

CREATE TABLE steps (
    run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    job BIGINT NOT NULL,
    step BIGINT NOT NULL,
    state_json TEXT NOT NULL,
    PRIMARY KEY (run_id, job, step)
);

CREATE TABLE events (
    seq BIGINT NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    -- Without a reference: that a repository was removed is told after it is gone.
    repo_id TEXT,
    run_id TEXT REFERENCES runs (id) ON DELETE CASCADE,
    job BIGINT,
    step BIGINT,
    body TEXT NOT NULL
);
CREATE INDEX events_of_run ON events (run_id, seq);
