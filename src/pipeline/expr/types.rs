//! What is wrong with an expression whatever the trigger: unknown functions, operators on the wrong types, too much nesting, loops in loops.
//!
//! Types are found as far as they are certain; `Any` fits everywhere, and evaluation tells the rest.

use cel::IdedExpr;
use cel::Value;
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedEntryExpr, LiteralValue, operators as op};

use super::library::regex;
use super::rewrite::number;
use crate::base::limits;
use crate::pipeline::pattern::Pattern;
use crate::pipeline::report::{nearest, shown};

/// The type of a part of an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pipeline) enum Type {
    Bool,
    Text,
    Number,
    List,
    Map,
    Null,
    Any,
}

impl Type {
    pub fn describe(self) -> &'static str {
        match self {
            Type::Bool => "true or false",
            Type::Text => "text",
            Type::Number => "a number",
            Type::List => "a list",
            Type::Map => "a map",
            Type::Null => "null",
            Type::Any => "something else",
        }
    }

    fn fits(self, wanted: Type) -> bool {
        self == wanted || self == Type::Any || wanted == Type::Any
    }
}

/// The type of a value, in words.
pub(super) fn describe(value: &Value) -> &'static str {
    match value {
        Value::Bool(_) => Type::Bool.describe(),
        Value::String(_) => Type::Text.describe(),
        Value::Int(_) | Value::UInt(_) | Value::Float(_) => Type::Number.describe(),
        Value::List(_) => Type::List.describe(),
        Value::Map(_) => Type::Map.describe(),
        Value::Null => Type::Null.describe(),
        _ => Type::Any.describe(),
    }
}

/// Something wrong, about a word of the expression (or all of it, when the word is not found).
pub(super) struct Complaint {
    pub code: &'static str,
    /// The path that it stands in: `["inputs", "level"]`; empty for all of the expression.
    pub words: Vec<String>,
    /// Which of them it is about.
    pub at: usize,
    pub message: String,
    pub hint: Option<String>,
}

/// What was found.
pub(super) struct Found {
    pub result: Type,
    pub complaints: Vec<Complaint>,
    pub too_deep: bool,
}

/// Functions, with the types they take (the receiver first when called as a method) and give.
const FUNCTIONS: [(&str, &[Type], Type); 12] = [
    // Takes any number.
    ("hash", &[Type::Text], Type::Text),
    ("glob", &[Type::Text, Type::Text], Type::Bool),
    ("contains", &[Type::Text, Type::Text], Type::Bool),
    ("startsWith", &[Type::Text, Type::Text], Type::Bool),
    ("endsWith", &[Type::Text, Type::Text], Type::Bool),
    ("matches", &[Type::Text, Type::Text], Type::Bool),
    ("size", &[Type::Any], Type::Number),
    ("string", &[Type::Any], Type::Text),
    ("int", &[Type::Any], Type::Number),
    ("double", &[Type::Any], Type::Number),
    ("bool", &[Type::Any], Type::Bool),
    ("dyn", &[Type::Any], Type::Any),
];
/// Functions that exist as methods only.
const METHODS: [&str; 3] = ["contains", "startsWith", "endsWith"];

/// Looks through the whole expression. `types` are those of what it looks at, by number.
pub(super) fn check(tree: &IdedExpr, types: &[Type]) -> Found {
    let found = Found { result: Type::Any, complaints: Vec::new(), too_deep: false };
    let mut check = Check { found, types, scope: Vec::new(), loops: 0 };
    let result = check.of(tree, 0);
    Found { result, ..check.found }
}

struct Check<'t> {
    found: Found,
    types: &'t [Type],
    /// Variables of the loops around, with their types.
    scope: Vec<(String, Type)>,
    loops: usize,
}

impl Check<'_> {
    fn complain(&mut self, code: &'static str, word: &str, message: String, hint: Option<String>) {
        let words = if word.is_empty() { Vec::new() } else { vec![word.to_owned()] };
        self.found.complaints.push(Complaint { code, words, at: 0, message, hint });
    }

    fn of(&mut self, tree: &IdedExpr, depth: usize) -> Type {
        if depth > limits::EXPRESSION_DEPTH {
            self.found.too_deep = true;
            return Type::Any;
        }
        match &tree.expr {
            Expr::Literal(literal) => match literal {
                LiteralValue::Boolean(_) => Type::Bool,
                LiteralValue::String(_) => Type::Text,
                LiteralValue::Double(_) | LiteralValue::Int(_) | LiteralValue::UInt(_) => Type::Number,
                LiteralValue::Null => Type::Null,
                LiteralValue::Bytes(_) => Type::Any,
            },
            Expr::Ident(name) => self.name(name),
            Expr::List(list) => {
                for element in &list.elements {
                    self.of(element, depth + 1);
                }
                Type::List
            }
            Expr::Map(map) => {
                self.entries(&map.entries, depth);
                Type::Map
            }
            // Refused where names are.
            Expr::Struct(_) => Type::Any,
            Expr::Select(select) => {
                let operand = self.of(&select.operand, depth + 1);
                if !operand.fits(Type::Map) {
                    let field = shown(&select.field);
                    self.complain("expression-type", "", format!("{} has no field `{field}`", operand.describe()), None);
                }
                if select.test { Type::Bool } else { Type::Any }
            }
            Expr::Call(call) => self.call(call, depth),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension, depth),
            Expr::Unspecified => Type::Any,
        }
    }

    fn entries(&mut self, entries: &[IdedEntryExpr], depth: usize) {
        for entry in entries {
            match &entry.expr {
                EntryExpr::MapEntry(entry) => {
                    self.of(&entry.key, depth + 1);
                    self.of(&entry.value, depth + 1);
                }
                EntryExpr::StructField(field) => {
                    self.of(&field.value, depth + 1);
                }
            }
        }
    }

    /// The type of a number's name, or of a variable of a loop around.
    fn name(&self, name: &str) -> Type {
        if let Some((_, of)) = self.scope.iter().rev().find(|(known, _)| known == name) {
            return *of;
        }
        number(name).and_then(|at| self.types.get(at)).copied().unwrap_or(Type::Any)
    }

    fn comprehension(&mut self, comprehension: &ComprehensionExpr, depth: usize) -> Type {
        let ComprehensionExpr { iter_range, iter_var, iter_var2, accu_var, accu_init, loop_cond, loop_step, result } =
            comprehension;
        if self.loops > 0 {
            self.complain(
                "expression",
                "",
                "a loop inside a loop is not allowed".to_owned(),
                Some("put the decision into a script".to_owned()),
            );
            return Type::Any;
        }
        self.of(iter_range, depth + 1);
        let accumulated = self.of(accu_init, depth + 1);
        let before = self.scope.len();
        self.scope.push((iter_var.clone(), Type::Any));
        self.scope.extend(iter_var2.iter().map(|name| (name.clone(), Type::Any)));
        self.scope.push((accu_var.clone(), accumulated));
        self.loops += 1;
        self.of(loop_cond, depth + 1);
        self.of(loop_step, depth + 1);
        let result = self.of(result, depth + 1);
        self.loops -= 1;
        self.scope.truncate(before);
        result
    }

    fn call(&mut self, call: &CallExpr, depth: usize) -> Type {
        let CallExpr { func_name, target, args } = call;
        let parts: Vec<&IdedExpr> = target.as_deref().into_iter().chain(args).collect();
        let types: Vec<Type> = parts.iter().map(|part| self.of(part, depth + 1)).collect();
        let nth = |at: usize| types.get(at).copied().unwrap_or(Type::Any);
        let (left, right) = (nth(0), nth(1));
        match func_name.as_str() {
            op::LOGICAL_AND => self.all("&&", &types, Type::Bool),
            op::LOGICAL_OR => self.all("||", &types, Type::Bool),
            op::LOGICAL_NOT => self.all("!", &types, Type::Bool),
            op::NOT_STRICTLY_FALSE => Type::Bool,
            op::EQUALS | op::NOT_EQUALS => {
                if !left.fits(right) && left != Type::Null && right != Type::Null {
                    let message = format!("{} is compared with {}: they are never equal", left.describe(), right.describe());
                    self.complain("expression-type", "", message, Some("text stands in quotes".to_owned()));
                }
                Type::Bool
            }
            op::LESS | op::LESS_EQUALS | op::GREATER | op::GREATER_EQUALS => {
                if !left.fits(right) {
                    let message = format!("{} cannot be compared with {}", left.describe(), right.describe());
                    self.complain("expression-type", "", message, None);
                }
                Type::Bool
            }
            op::IN => {
                if !matches!(right, Type::List | Type::Map | Type::Any) {
                    let message = format!("`in` takes a list, found {}", right.describe());
                    self.complain(
                        "expression-type",
                        "in",
                        message,
                        Some("`branch in [\"main\", \"dev\"]`; for a part of text use `contains`".to_owned()),
                    );
                }
                Type::Bool
            }
            op::ADD => {
                if !left.fits(right) || matches!(left, Type::Bool | Type::Map | Type::Null) {
                    let message = format!("`+` cannot join {} and {}", left.describe(), right.describe());
                    self.complain("expression-type", "", message, Some("`string(…)` makes text".to_owned()));
                }
                if left == Type::Any { right } else { left }
            }
            op::SUBSTRACT => self.all("-", &types, Type::Number),
            op::MULTIPLY => self.all("*", &types, Type::Number),
            op::DIVIDE => self.all("/", &types, Type::Number),
            op::MODULO => self.all("%", &types, Type::Number),
            op::NEGATE => self.all("-", &types, Type::Number),
            op::CONDITIONAL => {
                self.all("? :", types.get(..1).unwrap_or_default(), Type::Bool);
                if nth(1) == nth(2) { nth(1) } else { Type::Any }
            }
            op::INDEX => Type::Any,
            name => self.function(name, target.is_some(), &parts, &types),
        }
    }

    fn all(&mut self, operator: &str, types: &[Type], wanted: Type) -> Type {
        if let Some(wrong) = types.iter().find(|found| !found.fits(wanted)) {
            let message = format!("`{operator}` takes {}, found {}", wanted.describe(), wrong.describe());
            self.complain("expression-type", "", message, None);
        }
        wanted
    }

    fn function(&mut self, name: &str, method: bool, parts: &[&IdedExpr], types: &[Type]) -> Type {
        let Some((_, wanted, result)) = FUNCTIONS.iter().find(|(known, _, _)| *known == name) else {
            self.unknown_function(name);
            return Type::Any;
        };
        let count = if name == "hash" { !types.is_empty() } else { types.len() == wanted.len() };
        if !count || (!method && METHODS.contains(&name)) {
            let form = if METHODS.contains(&name) {
                format!("`branch.{name}(\"…\")`")
            } else {
                format!("`{name}` takes {}", wanted.len())
            };
            self.complain("expression", name, format!("`{name}` is not called like this"), Some(form));
            return *result;
        }
        if let Some((_, wrong)) = wanted.iter().cycle().zip(types).find(|(wanted, found)| !found.fits(**wanted)) {
            self.complain("expression-type", name, format!("`{name}` takes text, found {}", wrong.describe()), None);
        }
        for (at, part) in parts.iter().enumerate() {
            let Expr::Literal(LiteralValue::String(pattern)) = &part.expr else { continue };
            let fault = match (name, at) {
                ("matches", 1) => regex(pattern.inner()).err(),
                ("glob", 1) | ("hash", _) => Pattern::fault(pattern.inner()),
                _ => None,
            };
            if let Some(fault) = fault {
                self.complain("expression", name, format!("the pattern of `{name}` is wrong: {}", shown(&fault)), None);
            }
        }
        *result
    }

    fn unknown_function(&mut self, name: &str) {
        let hint = match name {
            "always" | "failure" | "success" => format!("write `when: {name}` beside `if`"),
            "hashFiles" | "checksum" => "did you mean `hash`?".to_owned(),
            _ => match nearest(name, FUNCTIONS.iter().map(|(known, _, _)| *known)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "functions are glob, hash, contains, startsWith, endsWith, matches, size, string, int, double, bool"
                    .to_owned(),
            },
        };
        self.complain("unknown-name", name, format!("`{}` is not a function that expressions know", shown(name)), Some(hint));
    }
}
