//! Where the frames of a content are in its object.
//!
//! A content is cut into pieces of one length (the last may be shorter), each compressed into a zstd frame of its own; the frames follow each other,
//! so that `zstd -d` reads an object as a whole, and any byte is one frame away. **Invariant:** a list that does not fit its content is refused.

use std::ops::Range;

/// The frames of one content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frames {
    /// Bytes of content.
    size: u64,
    /// Bytes of content in each frame but the last.
    frame: u64,
    /// Where each frame ends in the object.
    ends: Vec<u64>,
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    /// In the object.
    pub stored: Range<u64>,
    /// In the content.
    pub content: Range<u64>,
}

impl Frames {
    /// From a row: `lengths` of the frames in the object.
    pub fn read(size: u64, frame: u64, lengths: &[u64]) -> Result<Self, String> {
        let mut ends = Vec::with_capacity(lengths.len());
        let mut end: u64 = 0;
        for length in lengths {
            end = end.checked_add(*length).ok_or_else(|| "its frames are too long".to_owned())?;
            ends.push(end);
        }
        let wanted = if frame == 0 { None } else { Some(size.div_ceil(frame)) };
        if wanted != Some(lengths.len() as u64) {
            return Err(format!("{size} bytes are not {} frames of {frame}", lengths.len()));
        }
        Ok(Self { size, frame, ends })
    }

    /// The lengths, for a row.
    pub fn lengths(&self) -> Vec<u64> {
        let starts = [0].into_iter().chain(self.ends.iter().copied());
        self.ends.iter().zip(starts).map(|(end, start)| end - start).collect()
    }

    /// Bytes of content in each frame but the last.
    pub fn frame(&self) -> u64 {
        self.frame
    }

    /// The frames that hold this range of the content, in order.
    pub fn holding(&self, range: &Range<u64>) -> Vec<Frame> {
        if range.is_empty() {
            return Vec::new();
        }
        let (first, last) = (range.start / self.frame, (range.end - 1) / self.frame);
        (first..=last).filter_map(|ix| self.get(ix)).collect()
    }

    fn get(&self, ix: u64) -> Option<Frame> {
        let at = usize::try_from(ix).ok()?;
        let end = *self.ends.get(at)?;
        let start = if at == 0 { 0 } else { *self.ends.get(at - 1)? };
        let from = ix * self.frame;
        Some(Frame { stored: start..end, content: from..self.size.min(from + self.frame) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_found_in_the_frames_that_hold_it() {
        let frames = Frames::read(25, 10, &[4, 5, 3]).unwrap();
        assert_eq!(frames.lengths(), [4, 5, 3]);
        let found = |range: Range<u64>| frames.holding(&range).into_iter().map(|f| (f.stored, f.content)).collect::<Vec<_>>();
        assert_eq!(found(0..10), [(0..4, 0..10)]);
        assert_eq!(found(9..11), [(0..4, 0..10), (4..9, 10..20)]);
        assert_eq!(found(24..25), [(9..12, 20..25)]);
        assert_eq!(found(5..5), []);
        assert_eq!(found(0..25).len(), 3);
        assert_eq!(Frames::read(0, 10, &[]).unwrap().holding(&(0..0)), []);
    }

    #[test]
    fn a_list_that_does_not_fit_is_refused() {
        for (size, frame, lengths) in [(25, 10, vec![1, 2]), (25, 0, vec![]), (0, 10, vec![1]), (20, 10, vec![u64::MAX, 2])] {
            assert!(Frames::read(size, frame, &lengths).is_err(), "{size} {frame} {lengths:?}");
        }
    }
}
