//! A terminal (an `exec`, or a container's own), reached over a connection of our own: what comes are the terminal's bytes and nothing else. The client library takes a piece that
//! begins with a byte below 3 for a frame's head, and then waits for as many bytes as it seems to name: whoever writes to a terminal could make it hold
//! gigabytes.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_util::io::ReaderStream;

use super::engine::Engine;
use super::trouble::Trouble;
use crate::executor::{ByteStream, Failure};

/// The head of the engine's answer.
const HEAD: usize = 8 * 1024;
/// What is read of a refusal.
const REFUSAL: usize = 1024;
const ANSWER: Duration = Duration::from_secs(30);

/// Both ways of a hijacked connection.
pub(super) struct Hijacked {
    pub output: ByteStream,
    pub input: std::pin::Pin<Box<dyn AsyncWrite + Send>>,
}

/// Starts an `exec` that was made with a terminal.
pub(super) async fn start(engine: &Engine, id: &str) -> Result<Hijacked, Failure> {
    hijack(engine, &format!("/exec/{id}/start"), r#"{"Detach":false,"Tty":true}"#).await
}

/// Attaches to the terminal of a container that was made with one.
pub(super) async fn attach(engine: &Engine, container: &str) -> Result<Hijacked, Failure> {
    hijack(engine, &format!("/containers/{container}/attach?stream=1&stdin=1&stdout=1&stderr=1"), "").await
}

async fn hijack(engine: &Engine, path: &str, body: &str) -> Result<Hijacked, Failure> {
    let version = engine.link().await.map_err(|trouble| trouble.into_failure("could not be asked"))?.client.client_version();
    let path = format!("/v{}.{}{path}", version.major_version, version.minor_version);
    let away = |error: io::Error| {
        Trouble::Unreachable(format!("Docker is not reachable at {}: {error}", engine.host)).into_failure("could not be asked")
    };
    let begun = match engine.host.split_once("://") {
        Some(("unix", socket)) => {
            let (read, write) = UnixStream::connect(socket).await.map_err(away)?.into_split();
            begin((&path, body), read, write).await
        }
        Some(("tcp" | "http", address)) => {
            let (read, write) = TcpStream::connect(address.trim_end_matches('/')).await.map_err(away)?.into_split();
            begin((&path, body), read, write).await
        }
        _ => {
            let why = format!("there are no terminals on an engine that is reached like {}", engine.host);
            return Err(Failure::Infrastructure(why));
        }
    };
    begun.map_err(away)?.map_err(|message| Failure::Infrastructure(format!("Docker could not open a terminal: {message}")))
}

async fn begin<R, W>((path, body): (&str, &str), mut read: R, mut write: W) -> io::Result<Result<Hijacked, String>>
where
    R: AsyncRead + Unpin + Send + 'static,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    write.write_all(request.as_bytes()).await?;
    let answered = tokio::time::timeout(ANSWER, head(&mut read)).await;
    let (head, rest) = answered.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    let status = head.split(' ').nth(1).unwrap_or_default();
    if !matches!(status, "101" | "200") {
        let mut said = rest;
        let mut refusal = read.take(REFUSAL as u64);
        // It says little and need not close the connection after it.
        let _ = tokio::time::timeout(Duration::from_millis(200), refusal.read_to_end(&mut said)).await;
        return Ok(Err(message(status, &said)));
    }
    let rest = stream::iter((!rest.is_empty()).then(|| Ok(Bytes::from(rest))));
    Ok(Ok(Hijacked { output: Box::pin(rest.chain(ReaderStream::new(read))), input: Box::pin(write) }))
}

/// The head, and what came after it at once.
async fn head(read: &mut (impl AsyncRead + Unpin)) -> io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Ok((String::from_utf8_lossy(&bytes).into_owned(), rest));
        }
        if bytes.len() > HEAD {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "its answer has no end"));
        }
        if read.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// The engine's own sentence, where it has one.
fn message(status: &str, said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    let json = text.find('{').zip(text.rfind('}')).and_then(|(from, to)| text.get(from..=to));
    let told = json.and_then(|json| serde_json::from_str::<serde_json::Value>(json).ok());
    let told = told.as_ref().and_then(|told| told["message"].as_str()).unwrap_or(&text).trim();
    let told: String = told.chars().filter(|char| !char.is_control()).take(300).collect();
    if told.is_empty() { format!("it answered {status}") } else { told }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn answered(answer: &'static [u8]) -> io::Result<Result<Vec<u8>, String>> {
        let (_kept, write) = tokio::io::duplex(4096);
        Ok(match begin(("/exec/x/start", "{}"), answer, write).await? {
            Err(message) => Err(message),
            Ok(Hijacked { mut output, .. }) => {
                let mut bytes = Vec::new();
                while let Some(piece) = output.next().await {
                    bytes.extend_from_slice(&piece?);
                }
                Ok(bytes)
            }
        })
    }

    #[tokio::test]
    async fn every_byte_after_the_head_is_the_terminals() {
        let bytes =
            answered(b"HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\n\x01\x00\x00\x00\xff\xff\xff\xffhello").await.unwrap();
        assert_eq!(bytes.unwrap(), b"\x01\x00\x00\x00\xff\xff\xff\xffhello");
    }

    #[tokio::test]
    async fn a_refusal_is_told_in_the_engines_words() {
        let refusal = b"HTTP/1.1 409 Conflict\r\nContent-Length: 40\r\n\r\n{\"message\":\"Container x is not running\"}\n";
        assert_eq!(answered(refusal).await.unwrap(), Err("Container x is not running".to_owned()));
        assert_eq!(answered(b"HTTP/1.1 500 Oh\r\n\r\n").await.unwrap(), Err("it answered 500".to_owned()));
        assert!(answered(b"HTTP/1.1 101").await.is_err());
    }
}
