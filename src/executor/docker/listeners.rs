//! Who listens in a job's network, asked from inside of it by a program of our own, which is run by `exec` in the sandbox.
//!
//! It answers each byte that it is sent with the kernel's tables of TCP sockets (`/proc/net/tcp`, `tcp6`) and an empty line, and ends with its input. So
//! * a service is seen on whatever address it listens, also on 127.0.0.1 alone, and without connecting to it: a connection that says nothing fills the
//!   logs of databases, and a server that takes only one is used up by it;
//! * nothing is asked of the service's image, and nothing of this machine: no root, no look into another's `/proc`, and the engine may be elsewhere;
//! * one start costs 50 ms, and each question after it is a byte one way and some lines the other.
//!
//! Like [`super::pause`] it is written out byte by byte: 300 bytes that read two files.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::exec::{StartExecOptions, StartExecResults};
use bollard::models::ExecConfig;
use futures_util::{Stream, StreamExt};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::Mutex;

use super::elf;
use super::engine::Engine;
use super::trouble::Trouble;

/// The program's name in the sandbox's image.
pub(super) const PROGRAM: &str = "listeners";

#[rustfmt::skip]
const X86_64: &[u8] = &[
    0x48, 0x81, 0xec, 0x00, 0x10, 0x00, 0x00, // sub rsp, 4096
    // again
    0x31, 0xff, // xor edi, edi
    0x48, 0x89, 0xe6, // mov rsi, rsp
    0xba, 0x01, 0x00, 0x00, 0x00, // mov edx, 1
    0x31, 0xc0, // xor eax, eax (read)
    0x0f, 0x05, // syscall
    0x48, 0x85, 0xc0, // test rax, rax
    0x7e, 0x32, // jle exit
    0x48, 0x8d, 0x3d, 0x77, 0x00, 0x00, 0x00, // lea rdi, [tcp]
    0xe8, 0x2f, 0x00, 0x00, 0x00, // call table
    0x48, 0x8d, 0x3d, 0x79, 0x00, 0x00, 0x00, // lea rdi, [tcp6]
    0xe8, 0x23, 0x00, 0x00, 0x00, // call table
    0x48, 0x8d, 0x35, 0x7c, 0x00, 0x00, 0x00, // lea rsi, [newline]
    0xba, 0x01, 0x00, 0x00, 0x00, // mov edx, 1
    0xbf, 0x01, 0x00, 0x00, 0x00, // mov edi, 1
    0xb8, 0x01, 0x00, 0x00, 0x00, // mov eax, 1 (write)
    0x0f, 0x05, // syscall
    0xeb, 0xbb, // jmp again
    // exit
    0x31, 0xff, // xor edi, edi
    0xb8, 0x3c, 0x00, 0x00, 0x00, // mov eax, 60 (exit)
    0x0f, 0x05, // syscall
    // table: writes the file that rdi names
    0x31, 0xf6, // xor esi, esi
    0xb8, 0x02, 0x00, 0x00, 0x00, // mov eax, 2 (open)
    0x0f, 0x05, // syscall
    0x85, 0xc0, // test eax, eax
    0x78, 0x35, // js done
    0x89, 0xc3, // mov ebx, eax
    // more
    0x89, 0xdf, // mov edi, ebx
    0x48, 0x8d, 0x74, 0x24, 0x08, // lea rsi, [rsp + 8]
    0xba, 0x00, 0x10, 0x00, 0x00, // mov edx, 4096
    0x31, 0xc0, // xor eax, eax (read)
    0x0f, 0x05, // syscall
    0x48, 0x85, 0xc0, // test rax, rax
    0x7e, 0x15, // jle close
    0x89, 0xc2, // mov edx, eax
    0x48, 0x8d, 0x74, 0x24, 0x08, // lea rsi, [rsp + 8]
    0xbf, 0x01, 0x00, 0x00, 0x00, // mov edi, 1
    0xb8, 0x01, 0x00, 0x00, 0x00, // mov eax, 1 (write)
    0x0f, 0x05, // syscall
    0xeb, 0xd6, // jmp more
    // close
    0x89, 0xdf, // mov edi, ebx
    0xb8, 0x03, 0x00, 0x00, 0x00, // mov eax, 3 (close)
    0x0f, 0x05, // syscall
    // done
    0xc3, // ret
];

#[rustfmt::skip]
const AARCH64: &[u32] = &[
    0xd140_07ff, // sub sp, sp, #4096
    // again
    0xd280_0000, // mov x0, #0
    0x9100_03e1, // mov x1, sp
    0xd280_0022, // mov x2, #1
    0xd280_07e8, // mov x8, #63 (read)
    0xd400_0001, // svc #0
    0xf100_001f, // cmp x0, #0
    0x5400_016d, // b.le exit
    0x1000_0481, // adr x1, tcp
    0x9400_000c, // bl table
    0x5000_04a1, // adr x1, tcp6
    0x9400_000a, // bl table
    0x3000_04e1, // adr x1, newline
    0xd280_0022, // mov x2, #1
    0xd280_0020, // mov x0, #1
    0xd280_0808, // mov x8, #64 (write)
    0xd400_0001, // svc #0
    0x17ff_fff0, // b again
    // exit
    0xd280_0000, // mov x0, #0
    0xd280_0ba8, // mov x8, #93 (exit)
    0xd400_0001, // svc #0
    // table: writes the file that x1 names
    0x9280_0c60, // mov x0, #-100 (AT_FDCWD)
    0xd280_0002, // mov x2, #0
    0xd280_0708, // mov x8, #56 (openat)
    0xd400_0001, // svc #0
    0xb7f8_0240, // tbnz x0, #63, done
    0xaa00_03f3, // mov x19, x0
    // more
    0xaa13_03e0, // mov x0, x19
    0x9100_03e1, // mov x1, sp
    0xd282_0002, // mov x2, #4096
    0xd280_07e8, // mov x8, #63 (read)
    0xd400_0001, // svc #0
    0xf100_001f, // cmp x0, #0
    0x5400_00ed, // b.le close
    0xaa00_03e2, // mov x2, x0
    0x9100_03e1, // mov x1, sp
    0xd280_0020, // mov x0, #1
    0xd280_0808, // mov x8, #64 (write)
    0xd400_0001, // svc #0
    0x17ff_fff4, // b more
    // close
    0xaa13_03e0, // mov x0, x19
    0xd280_0728, // mov x8, #57 (close)
    0xd400_0001, // svc #0
    // done
    0xd65f_03c0, // ret
];

/// What follows the code, and is found relative to it.
const DATA: &[u8] = b"/proc/net/tcp\0/proc/net/tcp6\0\n";

/// The executable for the engine's machine; `None` for one that is not known.
pub(super) fn executable(architecture: &str) -> Option<Vec<u8>> {
    let aarch64: Vec<u8> = AARCH64.iter().flat_map(|word| word.to_le_bytes()).collect();
    elf::executable(architecture, &[X86_64, DATA].concat(), &[&aarch64, DATA].concat())
}

/// An engine that is going down answers for a moment after it has ended what ran in it.
const GOING: Duration = Duration::from_secs(1);

/// The running program; started with the first question.
pub(super) struct Listeners<'a> {
    engine: &'a Engine,
    sandbox: &'a str,
    program: Mutex<Option<Program>>,
}

struct Program {
    input: Pin<Box<dyn AsyncWrite + Send>>,
    output: Pin<Box<dyn Stream<Item = Result<LogOutput, Error>> + Send>>,
}

impl<'a> Listeners<'a> {
    pub(super) fn of(engine: &'a Engine, sandbox: &'a str) -> Self {
        Self { engine, sandbox, program: Mutex::new(None) }
    }

    /// What an answer that did not come means: an engine that goes on answering is there, and cannot run the program.
    async fn why(&self, error: &Error) -> Trouble {
        let Trouble::Unreachable(why) = self.engine.judge(error).await else {
            return Trouble::Refused { status: 500, message: error.to_string() };
        };
        tokio::time::sleep(GOING).await;
        match self.engine.ping().await {
            Ok(()) => Trouble::Refused { status: 500, message: error.to_string() },
            Err(Trouble::Unreachable(_) | Trouble::Refused { .. }) => Trouble::Unreachable(why),
        }
    }

    /// Whether something listens on this TCP port.
    pub(super) async fn has(&self, port: u16) -> Result<bool, Trouble> {
        let mut kept = self.program.lock().await;
        // Taken out: a question that is cut off leaves no half answer for the next one.
        let mut program = match kept.take() {
            Some(program) => program,
            None => start(self.engine, self.sandbox).await?,
        };
        let ports = match program.ask().await {
            Ok(ports) => ports,
            Err(error) => return Err(self.why(&error).await),
        };
        *kept = Some(program);
        Ok(ports.contains(&port))
    }
}

async fn start(engine: &Engine, sandbox: &str) -> Result<Program, Trouble> {
    let config = ExecConfig {
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        cmd: Some(vec![format!("/{PROGRAM}")]),
        ..ExecConfig::default()
    };
    let made = engine.ask(|client| async move { client.create_exec(sandbox, config).await }).await?;
    let id = &made.id;
    match engine.ask(|client| async move { client.start_exec(id, None::<StartExecOptions>).await }).await? {
        StartExecResults::Attached { output, input } => Ok(Program { input, output }),
        StartExecResults::Detached => {
            Err(Trouble::Refused { status: 500, message: "it did not attach to the sandbox".to_owned() })
        }
    }
}

impl Program {
    /// The ports of all sockets that listen at this moment.
    async fn ask(&mut self) -> Result<BTreeSet<u16>, Error> {
        self.input.write_all(b"?").await?;
        self.input.flush().await?;
        let mut answer = Vec::new();
        while !is_whole(&answer) {
            match self.output.next().await {
                Some(piece) => answer.extend_from_slice(&piece?.into_bytes()),
                None => return Err(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the sandbox's program ended").into()),
            }
        }
        Ok(listening(&String::from_utf8_lossy(&answer)))
    }
}

fn is_whole(answer: &[u8]) -> bool {
    answer == b"\n" || answer.ends_with(b"\n\n")
}

/// The local ports of the sockets in state `LISTEN` (0A): `sl local_address rem_address st …`, addresses as `HEX:PORT`.
fn listening(tables: &str) -> BTreeSet<u16> {
    let port = |line: &str| {
        let mut words = line.split_whitespace().skip(1);
        let (local, state) = (words.next()?, words.nth(1)?);
        let (_, port) = local.rsplit_once(':')?;
        (state == "0A").then(|| u16::from_str_radix(port, 16).ok()).flatten()
    };
    tables.lines().filter_map(port).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::os::unix::fs::PermissionsExt;
    use std::process::{Command, Stdio};

    #[test]
    fn only_sockets_that_listen_count_on_whatever_address() {
        let tables = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 0100007F:1539 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 2 1 0 100 0 0 10 0
  sl  local_address                         remote_address                        st tx_queue
   0: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000
nonsense
\n";
        assert_eq!(listening(tables), [80, 5432].into());
    }

    /// The program itself, on this machine: it needs no container to be run.
    #[test]
    fn the_program_answers_each_byte_with_the_tables_and_ends_with_its_input() {
        let program = executable(std::env::consts::ARCH).expect("the tests run on a machine that is known");
        let mut file = tempfile::Builder::new().permissions(std::fs::Permissions::from_mode(0o755)).tempfile().unwrap();
        file.write_all(&program).unwrap();
        let path = file.into_temp_path();
        // Another test's child may hold the file open for writing, for the moment between its fork and its exec.
        let mut child = loop {
            match Command::new(&path).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn() {
                Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => std::thread::yield_now(),
                spawned => break spawned.unwrap(),
            }
        };
        let (mut input, mut output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut ask = || {
            input.write_all(b"?").unwrap();
            let (mut answer, mut piece) = (Vec::new(), [0; 4096]);
            while !is_whole(&answer) {
                let read = output.read(&mut piece).unwrap();
                assert!(read > 0, "it ended after {:?}", String::from_utf8_lossy(&answer));
                answer.extend_from_slice(&piece[..read]);
            }
            listening(&String::from_utf8(answer).unwrap())
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(ask().contains(&port));
        assert!(ask().contains(&port));
        drop(listener);
        assert!(!ask().contains(&port));
        drop(input);
        assert!(child.wait().unwrap().success());
    }

    #[test]
    fn it_is_there_for_both_machines() {
        for machine in ["x86_64", "aarch64"] {
            let file = executable(machine).unwrap();
            assert!(file.ends_with(DATA) && file.len() < 400, "{}", file.len());
        }
        assert_eq!(executable("vax"), None);
    }
}
