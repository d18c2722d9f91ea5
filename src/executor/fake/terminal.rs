//! A terminal of the fake executor: says its size, answers each line with the line, `env NAME` with the value of a variable, ends by
//! `exit N`; Ctrl-C is told.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;
use tokio::io::{AsyncReadExt, DuplexStream};
use tokio::sync::watch;

use crate::executor::Failure;
use crate::executor::terminal::{Terminal, TerminalAt, TerminalControl, TerminalSize};

/// Bytes that wait for their reader: few, so that a slow one is felt.
const PIPE: usize = 4096;

struct Control {
    size: watch::Sender<TerminalSize>,
    code: watch::Receiver<Option<i64>>,
}

/// Opens one; its shell lives in the stream of its output.
pub(super) fn open(at: &TerminalAt) -> Terminal {
    let (typed, input) = tokio::io::duplex(PIPE);
    let size = watch::Sender::new(at.size);
    let (code, exit) = watch::channel(None);
    let shell = Shell { input, line: Vec::new(), env: at.env.clone(), size: size.subscribe(), code, begun: false, over: false };
    let output = stream::unfold(shell, |mut shell| async move { Some((Ok(shell.says().await?), shell)) });
    Terminal { output: Box::pin(output), input: Box::pin(typed), control: Box::new(Control { size, code: exit }) }
}

struct Shell {
    input: DuplexStream,
    line: Vec<u8>,
    env: BTreeMap<String, String>,
    size: watch::Receiver<TerminalSize>,
    code: watch::Sender<Option<i64>>,
    begun: bool,
    over: bool,
}

impl Shell {
    async fn says(&mut self) -> Option<Bytes> {
        if self.over {
            return None;
        }
        if !std::mem::replace(&mut self.begun, true) {
            return Some(self.told_size());
        }
        loop {
            let mut byte = [0];
            tokio::select! {
                changed = self.size.changed() => match changed {
                    Ok(()) => return Some(self.told_size()),
                    Err(_) => return None,
                },
                read = self.input.read(&mut byte) => match (read, byte[0]) {
                    (Ok(0) | Err(_), _) => return None,
                    (Ok(_), 3) => {
                        self.line.clear();
                        return Some(Bytes::from_static(b"^C\r\n"));
                    }
                    (Ok(_), b'\r' | b'\n') => return Some(self.answer()),
                    (Ok(_), byte) => self.line.push(byte),
                },
            }
        }
    }

    fn told_size(&mut self) -> Bytes {
        let TerminalSize { columns, rows } = *self.size.borrow_and_update();
        Bytes::from(format!("{columns}x{rows}\r\n"))
    }

    fn answer(&mut self) -> Bytes {
        let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
        if let Some(code) = line.strip_prefix("exit ").and_then(|code| code.trim().parse().ok()) {
            self.code.send_replace(Some(code));
            self.over = true;
            return Bytes::from_static(b"bye\r\n");
        }
        let said = match line.strip_prefix("env ") {
            Some(name) => format!("{name}={}", self.env.get(name).map_or("(unset)", String::as_str)),
            None => line,
        };
        Bytes::from(format!("{said}\r\n"))
    }
}

#[async_trait]
impl TerminalControl for Control {
    async fn resize(&self, size: TerminalSize) -> Result<(), Failure> {
        self.size.send_replace(size);
        Ok(())
    }

    async fn exit_code(&self) -> Result<Option<i64>, Failure> {
        Ok(*self.code.borrow())
    }

    async fn end(&self) {}
}
