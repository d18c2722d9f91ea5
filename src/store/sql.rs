//! Every statement there is, in one text for SQLite and Postgres; a test prepares each of them on both.
//!
//! **Invariants:** one statement per string; parameters are `$1`, `$2`, …, which both understand; a parameter that stands alone (`IS NULL`) is cast,
//! since Postgres could not tell its type; no text is ever put together from values.

macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $sql:expr;)*) => {
        $($(#[$doc])* pub(super) const $name: &str = $sql;)*
        /// All statements.
        pub const ALL: &[&str] = &[$($sql),*];
    };
}

macro_rules! repo_select {
    ($rest:literal) => {
        concat!(
            "SELECT id, name, url, poll_ms, hook_secret, added_at, default_branch, status_ok, status_sentence, status_at FROM repos ",
            $rest
        )
    };
}

macro_rules! summary_columns {
    () => {
        "id, number, repo_id, repo_name, pipeline, trigger_json, stop_json, life_json, queued_at"
    };
}

macro_rules! run_page {
    ($repo:literal) => {
        concat!(
            "SELECT ",
            summary_columns!(),
            " FROM runs WHERE made < $1 AND (CAST($2 AS TEXT) IS NULL OR branch = CAST($2 AS TEXT)) \
             AND (CAST($3 AS TEXT) IS NULL OR outcome = CAST($3 AS TEXT)) ",
            $repo,
            " ORDER BY made DESC LIMIT $4"
        )
    };
}

macro_rules! run_select {
    ($rest:literal) => {
        concat!(
            "SELECT id, repo_id, repo_name, number, queued_at, trigger_json, plan_json, problems_json, life_json, stop_json FROM runs ",
            $rest
        )
    };
}

/// The newest results of a test, this one in front.
macro_rules! recent_now {
    () => {
        // The number is `limits::TEST_RECENT`; a test holds the two together.
        "substr(excluded.recent || tests.recent, 1, 50)"
    };
}

/// How many of the newest results did not pass: the letters that a text loses with these.
macro_rules! failures_now {
    () => {
        concat!(
            "length(",
            recent_now!(),
            ") - length(replace(replace(replace(replace(",
            recent_now!(),
            ", 'F', ''), 'E', ''), 'f', ''), 'e', ''))"
        )
    };
}

macro_rules! unnamed_blob {
    () => {
        "NOT EXISTS (SELECT 1 FROM artifacts WHERE artifacts.blob = blobs.hash) \
         AND NOT EXISTS (SELECT 1 FROM cache_parts WHERE cache_parts.blob = blobs.hash)"
    };
}

macro_rules! artifact_select {
    ($rest:literal) => {
        concat!(
            "SELECT job, step, path, mode, kind, size, blob, made_at, expires_at FROM artifacts WHERE run_id = $1 AND ",
            $rest
        )
    };
}

/// How many of the newest results are flaky: the small letters.
macro_rules! flakes_now {
    () => {
        concat!("length(", recent_now!(), ") - length(replace(replace(replace(", recent_now!(), ", 'p', ''), 'f', ''), 'e', ''))")
    };
}

/// Results of a run, from a place on. Only the places are sorted: messages and details are long.
macro_rules! run_tests {
    ($join:literal, $from:literal, $where:literal, $order:literal) => {
        concat!(
            "SELECT t.report, t.ix, t.rank, t.test, s.id, s.suite, s.name, s.file, t.outcome, t.flaky, t.duration_ms, t.message, t.details, \
             r.job_name, r.step_name, r.attempt FROM (SELECT t.report AS report, t.ix AS ix FROM reports r JOIN test_results t ON t.report = r.n ",
            $join,
            " WHERE r.run_id = $1 AND t.latest = 1 ",
            $from,
            $where,
            " ORDER BY ",
            $order,
            " LIMIT $2) k JOIN test_results t ON t.report = k.report AND t.ix = k.ix JOIN reports r ON r.n = t.report \
             JOIN tests s ON s.n = t.test ORDER BY ",
            $order
        )
    };
}

macro_rules! run_tests_after {
    ($join:literal, $where:literal) => {
        run_tests!(
            $join,
            "AND (t.rank > $3 OR (t.rank = $3 AND (t.report > $4 OR (t.report = $4 AND t.ix > $5)))) \
             AND (CAST($6 AS TEXT) IS NULL OR t.outcome = CAST($6 AS TEXT)) AND t.rank <= $7 AND t.flaky >= $8 ",
            $where,
            "t.rank, t.report, t.ix"
        )
    };
}

macro_rules! test_columns {
    () => {
        "n, id, suite, name, file, recent, failures, flakes, usual_ms, last_at, last_run"
    };
}

/// Tests of a repository, from a place on. Without a search, those that nobody has run for a month are left out.
macro_rules! repo_tests {
    ($first:literal, $second:literal) => {
        concat!(
            "SELECT ",
            test_columns!(),
            " FROM tests WHERE repo_id = $1 AND (",
            $first,
            " < $3 OR (",
            $first,
            " = $3 AND (",
            $second,
            " < $4 OR (",
            $second,
            " = $4 AND n > $5)))) AND ((CAST($6 AS TEXT) IS NULL AND last_at >= $7) \
             OR lower(suite || ' ' || name) LIKE lower(CAST($6 AS TEXT)) ESCAPE '!') ORDER BY ",
            $first,
            " DESC, ",
            $second,
            " DESC, n LIMIT $2"
        )
    };
}

macro_rules! cache_select {
    ($rest:literal) => {
        concat!(
            "SELECT id, scope, key, paths_json, size, stored, run_id, made_at, used_at FROM caches WHERE repo_id = $1 ",
            $rest
        )
    };
}

macro_rules! schedule_select {
    ($rest:literal) => {
        concat!(
            "SELECT s.repo_id, s.file, s.name, s.expression, s.timezone, s.next_at, s.due_at, s.fired_at, s.last_run, \
             r.number AS last_number, r.state AS last_state, r.outcome AS last_outcome FROM schedules s LEFT JOIN runs r ON r.id = s.last_run ",
            $rest
        )
    };
}

statements! {
    /// Takes the counter's row, and with it the right to write, until the transaction ends.
    COUNTER_TAKE = "UPDATE counters SET value = value WHERE name = 'events' RETURNING value";
    COUNTER_SET = "UPDATE counters SET value = $1 WHERE name = 'events'";
    COUNTER = "SELECT value FROM counters WHERE name = 'events'";

    SETTING_ADD = "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
    SETTING = "SELECT value FROM settings WHERE name = $1";

    EVENT_ADD = "INSERT INTO events (seq, at, kind, repo_id, run_id, job, step, body) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    EVENTS_AFTER = "SELECT seq, at, kind, repo_id, run_id, job, step, body FROM events WHERE seq > $1 ORDER BY seq LIMIT $2";
    EVENTS_AFTER_OF_RUN =
        "SELECT seq, at, kind, repo_id, run_id, job, step, body FROM events WHERE run_id = $3 AND seq > $1 ORDER BY seq LIMIT $2";

    REPO_ADD = "INSERT INTO repos (id, name, url, poll_ms, hook_secret, added_at, default_branch, status_ok, status_sentence, status_at, last_number) \
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0)";
    REPOS = repo_select!("");
    REPO_BY_NAME = repo_select!("WHERE name = $1");
    REPO_BY_ID = repo_select!("WHERE id = $1");
    REPO_STATUS = "UPDATE repos SET status_ok = $1, status_sentence = $2, status_at = $3, default_branch = $4 WHERE id = $5";
    REPO_REMOVE = "DELETE FROM repos WHERE id = $1";
    REPO_NUMBER = "UPDATE repos SET last_number = last_number + 1 WHERE id = $1 RETURNING last_number";
    RUNS_OF_REPO = "SELECT id FROM runs WHERE repo_id = $1 ORDER BY made";

    REFS = "SELECT name, target FROM refs WHERE repo_id = $1";
    REF_SET = "INSERT INTO refs (repo_id, name, target) VALUES ($1, $2, $3) ON CONFLICT (repo_id, name) DO UPDATE SET target = excluded.target";
    REF_REMOVE = "DELETE FROM refs WHERE repo_id = $1 AND name = $2";

    NOTE_ADD = "INSERT INTO notes (seq, repo_id, at, kind, sentence, reference, commit_id) VALUES ($1, $2, $3, $4, $5, $6, $7)";
    NOTES = "SELECT seq, at, kind, sentence, reference, commit_id FROM notes WHERE repo_id = $1 ORDER BY seq DESC LIMIT $2";

    DELIVERY_ADD = "INSERT INTO deliveries (id, repo_id, forge, headers, body_hex, received_at) VALUES ($1, $2, $3, $4, $5, $6) \
                    ON CONFLICT (id) DO NOTHING";
    DELIVERIES_OPEN = "SELECT id, repo_id, forge, headers, body_hex, received_at FROM deliveries WHERE done_at IS NULL ORDER BY received_at, id";
    DELIVERY_DONE = "UPDATE deliveries SET done_at = $1 WHERE id = $2 AND repo_id = $3";

    SCHEDULES_OF_REPO = schedule_select!("WHERE s.repo_id = $1");
    SCHEDULES_DUE = schedule_select!("WHERE s.next_at <= $1 ORDER BY s.next_at LIMIT 100");
    SCHEDULE_NEXT = "SELECT next_at FROM schedules WHERE next_at IS NOT NULL ORDER BY next_at LIMIT 1";
    SCHEDULE_KEYS = "SELECT file, name, expression, timezone FROM schedules WHERE repo_id = $1";
    SCHEDULE_SET = "INSERT INTO schedules (repo_id, file, name, expression, timezone, next_at) VALUES ($1, $2, $3, $4, $5, $6) \
                    ON CONFLICT (repo_id, file, name) DO UPDATE \
                    SET expression = excluded.expression, timezone = excluded.timezone, next_at = excluded.next_at";
    SCHEDULE_REMOVE = "DELETE FROM schedules WHERE repo_id = $1 AND file = $2 AND name = $3";
    SCHEDULE_FIRED = "UPDATE schedules SET next_at = $5, due_at = $4, fired_at = $6, last_run = $7 \
                      WHERE repo_id = $1 AND file = $2 AND name = $3 AND next_at = $4";

    RUN_ADD = "INSERT INTO runs (id, made, repo_id, repo_name, number, pipeline, branch, queued_at, trigger_json, plan_json, problems_json, rerun_of, \
               life_json, stop_json, state, outcome, started_at, ended_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)";
    RUN_SET = concat!(
        "UPDATE runs SET life_json = $2, stop_json = $3, state = $4, outcome = $5, started_at = $6, ended_at = $7 WHERE id = $1 RETURNING ",
        summary_columns!()
    );
    JOB_SET = "INSERT INTO jobs (run_id, job, state_json, decision_json, stop_json, engine) VALUES ($1, $2, $3, $4, $5, $6) \
               ON CONFLICT (run_id, job) DO UPDATE SET state_json = excluded.state_json, decision_json = excluded.decision_json, \
               stop_json = excluded.stop_json, engine = excluded.engine";
    STEP_SET = "INSERT INTO steps (run_id, job, step, state_json) VALUES ($1, $2, $3, $4) \
                ON CONFLICT (run_id, job, step) DO UPDATE SET state_json = excluded.state_json";

    RUN = run_select!("WHERE id = $1");
    RUN_KNOWN = "SELECT id FROM runs WHERE id = $1";
    RUN_JOBS = "SELECT run_id, job, state_json, decision_json, stop_json, engine FROM jobs WHERE run_id = $1";
    RUN_STEPS = "SELECT run_id, job, step, state_json FROM steps WHERE run_id = $1";
    OPEN = run_select!("WHERE state <> 'ended' ORDER BY made");
    OPEN_JOBS = "SELECT run_id, job, state_json, decision_json, stop_json, engine FROM jobs WHERE run_id IN (SELECT id FROM runs WHERE state <> 'ended')";
    OPEN_STEPS = "SELECT run_id, job, step, state_json FROM steps WHERE run_id IN (SELECT id FROM runs WHERE state <> 'ended')";

    SUMMARY_SET = "INSERT INTO summaries (run_id, job, step, attempt, text) VALUES ($1, $2, $3, $4, $5) \
                   ON CONFLICT (run_id, job, step, attempt) DO UPDATE SET text = excluded.text";
    SUMMARIES = "SELECT run_id, job, step, attempt, text FROM summaries WHERE run_id = $1 ORDER BY job, step, attempt";

    SECRET_SET = "INSERT INTO secrets (scope, name, repo_id, sealed, policy_json, updated_at) VALUES ($1, $2, $3, $4, $5, $6) \
                  ON CONFLICT (scope, name) DO UPDATE SET sealed = excluded.sealed, policy_json = excluded.policy_json, \
                  updated_at = excluded.updated_at";
    SECRET_REMOVE = "DELETE FROM secrets WHERE scope = $1 AND name = $2";
    SECRETS = "SELECT repo_id, name, sealed, policy_json, updated_at FROM secrets WHERE scope = '' OR scope = $1";
    ATTEMPT_SECRETS_ADD = "INSERT INTO attempt_secrets (run_id, job, step, attempt, sealed) VALUES ($1, $2, $3, $4, $5) \
                           ON CONFLICT (run_id, job, step, attempt) DO NOTHING";
    ATTEMPT_SECRETS = "SELECT run_id, job, step, attempt, sealed FROM attempt_secrets WHERE run_id = $1 ORDER BY job, step, attempt";
    ATTEMPT_SECRETS_REMOVE = "DELETE FROM attempt_secrets WHERE run_id = $1 AND job = $2";
    ATTEMPT_SECRETS_SWEEP = "DELETE FROM attempt_secrets WHERE run_id IN (SELECT id FROM runs WHERE state = 'ended')";

    TERMINAL_ADD = "INSERT INTO terminals (id, run_id, job, step, attempt, who, address, opened_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    TERMINAL_CLOSE = "UPDATE terminals SET closed_at = $2, reason = $3, exit_code = $4 WHERE id = $1 AND closed_at IS NULL";
    TERMINALS_SWEEP = "UPDATE terminals SET closed_at = $1, reason = $2 WHERE closed_at IS NULL";
    TERMINALS = "SELECT id, run_id, job, step, attempt, who, address, opened_at, closed_at, reason, exit_code FROM terminals \
                 WHERE run_id = $1 ORDER BY opened_at, id";

    IMAGE_SET = "INSERT INTO images (engine, id, names_json, pulled_at, used_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (engine, id) DO UPDATE SET \
                 names_json = excluded.names_json, used_at = excluded.used_at";
    IMAGE_USED = "UPDATE images SET used_at = $3 WHERE engine = $1 AND id = $2 AND used_at < $3";
    IMAGE_REMOVE = "DELETE FROM images WHERE engine = $1 AND id = $2";
    IMAGES = "SELECT engine, id, names_json, pulled_at, used_at FROM images ORDER BY used_at, id";

    RUN_MADE = "SELECT made FROM runs WHERE id = $1";
    RUN_PAGE = run_page!("");
    RUN_PAGE_OF_REPO = run_page!("AND repo_name = $5");

    REPORT_ADD = "INSERT INTO reports (n, run_id, job, step, attempt, repo_id, commit_id, pipeline, job_name, step_name, branch, at, problems_json, \
                  kept, done_at, total, failed, skipped, flaky) VALUES ((SELECT coalesce(max(n), 0) + 1 FROM reports), $1, $2, $3, $4, $5, $6, $7, $8, \
                  $9, $10, $11, '[]', 0, NULL, 0, 0, 0, 0) ON CONFLICT (run_id, job, step, attempt) DO UPDATE SET at = reports.at \
                  RETURNING n, kept, done_at";
    REPORT_DONE = "SELECT done_at FROM reports WHERE run_id = $1 AND job = $2 AND step = $3 AND attempt = $4 AND done_at IS NOT NULL";
    REPORTS_KEPT = "SELECT CAST(coalesce(sum(kept), 0) AS BIGINT) AS kept FROM reports WHERE run_id = $1 AND n <> $2";
    REPORT_PROBLEMS = "UPDATE reports SET problems_json = $2 WHERE n = $1";
    REPORT_KEPT = "UPDATE reports SET kept = $2 WHERE n = $1";
    REPORT_END = "UPDATE reports SET done_at = $2 WHERE n = $1";
    /// What is known of the same commit in the same place: what may contradict a new result.
    REPORTS_OF_PLACE = "SELECT DISTINCT s.id AS id, t.outcome AS outcome FROM reports r JOIN test_results t ON t.report = r.n JOIN tests s ON s.n = t.test \
                        WHERE r.repo_id = $1 AND r.commit_id = $2 AND r.pipeline = $3 AND r.job_name = $4 AND r.step_name = $5 AND r.n <> $6 \
                        AND t.outcome <> 'skipped'";
    TEST_SET = concat!(
        "INSERT INTO tests (n, id, repo_id, suite, name, file, recent, failures, flakes, usual_ms, last_at, last_run) \
         VALUES ((SELECT coalesce(max(n), 0) + 1 FROM tests), $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
         ON CONFLICT (id) DO UPDATE SET file = coalesce(excluded.file, tests.file), recent = ", recent_now!(),
        ", failures = ", failures_now!(), ", flakes = ", flakes_now!(),
        ", usual_ms = CASE WHEN excluded.usual_ms IS NULL THEN tests.usual_ms WHEN tests.usual_ms IS NULL THEN excluded.usual_ms \
         ELSE (tests.usual_ms * 3 + excluded.usual_ms) / 4 END, last_at = excluded.last_at, last_run = excluded.last_run RETURNING n"
    );
    TEST_RESULT_ADD = "INSERT INTO test_results (report, ix, test, outcome, rank, flaky, latest, duration_ms, message, details) \
                       VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $8, $9)";
    /// What an earlier attempt at the step said of a test that this one tells of too.
    TEST_RESULTS_REPLACED = "UPDATE test_results SET latest = 0 WHERE report IN (SELECT n FROM reports WHERE run_id = $1 AND job = $2 AND step = $3 \
                             AND attempt < $4) AND test IN (SELECT test FROM test_results WHERE report = $5)";
    REPORTS_COUNT = "UPDATE reports SET \
        total = (SELECT count(*) FROM test_results t WHERE t.report = reports.n AND t.latest = 1), \
        failed = (SELECT count(*) FROM test_results t WHERE t.report = reports.n AND t.latest = 1 AND t.rank = 0 AND t.rank < 2), \
        skipped = (SELECT count(*) FROM test_results t WHERE t.report = reports.n AND t.latest = 1 AND t.rank = 2), \
        flaky = (SELECT count(*) FROM test_results t WHERE t.report = reports.n AND t.latest = 1 AND t.flaky = 1 AND t.rank < 2) \
        WHERE run_id = $1 AND job = $2 AND step = $3";

    RUN_TEST_COUNTS = "SELECT count(*) AS reports, CAST(coalesce(sum(total), 0) AS BIGINT) AS total, CAST(coalesce(sum(failed), 0) AS BIGINT) AS failed, \
                       CAST(coalesce(sum(skipped), 0) AS BIGINT) AS skipped, CAST(coalesce(sum(flaky), 0) AS BIGINT) AS flaky \
                       FROM reports WHERE run_id = $1 AND done_at IS NOT NULL";
    RUN_REPORT_PROBLEMS = "SELECT n, job_name, step_name, attempt, problems_json FROM reports WHERE run_id = $1 AND problems_json <> '[]' ORDER BY n";
    RUN_TESTS = run_tests_after!("", "");
    RUN_TESTS_TO_SEE = run_tests_after!("", "AND t.rank < 2");
    RUN_TESTS_LIKE = run_tests_after!("JOIN tests s ON s.n = t.test", "AND lower(s.suite || ' ' || s.name) LIKE lower(CAST($9 AS TEXT)) ESCAPE '!'");
    RUN_TESTS_SLOWEST = run_tests!("", "", "AND t.duration_ms > 0", "t.duration_ms DESC, t.report, t.ix");
    /// Why a test that passed in the end did not at first.
    RUN_TEST_EARLIER = "SELECT t.report, t.message, t.details FROM reports r JOIN test_results t ON t.report = r.n \
                        WHERE r.run_id = $1 AND t.test = $2 AND t.rank = 0 ORDER BY t.report DESC, t.ix DESC LIMIT 1";

    REPO_TESTS_SEEN = "SELECT CAST(coalesce(max(last_at), 0) AS BIGINT) AS last_at, count(*) AS tests FROM tests WHERE repo_id = $1";
    REPO_TESTS_FLAKY = repo_tests!("flakes", "failures");
    REPO_TESTS_FAILING = repo_tests!("failures", "flakes");
    REPO_TESTS_SLOW = repo_tests!("coalesce(usual_ms, -1)", "last_at");
    REPO_TEST = concat!("SELECT ", test_columns!(), " FROM tests WHERE repo_id = $1 AND id = $2");
    TEST_HISTORY = "SELECT t.report, t.ix, r.run_id, runs.number, r.commit_id, r.branch, r.pipeline, r.job_name, r.step_name, r.attempt, r.at, t.outcome, \
                    t.flaky, t.duration_ms, t.message, t.details FROM test_results t JOIN reports r ON r.n = t.report JOIN runs ON runs.id = r.run_id \
                    WHERE t.test = $1 AND (t.report < $3 OR (t.report = $3 AND t.ix < $4)) ORDER BY t.report DESC, t.ix DESC LIMIT $2";

    BLOB = "SELECT hash, object, size, frame, frames_json, stored FROM blobs WHERE hash = $1";
    BLOB_OF_OBJECT = "SELECT hash FROM blobs WHERE object = $1";
    BLOB_ADD = "INSERT INTO blobs (hash, object, size, frame, frames_json, stored, made_at) VALUES ($1, $2, $3, $4, $5, $6, $7) \
                ON CONFLICT (hash) DO NOTHING";
    /// What no row names, in order of the hash, after this one.
    BLOBS_UNUSED = concat!("SELECT hash FROM blobs WHERE hash > $1 AND ", unnamed_blob!(), " ORDER BY hash LIMIT $2");
    BLOB_REMOVE = concat!("DELETE FROM blobs WHERE hash = $1 AND ", unnamed_blob!(), " RETURNING object, stored");

    ARTIFACT_ADD = "INSERT INTO artifacts (run_id, job, step, path, mode, kind, size, blob, made_at, expires_at) \
                    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
                    ON CONFLICT (run_id, job, path) DO UPDATE SET step = excluded.step, mode = excluded.mode, kind = excluded.kind, \
                    size = excluded.size, blob = excluded.blob, made_at = excluded.made_at, expires_at = excluded.expires_at";
    /// Those of a step for another run too: the contents are the same.
    ARTIFACTS_TAKE = "INSERT INTO artifacts (run_id, job, step, path, mode, kind, size, blob, made_at, expires_at) \
                      SELECT CAST($1 AS TEXT), job, step, path, mode, kind, size, blob, made_at, expires_at FROM artifacts \
                      WHERE run_id = $2 AND job = $3 AND step = $4";
    ARTIFACTS_OF_STEP_REMOVE = "DELETE FROM artifacts WHERE run_id = $1 AND job = $2 AND step = $3";
    ARTIFACTS_EXPIRE = "DELETE FROM artifacts WHERE expires_at <= $1";
    ARTIFACT = artifact_select!("job = $2 AND path = $3 AND expires_at > $4");
    /// Those of all jobs or one, whose path begins so, after a job and path.
    ARTIFACTS = artifact_select!(
        "expires_at > $2 AND (CAST($3 AS BIGINT) IS NULL OR job = CAST($3 AS BIGINT)) \
         AND substr(path, 1, length(CAST($4 AS TEXT))) = CAST($4 AS TEXT) AND (job > $5 OR (job = $5 AND path > $6)) \
         ORDER BY job, path LIMIT $7"
    );
    ARTIFACT_SUMS = "SELECT job, COUNT(*) AS files, CAST(SUM(size) AS BIGINT) AS bytes, MIN(expires_at) AS expires_at FROM artifacts \
                     WHERE run_id = $1 AND expires_at > $2 GROUP BY job ORDER BY job";

    CACHE_ADD = "INSERT INTO caches (id, repo_id, scope, key, paths_json, paths_id, size, stored, run_id, made_at, used_at) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10) ON CONFLICT (repo_id, scope, key, paths_id) DO NOTHING";
    CACHE_PART_ADD = "INSERT INTO cache_parts (cache_id, position, path, size, blob) VALUES ($1, $2, $3, $4, $5)";
    CACHE_PARTS = "SELECT position, path, size, blob FROM cache_parts WHERE cache_id = $1 ORDER BY position";
    CACHE_USED = "UPDATE caches SET used_at = $2 WHERE id = $1";
    CACHE_REMOVE = "DELETE FROM caches WHERE id = $1 AND repo_id = $2";
    CACHE_EXACT = cache_select!("AND scope = $2 AND key = $3 AND paths_id = $4");
    CACHE_NEWEST = cache_select!(
        "AND (scope = $2 OR scope = $3) AND paths_id = $4 AND substr(key, 1, length(CAST($5 AS TEXT))) = CAST($5 AS TEXT) \
         ORDER BY made_at DESC, id DESC LIMIT 1"
    );
    CACHES = cache_select!("ORDER BY used_at DESC, id DESC");
    /// The newest step of the schema, and how many were left half done.
    SCHEMA_STEPS = "SELECT CAST(MAX(version) AS BIGINT) AS newest, CAST(SUM(CASE WHEN success THEN 0 ELSE 1 END) AS BIGINT) AS failed \
                    FROM _sqlx_migrations";
    CACHE_REPOS = "SELECT DISTINCT repo_id FROM caches";
}
