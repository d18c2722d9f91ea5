//! Archives of the tests' own making, hostile ones too.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use gantry::executor::{Archive, ByteStream};

/// An archive in memory.
#[derive(Debug)]
pub struct Packed {
    into: String,
    bytes: Bytes,
    /// Breaks after so many bytes.
    breaks_at: Option<usize>,
    pub opened: AtomicUsize,
}

impl Packed {
    pub fn new(into: &str, builder: tar::Builder<Vec<u8>>) -> Arc<Self> {
        Arc::new(Self::of(into, builder))
    }

    pub fn breaking(into: &str, builder: tar::Builder<Vec<u8>>, breaks_at: usize) -> Arc<Self> {
        Arc::new(Self { breaks_at: Some(breaks_at), ..Self::of(into, builder) })
    }

    fn of(into: &str, builder: tar::Builder<Vec<u8>>) -> Self {
        let bytes = builder.into_inner().unwrap().into();
        Self { into: into.to_owned(), bytes, breaks_at: None, opened: AtomicUsize::new(0) }
    }
}

#[async_trait]
impl Archive for Packed {
    fn into(&self) -> &str {
        &self.into
    }

    async fn open(&self) -> io::Result<ByteStream> {
        self.opened.fetch_add(1, Ordering::SeqCst);
        let end = self.breaks_at.unwrap_or(self.bytes.len());
        let pieces: Vec<_> = self.bytes.slice(..end).chunks(10_000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let broken = self.breaks_at.map(|_| Err(io::Error::other("the blob is damaged")));
        Ok(Box::pin(stream::iter(pieces).chain(stream::iter(broken))))
    }
}

pub fn tar() -> tar::Builder<Vec<u8>> {
    tar::Builder::new(Vec::new())
}

/// Adds an entry of any kind, under any name: the crate itself refuses to write hostile names.
pub fn add(builder: &mut tar::Builder<Vec<u8>>, name: &str, kind: tar::EntryType, link: &str, mode: u32, content: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(content.len() as u64);
    header.set_cksum();
    builder.append(&header, content).unwrap();
}

pub fn add_file(builder: &mut tar::Builder<Vec<u8>>, name: &str, content: &[u8]) {
    add(builder, name, tar::EntryType::Regular, "", 0o644, content);
}

/// Names and what they hold: `dir`, `file 644 CONTENT`, `-> TARGET`.
pub async fn listed(archive: ByteStream) -> BTreeMap<String, String> {
    let bytes: Vec<u8> = archive.map_ok(|piece| piece.to_vec()).try_concat().await.unwrap();
    let mut archive = tar::Archive::new(bytes.as_slice());
    let mut found = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        let (kind, mode) = (entry.header().entry_type(), entry.header().mode().unwrap());
        let link = || entry.link_name().unwrap().map(|link| link.display().to_string()).unwrap_or_default();
        let what = match kind {
            tar::EntryType::Directory => "dir".to_owned(),
            tar::EntryType::Symlink => format!("-> {}", link()),
            tar::EntryType::Link => format!("= {}", link()),
            tar::EntryType::Regular => {
                let mut content = String::new();
                io::Read::read_to_string(&mut entry, &mut content).unwrap();
                format!("file {:o} {content}", mode & 0o7777)
            }
            other => format!("{other:?}"),
        };
        found.insert(name.trim_end_matches('/').to_owned(), what);
    }
    found
}
