//! Names in an expression's tree become numbers of what it looks at.
//!
//! **Invariants:** after this the tree has no identifier but the variables of its own loops and `#0`, `#1`, … (which nobody can write), so evaluating
//! it asks for nothing else; what is no name has been complained about.

use cel::IdedExpr;
use cel::common::ast::{CallExpr, EntryExpr, Expr, LiteralValue, operators as op};

use super::names::{Meaning, Name, is_root, meaning, roots};
use super::types::Complaint;
use super::{Reference, Uses};
use crate::base::limits;
use crate::pipeline::report::{nearest, shown};

/// What was found on the way.
#[derive(Default)]
pub(super) struct Rewritten {
    pub references: Vec<Reference>,
    /// The words of each reference, for their places.
    pub words: Vec<Vec<String>>,
    pub complaints: Vec<Complaint>,
    pub too_deep: bool,
    pub hashes: bool,
    /// Nodes of the tree.
    pub nodes: u64,
    /// Elements that literal lists have; with a loop, how often its body may run.
    pub elements: u64,
    pub loops: bool,
}

/// The number that an identifier stands for, when it is one of ours.
pub(super) fn number(identifier: &str) -> Option<usize> {
    identifier.strip_prefix('#')?.parse().ok()
}

pub(super) fn rewrite(tree: &mut IdedExpr) -> Rewritten {
    let mut rewriting = Rewriting { done: Rewritten::default(), scope: Vec::new() };
    rewriting.node(tree, 0);
    rewriting.done
}

struct Rewriting {
    done: Rewritten,
    /// Variables of the loops around.
    scope: Vec<String>,
}

impl Rewriting {
    fn node(&mut self, node: &mut IdedExpr, depth: usize) {
        if depth > limits::EXPRESSION_DEPTH {
            self.done.too_deep = true;
            return;
        }
        self.done.nodes += 1;
        if let Some((words, test)) = self.path(node) {
            let borrowed: Vec<&str> = words.iter().map(String::as_str).collect();
            match meaning(&borrowed) {
                Meaning::Name(name, length) if length == words.len() => {
                    node.expr = self.reference(name, words, test);
                    return;
                }
                // What follows the name is for the types to judge.
                Meaning::Name(..) => {}
                Meaning::Incomplete(hint) => {
                    let message = format!("`{}` is a map: name what is meant in it", shown(&words.join(".")));
                    self.complain("expression", words, 0, message, Some(hint));
                    node.expr = Expr::Unspecified;
                    return;
                }
                Meaning::Wrong(at, message, hint) => {
                    self.complain("unknown-name", words, at, message, Some(hint));
                    node.expr = Expr::Unspecified;
                    return;
                }
            }
        }
        match &mut node.expr {
            Expr::Literal(_) | Expr::Unspecified => {}
            Expr::Ident(name) => {
                if !self.is_own(name) {
                    let name = name.clone();
                    self.unknown(&name);
                }
            }
            Expr::List(list) => {
                self.done.elements += u64::try_from(list.elements.len()).unwrap_or(u64::MAX);
                for element in &mut list.elements {
                    self.node(element, depth + 1);
                }
            }
            Expr::Map(map) => {
                self.done.elements += u64::try_from(map.entries.len()).unwrap_or(u64::MAX);
                for entry in &mut map.entries {
                    match &mut entry.expr {
                        EntryExpr::MapEntry(entry) => {
                            self.node(&mut entry.key, depth + 1);
                            self.node(&mut entry.value, depth + 1);
                        }
                        EntryExpr::StructField(field) => self.node(&mut field.value, depth + 1),
                    }
                }
            }
            Expr::Struct(message) => {
                let name = message.type_name.clone();
                let message = format!("`{}{{…}}` is no value of this language", shown(&name));
                self.complain("expression", vec![name], 0, message, None);
                node.expr = Expr::Unspecified;
            }
            Expr::Select(select) => self.node(&mut select.operand, depth + 1),
            Expr::Call(CallExpr { func_name, target, args }) => {
                self.done.hashes |= func_name == "hash";
                for part in target.as_deref_mut().into_iter().chain(args) {
                    self.node(part, depth + 1);
                }
            }
            Expr::Comprehension(comprehension) => {
                self.node(&mut comprehension.iter_range, depth + 1);
                self.node(&mut comprehension.accu_init, depth + 1);
                let before = self.scope.len();
                self.scope.push(comprehension.iter_var.clone());
                self.scope.extend(comprehension.iter_var2.clone());
                self.scope.push(comprehension.accu_var.clone());
                self.done.loops = true;
                self.node(&mut comprehension.loop_cond, depth + 1);
                self.node(&mut comprehension.loop_step, depth + 1);
                self.node(&mut comprehension.result, depth + 1);
                self.scope.truncate(before);
            }
        }
    }

    fn is_own(&self, name: &str) -> bool {
        self.scope.iter().any(|known| known == name)
    }

    /// The words of `a.b["c"]`, and whether it stands in `has(…)`, when `a` is one of the language's own names.
    fn path(&self, node: &IdedExpr) -> Option<(Vec<String>, bool)> {
        let mut words = Vec::new();
        let mut test = false;
        let mut at = node;
        loop {
            match &at.expr {
                Expr::Ident(root) => {
                    if self.is_own(root) || !is_root(root) {
                        return None;
                    }
                    words.push(root.clone());
                    words.reverse();
                    return Some((words, test));
                }
                Expr::Select(select) => {
                    test |= select.test;
                    words.push(select.field.clone());
                    at = &select.operand;
                }
                Expr::Call(CallExpr { func_name, target: None, args }) if func_name == op::INDEX => {
                    let [operand, index] = args.as_slice() else { return None };
                    let Expr::Literal(LiteralValue::String(field)) = &index.expr else { return None };
                    words.push(field.inner().to_owned());
                    at = operand;
                }
                Expr::Call(_)
                | Expr::Comprehension(_)
                | Expr::List(_)
                | Expr::Literal(_)
                | Expr::Map(_)
                | Expr::Struct(_)
                | Expr::Unspecified => return None,
            }
        }
    }

    fn reference(&mut self, name: Name, words: Vec<String>, test: bool) -> Expr {
        let known = self.done.references.iter().position(|known| known.name == name && known.test == test);
        let at = known.unwrap_or_else(|| {
            self.done.references.push(Reference { name, test, uses: Uses::default(), places: Vec::new() });
            self.done.words.push(words);
            self.done.references.len() - 1
        });
        if let Some(Reference { uses, .. }) = self.done.references.get_mut(at) {
            match self.scope.is_empty() {
                true => uses.once += 1,
                false => uses.looped += 1,
            }
        }
        Expr::Ident(format!("#{at}"))
    }

    fn unknown(&mut self, name: &str) {
        let name = name.trim_start_matches('.');
        let hint = match nearest(name, roots()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => {
                let known: Vec<&str> = roots().collect();
                format!("names are {}; text stands in quotes", known.join(", "))
            }
        };
        let message = format!("`{}` is not a name that expressions know", shown(name));
        self.complain("unknown-name", vec![name.to_owned()], 0, message, Some(hint));
    }

    fn complain(&mut self, code: &'static str, words: Vec<String>, at: usize, message: String, hint: Option<String>) {
        self.done.complaints.push(Complaint { code, words, at, message, hint });
    }
}
