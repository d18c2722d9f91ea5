//! The reader alone: what YAML means, where things stand, and what is refused.

use super::*;
use crate::base::limits;

/// A tree as short text: maps as `{k=v}`, lists as `[a]`, quoted text in quotes, nothing as `~`.
fn short(node: &Node) -> String {
    match &node.kind {
        Kind::Scalar { .. } if node.is_null() => "~".to_owned(),
        Kind::Scalar { text, plain: true } => text.clone(),
        Kind::Scalar { text, plain: false } => format!("{text:?}"),
        Kind::List(items) => format!("[{}]", items.iter().map(|item| short(item)).collect::<Vec<_>>().join(" ")),
        Kind::Map(entries) => {
            let entries: Vec<String> = entries.iter().map(|entry| format!("{}={}", entry.key, short(&entry.value))).collect();
            format!("{{{}}}", entries.join(" "))
        }
    }
}

fn read_with(text: &[u8], tolerance: Tolerance) -> Document {
    read(&Source::new(text), tolerance)
}

fn tree(text: &str) -> String {
    let document = read_with(text.as_bytes(), Tolerance::default());
    assert_eq!(document.faults, [], "{text}");
    short(&document.root.unwrap())
}

/// Code, line and column of each fault.
fn faults(text: impl AsRef<[u8]>) -> Vec<(&'static str, usize, usize)> {
    let source = Source::new(text.as_ref());
    let faults = read(&source, Tolerance::default()).faults;
    faults.iter().map(|fault| (fault.code, source.clamp(fault.span).line, source.clamp(fault.span).column)).collect()
}

#[test]
fn yaml_means_what_the_1_2_core_schema_says() {
    for (text, expected) in [
        ("a: 1\nb: [x, 'y', \"z\\n\"]", "{a=1 b=[x \"y\" \"z\\n\"]}"),
        ("on: push\nno: yes\nversion: 1.20", "{on=push no=yes version=1.20}"),
        ("- a\n- - b\n  - c\n-\n- ~", "[a [b c] ~ ~]"),
        ("a: |\n  x\n  y\nb: >\n  x\n  y\n", "{a=\"x\\ny\\n\" b=\"x y\\n\"}"),
        ("a: |-\n  x\nb: |+\n  x\n\n", "{a=\"x\" b=\"x\\n\\n\"}"),
        ("a: x\n  y\nb: 'it''s'", "{a=x y b=\"it's\"}"),
        ("? a\n: b", "{a=b}"),
        ("{a: 1, b: {c: }, d}", "{a=1 b={c=~} d=~}"),
        ("a: &x 1\nb: *x", "{a=1 b=1}"),
        ("a: &x 1\nb: &x 2\nc: *x", "{a=1 b=2 c=2}"),
        ("!!str 1", "\"1\""),
        ("--- a\n", "a"),
        ("%YAML 1.2\n---\na: b\n...\n", "{a=b}"),
        ("a: b # c\n# d\nc: 'd # e'", "{a=b c=\"d # e\"}"),
        ("\"a\": 1\n'b': 2", "{a=1 b=2}"),
        ("url: http://x:80/", "{url=http://x:80/}"),
    ] {
        assert_eq!(tree(text), expected, "{text}");
    }
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_change_nothing() {
    assert_eq!(tree("\u{feff}a: 1\r\nb:\r\n  - x\r\n"), "{a=1 b=[x]}");
    assert_eq!(tree("a: |\r\n  x\r\n  y\r\n"), "{a=\"x\\ny\\n\"}");
    assert_eq!(faults("a: 1\r\nb: [\r\n"), [("yaml", 2, 5)]);
    assert_eq!(faults("\u{feff}a: *x"), [("yaml", 1, 4)]);
}

#[test]
fn what_is_no_yaml_text_is_one_fault_in_its_place() {
    assert_eq!(faults(b"a: b\nc: d\xff\xfe\n"), [("not-utf8", 2, 5)]);
    assert_eq!(faults("é: b\nc: ä\0\n"), [("nul", 2, 5)]);
    assert_eq!(faults(b"a\0: b\n".as_slice()), [("nul", 1, 2)]);
    assert_eq!(faults("a:\n\t- b\n"), [("yaml", 2, 2)]);
    assert_eq!(faults("a: b\n---\nc: d\n"), [("several-documents", 2, 1)]);
    for empty in ["", "\n\n", "# x\n  # y", "---", "\u{feff}", "~", "--- \n...\n", "  \r\n\r\n"] {
        assert_eq!(faults(empty), [("empty-file", 0, 0)], "{empty:?}");
    }
    for wrong in [
        "a: [",
        "{",
        "a: \"b",
        "a: 'b",
        "a: b: c",
        "- a\nb: c",
        "a: *b",
        "a: \u{1}",
        "a: @b",
        "a: %b",
        "\"\\q\"",
        "a: |x",
        "&a",
        "]",
        "a: }",
    ] {
        let found = faults(wrong);
        assert!(matches!(found.as_slice(), [] | [_]), "{wrong:?}: {found:?}");
    }
}

#[test]
fn double_keys_are_refused_and_tolerated_only_when_asked() {
    assert_eq!(faults("a: 1\nb: 2\n'a': 3\n"), [("duplicate-key", 3, 1)]);
    let tolerant = Tolerance { duplicate_keys: true, ..Tolerance::default() };
    let document = read_with(b"a: 1\nb: 2\na: 3\n", tolerant);
    assert_eq!((short(&document.root.unwrap()).as_str(), document.faults.len()), ("{a=3 b=2}", 0));
}

#[test]
fn merges_follow_their_precedence() {
    let base = "base: &b {x: 1, y: 2}\nmore: &m {y: 3, z: 4}\n";
    for (text, expected) in [
        ("r:\n  <<: *b\n  y: own\n", "{x=1 y=own}"),
        ("r:\n  y: own\n  <<: *b\n", "{y=own x=1}"),
        ("r:\n  <<: [*b, *m]\n", "{x=1 y=2 z=4}"),
        ("r:\n  <<: [*m, *b, {w: 5}]\n", "{y=3 z=4 x=1 w=5}"),
        ("r: {<<: *b}", "{x=1 y=2}"),
        ("r: {<<: {<<: *b, x: 9}}", "{y=2 x=9}"),
        ("r: {'<<': 1}", "{<<=1}"),
    ] {
        let whole = tree(&format!("{base}{text}"));
        assert!(whole.ends_with(&format!(" r={expected}}}")), "{text}: {whole}");
    }
    assert_eq!(faults(format!("{base}r: {{<<: 1}}")), [("merge-type", 3, 5)]);
    assert_eq!(faults(format!("{base}r: {{<<: [*b, x]}}")), [("merge-type", 3, 5)]);
    assert_eq!(faults(format!("{base}r:\n  <<: *b\n  <<: *m\n")), [("duplicate-key", 5, 3)]);
    let tolerant = Tolerance { several_merges: true, ..Tolerance::default() };
    let document = read_with(format!("{base}r:\n  <<: *b\n  <<: *m\n").as_bytes(), tolerant);
    assert_eq!(document.faults, []);
    assert!(short(&document.root.unwrap()).ends_with("r={x=1 y=2 z=4}}"));
}

#[test]
fn foreign_tags_are_refused_and_kept_only_when_asked() {
    assert_eq!(faults("a: !reference [x]\nb: !!int 1\n"), [("tag", 1, 4)]);
    let tolerant = Tolerance { foreign_tags: true, ..Tolerance::default() };
    let document = read_with(b"a: !reference [x]", tolerant);
    assert_eq!(document.faults, []);
    let root = document.root.unwrap();
    let Kind::Map(entries) = &root.kind else { panic!() };
    assert_eq!(entries[0].value.tag.as_deref(), Some("!reference"));
}

#[test]
fn places_are_those_of_the_definition() {
    let text = "base: &b\n  key: wrong\nuse: *b\nmerged:\n  <<: *b\n";
    let document = read_with(text.as_bytes(), Tolerance::default());
    let root = document.root.unwrap();
    let Kind::Map(entries) = &root.kind else { panic!() };
    for entry in entries {
        let Kind::Map(inner) = &entry.value.kind else { panic!() };
        assert_eq!(inner[0].key_span, Span { line: 2, column: 3, length: 3 }, "{}", entry.key);
        assert_eq!(inner[0].value.span, Span { line: 2, column: 8, length: 5 }, "{}", entry.key);
    }
}

#[test]
fn places_count_characters_and_end_where_the_value_does() {
    let spans = |text: &str| {
        let document = read_with(text.as_bytes(), Tolerance::default());
        let root = document.root.unwrap();
        let Kind::Map(entries) = &root.kind else { panic!() };
        entries
            .iter()
            .map(|entry| (entry.key_span.column, entry.key_span.length, entry.value.span.column, entry.value.span.length))
            .collect::<Vec<_>>()
    };
    assert_eq!(spans("ключ: значение  # c"), [(1, 4, 7, 8)]);
    assert_eq!(spans("a: 'x y'   "), [(1, 1, 4, 5)]);
    assert_eq!(spans("{a: [1, 2], \"b\": {c: d}}"), [(2, 1, 5, 6), (13, 3, 18, 6)]);
    assert_eq!(spans("a: &x  y"), [(1, 1, 8, 1)]);
    assert_eq!(spans("empty:\nnext: 1\n"), [(1, 5, 1, 5), (1, 4, 7, 1)]);
}

#[test]
fn keys_that_are_no_text_are_refused() {
    assert_eq!(faults("{a: b}: c"), [("key-type", 1, 1)]);
    assert_eq!(faults("? [a]\n: c"), [("key-type", 1, 3)]);
    assert_eq!(faults("x: &a {b: c}\n*a : d"), [("key-type", 2, 1)]);
}

#[test]
fn an_alias_inside_its_own_value_is_refused() {
    assert_eq!(faults("a: &x [1, *x]"), [("alias-cycle", 1, 11)]);
    assert_eq!(faults("&x a: {b: *x}").len(), 0);
    assert_eq!(faults("&x\na: *x"), [("alias-cycle", 2, 4)]);
}

#[test]
fn the_file_s_size_is_held_at_the_limit_and_one_past_it() {
    let file = |bytes: usize| format!("a: b #{}", "x".repeat(bytes - 6));
    assert_eq!(faults(file(limits::PIPELINE_FILE_BYTES)), []);
    assert_eq!(faults(file(limits::PIPELINE_FILE_BYTES + 1)), [("file-too-large", 0, 0)]);
}

#[test]
fn depth_is_held_at_the_limit_and_one_past_it() {
    let flow = |levels: usize| format!("{}x{}", "[".repeat(levels - 1), "]".repeat(levels - 1));
    assert_eq!(faults(flow(limits::YAML_DEPTH)), []);
    assert_eq!(faults(flow(limits::YAML_DEPTH + 1)), [("too-deep", 1, limits::YAML_DEPTH + 1)]);
    let block = |levels: usize| format!("{}x", "- ".repeat(levels - 1));
    assert_eq!(faults(block(limits::YAML_DEPTH)), []);
    assert_eq!(faults(block(limits::YAML_DEPTH + 1))[0].0, "too-deep");
    // Half of the levels come from an alias.
    let half = limits::YAML_DEPTH / 2;
    let alias =
        |levels: usize| format!("a: &a {}\nb: {}*a{}", flow(half), "[".repeat(levels - half - 1), "]".repeat(levels - half - 1));
    assert_eq!(faults(alias(limits::YAML_DEPTH)), []);
    assert_eq!(faults(alias(limits::YAML_DEPTH + 1))[0].0, "too-deep");
    for deep in [
        "[".repeat(100_000),
        "- ".repeat(100_000),
        "{a: ".repeat(50_000),
        "? ".repeat(100_000),
        "!!".repeat(1_000),
        "&a ".repeat(50_000),
    ] {
        assert_eq!(faults(&deep).len(), 1, "{}", &deep[..10]);
    }
}

#[test]
fn nodes_are_held_at_the_limit_and_one_past_it_with_aliases_written_out() {
    let list = |items: usize| format!("[{}]", vec!["x"; items].join(","));
    assert_eq!(faults(list(limits::YAML_NODES - 1)), []);
    assert_eq!(faults(list(limits::YAML_NODES))[0].0, "too-many-nodes");
    // The list, 100 in the anchor (with its own node), and 100 for each alias.
    let aliases = |count: usize, rest: usize| format!("[&a {},{}{}]", list(99), vec!["*a"; count].join(","), ",x".repeat(rest));
    assert_eq!(faults(aliases(198, 99)), []);
    assert_eq!(faults(aliases(198, 100))[0].0, "too-many-nodes");
    let bomb: String = (1..30).map(|at| format!("a{at}: &a{at} [{}]\n", vec![format!("*a{}", at - 1); 9].join(","))).collect();
    assert_eq!(faults(format!("a0: &a0 [x]\n{bomb}"))[0].0, "too-many-nodes");
    let merges: String = (1..30).map(|at| format!("m{at}: &m{at} {{<<: [*m{0}, *m{0}], k{at}: 1}}\n", at - 1)).collect();
    assert_eq!(faults(format!("m0: &m0 {{x: 1}}\n{merges}"))[0].0, "too-many-nodes");
}

/// One case of `tests/pipelines/yaml`; its README says how they are written.
struct Case {
    title: String,
    tolerance: Tolerance,
    text: String,
    expected: String,
}

fn tolerance_of(words: &str) -> Tolerance {
    let mut tolerance = Tolerance::default();
    for word in words.split_whitespace() {
        match word {
            "duplicate_keys" => tolerance.duplicate_keys = true,
            "several_merges" => tolerance.several_merges = true,
            "list_merges" => tolerance.list_merges = true,
            "foreign_tags" => tolerance.foreign_tags = true,
            other => panic!("there is no tolerance `{other}`"),
        }
    }
    tolerance
}

fn cases_of(file: &str, text: &str) -> Vec<Case> {
    let case = |block: &str| {
        let (title, rest) = block.split_once('\n').unwrap_or_else(|| panic!("{file}: {block}"));
        // The last `---` is ours: those before it may be the text's own.
        let (text, expected) = rest.rsplit_once("--- ").unwrap_or_else(|| panic!("{file}: {title}"));
        let (title, words) = title.split_once('[').unwrap_or((title, ""));
        let visible = [("∎\n", ""), ("␣", " "), ("»", "\t"), ("←", "\r"), ("¶", "\u{feff}")];
        Case {
            title: format!("{file}: {}", title.trim()),
            tolerance: tolerance_of(words.trim_end_matches(']')),
            text: visible.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to)),
            expected: expected.trim_end_matches('\n').to_owned(),
        }
    };
    text.split("=== ").skip(1).map(case).collect()
}

/// The tree with its tags, or the faults.
fn result_of(case: &Case) -> String {
    let source = Source::new(case.text.as_bytes());
    let document = read(&source, case.tolerance);
    let told = |fault: &Fault| {
        let span = source.clamp(fault.span);
        format!("{} {} {}", fault.code, span.line, span.column)
    };
    match (document.root, document.faults.as_slice()) {
        (Some(root), []) => tagged(&root),
        (_, faults) => format!("! {}", faults.iter().map(told).collect::<Vec<_>>().join(", ")),
    }
}

fn tagged(node: &Node) -> String {
    let inner = match &node.kind {
        Kind::Scalar { text, plain: true } if !node.is_null() => text.escape_debug().to_string().replace("\\'", "'"),
        Kind::Scalar { .. } => short(node),
        Kind::List(items) => format!("[{}]", items.iter().map(|item| tagged(item)).collect::<Vec<_>>().join(" ")),
        Kind::Map(entries) => {
            let entries: Vec<String> = entries.iter().map(|entry| format!("{}={}", entry.key, tagged(&entry.value))).collect();
            format!("{{{}}}", entries.join(" "))
        }
    };
    match &node.tag {
        Some(tag) => format!("{tag} {inner}"),
        None => inner,
    }
}

#[test]
fn yaml_is_read_as_the_cases_say() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pipelines/yaml");
    let (mut count, mut wrong) = (0, Vec::new());
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "case") {
            continue;
        }
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        for case in cases_of(&file, &std::fs::read_to_string(&path).unwrap()) {
            count += 1;
            let result = result_of(&case);
            if result != case.expected {
                wrong.push(format!("{}\n  expected {}\n  found    {result}", case.title, case.expected));
            }
        }
    }
    assert!(count >= 100, "{count} cases");
    assert!(wrong.is_empty(), "{} of {count} cases:\n{}", wrong.len(), wrong.join("\n"));
}
