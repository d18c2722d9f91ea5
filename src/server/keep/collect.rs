//! Artifacts out of a container's archive, into blobs and rows.
//!
//! **Invariants:** memory does not grow with the archive; what is wrong with any of the files means that none is kept, and all that is wrong is told; the
//! same attempt collected twice is the same as once.

use std::collections::HashSet;
use std::io;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt, stream};
use tokio::sync::mpsc::{Receiver, channel};

use super::Keep;
use super::cache::WORKSPACE;
use super::entries::{self, File, Found};
use super::kind::{SAMPLE, kind_of};
use super::names::shown;
use super::wanted::Wanted;
use crate::base::{AttemptKey, Clock, Size, Tasks, limits};
use crate::executor::{ByteStream, Executor, Failure};
use crate::pipeline::ArtifactsPlan;
use crate::store::{self, Kind, NewArtifact, PutError, StepOf};

/// Small files that are stored at the same time: with S3 each is a request.
const AT_ONCE: usize = 16;

/// What was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Collected {
    pub files: usize,
    pub bytes: u64,
}

/// Why nothing was kept.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotKept {
    /// It is the step's doing: what is wrong, sentence by sentence.
    Faults(Vec<String>),
    /// It is not.
    Trouble(String),
    /// The engine does not answer.
    Silent(String),
}

impl From<Failure> for NotKept {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Unreachable(why) => NotKept::Silent(why),
            Failure::Infrastructure(_) | Failure::Stopped | Failure::Gone => NotKept::Trouble(failure.to_string()),
        }
    }
}

impl From<store::Error> for NotKept {
    fn from(error: store::Error) -> Self {
        NotKept::Trouble(error.to_string())
    }
}

/// What collecting works with.
pub(super) struct Collector<'a> {
    pub keep: &'a Keep,
    pub executor: &'a dyn Executor,
    pub tasks: &'a Tasks,
    pub clock: &'a Clock,
}

impl Collector<'_> {
    /// Keeps the artifacts that an ended attempt left.
    pub async fn collect(&self, key: &AttemptKey, plan: &ArtifactsPlan) -> Result<Collected, NotKept> {
        let wanted = Wanted::new(&plan.paths).map_err(|why| NotKept::Faults(vec![why]))?;
        let mut basket = Basket::default();
        for base in wanted.bases() {
            let path = if base.is_empty() { WORKSPACE.to_owned() } else { format!("{WORKSPACE}/{base}") };
            if let Some(archive) = self.executor.collect(key, &path).await? {
                self.empty(archive, base, &plan.paths, &mut basket).await?;
            }
        }
        basket.check();
        if basket.files.is_empty() && basket.faults.is_empty() && plan.required {
            basket.fault(format!("no file matches {}", listed(&plan.paths)));
        }
        if !basket.faults.is_empty() {
            return Err(NotKept::Faults(basket.told()));
        }
        let of = StepOf { run: &key.run, job: key.job, step: key.step };
        let now = self.clock.now();
        let expires_at = now.plus_ms(plan.expire_ms.unwrap_or(self.keep.expire_ms));
        self.keep.artifacts.keep_artifacts(of, &basket.files, now, expires_at).await?;
        Ok(Collected { files: basket.files.len(), bytes: basket.bytes })
    }

    /// Reads one archive into the basket.
    async fn empty(&self, mut archive: ByteStream, base: &str, paths: &[String], basket: &mut Basket) -> Result<(), NotKept> {
        let (pour, poured) = channel::<io::Result<Bytes>>(8);
        let (tell, mut found) = channel(AT_ONCE);
        let (base, paths) = (base.to_owned(), paths.to_vec());
        let reading = self.tasks.spawn_blocking(move || match Wanted::new(&paths) {
            Ok(wanted) => entries::read(poured, &base, &wanted, &tell),
            Err(why) => Err(io::Error::other(why)),
        });
        let pouring = async move {
            while let Some(chunk) = archive.next().await {
                // A reader that has gone away says itself why.
                if pour.send(chunk).await.is_err() {
                    return;
                }
            }
        };
        let storing = async {
            // All of them are polled all the time: one that has a connection to the database must never wait for another to let it go on.
            let mut under_way: FuturesUnordered<BoxFuture<'_, Result<NewArtifact, NotKept>>> = FuturesUnordered::new();
            loop {
                tokio::select! {
                    Some(stored) = under_way.next(), if !under_way.is_empty() => basket.take(stored)?,
                    next = found.recv(), if under_way.len() < AT_ONCE => match next {
                        None => break,
                        Some(Found::Fault(why)) => basket.fault(why),
                        // There is no use in storing more.
                        Some(Found::Small { .. }) if !basket.faults.is_empty() => {}
                        Some(Found::Large { .. }) if !basket.faults.is_empty() => {}
                        Some(Found::Small { file, content }) if basket.admits(&file) => {
                            under_way.push(self.store_small(file, content).boxed());
                        }
                        Some(Found::Large { file, content }) if basket.admits(&file) => {
                            under_way.push(self.store_large(file, content).boxed());
                        }
                        // What it is too many for is among the faults now.
                        Some(Found::Small { .. } | Found::Large { .. }) => {}
                    },
                }
            }
            while let Some(stored) = under_way.next().await {
                basket.take(stored)?;
            }
            Ok(())
        };
        let (stored, ()): (Result<(), NotKept>, ()) = tokio::join!(storing, pouring);
        drop(found);
        let read = reading.await.unwrap_or_else(|panic| Err(io::Error::other(panic)));
        // A large file whose archive broke off says so twice; the archive's own word is the better one.
        read.map_err(|error| NotKept::Trouble(format!("the step's files cannot be read: {error}")))?;
        stored
    }

    async fn store_small(&self, file: File, content: Bytes) -> Result<NewArtifact, NotKept> {
        let kind = kind_of(&content, true);
        let content: ByteStream = Box::pin(stream::once(async { Ok(content) }));
        self.store(file, kind, content).await
    }

    async fn store_large(&self, file: File, mut content: Receiver<io::Result<Bytes>>) -> Result<NewArtifact, NotKept> {
        let first = content.recv().await.unwrap_or_else(|| Ok(Bytes::new()));
        let kind = first.as_ref().map_or(Kind::Other, |first| kind_of(&first[..first.len().min(SAMPLE)], false));
        let rest = stream::unfold(content, |mut content| async move { content.recv().await.map(|piece| (piece, content)) });
        self.store(file, kind, Box::pin(stream::iter([first]).chain(rest))).await
    }

    async fn store(&self, file: File, kind: Kind, content: ByteStream) -> Result<NewArtifact, NotKept> {
        let File { path, mode, size } = file;
        match self.keep.artifacts.put(content, limits::ARTIFACT_BYTES).await {
            Ok(content) if content.size == size => Ok(NewArtifact { path, mode, kind, content }),
            Ok(_) => Err(NotKept::Trouble(format!("`{}` cannot be read to its end", shown(&path)))),
            Err(PutError::Store(error)) => Err(error.into()),
            Err(error @ (PutError::Content(_) | PutError::TooLarge(_))) => {
                Err(NotKept::Trouble(format!("`{}` cannot be read: {error}", shown(&path))))
            }
        }
    }
}

/// What has been found so far.
#[derive(Default)]
struct Basket {
    files: Vec<NewArtifact>,
    admitted: usize,
    bytes: u64,
    faults: Vec<String>,
    more_faults: usize,
}

impl Basket {
    /// Whether there is room for this file; else that is a fault.
    fn admits(&mut self, file: &File) -> bool {
        self.admitted += 1;
        self.bytes = self.bytes.saturating_add(file.size);
        if self.admitted > limits::ARTIFACT_FILES {
            let what = "pack them into one file, or want fewer";
            self.fault(format!("there are more than {} files: {what}", limits::ARTIFACT_FILES));
            return false;
        }
        if self.bytes > limits::ARTIFACT_BYTES {
            self.fault(format!(
                "with `{}` ({}) they are larger than {} together",
                shown(&file.path),
                Size(file.size),
                Size(limits::ARTIFACT_BYTES)
            ));
            return false;
        }
        true
    }

    fn take(&mut self, stored: Result<NewArtifact, NotKept>) -> Result<(), NotKept> {
        self.files.push(stored?);
        Ok(())
    }

    fn fault(&mut self, why: String) {
        if self.faults.len() < limits::ARTIFACT_FAULTS {
            self.faults.push(why);
        } else {
            self.more_faults += 1;
        }
    }

    /// No name twice, and none that would have to be file and directory at once: no work tree has such, only an archive that was made to harm.
    fn check(&mut self) {
        let mut paths = HashSet::new();
        let mut bad = Vec::new();
        for file in &self.files {
            if !paths.insert(file.path.as_str()) {
                bad.push(format!("`{}` is there twice", shown(&file.path)));
            }
        }
        for file in &self.files {
            let above = file.path.match_indices('/').map(|(at, _)| &file.path[..at]);
            if let Some(above) = above.into_iter().find(|above| paths.contains(above)) {
                bad.push(format!("`{}` is a file, and also the directory of `{}`", shown(above), shown(&file.path)));
            }
        }
        for why in bad {
            self.fault(why);
        }
    }

    fn told(self) -> Vec<String> {
        let mut told = self.faults;
        if self.more_faults > 0 {
            told.push(format!("and {} more", self.more_faults));
        }
        told
    }
}

/// `a`, `a` or `b`.
fn listed(paths: &[String]) -> String {
    let quoted: Vec<String> = paths.iter().map(|path| format!("`{}`", shown(path))).collect();
    quoted.join(" or ")
}
