//! What a file may be shown as, by how it begins.
//!
//! **Invariant:** pure; the name plays no part, and nothing that a browser could run is a kind of its own: pages, vector images and scripts are text.

use crate::store::Kind;

/// Bytes that are looked at.
pub(super) const SAMPLE: usize = 8 * 1024;

/// The kind of a file that begins so; `whole` when that is all of it.
pub(super) fn kind_of(start: &[u8], whole: bool) -> Kind {
    let sample = &start[..start.len().min(SAMPLE)];
    match sample {
        _ if sample.starts_with(b"\x89PNG\r\n\x1a\n") => Kind::Png,
        _ if sample.starts_with(b"\xff\xd8\xff") => Kind::Jpeg,
        _ if sample.starts_with(b"GIF87a") || sample.starts_with(b"GIF89a") => Kind::Gif,
        _ if sample.starts_with(b"RIFF") && sample.get(8..12) == Some(b"WEBP") => Kind::Webp,
        _ if is_text(sample, whole && sample.len() == start.len()) => Kind::Text,
        _ => Kind::Other,
    }
}

fn is_text(sample: &[u8], whole: bool) -> bool {
    let text = match std::str::from_utf8(sample) {
        Ok(text) => text,
        // A character that the sample's end cut in two.
        Err(error) if !whole && error.error_len().is_none() => {
            std::str::from_utf8(&sample[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    text.chars().all(|c| !c.is_control() || matches!(c, '\t' | '\n' | '\r' | '\u{c}' | '\u{1b}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_by_the_first_bytes() {
        for (bytes, kind) in [
            (&b""[..], Kind::Text),
            (b"hello\n", Kind::Text),
            (b"<script>alert(1)</script>", Kind::Text),
            (b"<svg xmlns='http://www.w3.org/2000/svg'/>", Kind::Text),
            (b"\x1b[31mred\x1b[0m", Kind::Text),
            ("übung".as_bytes(), Kind::Text),
            (b"a\0b", Kind::Other),
            (b"\x7fELF\x02", Kind::Other),
            (b"\xff\xfe<\0h\0", Kind::Other),
            (b"\x89PNG\r\n\x1a\n....", Kind::Png),
            (b"\xff\xd8\xff\xe0", Kind::Jpeg),
            (b"GIF89a<script>", Kind::Gif),
            (b"RIFF....WEBPVP8 ", Kind::Webp),
            (b"RIFF....WAVE", Kind::Text),
            (b"%PDF-1.7\n\xe2\xe3", Kind::Other),
        ] {
            assert_eq!(kind_of(bytes, true), kind, "{bytes:?}");
        }
    }

    #[test]
    fn a_character_may_be_cut_by_the_end_of_the_sample_but_not_of_the_file() {
        let mut bytes = vec![b'a'; SAMPLE - 1];
        bytes.extend_from_slice("ü and more".as_bytes());
        assert_eq!(kind_of(&bytes, true), Kind::Text);
        assert_eq!(kind_of("aü".as_bytes().split_last().unwrap().1, true), Kind::Other);
    }
}
