//! How a character looks, and the SGR parameters that change it (ECMA-48 8.3.117; 256 and direct colours as xterm reads them).

/// How one character looks. Colours are numbers of the 256-colour table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Style {
    pub fore: Option<u8>,
    pub back: Option<u8>,
    pub bold: bool,
    pub dim: bool,
    pub italic: bool,
    pub underline: bool,
    pub strike: bool,
    pub inverse: bool,
}

impl Style {
    /// Applies one SGR sequence's parameters, `1;38;5;208` for instance. What is not known changes nothing.
    pub(super) fn apply(&mut self, parameters: &str) {
        let mut rest = parameters.split(';');
        while let Some(group) = rest.next() {
            match group.split_once(':') {
                Some((code, colour)) => self.colon(code, colour),
                None => self.code(group, &mut rest),
            }
        }
    }

    fn code<'a>(&mut self, code: &str, rest: &mut impl Iterator<Item = &'a str>) {
        let Ok(code) = (if code.is_empty() { Ok(0) } else { code.parse::<u8>() }) else {
            return;
        };
        match code {
            0 => *self = Style::default(),
            1 => self.bold = true,
            2 => self.dim = true,
            3 => self.italic = true,
            4 => self.underline = true,
            7 => self.inverse = true,
            9 => self.strike = true,
            22 => (self.bold, self.dim) = (false, false),
            23 => self.italic = false,
            24 => self.underline = false,
            27 => self.inverse = false,
            29 => self.strike = false,
            30..=37 => self.fore = Some(code - 30),
            38 => self.fore = extended(rest).or(self.fore),
            39 => self.fore = None,
            40..=47 => self.back = Some(code - 40),
            48 => self.back = extended(rest).or(self.back),
            49 => self.back = None,
            90..=97 => self.fore = Some(code - 90 + 8),
            100..=107 => self.back = Some(code - 100 + 8),
            _ => {}
        }
    }

    /// The colon form, `38:2::255:128:0` or `38:5:208`: the colour space between mode and red may be left out.
    fn colon(&mut self, code: &str, colour: &str) {
        let parts: Vec<&str> = colour.split(':').collect();
        let found = match parts.as_slice() {
            ["5", n, ..] => extended(&mut ["5", n].into_iter()),
            ["2", r, g, b] | ["2", _, r, g, b, ..] => extended(&mut ["2", r, g, b].into_iter()),
            _ => None,
        };
        match code {
            "38" => self.fore = found.or(self.fore),
            "48" => self.back = found.or(self.back),
            "4" => self.underline = colour != "0",
            _ => {}
        }
    }
}

/// The colour after 38 or 48: `5;N`, or `2;R;G;B` as the nearest of the 6×6×6 cube.
fn extended<'a>(rest: &mut impl Iterator<Item = &'a str>) -> Option<u8> {
    match rest.next()? {
        "5" => rest.next()?.parse().ok(),
        "2" => {
            let mut level = || rest.next()?.parse::<u8>().ok().map(cube_level);
            let (r, g, b) = (level()?, level()?, level()?);
            Some(16 + 36 * r + 6 * g + b)
        }
        _ => None,
    }
}

/// The nearest of the cube's levels 0, 95, 135, 175, 215, 255.
fn cube_level(value: u8) -> u8 {
    match value {
        0..48 => 0,
        48..115 => 1,
        value => (value - 35) / 40,
    }
}
