//! Events → tree, within the limits.
//!
//! **Invariant:** a node is shared by its aliases, and counted as if it were written out; so the limits hold before anything is expanded.

use std::collections::HashMap;
use std::rc::Rc;

use saphyr_parser::{Event, Parser, ScalarStyle, Span as Marks, Tag};

use super::merge::{lists, merged};
use super::{Document, Entry, Fault, Kind, Node, Source, Span, Tolerance};
use crate::base::limits;

/// Something begun and not yet ended.
struct Open {
    span: Span,
    anchor: usize,
    tag: Option<String>,
    items: Items,
}

enum Items {
    List(Vec<Rc<Node>>),
    /// Entries, and the key whose value comes next.
    Map(Vec<Entry>, Option<Key>),
}

struct Key {
    text: String,
    span: Span,
    merge: bool,
}

struct Scan {
    tolerance: Tolerance,
    open: Vec<Open>,
    anchors: HashMap<usize, Rc<Node>>,
    faults: Vec<Fault>,
    /// Nodes so far, aliases written out.
    nodes: usize,
    root: Option<Rc<Node>>,
}

/// Reads the first document; a second one is a fault.
pub(super) fn scan(source: &Source, tolerance: Tolerance) -> Document {
    let mut scan = Scan { tolerance, open: Vec::new(), anchors: HashMap::new(), faults: Vec::new(), nodes: 0, root: None };
    let ended = scan.events(source);
    if let Err(fault) = ended {
        // What is half read would only lead to problems that are not there.
        scan.faults.push(fault);
        scan.root = None;
    } else if scan.root.as_ref().is_none_or(|root| root.is_null()) {
        scan.faults.push(Fault::empty());
        scan.root = None;
    }
    Document { root: scan.root, faults: scan.faults }
}

impl Scan {
    fn events(&mut self, source: &Source) -> Result<(), Fault> {
        let mut parser = Parser::new_from_str(&source.text);
        let mut documents = 0;
        while let Some(event) = parser.next_event() {
            let (event, marks) = event.map_err(|error| Fault::syntax(&error))?;
            let span = span(marks);
            match event {
                Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
                Event::DocumentStart(_) => {
                    documents += 1;
                    if documents > 1 {
                        let fault = Fault::new("several-documents", span, "the file has a second YAML document".to_owned());
                        return Err(fault.hint("put each pipeline into a file of its own in `.gantry/`"));
                    }
                }
                Event::Alias(anchor) => {
                    let Some(node) = self.anchors.get(&anchor).cloned() else {
                        let fault =
                            Fault::new("alias-cycle", span, "this alias stands inside the value that it names".to_owned());
                        return Err(fault.hint("a value cannot contain itself"));
                    };
                    self.count(node.nodes, node.height, span)?;
                    self.place(node, span)?;
                }
                Event::Scalar(text, style, anchor, tag) => {
                    self.count(1, 1, span)?;
                    let written_tag = tag.is_some();
                    let (tag, quoted) = self.tag(tag.as_deref(), span);
                    let plain = style == ScalarStyle::Plain && !quoted;
                    // A value that is not there has no place of its own: the parser gives the next token's.
                    let missing = plain && text.is_empty();
                    let span = match (missing, anchor > 0 || written_tag) {
                        (true, _) => self.key_span().unwrap_or(span),
                        (false, true) if plain && span.length != usize::MAX => without_properties(span, &text),
                        (false, _) => source.clamp(span),
                    };
                    let kind = match &tag {
                        // `!main` is most likely meant as text; as such it leads to no further problems.
                        Some(tag) if missing => Kind::Scalar { text: tag.clone(), plain: false },
                        Some(_) | None => Kind::Scalar { text: text.into_owned(), plain },
                    };
                    self.finish(Node { kind, span, tag, nodes: 1, height: 1 }, anchor)?;
                }
                Event::SequenceStart(anchor, tag) => self.begin(Items::List(Vec::new()), anchor, tag.as_deref(), span)?,
                Event::MappingStart(anchor, tag) => self.begin(Items::Map(Vec::new(), None), anchor, tag.as_deref(), span)?,
                Event::SequenceEnd | Event::MappingEnd => self.end(span)?,
            }
        }
        Ok(())
    }

    fn begin(&mut self, items: Items, anchor: usize, tag: Option<&Tag>, span: Span) -> Result<(), Fault> {
        self.count(1, 1, span)?;
        let (tag, _) = self.tag(tag, span);
        self.open.push(Open { span, anchor, tag, items });
        Ok(())
    }

    fn end(&mut self, at: Span) -> Result<(), Fault> {
        let Some(Open { mut span, anchor, tag, items }) = self.open.pop() else { return Ok(()) };
        if at.line == span.line && at.column > span.column && at.length == 1 {
            span.length = at.column + 1 - span.column;
        }
        let (kind, nodes, height) = match items {
            Items::List(items) => {
                let nodes = items.iter().map(|item| item.nodes).sum::<usize>();
                let height = items.iter().map(|item| item.height).max();
                (Kind::List(items), nodes, height)
            }
            Items::Map(entries, _) => {
                let nodes = entries.iter().map(|entry| entry.value.nodes + 1).sum::<usize>();
                let height = entries.iter().map(|entry| entry.value.height).max();
                if let (Some(first), true) = (entries.first(), span.length <= 1) {
                    span = if first.key_span.line == span.line { first.key_span } else { span };
                }
                if let Some(items) = self.spliced(&entries) {
                    return self.splice(items, span, anchor);
                }
                (Kind::Map(merged(entries, self.tolerance, &mut self.faults)), nodes, height)
            }
        };
        self.finish(Node { kind, span, tag, nodes: nodes + 1, height: height.unwrap_or(0) + 1 }, anchor)
    }

    fn finish(&mut self, node: Node, anchor: usize) -> Result<(), Fault> {
        let span = node.span;
        let node = Rc::new(node);
        if anchor > 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        self.place(node, span)
    }

    /// The items that a map stands for, when it stands in a list and merges nothing but lists.
    fn spliced(&self, entries: &[Entry]) -> Option<Vec<Rc<Node>>> {
        let in_list = matches!(self.open.last(), Some(Open { items: Items::List(_), .. }));
        if !self.tolerance.list_merges || !in_list {
            return None;
        }
        lists(entries)
    }

    /// Puts the items into the list that is being read. An anchor on them names them as a list.
    fn splice(&mut self, items: Vec<Rc<Node>>, span: Span, anchor: usize) -> Result<(), Fault> {
        if anchor > 0 {
            let nodes = items.iter().map(|item| item.nodes).sum::<usize>() + 1;
            let height = items.iter().map(|item| item.height).max().unwrap_or(0) + 1;
            let node = Node { span, tag: None, nodes, height, kind: Kind::List(items.clone()) };
            self.anchors.insert(anchor, Rc::new(node));
        }
        for item in items {
            let span = item.span;
            self.place(item, span)?;
        }
        Ok(())
    }

    /// Puts a finished node where it belongs; `used` is where it is used, as against defined.
    fn place(&mut self, node: Rc<Node>, used: Span) -> Result<(), Fault> {
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut open.items {
            Items::List(items) => items.push(node),
            Items::Map(entries, key @ Some(_)) => {
                if let Some(Key { text, span, merge }) = key.take() {
                    entries.push(Entry { key: text, key_span: span, value: node, merge });
                }
            }
            Items::Map(_, key) => match &node.kind {
                Kind::Scalar { text, plain } => {
                    *key = Some(Key { text: text.clone(), span: node.span, merge: *plain && text == "<<" })
                }
                Kind::List(_) | Kind::Map(_) => {
                    let fault = Fault::new("key-type", used, format!("a key must be text, found {}", node.describe()));
                    return Err(fault.hint("put text that begins with a bracket, such as `${{ … }}`, in quotes"));
                }
            },
        }
        Ok(())
    }

    /// Where the key is whose value comes next.
    fn key_span(&self) -> Option<Span> {
        match &self.open.last()?.items {
            Items::List(_) => None,
            Items::Map(_, key) => key.as_ref().map(|key| key.span),
        }
    }

    /// Counts `nodes` more nodes that are `height` levels high and stand here.
    fn count(&mut self, nodes: usize, height: usize, span: Span) -> Result<(), Fault> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > limits::YAML_NODES {
            let fault =
                Fault::new("too-many-nodes", span, format!("the file has more than {} values and keys", limits::YAML_NODES));
            return Err(fault.hint("each alias counts as everything that it stands for"));
        }
        if self.open.len() + height > limits::YAML_DEPTH {
            let fault = Fault::new("too-deep", span, format!("the file is nested deeper than {} levels", limits::YAML_DEPTH));
            return Err(fault.hint("no pipeline needs this"));
        }
        Ok(())
    }

    /// The tag if YAML does not define it, and whether it makes a plain scalar text (`!!str`, `!`).
    fn tag(&mut self, tag: Option<&Tag>, span: Span) -> (Option<String>, bool) {
        let Some(tag) = tag else { return (None, false) };
        if tag.is_yaml_core_schema() {
            return (None, tag.suffix == "str");
        }
        let written = format!("{}{}", tag.handle, tag.suffix);
        if written == "!" {
            return (None, true);
        }
        if !self.tolerance.foreign_tags {
            let span = Span { length: written.chars().count(), ..span };
            let fault =
                Fault::new("tag", span, format!("the tag `{}` has no meaning here", crate::pipeline::report::shown(&written)));
            self.faults.push(fault.hint("put text that begins with `!` in quotes"));
        }
        (Some(written), false)
    }
}

/// The parser's marks as a place; what goes on in further lines is underlined to the end of its first.
fn span(marks: Marks) -> Span {
    let (start, end) = (marks.start, marks.end);
    let length = if end.line() == start.line() { end.col().saturating_sub(start.col()).max(1) } else { usize::MAX };
    Span { line: start.line(), column: start.col() + 1, length }
}

/// The place of a plain text alone, without the anchor and tag before it.
fn without_properties(span: Span, text: &str) -> Span {
    let length = text.chars().count();
    span.part(span.length.saturating_sub(length), length)
}
