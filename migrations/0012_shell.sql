-- Terminals in steps: who had one, when, where. A row is written before its terminal opens; one that is still open at the server's start ended with the
-- server before.
CREATE TABLE terminals (
    id TEXT NOT NULL PRIMARY KEY,
    run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    job BIGINT NOT NULL,
    step BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    -- What whoever asked said their name is: there is no login.
    who TEXT NOT NULL,
    -- Where they asked from.
    address TEXT NOT NULL,
    opened_at BIGINT NOT NULL,
    closed_at BIGINT,
    -- Why it ended, as a sentence, and the exit code of what ran in it.
    reason TEXT,
    exit_code BIGINT
);
CREATE INDEX terminals_of_run ON terminals (run_id, opened_at);
