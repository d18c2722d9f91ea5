//! Lists and maps of `with` as JSON: compact, keys in the order written.

use super::Planning;
use crate::pipeline::check::spec::Nested;
use crate::pipeline::expr::Facts;

impl Planning<'_, '_, '_> {
    /// The JSON; nothing after telling what is wrong.
    pub(super) fn json(&mut self, value: &Nested, facts: &Facts) -> Option<String> {
        let mut out = String::new();
        self.write(value, facts, &mut out)?;
        Some(out)
    }

    fn write(&mut self, value: &Nested, facts: &Facts, out: &mut String) -> Option<()> {
        match value {
            Nested::Null => out.push_str("null"),
            Nested::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Nested::Number(number) => out.push_str(number),
            Nested::Text(template) => out.push_str(&quoted(&self.fill_now(template, facts)?)),
            Nested::List(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    self.write(item, facts, out)?;
                }
                out.push(']');
            }
            Nested::Map(entries) => {
                out.push('{');
                for (at, (key, value)) in entries.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    out.push_str(&quoted(key));
                    out.push(':');
                    self.write(value, facts, out)?;
                }
                out.push('}');
            }
        }
        Some(())
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
