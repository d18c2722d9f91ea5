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

macro_rules! cache_select {
    ($rest:literal) => {
        concat!(
            "SELECT id, scope, key, paths_json, size, stored, run_id, made_at, used_at FROM caches WHERE repo_id = $1 ",
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

    RUN_ADD = "INSERT INTO runs (id, made, repo_id, repo_name, number, pipeline, branch, queued_at, trigger_json, plan_json, problems_json, rerun_of, \
               life_json, stop_json, state, outcome, started_at, ended_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)";
    RUN_SET = concat!(
        "UPDATE runs SET life_json = $2, stop_json = $3, state = $4, outcome = $5, started_at = $6, ended_at = $7 WHERE id = $1 RETURNING ",
        summary_columns!()
    );
    JOB_SET = "INSERT INTO jobs (run_id, job, state_json, decision_json, stop_json) VALUES ($1, $2, $3, $4, $5) \
               ON CONFLICT (run_id, job) DO UPDATE SET state_json = excluded.state_json, decision_json = excluded.decision_json, \
               stop_json = excluded.stop_json";
    STEP_SET = "INSERT INTO steps (run_id, job, step, state_json) VALUES ($1, $2, $3, $4) \
                ON CONFLICT (run_id, job, step) DO UPDATE SET state_json = excluded.state_json";

    RUN = run_select!("WHERE id = $1");
    RUN_JOBS = "SELECT run_id, job, state_json, decision_json, stop_json FROM jobs WHERE run_id = $1";
    RUN_STEPS = "SELECT run_id, job, step, state_json FROM steps WHERE run_id = $1";
    OPEN = run_select!("WHERE state <> 'ended' ORDER BY made");
    OPEN_JOBS = "SELECT run_id, job, state_json, decision_json, stop_json FROM jobs WHERE run_id IN (SELECT id FROM runs WHERE state <> 'ended')";
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

    RUN_MADE = "SELECT made FROM runs WHERE id = $1";
    RUN_PAGE = run_page!("");
    RUN_PAGE_OF_REPO = run_page!("AND repo_name = $5");

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
    CACHE_REPOS = "SELECT DISTINCT repo_id FROM caches";
}
