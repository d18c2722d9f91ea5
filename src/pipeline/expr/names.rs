//! The names that expressions know, and what is known of each: its type, and whether the plan can know it.
//!
//! **Invariant:** a name is known by its words alone. What it needs to be declared for (an input, an axis, a step) is checked over the whole pipeline.

use std::fmt;

use super::types::Type;
use crate::pipeline::report::{nearest, shown};

/// Something that an expression looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::pipeline) enum Name {
    Fact(Fact),
    /// The paths that were changed.
    Changes,
    Pr(Pr),
    Input(String),
    Matrix(String),
    Env(String),
    Run(RunFact),
    /// A step of the same job.
    Step(String, End),
    /// A job that this one names in `needs`.
    Need(String, End),
    /// A job that this one needs, near or far.
    Job(String, End),
}

/// A fact of the trigger: text, empty when the trigger has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pipeline) enum Fact {
    Event,
    Branch,
    Tag,
    Commit,
    Ref,
    DefaultBranch,
    Repo,
    Author,
    Message,
}

/// A field of `pr`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pipeline) enum Pr {
    Number,
    Title,
    Author,
    Source,
    Target,
    Fork,
}

/// A field of `run`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pipeline) enum RunFact {
    Id,
    Number,
}

/// How something ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::pipeline) enum End {
    Outcome,
    Output(String),
}

const FACTS: [(&str, Fact); 9] = [
    ("event", Fact::Event),
    ("branch", Fact::Branch),
    ("tag", Fact::Tag),
    ("commit", Fact::Commit),
    ("ref", Fact::Ref),
    ("default_branch", Fact::DefaultBranch),
    ("repo", Fact::Repo),
    ("author", Fact::Author),
    ("message", Fact::Message),
];
const PR: [(&str, Pr); 6] = [
    ("number", Pr::Number),
    ("title", Pr::Title),
    ("author", Pr::Author),
    ("source", Pr::Source),
    ("target", Pr::Target),
    ("fork", Pr::Fork),
];
const RUN: [(&str, RunFact); 2] = [("id", RunFact::Id), ("number", RunFact::Number)];
/// Names that have fields, with how one is written.
const MAPS: [(&str, &str); 8] = [
    ("pr", "pr.number"),
    ("inputs", "inputs.NAME"),
    ("matrix", "matrix.NAME"),
    ("env", "env.NAME"),
    ("needs", "needs.JOB.outputs.KEY` or `needs.JOB.outcome"),
    ("jobs", "jobs.JOB.outputs.KEY` or `jobs.JOB.outcome"),
    ("steps", "steps.NAME.outputs.KEY` or `steps.NAME.outcome"),
    ("run", "run.number"),
];

/// What the words of a path say.
pub(super) enum Meaning {
    /// A name, made of the first so many words.
    Name(Name, usize),
    /// Words are missing: how it is written.
    Incomplete(String),
    /// The word at this position is none: the message and the hint.
    Wrong(usize, String, String),
}

/// Whether a first word is one that expressions know.
pub(super) fn is_root(word: &str) -> bool {
    roots().any(|root| root == word)
}

/// All first words.
pub(super) fn roots() -> impl Iterator<Item = &'static str> {
    let facts = FACTS.iter().map(|(word, _)| *word);
    facts.chain(["changes"]).chain(MAPS.iter().map(|(word, _)| *word))
}

/// What a path of words means, whose first word is a root.
pub(super) fn meaning(words: &[&str]) -> Meaning {
    let word = |at: usize| words.get(at).copied();
    let root = word(0).unwrap_or_default();
    if let Some((_, fact)) = FACTS.iter().find(|(known, _)| *known == root) {
        return Meaning::Name(Name::Fact(*fact), 1);
    }
    let Some(first) = word(1) else { return incomplete_or_changes(root) };
    match root {
        "changes" => Meaning::Name(Name::Changes, 1),
        "pr" => field(root, first, &PR, Name::Pr),
        "run" => field(root, first, &RUN, Name::Run),
        "inputs" => Meaning::Name(Name::Input(first.to_owned()), 2),
        "matrix" => Meaning::Name(Name::Matrix(first.to_owned()), 2),
        "env" => Meaning::Name(Name::Env(first.to_owned()), 2),
        _ => {
            let make: fn(String, End) -> Name = match root {
                "steps" => Name::Step,
                "needs" => Name::Need,
                _ => Name::Job,
            };
            match (word(2), word(3)) {
                (Some("outcome"), _) => Meaning::Name(make(first.to_owned(), End::Outcome), 3),
                (Some("outputs"), Some(key)) => Meaning::Name(make(first.to_owned(), End::Output(key.to_owned())), 4),
                (Some("outputs") | None, _) => incomplete_or_changes(root),
                (Some(other), _) => {
                    let noun = if root == "steps" { "a step" } else { "a job" };
                    let hint = match other {
                        "result" | "status" | "conclusion" | "state" => "did you mean `outcome`?".to_owned(),
                        other => match nearest(other, ["outcome", "outputs"]) {
                            Some(near) => format!("did you mean `{near}`?"),
                            None => "known are `outcome` and `outputs.KEY`".to_owned(),
                        },
                    };
                    Meaning::Wrong(2, format!("`{}` is nothing that expressions know of {noun}", shown(other)), hint)
                }
            }
        }
    }
}

fn incomplete_or_changes(root: &str) -> Meaning {
    match MAPS.iter().find(|(known, _)| *known == root) {
        Some((_, form)) => Meaning::Incomplete(format!("write `{form}`")),
        None => Meaning::Name(Name::Changes, 1),
    }
}

fn field<T: Copy>(root: &str, word: &str, fields: &[(&str, T)], make: fn(T) -> Name) -> Meaning {
    if let Some((_, field)) = fields.iter().find(|(known, _)| *known == word) {
        return Meaning::Name(make(*field), 2);
    }
    let known = fields.iter().map(|(known, _)| *known);
    let hint = match nearest(word, known.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("its fields are {}", known.collect::<Vec<_>>().join(", ")),
    };
    Meaning::Wrong(1, format!("`{root}` has no field `{}`", shown(word)), hint)
}

impl Name {
    /// Its type, as far as it is certain without the declarations.
    pub fn type_of(&self) -> Type {
        match self {
            Name::Changes => Type::List,
            Name::Input(_) => Type::Any,
            Name::Pr(Pr::Number) | Name::Run(RunFact::Number) => Type::Number,
            Name::Pr(Pr::Fork) => Type::Bool,
            Name::Pr(Pr::Title | Pr::Author | Pr::Source | Pr::Target)
            | Name::Run(RunFact::Id)
            | Name::Fact(_)
            | Name::Matrix(_)
            | Name::Env(_)
            | Name::Step(..)
            | Name::Need(..)
            | Name::Job(..) => Type::Text,
        }
    }

    /// Whether only the run knows its value. A variable is as late as what it holds.
    pub fn is_late(&self) -> bool {
        match self {
            Name::Run(_) | Name::Step(..) | Name::Need(..) | Name::Job(..) => true,
            Name::Fact(_) | Name::Changes | Name::Pr(_) | Name::Input(_) | Name::Matrix(_) | Name::Env(_) => false,
        }
    }
}

impl Fact {
    pub fn as_str(self) -> &'static str {
        FACTS.iter().find(|(_, fact)| *fact == self).map_or("", |(word, _)| word)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = |word: Option<&'static str>| word.unwrap_or_default();
        match self {
            Name::Fact(fact) => f.write_str(fact.as_str()),
            Name::Changes => f.write_str("changes"),
            Name::Pr(field) => write!(f, "pr.{}", known(PR.iter().find(|(_, pr)| pr == field).map(|(word, _)| *word))),
            Name::Run(field) => write!(f, "run.{}", known(RUN.iter().find(|(_, run)| run == field).map(|(word, _)| *word))),
            Name::Input(name) => write!(f, "inputs{}", Dotted(name)),
            Name::Matrix(name) => write!(f, "matrix{}", Dotted(name)),
            Name::Env(name) => write!(f, "env{}", Dotted(name)),
            Name::Step(name, end) => write!(f, "steps{}{end}", Dotted(name)),
            Name::Need(name, end) => write!(f, "needs{}{end}", Dotted(name)),
            Name::Job(name, end) => write!(f, "jobs{}{end}", Dotted(name)),
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Outcome => f.write_str(".outcome"),
            End::Output(key) => write!(f, ".outputs{}", Dotted(key)),
        }
    }
}

/// A field as an expression writes it: after a dot, or in brackets when it is no identifier.
struct Dotted<'a>(&'a str);

impl fmt::Display for Dotted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut characters = self.0.chars();
        let begins = characters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
        match begins && characters.all(|c| c.is_ascii_alphanumeric() || c == '_') {
            true => write!(f, ".{}", self.0),
            false => write!(f, "[{:?}]", self.0),
        }
    }
}
