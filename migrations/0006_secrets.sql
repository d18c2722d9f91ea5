-- Values are sealed under the data directory's key and bound to their row; what is here is of no use to whoever reads it.
CREATE TABLE secrets (
    -- The repository's id; empty: for all of them.
    scope TEXT NOT NULL,
    name TEXT NOT NULL,
    -- The same once more, so that a secret goes with its repository; NULL: for all of them.
    repo_id TEXT REFERENCES repos (id) ON DELETE CASCADE,
    sealed TEXT NOT NULL,
    -- For which events and branches it is.
    policy_json TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (scope, name)
);

-- What an attempt was given, kept for as long as its job lives: after a crash its output is masked with exactly that, whatever became of the secrets.
CREATE TABLE attempt_secrets (
    run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    job BIGINT NOT NULL,
    step BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    sealed TEXT NOT NULL,
    PRIMARY KEY (run_id, job, step, attempt)
);
