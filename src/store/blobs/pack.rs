//! Compressing and decompressing one frame. Blocking work; the contexts of the library are used again, since each is megabytes to make.

use std::io;
use std::sync::{Mutex, PoisonError};

use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::CParameter;

/// What `zstd` itself takes when nobody says: three times the speed of level 9 for a tenth more bytes.
const LEVEL: i32 = 3;

/// Contexts that nobody uses at the moment; as many as were once used at the same time.
#[derive(Default)]
pub(super) struct Packers {
    compressors: Mutex<Vec<Compressor<'static>>>,
    decompressors: Mutex<Vec<Decompressor<'static>>>,
}

impl Packers {
    /// The frame of this content, with a checksum.
    pub fn pack(&self, content: &[u8]) -> io::Result<Vec<u8>> {
        let kept = self.compressors.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut compressor = match kept {
            Some(compressor) => compressor,
            None => {
                let mut compressor = Compressor::new(LEVEL)?;
                compressor.set_parameter(CParameter::ChecksumFlag(true))?;
                compressor
            }
        };
        let packed = compressor.compress(content);
        self.compressors.lock().unwrap_or_else(PoisonError::into_inner).push(compressor);
        packed
    }

    /// The content of a frame, which must be exactly `size` bytes.
    pub fn unpack(&self, frame: &[u8], size: usize) -> io::Result<Vec<u8>> {
        let kept = self.decompressors.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut decompressor = match kept {
            Some(decompressor) => decompressor,
            None => Decompressor::new()?,
        };
        let content = decompressor.decompress(frame, size);
        self.decompressors.lock().unwrap_or_else(PoisonError::into_inner).push(decompressor);
        let content = content?;
        if content.len() == size { Ok(content) } else { Err(io::Error::new(io::ErrorKind::InvalidData, "a frame is too short")) }
    }
}
