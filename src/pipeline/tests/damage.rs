//! **Invariant:** whatever a file holds, reading it ends soon, without a panic, with places inside of it.

use super::*;

/// SplitMix64: the same mutations on each machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % (sides.max(1) as u64)).unwrap_or(0)
    }
}

/// One small damage: a byte, a piece, a line, or a piece of another file.
fn mutate(text: &mut Vec<u8>, others: &[(String, Vec<u8>)], dice: &mut Dice) {
    const PIECES: [&str; 44] = [
        "${{ steps.a.outputs.b }}",
        "${{ needs.a.outcome }}",
        "${{ env.A }}",
        "${{ inputs.level }}",
        "${{ matrix.a }}",
        "matrix: { a: [1, 2] }\n",
        "hash('x')",
        "changes.exists(c, ",
        "outputs: { a: b }\n",
        "with: { a: [b] }\n",
        ":",
        "- ",
        "[",
        "]",
        "{",
        "}",
        "\n",
        "  ",
        "\t",
        "\"",
        "'",
        "|",
        ">",
        "&a ",
        "*a",
        "<<: *a",
        "!x ",
        "#",
        "${{ ",
        " }}",
        "\0",
        "\u{feff}",
        "\r",
        "é漢🎉",
        "---\n",
        "? ",
        "needs: [a]\n",
        "if: ",
        "((((",
        "\u{202e}",
        "~",
        "%",
        "@",
        "null",
    ];
    let at = dice.roll(text.len() + 1);
    match dice.roll(6) {
        0 => text.splice(at..at, PIECES[dice.roll(PIECES.len())].bytes()).for_each(drop),
        1 => text.splice(at..(at + dice.roll(8)).min(text.len()), []).for_each(drop),
        2 if at < text.len() => text[at] = u8::try_from(dice.roll(256)).unwrap_or(0),
        3 => {
            let end = (at + dice.roll(60)).min(text.len());
            let piece = text[at..end].to_vec();
            let to = dice.roll(text.len() + 1);
            text.splice(to..to, piece).for_each(drop);
        }
        4 => {
            let other = &others[dice.roll(others.len())].1;
            let from = dice.roll(other.len());
            let piece = other[from..(from + dice.roll(120)).min(other.len())].to_vec();
            text.splice(at..at, piece).for_each(drop);
        }
        _ => text.truncate(at),
    }
}

#[test]
fn no_damage_to_a_file_makes_the_reader_panic_or_lose_its_place() {
    let cases = cases();
    let mut dice = Dice(7);
    let options = ReadOptions { image_needed: true, ..ReadOptions::default() };
    let rounds = std::env::var("GANTRY_MUTATIONS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(20_000);
    for round in 0..rounds {
        let (name, text) = &cases[dice.roll(cases.len())];
        let mut text = text.clone();
        for _ in 0..=dice.roll(4) {
            mutate(&mut text, &cases, &mut dice);
        }
        let name = format!("{name}, round {round}");
        well_placed(&name, &text, &check(".gantry.yml", &text));
        if let Reading::Invalid(problems) = read(".gantry.yml", &text, &push("main"), &options) {
            assert!(has_errors(&problems), "{name}");
            well_placed(&name, &text, &problems);
        }
    }
}

/// A large commit.
struct Many;

impl Files for Many {
    fn list(&self) -> Result<Vec<FileEntry>, String> {
        Ok((0..20_000).map(|at| FileEntry { path: format!("src/{at}/file"), id: at.to_string() }).collect())
    }
}

#[test]
fn no_hostile_file_takes_long() {
    let size = crate::base::limits::PIPELINE_FILE_BYTES - 2_000;
    let fill = |head: &str, unit: &dyn Fn(usize) -> String, tail: &str| {
        let mut text = head.to_owned();
        let mut at = 0;
        while text.len() < size {
            text.push_str(&unit(at));
            at += 1;
        }
        text + tail
    };
    let step = |key: &str| {
        format!("steps:\n{}", (0..400).map(|at| format!("  - {{ name: a{at}, run: x, {key} }}\n")).collect::<String>())
    };
    let files = [
        ("many variables", format!("{}{}", fill("env: {", &|at| format!("v{at}: ,"), "}\n"), "")),
        ("many expressions", fill("env: {", &|at| format!("v{at}: \"${{{{branch}}}}\","), "}\nsteps: [x]\n")),
        ("expressions in one text", fill("env: { a: \"", &|_| "${{branch}}".to_owned(), "\"}\nsteps: [x]\n")),
        ("expressions in a block", fill("env:\n  a: |\n", &|_| "    ${{branch}}\n".to_owned(), "steps: [x]\n")),
        ("unknown keys", fill("", &|at| format!("stepz{at}: 1\n"), "")),
        ("unknown keys on one line", fill("{é: 1", &|at| format!(",stepz{at}: ''"), "}")),
        (
            "unknown needs",
            step("needs: &n [x]")
                .replace("&n [x]", &format!("[{}]", (0..45).map(|at| format!("step{at}x")).collect::<Vec<_>>().join(","))),
        ),
        ("cycles", step("needs: [a399, a398, a397, a0, a1, a2, a3, a4, a5]")),
        ("patterns", fill("on: { tag: [", &|at| format!("\"{{a,b}}{{c,d}}*{at}\","), "]}\n")),
        ("inherited variables", fill("env: {", &|at| format!("v{at}: ,"), &format!("}}\nsteps: [{}]", vec!["x"; 499].join(",")))),
        (
            "regular expressions",
            fill("env: {", &|at| format!("v{at}: \"${{{{ branch.matches('(\\\\w{{9}}|{at}){{3}}') }}}}\","), "}\nsteps: [x]\n"),
        ),
        ("globs of hash", fill("env: {", &|at| format!("v{at}: \"${{{{ hash('**/{{a,b}}{at}') }}}}\","), "}\nsteps: [x]\n")),
        ("variables of variables", {
            let env: String = (0..3_000).map(|at| format!("v{at}: \"${{{{ run.number }}}}{}\",", "x".repeat(20))).collect();
            let uses: String = (0..40).map(|at| format!("${{{{ env.v{at} }}}}")).collect();
            let step = format!("  - {{ run: x, env: {{ A: \"{uses}\", B: \"{uses}\" }} }}\n");
            format!("env: {{{env}}}\nsteps:\n{}", step.repeat(50))
        }),
        ("unknown variables in many jobs", {
            let jobs: String = (0..256).map(|at| format!("  j{at}: {{ steps: [x] }}\n")).collect();
            let env: String = (0..6_000).map(|at| format!("v{at}: \"${{{{ matrix.a{at} }}}}\",")).collect();
            format!("env: {{{env}}}\njobs:\n{jobs}")
        }),
        ("variables in many combinations", {
            let axis: String = (0..256).map(|at| format!("a{at},")).collect();
            let env: String = (0..4_000).map(|at| format!("v{at}: \"${{{{ matrix.a }}}}\",")).collect();
            format!("env: {{{env}}}\nmatrix: {{ a: [{axis}] }}\nif: matrix.a == ''\nsteps: [x]\n")
        }),
        (
            "costly expressions",
            fill(
                "env: {",
                &|at| format!("v{at}: \"${{{{ [1,2,3,4,5,6,7,8,9].map(x, [x,x,x,x,x,x,x]).exists(y, y == [{at}]) }}}}\","),
                "}\nsteps: [x]\n",
            ),
        ),
        (
            "long texts",
            fill(
                "env: {",
                &|at| format!("v{at}: \"${{{{ size(message + message + message + message + message + message + message) }}}}\","),
                "}\nsteps: [x]\n",
            ),
        ),
        ("needs of many steps", {
            let axis: String = (0..51).map(|at| format!("a{at},")).collect();
            format!(
                "matrix: {{ a: [{axis}] }}\nsteps:\n{}  - {{ run: x, if: steps.step1.outcome == 'passed' }}\n",
                "  - x\n".repeat(499)
            )
        }),
        ("blank lines", fill("a:\n", &|_| "\n".to_owned(), "")),
        ("blocks in blank lines", fill("", &|at| format!("a{at}: |\n\n\n"), "")),
        ("long key", fill("", &|_| "a".to_owned(), "")),
        ("colons", fill("", &|_| "a: ".to_owned(), "")),
        ("question marks", fill("", &|_| "? ".to_owned(), "")),
        ("quotes", fill("", &|_| "\"\\n".to_owned(), "")),
        ("commas", fill("[", &|_| ",".to_owned(), "")),
        ("aliases", fill("[&a x", &|_| ",*a".to_owned(), "]")),
        ("tags", fill("", &|_| "!a ".to_owned(), "")),
        ("comments", fill("", &|_| "# a\n".to_owned(), "a: b")),
        ("directives", fill("", &|at| format!("%TAG !a{at}! x\n"), "--- a")),
    ];
    for (name, text) in files {
        let clock = crate::base::Clock::System;
        let before = clock.now();
        let _ = check("f.yml", text.as_bytes());
        let trigger = Trigger { message: "m".repeat(100_000), ..push("main") };
        let changes: Vec<String> = (0..10_000).map(|at| format!("a/b{at}")).collect();
        let options = ReadOptions { changes: Some(&changes), files: Some(&Many), ..ReadOptions::default() };
        let _ = read("f.yml", text.as_bytes(), &trigger, &options);
        let took = clock.now().ms_since(before);
        // A debug build on a busy machine; quadratic work would take minutes.
        println!("{took} ms: {name}");
        assert!(took < 20_000, "{name}: {took} ms");
    }
}
