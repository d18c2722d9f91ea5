//! A plan for people: what was asked, then each pipeline file with its jobs, services and steps, or the sentence that says why it does not run.

use super::notes;
use crate::cli::asked::Answered;
use crate::cli::client::{Cell, Colour, Hue, Table, one_line};
use crate::pipeline::{self, InputValue, Plan, Reading, Trigger};
use crate::run::{Forecast, forecast};
use crate::server::{Planned, place};

/// Changed paths that are named; more are counted.
const PATHS: usize = 5;

/// All of it.
pub(super) fn render(answered: &Answered, colour: Colour) -> String {
    let Answered { trigger, changes, planned } = answered;
    let mut text = format!("{} at {}", asked(trigger), trigger.commit.get(..8).unwrap_or(&trigger.commit));
    text.push_str(&match changes {
        None => "; everything counts as changed".to_owned(),
        Some(paths) => format!("; {}", changed(paths)),
    });
    text.push('\n');
    for Planned { file, trigger: _, reading } in planned {
        text.push('\n');
        let name = colour.paint(Hue::Strong, &one_line(file));
        match reading {
            Reading::Planned { plan, warnings } => {
                text.push_str(&pipeline::render(warnings, colour.0));
                text.push_str(&format!("{name} runs as `{}`\n", one_line(&plan.name)));
                text.push_str(&whole(plan, colour));
            }
            Reading::NotWanted(why) => text.push_str(&format!("{name} does not run: {}\n", one_line(why))),
            Reading::Refused(why) => text.push_str(&format!("{name} cannot run: {}\n", one_line(why))),
            Reading::Invalid(problems) => {
                text.push_str(&pipeline::render(problems, colour.0));
                text.push_str(&format!("{name} is not valid: {}\n", pipeline::summary(problems)));
            }
        }
    }
    if planned.iter().any(|planned| matches!(planned.reading, Reading::Refused(_))) {
        text.push_str("\nNothing would run: what someone asks for is made as a whole, or not at all.\n");
    }
    text
}

/// `push to branch `main``.
fn asked(trigger: &Trigger) -> String {
    let place = place(trigger);
    match trigger.event {
        pipeline::Event::Push => format!("push to {place}"),
        pipeline::Event::Manual => format!("by hand on {place}"),
        pipeline::Event::Cron => format!("{place} on branch `{}`", trigger.branch),
        pipeline::Event::PullRequest => format!("{place} from `{}`", trigger.branch),
        pipeline::Event::Tag => place,
    }
}

fn changed(paths: &[String]) -> String {
    let named: Vec<String> = paths.iter().take(PATHS).map(|path| one_line(path)).collect();
    match paths.len() {
        0 => "no path has changed".to_owned(),
        1 => format!("1 path has changed: {}", named.join(", ")),
        n if n <= PATHS => format!("{n} paths have changed: {}", named.join(", ")),
        n => format!("{n} paths have changed: {}, …", named.join(", ")),
    }
}

/// One pipeline.
fn whole(plan: &Plan, colour: Colour) -> String {
    let mut text = String::new();
    for (name, value) in &plan.inputs {
        let value = match value {
            InputValue::Text(text) | InputValue::Number(text) => text.clone(),
            InputValue::Boolean(bool) => bool.to_string(),
        };
        text.push_str(&format!("input {name} = {}\n", one_line(&value)));
    }
    if let Some(concurrency) = &plan.concurrency {
        text.push_str(&format!("the run {}\n", one_line(&notes::concurrency(concurrency))));
    }
    let mut table = Table::new(["JOB / STEP", "IMAGE", "HOW"]);
    for (job, seen) in plan.jobs.iter().zip(forecast(plan)) {
        let how = notes::of_job(plan, job, &seen).join("; ");
        table.row([Cell::hued(&job.name, Hue::Strong), Cell::new(""), fate(&how, &seen.job)]);
        if matches!(seen.job, Forecast::Skipped(_)) {
            continue;
        }
        for service in &job.services {
            let how = notes::of_service(service).join("; ");
            table.row([Cell::indented(&service.name, 2), Cell::new(&service.image), Cell::new(how)]);
        }
        for (position, (step, seen)) in job.steps.iter().zip(&seen.steps).enumerate() {
            let how = notes::of_step(job, step, position, seen).join("; ");
            table.row([Cell::indented(&step.name, 2), Cell::new(notes::image(step.image.as_ref())), fate(&how, seen)]);
        }
    }
    text.push_str(&table.render(colour));
    text
}

fn fate(how: &str, forecast: &Forecast) -> Cell {
    match forecast {
        Forecast::Runs => Cell::new(how),
        Forecast::Skipped(_) => Cell::hued(how, Hue::Quiet),
        Forecast::AfterFailure | Forecast::Decided(_) | Forecast::Follows(_) => Cell::hued(how, Hue::Doubtful),
    }
}
