//! Bytes → a YAML tree in which everything knows where it was written.
//!
//! Files: `source` makes text of bytes, `scan` turns the parser's events into the tree, `merge` applies `<<` and refuses double keys, `tree` is the
//! tree itself, `fault` what can be wrong.
//!
//! **Invariants:** a limit that is passed is a fault, never a cut; a node from an alias or a merge keeps the place of its definition.

mod fault;
mod merge;
mod scan;
mod source;
#[cfg(test)]
mod tests;
mod tree;

pub(super) use fault::Fault;
pub(super) use source::Source;
pub(super) use tree::{Entry, Kind, Node, Span};

/// What other dialects allow and Gantry's own does not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tolerance {
    /// The last of several equal keys counts; otherwise a fault.
    pub duplicate_keys: bool,
    /// Several `<<` in one map are applied in order; otherwise a fault.
    pub several_merges: bool,
    /// `- <<: *list` stands for the items of the list; otherwise a fault.
    pub list_merges: bool,
    /// Tags that YAML itself does not define (`!reference`) stay on the node; otherwise a fault.
    pub foreign_tags: bool,
}

/// A read file: what could be read, and what was wrong with it.
#[derive(Debug)]
pub(super) struct Document {
    /// `None` when nothing could be read.
    pub root: Option<std::rc::Rc<Node>>,
    pub faults: Vec<Fault>,
}

/// Reads one document.
pub(super) fn read(source: &Source, tolerance: Tolerance) -> Document {
    match &source.fault {
        Some(fault) => Document { root: None, faults: vec![fault.clone()] },
        None => scan::scan(source, tolerance),
    }
}
