//! Which steps' logs are meant, what their lines are called, and how a line is printed.

use serde::Serialize;

use super::answer::{LogLine, Run, Step};
use super::screen::Hue;
use super::text::{cut, log_line, one_line, width};
use super::{Failure, Screen};

/// A longer label is cut on a terminal, so that lines still begin in the left half.
const LABEL: usize = 40;

/// One step of a run, by place and by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Track {
    at: (usize, usize),
    pub job: String,
    pub step: String,
}

impl Track {
    /// `job/step`.
    pub(super) fn label(&self) -> String {
        format!("{}/{}", self.job, self.step)
    }

    /// How this step stands in `run`. A run's plan never changes, so it is always there.
    pub(super) fn step_in<'a>(&self, run: &'a Run) -> Option<&'a Step> {
        run.jobs.get(self.at.0)?.steps.get(self.at.1)
    }
}

/// The steps that `wanted` names: all without it; `job/step`, or a step's name that only one job has.
pub(super) fn choose(run: &Run, wanted: Option<&str>) -> Result<Vec<Track>, Failure> {
    let jobs = run.jobs.iter().enumerate();
    let all: Vec<Track> = jobs
        .flat_map(|(j, job)| {
            job.steps.iter().enumerate().map(move |(s, step)| Track {
                at: (j, s),
                job: job.name.clone(),
                step: step.name.clone(),
            })
        })
        .collect();
    let Some(wanted) = wanted else {
        return Ok(all);
    };
    if let Some(track) = all.iter().find(|track| track.label() == wanted) {
        return Ok(vec![track.clone()]);
    }
    let named: Vec<&Track> = all.iter().filter(|track| track.step == wanted).collect();
    let names = |tracks: &mut dyn Iterator<Item = &Track>| {
        let names: Vec<String> = tracks.take(10).map(|track| format!("`{}`", track.label())).collect();
        names.join(", ")
    };
    match named.as_slice() {
        [track] => Ok(vec![(*track).clone()]),
        [] if all.is_empty() => Err(Failure::NotFound(format!("{} has no steps", run.name()))),
        [] => {
            let known = names(&mut all.iter());
            Err(Failure::NotFound(format!("{} has no step `{wanted}`; it has {known}", run.name())))
        }
        several => {
            let which = names(&mut several.iter().copied());
            Err(Failure::Usage(format!("several jobs have a step `{wanted}`: say which, {which}")))
        }
    }
}

/// How lines of some tracks are printed.
#[derive(Debug)]
pub(super) struct Printer {
    json: bool,
    /// One for each track; empty when lines stand alone.
    labels: Vec<String>,
}

/// A line as JSON: the API's, with where it comes from.
#[derive(Serialize)]
struct Told<'a> {
    job: &'a str,
    step: &'a str,
    attempt: u32,
    n: u64,
    at: i64,
    stream: &'a str,
    text: &'a str,
}

impl Printer {
    /// With labels when there may be lines of several steps.
    pub(super) fn new(tracks: &[Track], labelled: bool, json: bool, screen: &Screen) -> Self {
        let mut labels: Vec<String> = tracks.iter().map(|track| one_line(&track.label())).collect();
        if !labelled {
            labels.clear();
        } else if screen.is_terminal {
            labels = labels.iter().map(|label| cut(label, LABEL)).collect();
            let widest = labels.iter().map(|label| width(label)).max().unwrap_or(0);
            labels = labels.into_iter().map(|label| label.clone() + &" ".repeat(widest - width(&label))).collect();
        }
        let labels = labels.iter().map(|label| screen.colour.paint(Hue::Quiet, &format!("{label} |")) + " ").collect();
        Self { json, labels }
    }

    /// Prints one line of the track at `index`.
    pub(super) fn line(
        &self,
        screen: &mut Screen,
        index: usize,
        track: &Track,
        attempt: u32,
        line: &LogLine,
    ) -> Result<(), Failure> {
        let LogLine { n, at, stream, text } = line;
        if self.json {
            let told = Told { job: &track.job, step: &track.step, attempt, n: *n, at: *at, stream, text };
            let told = serde_json::to_string(&told).map_err(std::io::Error::from)?;
            return screen.json(&told);
        }
        if let Some(label) = self.labels.get(index) {
            screen.data(label)?;
        }
        if screen.is_terminal {
            let shown = log_line(text, screen.colour.0);
            // Gantry's own words are told from the step's.
            let shown = if stream == "system" { screen.colour.paint(Hue::Quiet, &shown) } else { shown };
            screen.data(&shown)?;
        } else {
            screen.data(text)?;
        }
        screen.data("\n")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn run(jobs: &[(&str, &[&str])]) -> Run {
        let step = |name: &&str| json!({ "name": name, "state": "waiting", "outcome": null, "reason": "", "attempt": 0 });
        let jobs: Vec<_> = jobs
            .iter()
            .map(|(name, steps)| {
                let steps: Vec<_> = steps.iter().map(step).collect();
                json!({ "name": name, "state": "waiting", "outcome": null, "reason": "", "steps": steps })
            })
            .collect();
        let run = json!({
            "id": "x", "number": 1, "repo": "shop", "pipeline": "ci", "event": "push", "branch": "main", "commit": "c", "message": "m",
            "author": "a", "state": "running", "reason": "", "queued_at": 0, "jobs": jobs,
        });
        serde_json::from_value(run).unwrap()
    }

    fn chosen(run: &Run, wanted: Option<&str>) -> Result<Vec<String>, String> {
        let labels = |tracks: Vec<Track>| tracks.iter().map(Track::label).collect();
        choose(run, wanted).map(labels).map_err(|failure| failure.to_string())
    }

    #[test]
    fn a_step_is_named_alone_where_only_one_job_has_it() {
        let run = run(&[("build", &["compile", "test"]), ("ship", &["test", "a/b"])]);
        assert_eq!(chosen(&run, None).unwrap(), ["build/compile", "build/test", "ship/test", "ship/a/b"]);
        assert_eq!(chosen(&run, Some("compile")).unwrap(), ["build/compile"]);
        assert_eq!(chosen(&run, Some("ship/test")).unwrap(), ["ship/test"]);
        assert_eq!(chosen(&run, Some("a/b")).unwrap(), ["ship/a/b"]);
        assert_eq!(
            chosen(&run, Some("test")).unwrap_err(),
            "several jobs have a step `test`: say which, `build/test`, `ship/test`"
        );
        let missing = chosen(&run, Some("lint")).unwrap_err();
        assert_eq!(missing, "shop#1 has no step `lint`; it has `build/compile`, `build/test`, `ship/test`, `ship/a/b`");
    }

    #[test]
    fn a_run_without_steps_says_so() {
        assert_eq!(chosen(&run(&[]), Some("test")).unwrap_err(), "shop#1 has no steps");
        assert!(chosen(&run(&[]), None).unwrap().is_empty());
    }
}
