//! What a test did last, as small pictures: a strip of outcomes, and bars as long as it took. Made of numbers, ids and words of ours; no script and no
//! style of their own.

use std::fmt;

use askama::filters::HtmlSafe;

use super::face::Face;
use super::results::HistoryRow;
use crate::store::Recent;

/// Outcomes in a strip.
const SHOWN: usize = 24;
/// Width of one outcome, with its gap.
const STEP: usize = 6;

/// The newest outcomes of a test, the newest at the right, where time goes on.
pub(super) struct Strip(pub Vec<Recent>);

impl fmt::Display for Strip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: Vec<Face> = self.0.iter().take(SHOWN).map(|recent| Face::of_test(recent.outcome, recent.flaky)).collect();
        let words = |class| shown.iter().filter(|face| face.class == class).count();
        let bad = words("failed") + words("error");
        let width = shown.len().max(1) * STEP;
        write!(
            f,
            r#"<svg class="strip" width="{width}" height="16" viewBox="0 0 {width} 16" role="img" aria-label="of the last {} results {bad} did not pass and {} were flaky">"#,
            shown.len(),
            words("flaky")
        )?;
        for (place, face) in shown.iter().enumerate() {
            let x = width - (place + 1) * STEP;
            write!(f, r#"<rect class="bar-{}" x="{x}" y="1" width="4" height="14" rx="1"/>"#, face.class)?;
        }
        f.write_str("</svg>")
    }
}

/// Durations of results, oldest first, each a link to its run.
pub(super) struct Bars<'a>(pub &'a [HistoryRow]);

/// Width of one bar, with its gap; height of the longest.
const BAR: u64 = 12;
const HEIGHT: u64 = 96;

impl fmt::Display for Bars<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let longest = self.0.iter().filter_map(|row| row.result.duration_ms).max().unwrap_or(0).max(1);
        let width = BAR * (self.0.len() as u64).max(30);
        write!(
            f,
            r#"<svg class="bars" viewBox="0 0 {width} {HEIGHT}" preserveAspectRatio="xMaxYMax" role="img" aria-label="Durations of the newest results">"#
        )?;
        for (place, row) in (1..).zip(self.0) {
            let ms = row.result.duration_ms.unwrap_or(0);
            // What took no time is still a result.
            let height = (ms.saturating_mul(HEIGHT - 4) / longest).clamp(3, HEIGHT - 4);
            let (x, y) = (width - BAR * place, HEIGHT - height);
            write!(f, r#"<a href="/runs/{}/tests"><title>#{} {}"#, row.result.run, row.result.number, row.face.word)?;
            if !row.took.is_empty() {
                write!(f, " in {}", row.took)?;
            }
            write!(f, r#"</title><rect class="hit" x="{x}" y="0" width="{BAR}" height="{HEIGHT}"/>"#)?;
            write!(
                f,
                r#"<rect class="bar-{}" x="{}" y="{y}" width="{}" height="{height}" rx="1.5"/></a>"#,
                row.face.class,
                x + 1,
                BAR - 3
            )?;
        }
        f.write_str("</svg>")
    }
}

// See above.
impl HtmlSafe for Strip {}
impl HtmlSafe for Bars<'_> {}
