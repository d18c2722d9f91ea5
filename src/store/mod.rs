//! What must not be lost: rows in SQLite or Postgres (one SQL text for both), and log files.
//!
//! **Invariants:** state rows are the truth and events their record, written in the same transaction; sequence numbers of events grow in the order
//! of commits, so a reader that has seen N misses nothing by asking for what comes after N; log bytes never enter the database.
//!
//! | File | What |
//! |---|---|
//! | `repo`, `intake`, `schedule`, `delivery`, `listing`, `event` | the values that go in and come out |
//! | `store`, `open` | connections, migrations, what to say about a database that cannot be used |
//! | `reports` | test results: of a run, of a test, of a repository |
//! | `repos`, `take_in`, `schedules`, `deliveries`, `commit`, `runs`, `summaries`, `secrets`, `terminals`, `images`, `record` | the methods of [`Store`], by subject |
//! | `sql`, `row`, `write`, `body` | every statement; reading rows; the one writing transaction; what events say |
//! | `blobs` | contents of artifacts and caches |
//! | `artifacts`, `caches` | the rows that name them |
//! | `logs` | log files: writer, pages, search, nudges |
//! | `examine` | a look at a database that changes nothing |
//! | `data_dir` | the data directory and its lock |

mod artifacts;
mod blobs;
mod body;
mod caches;
mod commit;
mod data_dir;
mod deliveries;
mod delivery;
mod error;
mod event;
mod examine;
mod images;
mod intake;
mod listing;
mod logs;
mod open;
mod record;
mod repo;
mod reports;
mod repos;
mod row;
mod runs;
mod schedule;
mod schedules;
mod secrets;
pub mod sql;
#[expect(clippy::module_inception, reason = "the room's one main thing")]
mod store;
mod summaries;
mod take_in;
mod terminals;
mod write;

pub use artifacts::{Artifact, ArtifactQuery, ArtifactSum, Kind, NewArtifact, StepOf};
pub use blobs::{Blob, Blobs, BlobsAt, Bytestream, Collected, Kept, PutError, S3};
pub use caches::{Cache, CachePart, NewCache, NewPart};
pub use data_dir::DataDir;
pub use delivery::Delivery;
pub use error::Error;
pub use event::{EventKind, StoredEvent};
pub use examine::{Examined, Schema, examine};
pub use images::KeptImage;
pub use intake::{Intake, NewNote, NewRun, Note, RefMove};
pub use listing::{Page, RunFilter, RunSummary};
pub use logs::{LogKey, LogLine, LogPage, LogWriter, Logs};
pub use open::{Database, StoreConfig};
pub use repo::{Repo, RepoStatus};
pub use reports::{
    Harvest, History, Place, Recent, RepoTest, RepoTests, ReportProblem, RunTest, RunTests, TestOrder, TestPick, TestResult,
};
pub use schedule::{LastFired, LastRun, NewSchedule, Schedule, ScheduleMove};
pub use secrets::{SealedAttempt, SealedSecret};
pub use store::Store;
pub use summaries::Summary;
pub use terminals::{ClosedTerminal, KeptTerminal};
