//! The values of the declared inputs: given by someone, or the defaults.

use std::collections::BTreeMap;

use crate::base::limits;
use crate::pipeline::check::spec::{Input, InputKind};
use crate::pipeline::parts::InputValue;
use crate::pipeline::report::{nearest, shown};
use crate::pipeline::trigger::{Event, Trigger};

/// A value for each declared input, or the sentence that refuses those that were given.
pub(super) fn resolve(declared: &[Input], trigger: &Trigger) -> Result<BTreeMap<String, InputValue>, String> {
    for name in trigger.inputs.keys() {
        if !declared.iter().any(|input| input.name == *name) {
            return Err(unknown(name, declared));
        }
    }
    let value = |input: &Input| {
        let value = match trigger.inputs.get(&input.name) {
            Some(text) => read(input, text)?,
            None if input.required && trigger.event == Event::Manual => {
                return Err(format!("the input `{}` must be given", shown(&input.name)));
            }
            None => input.default.clone().unwrap_or_else(|| empty(&input.kind)),
        };
        Ok((input.name.clone(), value))
    };
    declared.iter().map(value).collect()
}

fn unknown(name: &str, declared: &[Input]) -> String {
    let names = declared.iter().map(|input| input.name.as_str());
    let known = match nearest(name, names.clone()) {
        Some(near) => format!("did you mean `{}`?", shown(near)),
        None if declared.is_empty() => "it declares none".to_owned(),
        None => {
            let names: Vec<String> = names.take(8).map(|name| format!("`{}`", shown(name))).collect();
            format!("its inputs are {}", names.join(", "))
        }
    };
    format!("the pipeline has no input `{}` ({known})", shown(name))
}

fn read(input: &Input, text: &str) -> Result<InputValue, String> {
    let name = shown(&input.name);
    if text.len() > limits::INPUT_BYTES {
        return Err(format!("the input `{name}` is larger than {} KiB", limits::INPUT_BYTES / 1024));
    }
    if text.contains('\0') {
        return Err(format!("the input `{name}` has a NUL character"));
    }
    let found = shown(text);
    match &input.kind {
        InputKind::String => Ok(InputValue::Text(text.to_owned())),
        InputKind::Number => match text.trim() {
            number if is_number(number) => Ok(InputValue::Number(number.to_owned())),
            _ => Err(format!("the input `{name}` must be a number like 3 or -0.5, found `{found}`")),
        },
        InputKind::Boolean => match text.trim() {
            "true" => Ok(InputValue::Boolean(true)),
            "false" => Ok(InputValue::Boolean(false)),
            _ => Err(format!("the input `{name}` must be true or false, found `{found}`")),
        },
        InputKind::Choice(options) if options.iter().any(|option| option == text) => Ok(InputValue::Text(text.to_owned())),
        InputKind::Choice(options) => {
            let options: Vec<String> = options.iter().take(12).map(|option| format!("`{}`", shown(option))).collect();
            Err(format!("the input `{name}` must be one of {}, found `{found}`", options.join(", ")))
        }
    }
}

/// Digits, perhaps with a sign before and a part behind the point.
fn is_number(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    match text.split_once('.') {
        Some((whole, part)) => digits(whole) && digits(part) && text.len() <= 40,
        None => digits(text) && text.len() <= 40,
    }
}

/// What an input is when nobody said anything.
fn empty(kind: &InputKind) -> InputValue {
    match kind {
        InputKind::String => InputValue::Text(String::new()),
        InputKind::Number => InputValue::Number("0".to_owned()),
        InputKind::Boolean => InputValue::Boolean(false),
        InputKind::Choice(options) => InputValue::Text(options.first().cloned().unwrap_or_default()),
    }
}
