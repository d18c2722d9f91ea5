//! What `gantry plan` and `gantry run` ask for: the trigger that the pipelines of the work tree shall see. One reading of the flags for both, and the
//! same way through the files as the server's.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::anyhow;

use super::client::input;
use super::{Ended, check};
use crate::git::{PipelineFile, WorkTree};
use crate::pipeline::{Event, PullRequest, ReadOptions, Trigger};
use crate::server::{Planned, plan_files};

#[derive(clap::Args)]
pub(super) struct Asked {
    /// Pipeline file [default: those of the work tree]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// The event that the pipelines see [default: tag with --tag, pull_request with --target, cron with --schedule, manual with --input, else push]
    #[arg(long, value_enum)]
    event: Option<EventArg>,
    /// The branch that they see [default: the current one]
    #[arg(long)]
    branch: Option<String>,
    /// The tag that they see
    #[arg(long)]
    tag: Option<String>,
    /// The branch that a pull request is meant for [default: the default branch]
    #[arg(long, value_name = "BRANCH")]
    target: Option<String>,
    /// The schedule that is due, by its name in `on.cron`
    #[arg(long, value_name = "NAME")]
    schedule: Option<String>,
    /// A value for an input that a pipeline declares; may be given several times
    #[arg(long = "input", value_name = "NAME=VALUE", value_parser = input)]
    inputs: Vec<(String, String)>,
    /// A path that counts as changed; may be given several times [default: see below]
    #[arg(long, value_name = "PATH")]
    changed: Vec<String>,
}

/// What `--help` says of the changed paths.
pub(super) const CHANGED: &str = "\
Changed paths, which `on.push.paths`, `on.pull_request.paths` and `changes` look at, are those in which the work tree, uncommitted changes included, \
differs from the newest commit that it has in common with the default branch (of a pull request: with its target), as `origin` has that branch, else \
as it is here. On that branch itself: from the commit before HEAD. Where there is no such commit everything counts as changed.";

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum EventArg {
    Push,
    Tag,
    #[value(name = "pull_request", alias = "pull-request")]
    PullRequest,
    Cron,
    Manual,
}

impl EventArg {
    fn event(self) -> Event {
        match self {
            EventArg::Push => Event::Push,
            EventArg::Tag => Event::Tag,
            EventArg::PullRequest => Event::PullRequest,
            EventArg::Cron => Event::Cron,
            EventArg::Manual => Event::Manual,
        }
    }
}

/// How the files are to be read.
pub(super) struct How<'a> {
    /// The one who asks runs images.
    pub image_needed: bool,
    pub default_image: Option<&'a str>,
    /// `[skip ci]` skips nothing.
    pub by_person: bool,
    /// Why, as a sentence.
    pub because: &'a str,
}

/// What the pipelines of the work tree say.
pub(super) struct Answered {
    pub trigger: Trigger,
    /// `None`: everything counts as changed.
    pub changes: Option<Vec<String>>,
    /// The files as they were read, for showing their problems.
    pub planned: Vec<Planned>,
}

impl Asked {
    /// Reads the pipelines for what is asked.
    pub(super) fn answer(&self, tree: &WorkTree, how: &How<'_>) -> Result<Answered, Ended> {
        let trigger = self.trigger(tree, how.because)?;
        let changes = self.changes(tree, &trigger)?;
        let named: Vec<PathBuf> = self.file.iter().cloned().collect();
        let read = check::read_files(&named)?;
        let pipelines: Vec<PipelineFile> = read.into_iter().map(|(path, text)| PipelineFile { path, text }).collect();
        let files = tree.files();
        let options = ReadOptions {
            image_needed: how.image_needed,
            default_image: how.default_image,
            changes: changes.as_deref(),
            by_person: how.by_person,
            files: Some(&files),
        };
        let planned = plan_files(&pipelines, None, &trigger, &options);
        let planned = planned.map_err(|unmeant| Ended::usage(anyhow!("{}", unmeant.sentence())))?;
        Ok(Answered { trigger, changes, planned })
    }

    /// The event that is named, or the one that the other flags speak of.
    fn event(&self) -> Result<Event, Ended> {
        let spoken = [
            (self.tag.is_some(), EventArg::Tag, "--tag", "tag"),
            (self.target.is_some(), EventArg::PullRequest, "--target", "pull_request"),
            (self.schedule.is_some(), EventArg::Cron, "--schedule", "cron"),
            (!self.inputs.is_empty(), EventArg::Manual, "--input", "manual"),
        ];
        let mut spoken = spoken.into_iter().filter(|(given, ..)| *given);
        let first = spoken.next();
        let event = self.event.or(first.map(|(_, event, ..)| event)).unwrap_or(EventArg::Push);
        if let Some((_, _, flag, name)) = first.into_iter().chain(spoken).find(|(_, other, ..)| *other != event) {
            return Err(Ended::usage(anyhow!("`{flag}` is for `--event {name}` alone")));
        }
        match event {
            EventArg::Tag if self.tag.is_none() => Err(Ended::usage(anyhow!("say which tag: `--tag NAME`"))),
            EventArg::Cron if self.schedule.is_none() => {
                Err(Ended::usage(anyhow!("say which schedule, by its name in `on.cron`: `--schedule NAME`")))
            }
            EventArg::Push | EventArg::Tag | EventArg::PullRequest | EventArg::Cron | EventArg::Manual => Ok(event.event()),
        }
    }

    /// What the pipelines are told about the work tree.
    fn trigger(&self, tree: &WorkTree, because: &str) -> Result<Trigger, Ended> {
        let event = self.event()?;
        let head = tree.head();
        let default_branch = tree.default_branch().unwrap_or_default();
        let branch = || self.branch.clone().or_else(|| tree.branch()).unwrap_or_default();
        let branch = match event {
            Event::Tag => String::new(),
            // Schedules are those of the default branch: what would be if this were it.
            Event::Cron => self.branch.clone().unwrap_or_else(|| default_branch.clone()),
            Event::Push | Event::PullRequest | Event::Manual => branch(),
        };
        let pull_request = (event == Event::PullRequest).then(|| PullRequest {
            number: 0,
            title: String::new(),
            author: String::new(),
            source: branch.clone(),
            target: self.target.clone().unwrap_or_else(|| default_branch.clone()),
            fork: false,
        });
        let name = |tree: &WorkTree| tree.root().file_name().map(|name| name.to_string_lossy().into_owned());
        Ok(Trigger {
            event,
            repo: name(tree).unwrap_or_else(|| "repository".to_owned()),
            url: tree.origin().unwrap_or_default(),
            branch,
            tag: self.tag.clone(),
            commit: head.as_ref().map_or_else(|| "0".repeat(40), |head| head.id.clone()),
            message: head.as_ref().map(|head| head.message.clone()).unwrap_or_default(),
            author: head.map(|head| head.author).unwrap_or_default(),
            default_branch,
            because: because.to_owned(),
            inputs: self.inputs.iter().cloned().collect::<BTreeMap<_, _>>(),
            schedule: self.schedule.clone(),
            pull_request,
        })
    }

    fn changes(&self, tree: &WorkTree, trigger: &Trigger) -> Result<Option<Vec<String>>, Ended> {
        if !self.changed.is_empty() {
            return Ok(Some(self.changed.clone()));
        }
        match (trigger.event, &trigger.pull_request) {
            (Event::PullRequest, Some(pr)) => Ok(tree.changed_paths(&pr.target)?),
            (Event::Push, _) => Ok(tree.changed_paths(&trigger.default_branch)?),
            (Event::PullRequest | Event::Tag | Event::Cron | Event::Manual, _) => Ok(None),
        }
    }
}
