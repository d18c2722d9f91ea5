//! Text → checked expression.

use cel::parser::PrattParser;

use super::types::{self, Complaint, Type};
use super::{Cost, Expression, Place, Reference, Want, rewrite, words};
use crate::base::limits;
use crate::pipeline::report::{Report, shown};
use crate::pipeline::yaml::Span;

/// What is wrong, and where: characters of the trimmed expression.
struct Fault {
    at: usize,
    length: usize,
    code: &'static str,
    message: String,
    hint: Option<String>,
}

/// An expression without places in a file.
struct Compiled {
    expression: Expression,
    /// Of each reference, the places of its words.
    places: Vec<Vec<(usize, usize)>>,
}

impl Expression {
    /// Compiles `text`, which stands `offset` characters into `place`; `None` when it is wrong, which is then reported.
    pub fn new(text: &str, place: &Place, offset: usize, want: Want, report: &mut Report) -> Option<Self> {
        let offset = offset + text.chars().take_while(|c| c.is_whitespace()).count();
        let text = text.trim();
        let span = |at: usize, length: usize| place.part(offset + at, length);
        match compile(text, want) {
            Ok(Compiled { mut expression, places }) => {
                expression.span = span(0, text.chars().count());
                for (reference, places) in expression.references.iter_mut().zip(places) {
                    reference.places = places.into_iter().map(|(at, length)| span(at, length)).collect();
                }
                Some(expression)
            }
            Err(faults) => {
                for Fault { at, length, code, message, hint } in faults {
                    match hint {
                        Some(hint) => report.error_hint(code, span(at, length), message, hint),
                        None => report.error(code, span(at, length), message),
                    }
                }
                None
            }
        }
    }

    /// Compiles what was checked before; otherwise the sentence.
    pub fn again(text: &str, want: Want) -> Result<Self, String> {
        match compile(text.trim(), want) {
            Ok(compiled) => Ok(compiled.expression),
            Err(faults) => Err(faults.into_iter().next().map_or_else(String::new, |fault| fault.message)),
        }
    }

    /// Checks the types again, now that those of what it looks at are known (in the order of the references).
    pub fn check_types(&self, types: &[Type], report: &mut Report) {
        let found = types::check(&self.tree, types);
        let told = found.complaints.len();
        for Complaint { code, message, hint, .. } in found.complaints {
            match hint {
                Some(hint) => report.error_hint(code, self.span, message, hint),
                None => report.error(code, self.span, message),
            }
        }
        if let (0, Some((message, hint))) = (told, unfit(self.want, found.result)) {
            report.error_hint("expression-type", self.span, message, hint);
        }
    }
}

fn compile(text: &str, want: Want) -> Result<Compiled, Vec<Fault>> {
    let length = text.chars().count();
    let whole = |code: &'static str, message: String, hint: &str| {
        vec![Fault { at: 0, length, code, message, hint: Some(hint.to_owned()) }]
    };
    if text.is_empty() {
        return Err(whole("expression", "the expression is empty".to_owned(), "for example `branch == \"main\"`"));
    }
    if length > limits::EXPRESSION_CHARS {
        let message = format!("the expression is longer than {} characters", limits::EXPRESSION_CHARS);
        return Err(whole("expression-too-long", message, "put the decision into a script"));
    }
    let too_deep = || {
        let message = format!("the expression is nested deeper than {} levels", limits::EXPRESSION_DEPTH);
        let hint = "use `in [\"a\", \"b\"]` for many alternatives, or put the decision into a script";
        whole("expression-too-deep", message, hint)
    };
    let words = words::Words::of(text);
    if words.nesting > limits::EXPRESSION_DEPTH {
        return Err(too_deep());
    }
    let parser = PrattParser::new().max_recursion_depth(u16::try_from(limits::EXPRESSION_DEPTH).unwrap_or(32) * 2);
    let mut tree = parser.parse(text).map_err(|errors| {
        let (at, message) = words::first_error(text, &errors);
        let hint = words.hint.unwrap_or("expressions are CEL: `event == \"push\" && branch.startsWith(\"release/\")`");
        let message = format!("the expression cannot be read: {}", shown(&message));
        vec![Fault { at, length: 1, code: "expression", message, hint: Some(hint.to_owned()) }]
    })?;
    let rewritten = rewrite::rewrite(&mut tree);
    if rewritten.too_deep {
        return Err(too_deep());
    }
    let types: Vec<Type> = rewritten.references.iter().map(Reference::type_of).collect();
    let found = types::check(&tree, &types);
    if found.too_deep {
        return Err(too_deep());
    }
    let complaints: Vec<Complaint> = rewritten.complaints.into_iter().chain(found.complaints).collect();
    if !complaints.is_empty() {
        return Err(complaints.into_iter().map(|complaint| fault(complaint, &words, length)).collect());
    }
    if let Some((message, hint)) = unfit(want, found.result) {
        return Err(whole("expression-type", message, hint));
    }
    let rewrite::Rewritten { references, words: paths, hashes, nodes, elements, loops, .. } = rewritten;
    let places = paths.iter().map(|path| words.find(path)).collect();
    let cost = Cost { nodes, elements, loops };
    let expression = Expression { text: text.to_owned(), span: Span::FILE, tree, references, hashes, want, cost };
    Ok(Compiled { expression, places })
}

fn fault(complaint: Complaint, words: &words::Words, length: usize) -> Fault {
    let Complaint { code, words: path, at, message, hint } = complaint;
    let (at, length) = words.find(&path).get(at).copied().unwrap_or((0, length));
    Fault { at, length, code, message, hint }
}

/// What is wrong with a result of this type, and what to do.
fn unfit(want: Want, result: Type) -> Option<(String, &'static str)> {
    let (fits, wanted, hint) = match want {
        Want::Condition => (matches!(result, Type::Bool | Type::Any), "true or false", "compare it: `branch == \"main\"`"),
        Want::Text => {
            (!matches!(result, Type::List | Type::Map | Type::Null), "text", "join it into text with `+` and `string(…)`")
        }
    };
    let message = || format!("the expression must be {wanted}, but it is {}", result.describe());
    (!fits).then(|| (message(), hint))
}

impl Reference {
    /// Its type, as far as it is certain without the declarations.
    pub fn type_of(&self) -> Type {
        if self.test { Type::Bool } else { self.name.type_of() }
    }
}
