-- What the reports of test runners said. One row of `reports` is what one attempt left; numbers are given here, in the order of keeping.
CREATE TABLE reports (
    n BIGINT NOT NULL PRIMARY KEY,
    run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    job BIGINT NOT NULL,
    step BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    repo_id TEXT NOT NULL,
    -- The same test of the same commit in the same place should always end the same.
    commit_id TEXT NOT NULL,
    pipeline TEXT NOT NULL,
    job_name TEXT NOT NULL,
    step_name TEXT NOT NULL,
    branch TEXT NOT NULL,
    at BIGINT NOT NULL,
    -- What could not be read, as sentences.
    problems_json TEXT NOT NULL,
    -- Results kept so far: where keeping goes on after a crash. NULL in `done_at` until all are.
    kept BIGINT NOT NULL,
    done_at BIGINT,
    -- Of the results that no later attempt at the step replaced.
    total BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    skipped BIGINT NOT NULL,
    flaky BIGINT NOT NULL,
    UNIQUE (run_id, job, step, attempt)
);
CREATE INDEX reports_of_commit ON reports (repo_id, commit_id);

-- A repository's tests, each with what lists show of its newest results.
CREATE TABLE tests (
    n BIGINT NOT NULL PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    repo_id TEXT NOT NULL REFERENCES repos (id) ON DELETE CASCADE,
    suite TEXT NOT NULL,
    name TEXT NOT NULL,
    file TEXT,
    -- The newest results first, a letter each: P(assed), F(ailed), E(rror), S(kipped); small when flaky.
    recent TEXT NOT NULL,
    -- Counted of these.
    failures BIGINT NOT NULL,
    flakes BIGINT NOT NULL,
    -- How long it usually takes: each result moves it a quarter of the way.
    usual_ms BIGINT,
    last_at BIGINT NOT NULL,
    last_run TEXT NOT NULL
);
CREATE INDEX tests_of_repo ON tests (repo_id, flakes, n);

CREATE TABLE test_results (
    report BIGINT NOT NULL REFERENCES reports (n) ON DELETE CASCADE,
    ix BIGINT NOT NULL,
    test BIGINT NOT NULL REFERENCES tests (n) ON DELETE CASCADE,
    outcome TEXT NOT NULL,
    -- The order in which people want to see them: 0 did not pass, 1 flaky, 2 skipped, 3 passed.
    rank BIGINT NOT NULL,
    flaky BIGINT NOT NULL,
    -- 0 once a later attempt at the same step told of the same test.
    latest BIGINT NOT NULL,
    duration_ms BIGINT,
    message TEXT,
    details TEXT,
    PRIMARY KEY (report, ix)
);
CREATE INDEX test_results_of_test ON test_results (test, report, ix);
CREATE INDEX test_results_to_see ON test_results (report, rank, ix) WHERE rank < 2;
