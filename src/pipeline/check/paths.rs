//! Paths and globs of files.
//!
//! **Invariant:** what is read here leaves neither the work tree (globs) nor says anything that needs a shell to be understood.

use super::Reader;
use super::fields::Field;
use crate::base::limits;
use crate::pipeline::report::shown;
use crate::pipeline::yaml::{Kind, Span};

/// What is looked at for changes, for messages.
pub(super) const REPOSITORY: &str = "a path of the repository";
/// Directories that are no files of the image: the kernel's, and Gantry's own.
const NO_CACHE: [&str; 4] = ["/proc", "/sys", "/dev", "/gantry"];

impl Reader<'_, '_> {
    /// Globs of files in the work tree, at least one.
    pub(super) fn globs(&mut self, field: &Field) -> Option<Vec<String>> {
        let errors = self.report.errors();
        let mut globs = Vec::new();
        for (text, span) in self.some_paths(field)? {
            if let Some(rest) = text.strip_prefix('!') {
                let hint = format!("write patterns that match only what is wanted, without `{}`", shown(rest));
                self.report.error_hint("pattern", span, "a pattern cannot be negated with `!`", hint);
            } else if let Some(glob) = self.relative(text, span, "a path") {
                globs.extend(self.pattern(&glob, span).map(|pattern| pattern.text));
            }
        }
        (errors == self.report.errors()).then_some(globs)
    }

    /// Files and directories of a container, at least one: absolute, or in the work tree.
    pub(super) fn cached_paths(&mut self, field: &Field) -> Option<Vec<String>> {
        let errors = self.report.errors();
        let mut paths: Vec<String> = Vec::new();
        for (text, span) in self.some_paths(field)? {
            if let Some(path) = self.cached_path(text, span)
                && !paths.contains(&path)
            {
                paths.push(path);
            }
        }
        (errors == self.report.errors()).then_some(paths)
    }

    fn cached_path(&mut self, text: &str, span: Span) -> Option<String> {
        if !self.is_plain_path(text, span, "a path of a cache") {
            return None;
        }
        if text.contains(['*', '?']) {
            let hint = "name the directory: everything in it is kept";
            self.report.error_hint("path", span, format!("`{}` is a pattern, and a cache has paths", shown(text)), hint);
            return None;
        }
        let absolute = text.starts_with('/');
        let path: Vec<&str> = text.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        let path = format!("{}{}", if absolute { "/" } else { "" }, path.join("/"));
        let inside = |root: &str| path == root || path.strip_prefix(root).is_some_and(|rest| rest.starts_with('/'));
        if path.is_empty() || path == "/workspace" {
            let hint = "name the directories in it that are worth keeping";
            self.report.error_hint("path", span, "the work tree as a whole is no cache", hint);
            return None;
        }
        if path == "/" || NO_CACHE.into_iter().any(inside) {
            self.report.error_hint(
                "path",
                span,
                format!("`{}` is no cache", shown(text)),
                "for example `/usr/local/cargo/registry`",
            );
            return None;
        }
        Some(path)
    }

    /// A glob or path within the work tree (or the repository), without a leading `./`.
    pub(super) fn relative(&mut self, text: &str, span: Span, what: &str) -> Option<String> {
        if !self.is_plain_path(text, span, what) {
            return None;
        }
        let path = text.strip_prefix("./").unwrap_or(text);
        if path.starts_with('/') {
            let hint = match path.strip_prefix("/workspace/") {
                Some(rest) => format!("write `{}`", shown(rest)),
                None if what == REPOSITORY => format!("write `{}`", shown(path.trim_start_matches('/'))),
                None => "it is relative to the work tree, and what is elsewhere is copied there first".to_owned(),
            };
            self.report.error_hint("path", span, format!("{what} cannot begin with `/`"), hint);
            return None;
        }
        if let Some(directory) = path.strip_suffix('/') {
            let hint = format!("for everything in it write `{}/**`", shown(directory));
            self.report.error_hint("path", span, format!("`{}` is a directory", shown(text)), hint);
            return None;
        }
        Some(path.to_owned())
    }

    /// What no path may have.
    fn is_plain_path(&mut self, text: &str, span: Span, what: &str) -> bool {
        if text.trim().is_empty() {
            self.report.error_hint("path", span, format!("{what} is empty"), "for example `dist/**`");
        } else if text.chars().any(char::is_control) {
            self.report.error("path", span, format!("{what} cannot have a line break or a control character"));
        } else if !self.is_literal(text, span, what) || !self.is_short(text, span, what, limits::TEXT_CHARS) {
            return false;
        } else if text.split(['/', '\\']).any(|part| part == "..") {
            let message = format!("{what} cannot have `..` in it");
            self.report.error_hint("path", span, message, "it would lead out of where it belongs");
        } else if text.starts_with(['~', '$']) {
            let message = format!("`{}` is not replaced in paths", if text.starts_with('~') { "~" } else { "$" });
            self.report.error_hint("path", span, message, "no shell reads this: write the path out");
        } else {
            return true;
        }
        false
    }

    /// The texts of a list of paths; an empty list is told.
    fn some_paths<'n>(&mut self, field: &Field<'n>) -> Option<Vec<(&'n str, Span)>> {
        if matches!(&field.value.kind, Kind::List(items) if items.is_empty()) {
            self.report.error_hint(
                "value",
                field.place(),
                format!("`{}` has no path", shown(field.key)),
                "for example `[\"dist/**\"]`",
            );
            return None;
        }
        self.bounded(field, limits::PATHS, "paths")
    }
}
