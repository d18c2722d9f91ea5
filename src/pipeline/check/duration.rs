//! `90s`, `20m`, `1h30m`, `250ms`.

/// Units, longest first, in milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Milliseconds, or what to do about a text that is no duration. Numbers are whole, units go from long to short, each at most once.
pub(super) fn parse(text: &str) -> Result<u64, &'static str> {
    const FORM: &str = "write it like `90s`, `20m` or `1h30m`";
    let mut rest = text;
    let mut total: u64 = 0;
    let mut units = UNITS.iter();
    if text.is_empty() {
        return Err(FORM);
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at(digits);
        if after.starts_with(['.', ',']) {
            return Err("use whole numbers and a smaller unit: `90m`, not `1.5h`");
        }
        let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, after) = after.split_at(letters);
        if unit.is_empty() && after.is_empty() && digits > 0 {
            return Err("say the unit: `30s`, `30m`");
        }
        let (_, factor) = units.by_ref().find(|(known, _)| *known == unit).ok_or(FORM)?;
        let part = number.parse::<u64>().ok().and_then(|number| number.checked_mul(*factor));
        total = part.and_then(|part| total.checked_add(part)).ok_or(FORM)?;
        rest = after;
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_whole_numbers_with_units_from_long_to_short() {
        for (text, ms) in [
            ("90s", 90_000),
            ("20m", 1_200_000),
            ("1h30m", 5_400_000),
            ("250ms", 250),
            ("0s", 0),
            ("2d", 172_800_000),
            ("1m1s1ms", 61_001),
        ] {
            assert_eq!(parse(text), Ok(ms), "{text}");
        }
        for bad in [
            "",
            "20",
            "m",
            "1.5h",
            "1h 30m",
            "30m1h",
            "5m5m",
            "-5m",
            "5M",
            "5min",
            "99999999999999999999s",
            "9999999999999d",
            "5m\u{e9}",
            "٣m",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
