//! A plan as a flowchart for Mermaid: a box for each job with its steps, an arrow for each need. What is skipped is dashed, what is decided later dotted.
//!
//! **Invariant:** names come from pipeline files, which anybody may have written: nothing in them but letters, digits and a few harmless marks reaches
//! the chart as it is.

use std::fmt::Write;

use crate::cli::asked::Answered;
use crate::pipeline::{JobPlan, Need, Plan, Reading, StepPlan};
use crate::run::{Forecast, JobForecast, forecast};
use crate::server::Planned;

/// All of it.
pub(super) fn render(answered: &Answered) -> String {
    let mut chart = Chart { text: "flowchart LR\n".to_owned() };
    for (ix, Planned { file, trigger: _, reading }) in answered.planned.iter().enumerate() {
        match reading {
            Reading::Planned { plan, warnings: _ } => chart.pipeline(ix, plan),
            Reading::NotWanted(why) => chart.unmade(ix, file, &format!("does not run: {why}")),
            Reading::Refused(why) => chart.unmade(ix, file, &format!("cannot run: {why}")),
            Reading::Invalid(_) => chart.unmade(ix, file, "is not valid"),
        }
    }
    chart.line("  classDef skipped stroke-dasharray:6 4,opacity:0.6");
    chart.line("  classDef later stroke-dasharray:2 2");
    chart.text
}

struct Chart {
    text: String,
}

impl Chart {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// A pipeline that makes no run.
    fn unmade(&mut self, ix: usize, file: &str, why: &str) {
        self.line(&format!("  p{ix}[\"{} {}\"]:::skipped", escaped(file), escaped(why)));
    }

    fn pipeline(&mut self, ix: usize, plan: &Plan) {
        self.line(&format!("  subgraph p{ix}[\"{} ({})\"]", escaped(&plan.name), escaped(&plan.file)));
        let seen = forecast(plan);
        for (job_ix, (job, seen)) in plan.jobs.iter().zip(&seen).enumerate() {
            self.job(&format!("p{ix}j{job_ix}"), job, seen);
        }
        for (job_ix, job) in plan.jobs.iter().enumerate() {
            for need in &job.needs {
                self.line(&format!("    p{ix}j{need} --> p{ix}j{job_ix}"));
            }
        }
        self.line("  end");
        for (job_ix, seen) in seen.iter().enumerate() {
            if let Some(class) = class(&seen.job) {
                self.line(&format!("  class p{ix}j{job_ix} {class}"));
            }
        }
    }

    fn job(&mut self, id: &str, job: &JobPlan, seen: &JobForecast) {
        let mut label = escaped(&job.name);
        if let Some(approval) = &job.approval {
            let by = if approval.by.is_empty() { String::new() } else { format!(" by {}", approval.by.join(", ")) };
            label.push_str(&format!("<br>approval{}", escaped(&by)));
        }
        self.line(&format!("    subgraph {id}[\"{label}\"]"));
        for (ix, service) in job.services.iter().enumerate() {
            self.line(&format!("      {id}v{ix}([\"{}<br>{}\"])", escaped(&service.name), escaped(&service.image)));
        }
        for (ix, (step, seen)) in job.steps.iter().zip(&seen.steps).enumerate() {
            let class = class(seen).map_or_else(String::new, |class| format!(":::{class}"));
            let image = step.image.as_ref().map_or_else(String::new, |image| format!("<br>{}", escaped(image.shown())));
            self.line(&format!("      {id}s{ix}[\"{}{image}\"]{class}", escaped(&step.name)));
        }
        for (ix, step) in job.steps.iter().enumerate() {
            for need in arrows(&job.steps, step) {
                self.line(&format!("      {id}s{need} --> {id}s{ix}"));
            }
        }
        self.line("    end");
    }
}

/// What a step waits for, without what follows from the rest: a step in a list waits for all before it, and one arrow from the last tells that.
fn arrows(steps: &[StepPlan], step: &StepPlan) -> Vec<u32> {
    match step.need {
        Need::Explicit => step.needs.clone(),
        Need::Position => {
            let behind = |need: u32| step.needs.iter().any(|other| reaches(steps, *other, need));
            step.needs.iter().copied().filter(|need| !behind(*need)).collect()
        }
    }
}

/// Whether `from` needs `to`, near or far. Needs of steps go backwards where they follow from the position, and have no cycle.
fn reaches(steps: &[StepPlan], from: u32, to: u32) -> bool {
    let mut open = vec![from];
    let mut seen = vec![false; steps.len()];
    while let Some(ix) = open.pop() {
        let Some(step) = steps.get(ix as usize) else { continue };
        if step.needs.contains(&to) {
            return true;
        }
        if !std::mem::replace(&mut seen[ix as usize], true) {
            open.extend(&step.needs);
        }
    }
    false
}

fn class(forecast: &Forecast) -> Option<&'static str> {
    match forecast {
        Forecast::Runs => None,
        Forecast::Skipped(_) => Some("skipped"),
        Forecast::AfterFailure | Forecast::Decided(_) | Forecast::Follows(_) => Some("later"),
    }
}

/// Text inside of a quoted label: all that Mermaid, its Markdown or HTML could read something into becomes an entity of Mermaid's.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            _ if c.is_alphanumeric() || matches!(c, ' ' | '-' | '_' | '.' | '/' | ':' | ',' | '(' | ')' | '=' | '+' | '@') => {
                escaped.push(c)
            }
            _ if c.is_control() => escaped.push(' '),
            // Writing to a string cannot fail.
            _ => drop(write!(escaped, "#{};", u32::from(c))),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_others_wrote_is_read_as_something() {
        assert_eq!(escaped("test (1.85, a/b)"), "test (1.85, a/b)");
        assert_eq!(escaped("\"]; end <b>&#x`*"), "#34;#93;#59; end #60;b#62;#38;#35;x#96;#42;");
        assert_eq!(escaped("ü\n\u{202e}x"), "ü #8238;x");
    }
}
