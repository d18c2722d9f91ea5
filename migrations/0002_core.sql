-- What was answered when a job was to be approved, and why a job alone is stopped.
ALTER TABLE jobs ADD COLUMN decision_json TEXT;
ALTER TABLE jobs ADD COLUMN stop_json TEXT;

-- What an attempt wrote for the run's page, as Markdown. The place in the plan is that of the steps' rows.
CREATE TABLE summaries (
    run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    job BIGINT NOT NULL,
    step BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (run_id, job, step, attempt)
);
