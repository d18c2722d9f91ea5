//! Amounts of bytes: read as people write them (`512MiB`), and written as people read them.

use std::fmt;

/// Units of 1024, largest first.
const UNITS: [(&str, u64); 5] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// Bytes, or what to do about a text that is no size.
pub fn parse_size(text: &str) -> Result<u64, &'static str> {
    const FORM: &str = "write it as a whole number and a unit: `512MiB`, `5GiB`";
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, factor) = UNITS.iter().find(|(known, _)| *known == unit).ok_or(FORM)?;
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(*factor)).ok_or(FORM)
}

/// An amount of bytes as people say it: `0 B`, `999 B`, `1.5 KiB`, `12 MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, factor) = UNITS.iter().find(|(_, factor)| self.0 >= *factor).unwrap_or(&("B", 1));
        let (whole, tenth) = (self.0 / factor, self.0 % factor * 10 / factor);
        if *factor == 1 || whole >= 10 || tenth == 0 { write!(f, "{whole} {unit}") } else { write!(f, "{whole}.{tenth} {unit}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_whole_numbers_with_a_unit() {
        for (text, bytes) in [("0B", 0), ("512MiB", 536_870_912), ("5GiB", 5_368_709_120), ("1KiB", 1024), ("2TiB", 2 << 40)] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for bad in ["", "5", "GiB", "5GB", "5 GiB", "1.5GiB", "-1B", "99999999999TiB", "٣MiB", "5gib"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_have_the_precision_that_matters() {
        let said = [0, 999, 1024, 1536, 10 * 1024 + 512, (1 << 20) - 1, 1 << 20, 5 << 30, u64::MAX].map(|n| Size(n).to_string());
        assert_eq!(said, ["0 B", "999 B", "1 KiB", "1.5 KiB", "10 KiB", "1023 KiB", "1 MiB", "5 GiB", "16777215 TiB"]);
    }
}
