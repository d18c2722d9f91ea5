//! The gate: a socket on which the opening comes, and over which those who read the segment file are nudged.
//!
//! **Invariant:** bytes are read only until the gate is open. After that anyone in the container may connect, and learns no more than that the file
//! has grown.

use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use crate::sys::{self, POLLIN, PollFd};
use crate::wire::{MAGIC, MESSAGE_BYTES, Opening};

/// Connections at the same time; a server has one, and after a restart another.
const CONNECTIONS: usize = 8;
/// A message's magic and length.
const HEAD: usize = MAGIC.len() + 4;

pub struct Gate {
    listener: UnixListener,
    connections: Vec<Connection>,
    is_open: bool,
}

struct Connection {
    stream: UnixStream,
    /// The message so far.
    received: Vec<u8>,
    /// It opened the gate.
    is_opener: bool,
}

impl Gate {
    pub fn listen(path: &Path) -> io::Result<Self> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        // Whoever runs the server may knock, and the image decides as whom this runs.
        let listener = sys::without_mask(|| UnixListener::bind(path))?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener, connections: Vec::new(), is_open: false })
    }

    /// What to wait for: `signals`, those who knock, and until the gate is open what they say.
    pub fn fds(&self, signals: RawFd) -> Vec<PollFd> {
        let said = self.connections.iter().filter(|_| !self.is_open).map(|connection| connection.stream.as_raw_fd());
        [signals, self.listener.as_raw_fd()].into_iter().chain(said).map(|fd| PollFd { fd, events: POLLIN, revents: 0 }).collect()
    }

    /// Takes in those who knock. When there are too many, the oldest goes, but never whoever opened the gate: a step that knocks cannot push it out.
    pub fn welcome(&mut self) {
        while let Ok((stream, _)) = self.listener.accept() {
            if stream.set_nonblocking(true).is_err() {
                continue;
            }
            if self.connections.len() >= CONNECTIONS {
                let oldest = self.connections.iter().position(|connection| !connection.is_opener);
                self.connections.remove(oldest.unwrap_or_default());
            }
            self.connections.push(Connection { stream, received: Vec::new(), is_opener: false });
        }
    }

    /// The opening, once one has come whole. Who says something else is sent away.
    pub fn opened(&mut self) -> Option<Opening> {
        self.welcome();
        let mut opening = None;
        self.connections.retain_mut(|connection| match connection.read() {
            Said::More => true,
            Said::Nonsense => false,
            Said::Opening(said) => {
                connection.is_opener = opening.is_none();
                connection.received = Vec::new();
                opening.get_or_insert(said);
                true
            }
        });
        self.is_open = opening.is_some();
        opening
    }

    /// Tells everyone that the file has grown. Whoever does not listen misses nothing: the file is the truth.
    pub fn nudge(&mut self) {
        self.connections.retain_mut(|connection| match connection.stream.write(&[1]) {
            Ok(_) => true,
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        });
    }
}

enum Said {
    More,
    Nonsense,
    Opening(Opening),
}

impl Connection {
    fn read(&mut self) -> Said {
        let mut buffer = [0; 16 * 1024];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Said::Nonsense,
                Ok(read) => self.received.extend(&buffer[..read]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Said::More,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return Said::Nonsense,
            }
            let known = self.received.len().min(MAGIC.len());
            if self.received[..known] != MAGIC[..known] {
                return Said::Nonsense;
            }
            let Some(length) = self.received.get(MAGIC.len()..HEAD).and_then(|bytes| bytes.first_chunk::<4>()) else { continue };
            let length = u32::from_le_bytes(*length) as usize;
            if length > MESSAGE_BYTES || self.received.len() > HEAD + length {
                return Said::Nonsense;
            }
            if self.received.len() == HEAD + length {
                return Opening::decode(&self.received[HEAD..]).map_or(Said::Nonsense, Said::Opening);
            }
        }
    }
}
