//! What server and init program say to each other: the message at the gate, and the frames of the segment file. Read by both, so it stands alone.
//!
//! **Invariant:** everything is little-endian and length-prefixed; a reader that is handed nonsense says so and never allocates more than the limits.

/// The first bytes of a message; a new form gets a new number.
pub const MAGIC: [u8; 8] = *b"gantry1\n";
/// A message at the gate, in bytes: a step's arguments and environment.
pub const MESSAGE_BYTES: usize = 16 * 1024 * 1024;
/// One frame's payload.
pub const FRAME_BYTES: usize = 64 * 1024;
/// Time (nanoseconds since 1970), kind, three zeros, length.
pub const HEADER_BYTES: usize = 16;

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Stdout,
    Stderr,
    /// The log's limit was reached: output is read and dropped from here on.
    Limit,
    /// The gate was opened, and the step's process is made next: without this frame in the file there never was one.
    Started,
    /// The step's process could not be made: the payload is the sentence.
    NotStarted,
    /// The last frame: `name=value` lines.
    Exit,
}

impl Kind {
    pub fn byte(self) -> u8 {
        match self {
            Kind::Stdout => 1,
            Kind::Stderr => 2,
            Kind::Limit => 3,
            Kind::Started => 4,
            Kind::NotStarted => 5,
            Kind::Exit => 6,
        }
    }

    pub fn of(byte: u8) -> Option<Self> {
        [Kind::Stdout, Kind::Stderr, Kind::Limit, Kind::Started, Kind::NotStarted, Kind::Exit]
            .into_iter()
            .find(|kind| kind.byte() == byte)
    }
}

/// A frame's header.
pub fn header(at_ns: u64, kind: Kind, length: u32) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..8].copy_from_slice(&at_ns.to_le_bytes());
    header[8] = kind.byte();
    header[12..].copy_from_slice(&length.to_le_bytes());
    header
}

/// Time, kind and length out of a header; `None` when it is none.
pub fn read_header(header: &[u8; HEADER_BYTES]) -> Option<(u64, Kind, usize)> {
    let (time, rest) = header.split_first_chunk::<8>()?;
    let (kind, rest) = rest.split_first()?;
    let length = u32::from_le_bytes(*rest.last_chunk::<4>()?) as usize;
    let kind = Kind::of(*kind)?;
    (length <= FRAME_BYTES && rest.starts_with(&[0; 3])).then_some((u64::from_le_bytes(*time), kind, length))
}

/// What opens the gate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Opening {
    /// The program and its arguments.
    pub argv: Vec<Vec<u8>>,
    /// Set over the container's own environment.
    pub env: Vec<(Vec<u8>, Vec<u8>)>,
    /// Output that is kept, in bytes; what comes after is read and dropped.
    pub log_bytes: u64,
}

impl Opening {
    /// The message, with its magic and length.
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        body.extend(self.log_bytes.to_le_bytes());
        body.extend((self.argv.len() as u32).to_le_bytes());
        for argument in &self.argv {
            put(&mut body, argument);
        }
        body.extend((self.env.len() as u32).to_le_bytes());
        for (name, value) in &self.env {
            put(&mut body, name);
            put(&mut body, value);
        }
        let mut message = MAGIC.to_vec();
        message.extend((body.len() as u32).to_le_bytes());
        message.extend(body);
        message
    }

    /// Reads a message's body; `None` when it is none.
    pub fn decode(mut body: &[u8]) -> Option<Self> {
        let body = &mut body;
        let log_bytes = u64::from_le_bytes(*body.split_off(..8)?.first_chunk()?);
        let argv = (0..number(body)?).map(|_| bytes(body)).collect::<Option<Vec<_>>>()?;
        let env = (0..number(body)?).map(|_| Some((bytes(body)?, bytes(body)?))).collect::<Option<Vec<_>>>()?;
        (body.is_empty() && !argv.is_empty()).then_some(Self { argv, env, log_bytes })
    }
}

fn put(body: &mut Vec<u8>, bytes: &[u8]) {
    body.extend((bytes.len() as u32).to_le_bytes());
    body.extend(bytes);
}

fn number(body: &mut &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(*body.split_off(..4)?.first_chunk()?))
}

fn bytes(body: &mut &[u8]) -> Option<Vec<u8>> {
    let length = number(body)? as usize;
    body.split_off(..length).map(<[u8]>::to_vec)
}
