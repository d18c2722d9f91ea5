//! `gantry check`: the problems of pipeline files, all at once.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};

use crate::base::limits;
use crate::git::WorkTree;
use crate::pipeline::{self, Problem};

use super::{Ended, INVALID, OK, out};

#[derive(clap::Args)]
pub(super) struct Args {
    /// Pipeline files [default: those of the current work tree]
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Checks; 3 when a file is not valid.
pub(super) fn check(args: &Args, json: bool) -> Result<u8, Ended> {
    let files = read_files(&args.files)?;
    let problems: Vec<Problem> = files.iter().flat_map(|(path, text)| pipeline::check(path, text)).collect();
    if json {
        out::json(&problems)?;
    } else {
        out::text_as_is(&pipeline::render(&problems, std::io::stdout().is_terminal()));
        let names: Vec<&str> = files.iter().map(|(path, _)| path.as_str()).collect();
        eprintln!("{}: {}", names.join(", "), pipeline::summary(&problems));
    }
    Ok(if pipeline::has_errors(&problems) { INVALID } else { OK })
}

/// The named files, or the work tree's, as path and text.
pub(super) fn read_files(named: &[PathBuf]) -> Result<Vec<(String, Vec<u8>)>, Ended> {
    if !named.is_empty() {
        return named.iter().map(|path| Ok((path.display().to_string(), read_file(path)?))).collect();
    }
    let found = WorkTree::discover(Path::new(".")).and_then(|tree| tree.pipeline_files()).map_err(Ended::usage)?;
    if found.is_empty() {
        return Err(Ended::usage(anyhow!("there is no pipeline file here: write `.gantry.yml`, or name a file")));
    }
    Ok(found.into_iter().map(|file| (file.path, file.text)).collect())
}

/// A file, at most one byte more than the reader takes: enough for it to refuse.
fn read_file(path: &Path) -> anyhow::Result<Vec<u8>> {
    use std::io::Read;
    let mut text = Vec::new();
    let file = std::fs::File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
    file.take(limits::PIPELINE_FILE_BYTES as u64 + 1)
        .read_to_end(&mut text)
        .with_context(|| format!("{} cannot be read", path.display()))?;
    Ok(text)
}
