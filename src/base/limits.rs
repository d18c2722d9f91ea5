//! Every bound, with its reason. Tested at the limit and one past it, where it is enforced.

/// A pipeline file. Ten times the longest hand-written ones seen; a generated one beyond it should be split.
pub const PIPELINE_FILE_BYTES: usize = 256 * 1024;
/// Nesting of the YAML tree. Real pipelines stay below ten.
pub const YAML_DEPTH: usize = 64;
/// Nodes of the YAML tree after aliases are expanded: what stops an alias bomb.
pub const YAML_NODES: usize = 20_000;
/// Pipeline files in `.gantry/`.
pub const PIPELINE_FILES: usize = 64;
/// Jobs of one plan, matrices written out.
pub const JOBS: usize = 256;
/// Steps that are written in one file.
pub const STEPS: usize = 500;
/// Steps of one plan, matrices written out: a hundred for each job there may be.
pub const PLANNED_STEPS: usize = 25_600;
/// One step's script: it is written to a file of its own, so only memory bounds it.
pub const SCRIPT_BYTES: usize = 128 * 1024;
/// Scripts and environments of one plan together, aliases and inherited variables written out: a plan is kept in memory and in one row.
pub const PLAN_BYTES: usize = 8 * 1024 * 1024;
/// An expression in `if` or `${{ }}`, in characters. A longer one is a program and belongs into a script.
pub const EXPRESSION_CHARS: usize = 1024;
/// Nesting of an expression: its evaluation is recursive, on a thread's stack of two megabytes.
pub const EXPRESSION_DEPTH: usize = 32;
/// What all expressions of one plan may cost together, in steps of evaluation and text looked at: some two seconds. 256 jobs of 20 steps with ten
/// expressions each take a twentieth.
pub const EXPRESSIONS_COST: u64 = 20_000_000;
/// The same for one text that is filled while a run is under way: it is done between two events of the loop.
pub const LATE_COST: u64 = 100_000;
/// Paths that `hash` compares with globs, in one plan; plain paths cost nothing. Half a second: thirty globs over a tree of a hundred thousand files.
pub const HASH_COMPARISONS: u64 = 3_000_000;
/// The value of one input.
pub const INPUT_BYTES: usize = 16 * 1024;
/// A branch or tag pattern, in characters.
pub const PATTERN_CHARS: usize = 256;
/// Patterns in one list: each is compiled.
pub const PATTERNS: usize = 200;
/// Problems told of one file; the rest are counted.
pub const PROBLEMS: usize = 100;
/// Length of a name of a job, step or pipeline, in characters: names stand in labels and in URLs.
pub const NAME_CHARS: usize = 100;
/// Schedules of one pipeline: each is a timer of its own.
pub const SCHEDULES: usize = 32;
/// One schedule, in characters: the longest sensible lists of minutes are shorter.
pub const SCHEDULE_CHARS: usize = 256;
/// Inputs of one pipeline: a form that a person fills in.
pub const INPUTS: usize = 64;
/// Options of one input.
pub const INPUT_OPTIONS: usize = 100;
/// Axes of one matrix; more make names that nobody reads.
pub const MATRIX_AXES: usize = 8;
/// Combinations of a matrix before `exclude`: what has to be looked at to find the jobs that are left.
pub const MATRIX_PRODUCT: usize = 4096;
/// A text that becomes a part of a name, a label or a page: values of a matrix, options, keys, messages.
pub const TEXT_CHARS: usize = 1024;
/// Services of one job: each is a container that stands for as long as the job.
pub const SERVICES: usize = 16;
/// Outputs of one job.
pub const OUTPUTS: usize = 64;
/// An engine's silence after which its jobs are given up, where there are other engines. A restart of Docker takes some ten seconds, one of a
/// machine may take longer: then its jobs have long been done elsewhere.
pub const ENGINE_SILENCE_MS: u64 = 60_000;
/// Labels in one `runs_on`, and names in one `by`.
pub const LABELS: usize = 32;
/// Secrets of one step.
pub const SECRETS: usize = 64;
/// Caches of one step, and beginnings of keys in one `restore`.
pub const CACHES: usize = 8;
/// Paths of one cache, of artifacts or of reports.
pub const PATHS: usize = 64;
/// Attempts at one step: `retry` up to nine.
pub const ATTEMPTS: u32 = 10;

/// One log line; a longer one goes on in the next line, nothing is cut.
pub const LOG_LINE_BYTES: usize = 64 * 1024;
/// The log of one attempt; past it the output is read and dropped, and the log says so.
pub const LOG_BYTES: u64 = 256 * 1024 * 1024;
/// Lines in one answer of the log API.
pub const LOG_PAGE_LINES: usize = 10_000;

/// A webhook's body: a forge's largest are below 25 MiB, plain git's are tiny.
pub const HOOK_BYTES: usize = 1024 * 1024;
/// A request body of the API.
pub const REQUEST_BYTES: usize = 64 * 1024;
/// Rows in one page of a list.
pub const PAGE_ROWS: u32 = 200;

/// A job without `timeout`.
pub const JOB_TIMEOUT_MS: u64 = 60 * 60 * 1000;
/// The longest `timeout` that can be asked for.
pub const TIMEOUT_MAX_MS: u64 = 7 * 24 * 60 * 60 * 1000;
/// The longest that somebody's word can be waited for.
pub const APPROVAL_MAX_MS: u64 = 30 * 24 * 60 * 60 * 1000;
/// Until a service must be ready, when the pipeline does not say, and the longest that it may ask for.
pub const SERVICE_READY_MS: u64 = 60_000;
pub const SERVICE_READY_MAX_MS: u64 = 60 * 60 * 1000;
/// The longest that an artifact can be asked to be kept.
pub const EXPIRE_MAX_MS: u64 = 10 * 365 * 24 * 60 * 60 * 1000;
/// The least memory that a container starts with (Docker's own bound), and the most that any machine has.
pub const MEMORY_MIN_BYTES: u64 = 6 * 1024 * 1024;
pub const MEMORY_MAX_BYTES: u64 = 64 * 1024 * 1024 * 1024 * 1024;
/// The least and the most of processors, in thousandths (Docker takes hundredths).
pub const CPU_MIN_MILLIS: u64 = 10;
pub const CPU_MAX_MILLIS: u64 = 1_024_000;
/// The longest history that `checkout.depth` can ask for: none is longer than all of it.
pub const DEPTH_MAX: i64 = 1_000_000;
/// Processes and threads: the kernel's own bound.
pub const PIDS_MAX: i64 = 4_194_304;
/// What a step may write into each of `GANTRY_OUTPUT`, `GANTRY_ENV` and `GANTRY_SUMMARY`: values and a page to read, not data. Data is an artifact.
pub const STEP_FILE_BYTES: usize = 1024 * 1024;
/// Values in each of the first two: each is kept with the run and given to every later step.
pub const STEP_VALUES: usize = 1000;
/// One such value, and whatever an expression makes of several: it ends up in a variable, and Linux takes 128 KiB for one.
pub const VALUE_BYTES: usize = 64 * 1024;
/// All values that the steps and jobs of a run leave: they are kept in memory while it runs.
pub const RUN_VALUES_BYTES: usize = 8 * 1024 * 1024;
/// From asking a step to end (SIGTERM) until it is made to (SIGKILL).
pub const GRACE_MS: u64 = 10_000;
/// Wait before the first retry when the pipeline does not say; doubles with each.
pub const RETRY_BACKOFF_MS: u64 = 1_000;

/// Terminals that are open at the same time: each is a process in a container and two connections.
pub const TERMINALS: usize = 16;
/// Until a terminal in which nobody types is closed.
pub const TERMINAL_IDLE_MS: u64 = 30 * 60 * 1000;
/// Columns or rows of a terminal: more than the largest screen has.
pub const TERMINAL_SIDE: u16 = 1000;
/// What is typed or pasted at once.
pub const TERMINAL_FRAME_BYTES: usize = 256 * 1024;

/// Between two polls of a repository, when `--poll` does not say.
pub const POLL_DEFAULT_MS: u64 = 30_000;
/// The shortest interval that `--poll` takes.
pub const POLL_MIN_MS: u64 = 1_000;
/// Fetches at the same time: each holds a thread and a connection.
pub const FETCHES: usize = 4;
/// New runs out of one poll: a mirror of a large project's first tags must not start a thousand runs.
pub const RUNS_PER_POLL: usize = 100;

/// How long a schedule waits without looking at the clock: one that was set forward, or a machine that slept, is noticed within this.
pub const CLOCK_LOOK_MS: u64 = 30_000;

/// Until a Git server has taken the connection.
pub const GIT_CONNECT_MS: i32 = 20_000;
/// Silence of a Git server in the middle of a conversation. Servers send signs of life every few seconds while they prepare a large pack.
pub const GIT_SILENCE_MS: i32 = 120_000;
/// Files and directories of one commit: ten times the largest known source trees. Stops trees that repeat themselves without end.
pub const TREE_ENTRIES: usize = 1_000_000;
/// Paths that are compared with `paths` filters: a push that changed more than these counts as one that changed everything.
pub const CHANGED_PATHS: usize = 10_000;
/// Submodules of one work tree, those in submodules included: each is a fetch.
pub const SUBMODULES: usize = 64;
/// Submodules in submodules.
pub const SUBMODULE_DEPTH: usize = 4;
/// `.gitmodules`: a hundred times the longest for as many submodules as there may be.
pub const GITMODULES_BYTES: usize = 256 * 1024;
/// A path inside a commit, in bytes: what Linux takes.
pub const TREE_PATH_BYTES: usize = 4_096;

/// Files and directories that may differ between a commit and the kept work tree that its job stands on: each is written, so past it a work tree of its
/// own is the better use of the time.
pub const MOVED_ENTRIES: usize = 2_000;
/// Kept work trees of all repositories when nobody says; past it the least recently used go.
pub const BASES_BYTES: u64 = 10 * 1024 * 1024 * 1024;
/// How long the work tree of a job that failed is kept when nobody says: until whoever broke it has seen it and looked.
pub const KEEP_FAILED_MS: u64 = 60 * 60 * 1000;
/// The longest that it can be asked to be kept.
pub const KEEP_FAILED_MAX_MS: u64 = 30 * 24 * 60 * 60 * 1000;
/// Mirrors of all repositories when nobody says; past it the largest are fetched anew, without what nobody can reach any more.
pub const MIRRORS_BYTES: u64 = 10 * 1024 * 1024 * 1024;
/// Images that were pulled for steps and services, of one engine, when nobody says; past it the least recently used go.
pub const IMAGES_BYTES: u64 = 20 * 1024 * 1024 * 1024;

/// One JUnit file: the largest known ones hold the output of every test and stay below.
pub const REPORT_FILE_BYTES: usize = 8 * 1024 * 1024;
/// Tests of one report, and of all reports of one run: each is a row.
pub const REPORT_CASES: usize = 50_000;
/// Nesting of a report's elements. Real ones stay below ten.
pub const REPORT_DEPTH: usize = 64;
/// Attributes of one element of a report.
pub const REPORT_ATTRIBUTES: usize = 64;
/// Reports that one attempt leaves: one file a class is usual.
pub const REPORT_FILES: usize = 5_000;
/// All reports of one attempt together.
pub const REPORTS_BYTES: u64 = 64 * 1024 * 1024;
/// What is looked through for reports, in bytes of archive: past it the glob should name a directory.
pub const REPORTS_LOOKED_THROUGH_BYTES: u64 = 4 * 1024 * 1024 * 1024;
/// The whole of reading an attempt's reports, which its end waits for.
pub const REPORTS_MS: u64 = 120_000;
/// Sentences about reports that could not be read, told of one attempt; the rest are counted.
pub const REPORT_PROBLEMS: usize = 20;
/// Name and suite of a test, in characters each: parameters may stand in it.
pub const TEST_NAME_CHARS: usize = 300;
/// Why a test failed; what is longer belongs into the details.
pub const TEST_MESSAGE_BYTES: usize = 4 * 1024;
/// Stack trace and output of a failed test.
pub const TEST_DETAILS_BYTES: usize = 64 * 1024;
/// The newest results of a test that its outcomes in lists are counted of.
pub const TEST_RECENT: usize = 50;

/// A secret's value: a private key, a cluster's configuration, a service account's file. What is larger is data; keep it encrypted in the
/// repository, and its key here.
pub const SECRET_BYTES: usize = 16 * 1024;
/// Values of all secrets that one run's log is kept clean of: each is looked for in some dozens of forms, which are in memory while a step runs.
pub const RUN_SECRET_BYTES: usize = 32 * 1024;
/// Secrets of one repository, and of all repositories together.
pub const SECRETS_KEPT: u32 = 200;
/// The shortest text that is hidden in output: shorter ones are part of too many other words.
pub const MASK_BYTES: usize = 6;
/// The least number of different bytes in it: `------` is in every table.
pub const MASK_VARIETY: usize = 4;

/// Content that is compressed by itself: what a part of a large file costs to read, and what each core holds in memory while it is written.
pub const BLOB_FRAME_BYTES: usize = 4 * 1024 * 1024;
/// Files that one step may leave as artifacts. A tree of more is better packed into one file by the step itself.
pub const ARTIFACT_FILES: usize = 100_000;
/// Bytes of all artifacts of one step.
pub const ARTIFACT_BYTES: u64 = 10 * 1024 * 1024 * 1024;
/// An artifact's name, in bytes: it stands in an index, where Postgres takes 2,700 at most.
pub const ARTIFACT_NAME_BYTES: usize = 1_024;
/// How long artifacts are kept when nobody says.
pub const ARTIFACT_EXPIRE_MS: u64 = 30 * 24 * 60 * 60 * 1000;
/// Artifacts in one answer of the API.
pub const ARTIFACT_PAGE: u32 = 10_000;
/// Faults of artifacts that are told of one step; the rest are counted.
pub const ARTIFACT_FAULTS: usize = 10;
/// The archive of one path of a cache. Compressed, a cache must fit into its repository's quota besides.
pub const CACHE_BYTES: u64 = 10 * 1024 * 1024 * 1024;
/// Compressed bytes of all caches of one repository when nobody says; past it the least recently used go.
pub const CACHE_QUOTA_BYTES: u64 = 5 * 1024 * 1024 * 1024;
/// A cache's key, in bytes: it stands in an index.
pub const CACHE_KEY_BYTES: usize = 1_024;
/// What stands between two files of an archive (headers and long names), in bytes: names are at most 4,096 bytes, attributes at most 64 KiB.
pub const ARCHIVE_HEADER_BYTES: u64 = 1024 * 1024;
/// Pauses between tries to pull an image: long enough for a registry that restarts, short enough to wait for. One more try than pauses.
pub const PULL_PAUSES_MS: [u64; 3] = [1_000, 2_000, 4_000];
