//! Attributes of an element and the small values in reports: names, entities, encodings, times.

use quick_xml::escape::{resolve_xml_entity, unescape};
use quick_xml::events::{BytesRef, BytesStart};

use super::case;
use crate::base::limits::{REPORT_ATTRIBUTES, TIMEOUT_MAX_MS};

/// The attributes that are looked at, unescaped; the others' values are not even decoded.
#[derive(Default)]
pub(super) struct Attributes {
    pub name: String,
    pub class: String,
    pub file: String,
    pub line: String,
    pub time: String,
    pub status: String,
    pub result: String,
    pub kind: String,
    pub message: String,
}

impl Attributes {
    pub fn of(element: &BytesStart<'_>) -> Result<Self, String> {
        let mut found = Self::default();
        // Not checked for doubles: that compares each with all others.
        for (count, attribute) in element.attributes().with_checks(false).enumerate() {
            if count >= REPORT_ATTRIBUTES {
                return Err(format!("has an element with more than {REPORT_ATTRIBUTES} attributes, which is the limit"));
            }
            let attribute = attribute.map_err(|error| format!("is not well-formed XML: {error}"))?;
            let place = match attribute.key.local_name().as_ref() {
                "name" => &mut found.name,
                "classname" => &mut found.class,
                "file" | "filepath" => &mut found.file,
                "line" => &mut found.line,
                "time" => &mut found.time,
                "status" => &mut found.status,
                "result" => &mut found.result,
                "type" => &mut found.kind,
                "message" => &mut found.message,
                _ => continue,
            };
            *place = unescape(&attribute.value).map_err(|error| format!("is not well-formed XML: {error}"))?.into_owned();
        }
        Ok(found)
    }
}

/// `&lt;` and `&#60;`; a document of no document type knows no others.
pub(super) fn character(reference: &BytesRef<'_>) -> Result<char, String> {
    let found = match reference.resolve_char_ref() {
        Ok(Some(char)) => Some(char),
        Ok(None) => resolve_xml_entity(reference).and_then(|text| text.chars().next()),
        Err(error) => return Err(format!("is not well-formed XML: {error}")),
    };
    found.ok_or_else(|| format!("names the entity `{}`, which nothing declares", case::name(reference)))
}

/// Encodings of which UTF-8 text is text too, as long as the reading as UTF-8 went well.
pub(super) fn is_ascii_like(name: &str) -> bool {
    ["utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "latin1", "windows-1252"]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
}

/// Seconds with a fraction, as reports have it; `1,234.5` is how Surefire writes a long one.
pub(super) fn milliseconds(time: &str) -> Option<u64> {
    let seconds: f64 = time.trim().replace(',', "").parse().ok()?;
    let ms = (seconds * 1000.0).round();
    // A float is cut to the bounds of the integer, never wrapped.
    (seconds >= 0.0 && ms.is_finite()).then(|| (ms as u64).min(TIMEOUT_MAX_MS))
}
