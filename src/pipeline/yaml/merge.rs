//! `<<` and double keys.
//!
//! **Invariant:** afterwards no key stands twice in a map and no `<<` is left; a key written in the map itself wins over a merged one, an earlier
//! merged map over a later.

use std::collections::HashMap;
use std::rc::Rc;

use super::{Entry, Fault, Kind, Node, Span, Tolerance};

/// The entries with merges applied.
pub(super) fn merged(entries: Vec<Entry>, tolerance: Tolerance, faults: &mut Vec<Fault>) -> Vec<Entry> {
    let own = distinct(entries, tolerance, faults);
    if !own.iter().any(|entry| entry.merge) {
        return own;
    }
    let mut seen: HashMap<String, ()> = own.iter().filter(|entry| !entry.merge).map(|entry| (entry.key.clone(), ())).collect();
    let mut all = Vec::with_capacity(own.len());
    for entry in own {
        if !entry.merge {
            all.push(entry);
            continue;
        }
        for map in maps(&entry, faults) {
            if let Kind::Map(entries) = &map.kind {
                for merged in entries {
                    if seen.insert(merged.key.clone(), ()).is_none() {
                        all.push(merged.clone());
                    }
                }
            }
        }
    }
    all
}

/// Refuses keys that stand twice, or lets the last one win in the place of the first.
fn distinct(entries: Vec<Entry>, tolerance: Tolerance, faults: &mut Vec<Fault>) -> Vec<Entry> {
    let mut places: HashMap<String, (usize, Span)> = HashMap::new();
    let mut kept: Vec<Entry> = Vec::with_capacity(entries.len());
    for entry in entries {
        let Some((at, first)) = places.get(&entry.key).copied() else {
            places.insert(entry.key.clone(), (kept.len(), entry.key_span));
            kept.push(entry);
            continue;
        };
        let shown = crate::pipeline::report::shown(&entry.key);
        if entry.merge {
            if !tolerance.several_merges {
                let fault = Fault::new("duplicate-key", entry.key_span, "the map has several `<<`".to_owned());
                faults.push(fault.hint("merge several maps with one: `<<: [*a, *b]`"));
            }
            kept.push(entry);
        } else if tolerance.duplicate_keys {
            if let Some(place) = kept.get_mut(at) {
                *place = entry;
            }
        } else {
            let fault = Fault::new("duplicate-key", entry.key_span, format!("the key `{shown}` stands twice in this map"));
            faults.push(fault.hint(format!("it is already on line {}", first.line)));
        }
    }
    kept
}

/// The items of the list that a map's only `<<` names by alias, or of the lists that it names; `None` when it names maps, as YAML has it.
pub(super) fn lists(entries: &[Entry]) -> Option<Vec<Rc<Node>>> {
    let [Entry { merge: true, value, key_span, .. }] = entries else { return None };
    let Kind::List(items) = &value.kind else { return None };
    // What stands before the key that it belongs to is an alias.
    if (value.span.line, value.span.column) < (key_span.line, key_span.column) {
        return Some(items.clone());
    }
    let lists: Option<Vec<&Vec<Rc<Node>>>> =
        items.iter().map(|item| if let Kind::List(items) = &item.kind { Some(items) } else { None }).collect();
    lists.filter(|lists| !lists.is_empty()).map(|lists| lists.into_iter().flatten().cloned().collect())
}

/// The maps that a `<<` names: one, or a list of them.
fn maps(entry: &Entry, faults: &mut Vec<Fault>) -> Vec<Rc<Node>> {
    let candidates = match &entry.value.kind {
        Kind::List(items) => items.clone(),
        Kind::Map(_) | Kind::Scalar { .. } => vec![Rc::clone(&entry.value)],
    };
    let (maps, others): (Vec<_>, Vec<_>) = candidates.into_iter().partition(|node| matches!(node.kind, Kind::Map(_)));
    for other in others {
        let fault = Fault::new("merge-type", entry.key_span, format!("`<<` takes maps, found {}", other.describe()));
        faults.push(fault.hint("`<<: *name` or `<<: [*one, *other]`, each the alias of a map"));
    }
    maps
}
