//! `gantry init`: looks at a repository and writes a first pipeline for it, made of the ready-made ones in `pipelines/`.
//!
//! **Invariant:** nothing that is there is ever overwritten, and what is written passes `gantry check`.

mod look;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};

use crate::git::WorkTree;
use crate::pipeline;

use super::{Ended, OK, out};
use look::Draft;

#[derive(clap::Args)]
pub(super) struct Args {
    /// Prints the pipeline instead of writing it
    #[arg(long)]
    print: bool,
}

/// A file that was, or would be, written.
#[derive(serde::Serialize)]
struct Written {
    path: String,
    text: String,
    because: String,
}

pub(super) fn init(args: &Args, json: bool) -> Result<u8, Ended> {
    let root = match WorkTree::discover(Path::new(".")) {
        Ok(tree) => tree.root().to_owned(),
        // Not a repository yet: the first commit may well hold the pipeline.
        Err(_) => PathBuf::from("."),
    };
    let written = drafts(&root)?;
    for file in &written {
        let problems = pipeline::check(&file.path, file.text.as_bytes());
        if pipeline::has_errors(&problems) {
            return Err(anyhow!("what was made for {} is not valid:\n{}", file.path, pipeline::render(&problems, false)).into());
        }
    }
    if !args.print {
        refuse_second(&root)?;
        for file in &written {
            write_new(&root.join(&file.path), &file.text)?;
            eprintln!("wrote {}: {}", file.path, file.because);
        }
        eprintln!("next: read it, then `gantry plan` shows what would run, and `gantry run` runs it here");
    }
    if json {
        out::json(&written)?;
    } else if args.print {
        let texts: Vec<&str> = written.iter().map(|file| file.text.as_str()).collect();
        out::text_as_is(&texts.join("---\n"));
    }
    Ok(OK)
}

/// What fits the repository: one file, or one for each language in `.gantry/`.
fn drafts(root: &Path) -> Result<Vec<Written>, Ended> {
    let found = look::look(root);
    if found.is_empty() {
        let known = "Cargo.toml, package.json, pyproject.toml, requirements.txt, go.mod or a Makefile";
        return Err(Ended::usage(anyhow!("there is no {known} here, so there is nothing to go by: write `.gantry.yml` by hand")));
    }
    let alone = found.len() == 1;
    let written = |Draft { name, text, because }: Draft| Written {
        path: if alone { ".gantry.yml".to_owned() } else { format!(".gantry/{name}.yml") },
        text,
        because,
    };
    Ok(found.into_iter().map(written).collect())
}

fn refuse_second(root: &Path) -> Result<(), Ended> {
    let there = [".gantry.yml", ".gantry.yaml", ".gantry"].into_iter().find(|name| root.join(name).symlink_metadata().is_ok());
    match there {
        Some(name) => {
            Err(Ended::usage(anyhow!("there is a `{name}` already: remove it, or see a new one with `gantry init --print`")))
        }
        None => Ok(()),
    }
}

/// Writes a file that is not there yet.
fn write_new(path: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).with_context(|| format!("{} cannot be made", dir.display()))?;
    }
    let cannot = || format!("{} cannot be written", path.display());
    let mut file = fs::OpenOptions::new().write(true).create_new(true).open(path).with_context(cannot)?;
    file.write_all(text.as_bytes()).with_context(cannot)
}
