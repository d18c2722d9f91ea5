//! Live streams (server-sent events), taken up again where they broke.
//!
//! **Invariants:** an event is given once, also across a broken connection (`Last-Event-ID`); a stream ends only with the server's own `end`, or
//! with a failure.

use std::time::Duration;

use futures_util::Stream;
use futures_util::stream;
use reqwest::{Response, Url};

use super::Failure;
use super::api::Api;

/// The server gives a sign of life every 15 seconds; three missed ones are a dead connection.
const SILENCE: Duration = Duration::from_secs(45);
/// Tries at a server that went away, with growing pauses, about a minute together: time for a restart.
const TRIES: u32 = 20;
/// The longest pause between two of them.
const PAUSE_MS: u64 = 4_000;
/// One event: a log line of 64 KiB, each byte of it escaped, fits several times.
const EVENT_BYTES: usize = 4 * 1024 * 1024;

/// One event of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Event {
    pub id: Option<u64>,
    pub kind: String,
    pub data: String,
}

/// What comes out of a stream that is taken up again.
#[derive(Debug)]
pub(super) enum News {
    /// Connected, at first or again: what happens from now on will be told.
    Open,
    Event(Event),
    /// The connection broke and is being made again.
    Interrupted,
}

/// Splits bytes into events.
#[derive(Debug, Default)]
struct Parser {
    bytes: Vec<u8>,
    /// Where the search for the next line's end begins.
    searched: usize,
    id: Option<u64>,
    kind: String,
    data: Option<String>,
}

impl Parser {
    /// The next whole event. `Err` when one is longer than any of ours.
    fn next(&mut self) -> Result<Option<Event>, String> {
        let mut start = 0;
        let mut found = None;
        while let Some(length) = self.bytes[start + self.searched..].iter().position(|b| *b == b'\n') {
            let end = start + self.searched + length;
            let line = String::from_utf8_lossy(&self.bytes[start..end]).trim_end_matches('\r').to_owned();
            start = end + 1;
            self.searched = 0;
            if let Some(event) = self.line(&line) {
                found = Some(event);
                break;
            }
        }
        self.bytes.drain(..start);
        if found.is_none() {
            self.searched = self.bytes.len();
        }
        if self.bytes.len() + self.data.as_ref().map_or(0, String::len) > EVENT_BYTES && found.is_none() {
            return Err("an event is too long".to_owned());
        }
        Ok(found)
    }

    fn line(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            let (id, kind) = (self.id.take(), std::mem::take(&mut self.kind));
            return self.data.take().map(|data| Event { id, kind, data });
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => self.id = value.parse().ok(),
            "event" => value.clone_into(&mut self.kind),
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            },
            // Comments are signs of life; `retry` is for browsers.
            _ => {}
        }
        None
    }
}

/// Where a followed stream stands.
struct Following {
    api: Api,
    url: Url,
    /// The last event that was given.
    last: Option<u64>,
    connection: Option<(Response, Parser)>,
    /// In a row.
    failures: u32,
    is_over: bool,
}

/// All events at `url` until the server says `end`. The first connection must succeed; later ones are tried for a while.
pub(super) fn follow(api: &Api, url: Url) -> impl Stream<Item = Result<News, Failure>> + Send + 'static {
    let first = Following { api: api.clone(), url, last: None, connection: None, failures: 0, is_over: false };
    stream::unfold((first, false), |(mut following, was_open)| async move {
        if following.is_over {
            return None;
        }
        let mut was_open = was_open;
        let news = match following.next(&mut was_open).await {
            Ok(Some(news)) => Ok(news),
            Ok(None) => return None,
            Err(failure) => {
                following.is_over = true;
                Err(failure)
            }
        };
        Some((news, (following, was_open)))
    })
}

impl Following {
    async fn next(&mut self, was_open: &mut bool) -> Result<Option<News>, Failure> {
        loop {
            if self.connection.is_none() {
                match self.api.open(self.url.clone(), self.last).await {
                    Ok(response) => {
                        self.connection = Some((response, Parser::default()));
                        *was_open = true;
                        return Ok(Some(News::Open));
                    }
                    Err(failure) if *was_open && failure.is_passing() && self.failures < TRIES => {
                        self.pause().await;
                        continue;
                    }
                    Err(failure) => return Err(failure),
                }
            }
            match self.read().await? {
                Some(event) if event.kind == "end" => {
                    self.is_over = true;
                    return Ok(None);
                }
                Some(event) => {
                    self.last = event.id.or(self.last);
                    return Ok(Some(News::Event(event)));
                }
                None => {
                    self.connection = None;
                    if self.failures >= TRIES {
                        let detail = "it was taken up again in vain".to_owned();
                        return Err(Failure::Broken { address: self.api.address(), detail });
                    }
                    let is_first = self.failures == 0;
                    self.pause().await;
                    if is_first {
                        return Ok(Some(News::Interrupted));
                    }
                }
            }
        }
    }

    /// The next event of this connection; `None` when it broke.
    async fn read(&mut self) -> Result<Option<Event>, Failure> {
        let Some((response, parser)) = &mut self.connection else {
            return Ok(None);
        };
        loop {
            if let Some(event) = parser.next().map_err(|detail| self.api.stranger(detail))? {
                return Ok(Some(event));
            }
            match tokio::time::timeout(SILENCE, response.chunk()).await {
                Ok(Ok(Some(bytes))) => {
                    self.failures = 0;
                    parser.bytes.extend_from_slice(&bytes);
                }
                Ok(Ok(None) | Err(_)) | Err(_) => return Ok(None),
            }
        }
    }

    async fn pause(&mut self) {
        let pause_ms = (100 << self.failures.min(16)).min(PAUSE_MS);
        self.failures += 1;
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives the text in pieces of that many bytes.
    fn events(text: &str, piece: usize) -> Vec<Event> {
        let mut parser = Parser::default();
        let mut events = Vec::new();
        for piece in text.as_bytes().chunks(piece) {
            parser.bytes.extend_from_slice(piece);
            while let Some(event) = parser.next().unwrap() {
                events.push(event);
            }
        }
        events
    }

    #[test]
    fn events_are_read_however_they_are_cut() {
        let text = ": alive\n\nid: 1\nevent: line\ndata: größe\n\nid:2\r\ndata: a\r\ndata:  b\r\n\r\nevent: end\ndata: {}\n\nid: 3\ndata: half";
        let event = |id, kind: &str, data: &str| Event { id, kind: kind.to_owned(), data: data.to_owned() };
        let meant = [event(Some(1), "line", "größe"), event(Some(2), "", "a\n b"), event(None, "end", "{}")];
        for piece in [1, 2, 3, 7, 1_000] {
            assert_eq!(events(text, piece), meant, "in pieces of {piece}");
        }
    }

    #[test]
    fn an_event_without_end_does_not_fill_the_memory() {
        let mut parser = Parser { bytes: vec![b'x'; EVENT_BYTES], ..Parser::default() };
        assert!(parser.next().unwrap().is_none());
        parser.bytes.push(b'x');
        assert!(parser.next().is_err());
    }
}
