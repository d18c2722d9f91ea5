//! The schema for editors against the reader, in both directions: the same keys at every level; what the reader takes without a word, the schema takes;
//! and what the schema takes, the reader refuses only for reasons that a schema cannot see.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::*;
use crate::pipeline::check::keys::LEVELS;
use crate::pipeline::yaml::{self, Kind, Node, Source, Tolerance};

const SCHEMA: &str = include_str!("../../../web/assets/schema/pipeline.json");

/// Problems that no schema sees, of those that a change in one place leads to.
const BEYOND: [&str; 7] = [
    // About what stands elsewhere in the file.
    "unknown-need",
    "unknown-axis",
    "unknown-value",
    // About what is inside of a text.
    "expression",
    "unknown-name",
    "timezone",
    "one-argument",
];

/// Others that no schema sees.
const UNSEEN: [&str; 5] = ["duplicate-key", "matrix-too-large", "late-name", "expression-type", "duplicate-name"];

fn schema() -> Value {
    serde_json::from_str(SCHEMA).unwrap()
}

/// What JSON makes of a file, as an editor does.
fn json_of(node: &Node) -> Value {
    match &node.kind {
        Kind::Scalar { .. } if node.is_null() => Value::Null,
        Kind::Scalar { text, .. } => match (node.as_bool(), node.json_number()) {
            (Some(value), _) => Value::Bool(value),
            (None, Some(number)) => serde_json::from_str(&number).unwrap(),
            (None, None) => Value::String(text.clone()),
        },
        Kind::List(items) => Value::Array(items.iter().map(|item| json_of(item)).collect()),
        Kind::Map(entries) => Value::Object(entries.iter().map(|entry| (entry.key.clone(), json_of(&entry.value))).collect()),
    }
}

/// A value as YAML, on one line. What is nothing is written as nothing, which is how people leave a value out.
fn yaml_of(value: &Value) -> String {
    match value {
        Value::Null => "~".to_owned(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
        Value::Array(items) => format!("[{}]", items.iter().map(yaml_of).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let entry = |(key, value): (&String, &Value)| match value {
                Value::Null => format!("{}: ", json!(key)),
                value => format!("{}: {}", json!(key), yaml_of(value)),
            };
            format!("{{ {} }}", map.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
    }
}

fn parsed(text: &[u8]) -> Option<Value> {
    yaml::read(&Source::new(text), Tolerance::default()).root.map(|root| json_of(&root))
}

/// Codes of the problems, but for the one that only an executor decides.
fn codes_of(text: &[u8]) -> BTreeSet<String> {
    check("f.yml", text).into_iter().map(|problem| problem.code).filter(|code| code != "no-image").collect()
}

/// Files without a problem: cases, examples, and our own pipelines.
fn valid_files() -> Vec<(String, Vec<u8>)> {
    let files = ["tests/pipelines", "examples", "pipelines"].into_iter().flat_map(files_under);
    files.filter(|(_, text)| codes_of(text).is_empty()).collect()
}

#[test]
fn the_schema_is_one() {
    if let Err(error) = jsonschema::draft202012::meta::validate(&schema()) {
        panic!("{error}");
    }
}

#[test]
fn each_level_has_the_keys_of_the_reader_s_table_and_describes_them() {
    let schema = schema();
    let definitions = schema["$defs"].as_object().unwrap();
    for (name, level) in &LEVELS {
        let definition = definitions.get(*name).unwrap_or_else(|| panic!("{name}"));
        let properties = definition["properties"].as_object().unwrap();
        let keys: BTreeSet<&str> = properties.keys().map(String::as_str).collect();
        assert_eq!(keys, level.keys.iter().copied().collect(), "{name}");
        let open = definition.get("additionalProperties") != Some(&Value::Bool(false));
        assert_eq!(open, level.others.is_some(), "{name}");
        for (key, property) in properties {
            // `false` is a key that is told in its own words when it stands there.
            let described = property == &Value::Bool(false) || described(property, definitions);
            assert!(described, "{name}.{key} has no description");
        }
    }
    let with_keys =
        definitions.iter().filter(|(_, definition)| definition.get("properties").is_some()).map(|(name, _)| name.as_str());
    assert_eq!(with_keys.collect::<BTreeSet<_>>(), LEVELS.iter().map(|(name, _)| *name).collect(), "levels of schema and reader");
    let tables = ["on", "parts", "pipeline"].map(|file| {
        let path = format!("{}/src/pipeline/check/keys/{file}.rs", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(path).unwrap().matches(": Level =").count()
    });
    // The filter has two definitions, since what its patterns match is checked differently.
    assert_eq!(tables.iter().sum::<usize>() + 1, LEVELS.len(), "a table that LEVELS does not have");
}

fn described(property: &Value, definitions: &Map<String, Value>) -> bool {
    let named =
        property.get("$ref").and_then(Value::as_str).and_then(|name| definitions.get(name.trim_start_matches("#/$defs/")));
    property.get("description").is_some() || named.is_some_and(|named| named.get("description").is_some())
}

#[test]
fn every_example_and_default_in_the_schema_fits_where_it_stands() {
    let schema = schema();
    let mut count = 0;
    examples(&schema, &schema["$defs"], &mut count);
    assert!(count > 40, "{count}");
    for example in schema["examples"].as_array().unwrap() {
        assert_eq!(codes_of(example.to_string().as_bytes()), BTreeSet::new(), "{example}");
    }
}

fn examples(node: &Value, definitions: &Value, count: &mut usize) {
    match node {
        Value::Object(map) => {
            let examples = map.get("examples").and_then(Value::as_array).into_iter().flatten();
            for example in examples.chain(map.get("default")) {
                let mut alone = map.clone();
                alone.insert("$defs".to_owned(), definitions.clone());
                let validator = jsonschema::validator_for(&Value::Object(alone)).unwrap();
                assert!(validator.is_valid(example), "{example} in {}", map.get("description").unwrap_or(&Value::Null));
                *count += 1;
            }
            // The values of examples are none of the schema's own words.
            for (_, value) in map.iter().filter(|(key, _)| !matches!(key.as_str(), "examples" | "default" | "properties")) {
                self::examples(value, definitions, count);
            }
            for value in map.get("properties").and_then(Value::as_object).into_iter().flat_map(Map::values) {
                self::examples(value, definitions, count);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| examples(item, definitions, count)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn what_the_reader_takes_without_a_word_the_schema_takes() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let files = valid_files();
    assert!(files.len() >= 8, "{}", files.len());
    for (name, text) in files {
        let value = parsed(&text).unwrap();
        let errors: Vec<String> =
            validator.iter_errors(&value).map(|error| format!("{error} at {}", error.instance_path())).collect();
        assert_eq!(errors, [""; 0], "{name}");
    }
}

/// The cases that have every key.
fn whole_files() -> Vec<Value> {
    let file = |name| std::fs::read(format!("{}/tests/pipelines/{name}.yml", env!("CARGO_MANIFEST_DIR"))).unwrap();
    ["valid", "valid-one-job"].map(|name| parsed(&file(name)).unwrap()).into()
}

#[test]
fn the_files_that_are_varied_have_every_key() {
    let written: String = whole_files().iter().map(Value::to_string).collect();
    for (name, level) in &LEVELS {
        for key in level.keys {
            assert!(written.contains(&format!("\"{key}\":")), "{name}.{key}");
        }
    }
}

#[test]
fn reader_and_schema_agree_on_files_that_are_wrong() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let mut disagreements: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut count = 0;
    let mut refused = 0;
    let mut seen_beyond: BTreeSet<String> = BTreeSet::new();
    for (what, changed) in whole_files().iter().flat_map(variations) {
        count += 1;
        let codes = codes_of(yaml_of(&changed).as_bytes());
        let fits = validator.is_valid(&changed);
        refused += usize::from(!fits);
        let unseen: Vec<&String> = codes.iter().filter(|code| !BEYOND.contains(&code.as_str())).collect();
        if fits {
            seen_beyond.extend(codes.iter().cloned());
        }
        if !fits && codes.is_empty() {
            disagreements.entry("the schema alone refuses".to_owned()).or_default().push(what);
        } else if fits && !unseen.is_empty() {
            disagreements.entry(format!("the reader alone refuses: {unseen:?}")).or_default().push(what);
        }
    }
    println!("{count} variations, {refused} of them refused by the schema");
    assert!(count > 1_000 && refused > 500 && refused < count, "{count}, {refused}");
    let told: Vec<String> = disagreements
        .into_iter()
        .map(|(kind, cases)| {
            format!("{kind} ({}):\n    {}", cases.len(), cases.iter().take(12).cloned().collect::<Vec<_>>().join("\n    "))
        })
        .collect();
    assert!(told.is_empty(), "{}", told.join("\n"));
    let unused: Vec<&str> = BEYOND.into_iter().filter(|code| !seen_beyond.contains(*code)).collect();
    assert_eq!(unused, [""; 0], "these need no excuse");
}

#[test]
fn a_wrong_case_that_the_schema_takes_is_wrong_in_what_no_schema_sees() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let mut taken = 0;
    for (name, text) in cases() {
        let codes = codes_of(&text);
        if !codes.is_empty() && parsed(&text).is_some_and(|value| validator.is_valid(&value)) {
            taken += 1;
            let unseen: Vec<&String> =
                codes.iter().filter(|code| !BEYOND.contains(&code.as_str()) && !UNSEEN.contains(&code.as_str())).collect();
            assert!(unseen.is_empty(), "{name}: {unseen:?}");
        }
    }
    assert!(taken > 0);
}

/// Files that differ in one place: a key less, a key misspelt, a value of another type.
fn variations(root: &Value) -> Vec<(String, Value)> {
    let mut places = Vec::new();
    collect(root, String::new(), &mut places);
    let mut found = Vec::new();
    for pointer in &places {
        let is_container = root.pointer(pointer).is_some_and(|value| value.is_array() || value.is_object());
        let others = [json!([[]]), json!({ "zz": 1 }), json!("z z"), json!(-1.5), json!(true), json!(null), json!([]), json!({})];
        for other in others.iter().take(if is_container { 8 } else { 6 }) {
            let mut changed = root.clone();
            let place = changed.pointer_mut(pointer).unwrap();
            if place == other {
                continue;
            }
            *place = other.clone();
            found.push((format!("{pointer} = {other}"), changed));
        }
        let Some(entries) = root.pointer(pointer).and_then(Value::as_object) else { continue };
        for key in entries.keys() {
            let mut without = root.clone();
            without.pointer_mut(pointer).and_then(Value::as_object_mut).unwrap().remove(key);
            found.push((format!("{pointer} without {key}"), without));
            let mut misspelt = root.clone();
            let map = misspelt.pointer_mut(pointer).and_then(Value::as_object_mut).unwrap();
            let value = map.remove(key).unwrap();
            map.insert(format!("{key}zq"), value);
            found.push((format!("{pointer} with {key}zq"), misspelt));
        }
    }
    found
}

fn collect(value: &Value, pointer: String, places: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                collect(value, format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1")), places);
            }
        }
        Value::Array(items) => {
            // One text of a list is as good as another.
            let several = items.iter().all(Value::is_string);
            for (at, item) in items.iter().enumerate().take(if several { 1 } else { usize::MAX }) {
                collect(item, format!("{pointer}/{at}"), places);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    places.push(pointer);
}
