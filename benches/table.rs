//! The one table: each figure with its reference beside it.

use std::fmt;

use crate::watch::Spread;

/// What a figure may be at most.
#[derive(Clone, Copy)]
pub enum Target {
    /// In the figure's own unit, which is told besides.
    Below(f64, &'static str),
    /// Times the reference.
    Ratio(f64),
    /// It is told, and nobody has promised anything.
    None,
}

/// One line.
pub struct Row {
    pub figure: String,
    pub unit: &'static str,
    pub measured: Spread,
    pub rounds: usize,
    /// What it is compared with, and how much that was in the same unit.
    pub reference: Option<(String, f64)>,
    pub target: Target,
}

impl Row {
    fn ratio(&self) -> Option<f64> {
        self.reference.as_ref().map(|(_, reference)| self.measured.median / reference)
    }

    fn is_missed(&self) -> bool {
        match self.target {
            Target::Below(most, _) => self.measured.median >= most,
            Target::Ratio(most) => self.ratio().is_none_or(|ratio| ratio > most),
            Target::None => false,
        }
    }

    fn cells(&self) -> [String; 6] {
        let Spread { median, least, most } = self.measured;
        let unit = self.unit;
        let spread =
            if self.rounds > 1 { format!("{} to {}, {}×", number(least), number(most), self.rounds) } else { String::new() };
        let reference =
            self.reference.as_ref().map_or(String::new(), |(name, value)| format!("{} {unit}: {name}", number(*value)));
        let target = match self.target {
            Target::Below(most, unit) => format!("< {} {unit}", number(most)),
            Target::Ratio(most) => format!("≤ {most:.2} ×"),
            Target::None => String::new(),
        };
        let verdict = if self.is_missed() { " MISSED" } else { "" };
        let ratio = self.ratio().map_or(String::new(), |ratio| format!("{ratio:.2} ×"));
        [self.figure.clone(), format!("{} {unit}", number(median)), spread, reference, ratio, target + verdict]
    }
}

/// Three digits say enough.
fn number(value: f64) -> String {
    match value {
        ..10.0 => format!("{value:.2}"),
        ..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// All lines.
#[derive(Default)]
pub struct Table(Vec<Row>);

impl Table {
    pub fn extend(&mut self, rows: impl IntoIterator<Item = Row>) {
        self.0.extend(rows);
    }

    /// The figures past their targets.
    pub fn missed(&self) -> Vec<&str> {
        self.0.iter().filter(|row| row.is_missed()).map(|row| row.figure.as_str()).collect()
    }
}

const HEAD: [&str; 6] = ["figure", "median", "least to most", "reference", "ratio", "target"];

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines: Vec<[String; 6]> = vec![HEAD.map(str::to_owned)];
        lines.extend(self.0.iter().map(Row::cells));
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
        let widths: [usize; 6] = std::array::from_fn(width);
        let rule = widths.map(|width| "-".repeat(width));
        lines.insert(1, rule);
        writeln!(f)?;
        for line in lines {
            let padded: Vec<String> = line
                .iter()
                .zip(widths)
                .map(|(cell, width)| format!("{cell}{}", " ".repeat(width - cell.chars().count())))
                .collect();
            writeln!(f, "| {} |", padded.join(" | "))?;
        }
        writeln!(f)
    }
}
