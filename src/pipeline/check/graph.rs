//! Order: `needs` as positions, without a cycle.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};

use super::Reader;
use super::fields::Field;
use crate::pipeline::report::{nearest, shown};
use crate::pipeline::yaml::{Kind, Span};

/// A job or step as far as its order goes.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub name: String,
    pub span: Span,
    /// `None`: everything listed before it.
    pub needs: Option<Vec<(String, Span)>>,
}

impl Reader<'_, '_> {
    /// `needs: [a, b]`, or one name.
    pub(super) fn needs(&mut self, field: &Field) -> Option<Vec<(String, Span)>> {
        if field.value.is_null() && matches!(field.value.kind, Kind::Scalar { .. }) {
            self.report.error_hint("type", field.place(), "`needs` has no value", "write `needs: []` for nothing");
            return None;
        }
        Some(self.texts(field)?.into_iter().map(|(text, span)| (text.to_owned(), span)).collect())
    }
}

/// Each draft's needs as positions, in order, each once. Wrong names, doubles and cycles are told.
pub(super) fn resolve(drafts: &[Draft], noun: &str, reader: &mut Reader) -> Vec<Vec<u32>> {
    let mut positions: HashMap<&str, usize> = HashMap::new();
    for (at, draft) in drafts.iter().enumerate() {
        if let Some(first) = positions.get(draft.name.as_str()).and_then(|first| drafts.get(*first)) {
            let message = format!("two {noun}s are named `{}`", shown(&draft.name));
            let automatic = draft.name.strip_prefix("step").is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit()));
            let hint = match automatic {
                true => "a step without a name is named by its position".to_owned(),
                false => format!("the other one is on line {}", first.span.line),
            };
            reader.report.error_hint("duplicate-name", draft.span, message, hint);
        } else {
            positions.insert(&draft.name, at);
        }
    }
    let mut edges: Vec<Vec<usize>> = Vec::with_capacity(drafts.len());
    for (at, draft) in drafts.iter().enumerate() {
        let Some(needs) = &draft.needs else {
            edges.push((0..at).collect());
            continue;
        };
        let mut found = Vec::new();
        for (name, span) in needs {
            match positions.get(name.as_str()) {
                Some(need) if *need == at => {
                    reader.report.error_hint(
                        "needs-itself",
                        *span,
                        format!("`{}` needs itself", shown(name)),
                        "remove it from `needs`",
                    );
                }
                Some(need) if !found.contains(need) => found.push(*need),
                Some(_) => {}
                None => {
                    let others = drafts.iter().filter(|other| other.name != draft.name).map(|other| other.name.as_str());
                    let near = if reader.report.is_full() { None } else { nearest(name, others.clone()) };
                    let hint = match near {
                        Some(near) => format!("did you mean `{}`?", shown(near)),
                        None => listed(noun, others),
                    };
                    reader.report.error_hint("unknown-need", *span, format!("there is no {noun} `{}`", shown(name)), hint);
                }
            }
        }
        found.sort_unstable();
        edges.push(found);
    }
    cycles(drafts, &edges, noun, reader);
    edges.into_iter().map(|needs| needs.into_iter().filter_map(|need| u32::try_from(need).ok()).collect()).collect()
}

fn listed<'d>(noun: &str, names: impl Iterator<Item = &'d str>) -> String {
    let names: Vec<String> = names.take(8).map(|name| format!("`{}`", shown(name))).collect();
    if names.is_empty() { format!("there is no other {noun}") } else { format!("{noun}s are {}", names.join(", ")) }
}

/// Tells each cycle once, at a written need in it.
fn cycles(drafts: &[Draft], edges: &[Vec<usize>], noun: &str, reader: &mut Reader) {
    let mut told = vec![false; drafts.len()];
    let tangled = tangled(edges);
    for (at, draft) in drafts.iter().enumerate() {
        if !tangled.get(at).copied().unwrap_or(false) {
            continue;
        }
        if told.get(at).copied().unwrap_or(false) {
            continue;
        }
        let Some(path) = draft.needs.as_ref().and_then(|_| way_back(at, edges)) else { continue };
        if path.iter().any(|on| told.get(*on).copied().unwrap_or(false)) {
            continue;
        }
        for on in &path {
            if let Some(told) = told.get_mut(*on) {
                *told = true;
            }
        }
        let name_of = |at: usize| drafts.get(at).map_or_else(String::new, |draft| shown(&draft.name));
        let names: Vec<String> = path.iter().map(|on| name_of(*on)).collect();
        let first = path.get(1).and_then(|need| drafts.get(*need)).map_or("", |need| need.name.as_str());
        let span = draft.needs.iter().flatten().find(|(name, _)| name == first).map_or(draft.span, |(_, span)| *span);
        let by_position = path.iter().find(|on| drafts.get(**on).is_some_and(|draft| draft.needs.is_none()));
        let hint = match by_position {
            Some(on) => {
                format!("`{0}` has no `needs`, so it waits for every {noun} listed before it: give it its own", name_of(*on))
            }
            None => "remove one of these needs".to_owned(),
        };
        reader.report.error_hint("cycle", span, format!("these {noun}s wait for each other: {}", names.join(" → ")), hint);
    }
}

/// What is left when everything that can end has ended: cycles, and what waits for them.
fn tangled(edges: &[Vec<usize>]) -> Vec<bool> {
    let mut waiting: Vec<usize> = edges.iter().map(Vec::len).collect();
    let mut waited_for: Vec<Vec<usize>> = vec![Vec::new(); edges.len()];
    for (at, needs) in edges.iter().enumerate() {
        for need in needs {
            if let Some(waiters) = waited_for.get_mut(*need) {
                waiters.push(at);
            }
        }
    }
    let mut left = vec![true; edges.len()];
    let mut ready: Vec<usize> = (0..edges.len()).filter(|at| waiting.get(*at) == Some(&0)).collect();
    while let Some(at) = ready.pop() {
        if let Some(left) = left.get_mut(at) {
            *left = false;
        }
        for waiter in waited_for.get(at).into_iter().flatten() {
            if let Some(count) = waiting.get_mut(*waiter) {
                *count -= 1;
                if *count == 0 {
                    ready.push(*waiter);
                }
            }
        }
    }
    left
}

/// The shortest way from one along needs back to it, with it at both ends.
fn way_back(start: usize, edges: &[Vec<usize>]) -> Option<Vec<usize>> {
    let mut came: HashMap<usize, usize> = HashMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(at) = queue.pop_front() {
        for need in edges.get(at).into_iter().flatten().copied() {
            if need == start {
                let mut path = vec![start, at];
                let mut step = at;
                while step != start {
                    step = *came.get(&step)?;
                    path.push(step);
                }
                path.reverse();
                return Some(path);
            }
            if let Entry::Vacant(new) = came.entry(need) {
                new.insert(at);
                queue.push_back(need);
            }
        }
    }
    None
}
