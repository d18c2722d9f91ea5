//! A reader of the server's live channels (server-sent events), which tells a thing at the moment when anybody could know it.

use serde_json::Value;

/// An open stream.
pub struct Live {
    answer: reqwest::Response,
    unread: Vec<u8>,
}

impl Live {
    /// Returns once the server has answered: what happens from then on is told.
    pub async fn open(url: String) -> Self {
        let answer = reqwest::get(&url).await.and_then(reqwest::Response::error_for_status);
        Self { answer: answer.unwrap_or_else(|error| panic!("{url}: {error}")), unread: Vec::new() }
    }

    /// The data of the next event.
    ///
    /// # Panics
    /// When the stream ends or breaks.
    pub async fn next(&mut self) -> Value {
        loop {
            while let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                // Names, numbers and comments are not needed here.
                if let Some(data) = line.strip_prefix(b"data:") {
                    return serde_json::from_slice(data).expect("data is JSON");
                }
            }
            let piece = self.answer.chunk().await.expect("the stream goes on").expect("the stream has not ended");
            self.unread.extend_from_slice(&piece);
        }
    }

    /// The first event for which `wanted` has an answer.
    pub async fn until<T>(&mut self, wanted: impl Fn(&Value) -> Option<T>) -> T {
        loop {
            if let Some(found) = wanted(&self.next().await) {
                return found;
            }
        }
    }
}
