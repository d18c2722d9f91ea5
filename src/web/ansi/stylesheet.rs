//! The class names' colours, made here so that parser and sheet cannot drift apart.

use std::fmt::Write;

/// The first sixteen: chosen for the log's dark ground, each at least 4.5 : 1 against it except black.
const NAMED: [&str; 16] = [
    "#5b6472", "#f47067", "#6bc46d", "#daaa3f", "#6cb6ff", "#dcbdfb", "#56d4dd", "#c5ced9", "#8b95a3", "#ff938a", "#8ddb8c",
    "#eac55f", "#96d0ff", "#e9d3ff", "#83e3ea", "#f3f6fa",
];

/// A style sheet of the 256 colours as `.fN` and `.bN`.
#[must_use]
pub fn stylesheet() -> String {
    let mut css = String::from("/* The 256 terminal colours. Made by src/web/ansi/stylesheet.rs. */\n");
    for n in 0..=255 {
        let colour = colour(n);
        // Writing to a string cannot fail.
        let _ = writeln!(css, ".f{n}{{color:{colour}}}.b{n}{{background:{colour}}}");
    }
    css
}

fn colour(n: u8) -> String {
    match n {
        0..16 => NAMED[usize::from(n)].to_owned(),
        16..232 => {
            let n = n - 16;
            let level = |n: u8| if n == 0 { 0 } else { 55 + 40 * n };
            format!("#{:02x}{:02x}{:02x}", level(n / 36), level(n / 6 % 6), level(n % 6))
        }
        232.. => {
            let grey = 8 + 10 * (n - 232);
            format!("#{grey:02x}{grey:02x}{grey:02x}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cube_and_the_greys_are_those_of_xterm() {
        assert_eq!(["#000000", "#ff8700", "#ffffff", "#080808", "#eeeeee"], [16, 208, 231, 232, 255].map(colour));
        assert_eq!(stylesheet().lines().count(), 257);
    }
}
