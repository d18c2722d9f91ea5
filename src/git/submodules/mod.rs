//! Submodules of a commit, when its pipeline asks for them: fetched by the same machinery as the repository itself, each into a mirror of its own.
//!
//! **Invariants:** what `.gitmodules` says is untrusted: only an address that passes [`address::resolve`] is ever connected to, credentials go to the
//! server they belong to alone, a commit cannot ask for more than [`limits::SUBMODULES`] nor nest deeper than [`limits::SUBMODULE_DEPTH`]; each work
//! tree is looked through before it is written, in a directory that the one around it was looked through for.
//!
//! `address` has where they are, `file` what `.gitmodules` says.

mod address;
mod file;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use git2::{Oid, Repository};
use sha2::{Digest, Sha256};

use super::checkout::Told;
use super::dot_git::quoted;
use super::error::told;
use super::{Checkout, Credentials, Error, Mirror, lay};
use crate::base::limits;

/// From where submodules are taken, and where they go.
pub struct Submodules<'a> {
    /// The address of the repository itself, with the credentials that may stand in it.
    pub url: &'a str,
    /// None: what everybody may see, and nothing else.
    pub credentials: Option<&'a Credentials>,
    /// Whose mirrors these are: two that may not see the same have two directories.
    pub mirrors: &'a Path,
}

/// One of them, to be checked out.
struct Wanted {
    path: Vec<u8>,
    commit: Oid,
    name: String,
    url: String,
}

impl Mirror {
    /// Checks out the submodules of a commit that was checked out to `workspace`, and those in them.
    ///
    /// # Errors
    /// [`Error::Submodule`], which names the submodule; or what fetching and checking out may fail with.
    pub fn checkout_submodules(&self, at: &Checkout, workspace: &Path, from: &Submodules<'_>) -> Result<Told, Error> {
        let credentials = match from.credentials {
            Some(credentials) => credentials.clone().with_those_of(from.url)?,
            None => Credentials::default(),
        };
        let mut told = Told::default();
        let mut count = 0;
        let mut open = vec![(self.clone(), at.clone(), workspace.to_owned(), 0)];
        while let Some((mirror, at, workspace, depth)) = open.pop() {
            for wanted in mirror.wanted(&at)? {
                count += 1;
                let refuse = |why: String| Error::Submodule { path: shown(&wanted.path), why };
                if count > limits::SUBMODULES {
                    return Err(refuse(format!("there are more than {} submodules", limits::SUBMODULES)));
                }
                if depth == limits::SUBMODULE_DEPTH {
                    return Err(refuse(format!("submodules nest deeper than {} levels", limits::SUBMODULE_DEPTH)));
                }
                if from.credentials.is_none() && !address::is_public(&wanted.url) {
                    let why = "a change that was proposed from another repository gets submodules over https:// alone, without credentials";
                    return Err(refuse(why.to_owned()));
                }
                let place = from.mirrors.join(format!("{}.git", hex::encode(&Sha256::digest(wanted.url.as_bytes())[..16])));
                let module = Mirror::open(&place)?;
                let commit = wanted.commit.to_string();
                if !module.has(&commit)? {
                    module.fetch(&wanted.url, &credentials).map_err(|error| refuse(error.to_string()))?;
                }
                if !module.has(&commit)? {
                    let shown = super::public_url(&wanted.url);
                    return Err(refuse(format!("its commit {commit} is on no branch and no tag of {shown}")));
                }
                note(&workspace, &wanted)?;
                let inner = Checkout { commit, branch: None, url: wanted.url.clone(), depth: at.depth, ..at.clone() };
                let into = lay::place(&workspace, &wanted.path);
                let made = module.checkout(&inner, &into)?;
                told = told.and(made);
                open.push((module, inner, into, depth + 1));
            }
        }
        Ok(told)
    }

    fn has(&self, commit: &str) -> Result<bool, Error> {
        match self.find(&self.repository()?, commit) {
            Ok(_) => Ok(true),
            Err(Error::NoCommit { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The submodules of a commit that passed the check of names.
    fn wanted(&self, at: &Checkout) -> Result<Vec<Wanted>, Error> {
        let repository = self.repository()?;
        let damaged = Error::damaged(&self.dir);
        let links = self.links(&repository, at)?;
        if links.is_empty() {
            return Ok(Vec::new());
        }
        let refuse = |path: &[u8], why: &str| Error::Submodule { path: shown(path), why: why.to_owned() };
        let tree = self.find(&repository, &at.commit)?.tree().map_err(&damaged)?;
        let entry = tree.get_name(".gitmodules").filter(|entry| super::files::Kind::of(entry) == super::files::Kind::File);
        let Some(entry) = entry else {
            return Err(refuse(&links[0].0, "the commit has no file `.gitmodules` that says where it is"));
        };
        let (bytes, _) = repository.odb().and_then(|odb| odb.read_header(entry.id())).map_err(&damaged)?;
        if bytes > limits::GITMODULES_BYTES {
            let why = format!("`.gitmodules` has {bytes} bytes, and {} are allowed", limits::GITMODULES_BYTES);
            return Err(refuse(&links[0].0, &why));
        }
        let text = repository.find_blob(entry.id()).map_err(&damaged)?;
        let sections = file::read(text.content()).map_err(|why| refuse(&links[0].0, &format!("`.gitmodules` {why}")))?;
        let mut wanted = Vec::new();
        for (path, commit) in links {
            let section = sections.iter().find(|section| section.path.as_deref().map(str::as_bytes) == Some(&path));
            let named = section.and_then(|section| section.url.as_deref().map(|url| (section, url)));
            let Some((section, url)) = named else {
                return Err(refuse(&path, "`.gitmodules` does not say where it is"));
            };
            let url = address::resolve(&at.url, url).map_err(|why| refuse(&path, &why))?;
            wanted.push(Wanted { path, commit, name: section.name.clone(), url });
        }
        Ok(wanted)
    }

    /// Paths of all submodules of a commit, and their commits.
    fn links(&self, repository: &Repository, at: &Checkout) -> Result<Vec<(Vec<u8>, Oid)>, Error> {
        const GITLINK: i32 = 0o160_000;
        let damaged = Error::damaged(&self.dir);
        let mut links = Vec::new();
        // Its size and its names were looked at when it was checked out.
        let mut open = vec![(Vec::new(), self.find(repository, &at.commit)?.tree_id())];
        while let Some((folder, tree)) = open.pop() {
            for entry in &repository.find_tree(tree).map_err(&damaged)? {
                let path = [&folder[..], entry.name_bytes()].concat();
                match super::entries::What::of(&entry) {
                    super::entries::What::Directory => open.push(([&path[..], b"/"].concat(), entry.id())),
                    super::entries::What::Submodule if entry.filemode_raw() == GITLINK => links.push((path, entry.id())),
                    super::entries::What::Submodule | super::entries::What::File { .. } | super::entries::What::Link => {}
                }
            }
        }
        links.sort();
        Ok(links)
    }
}

/// Tells the work tree around it that it is one of its own, as `git submodule init` would.
fn note(workspace: &Path, wanted: &Wanted) -> Result<(), Error> {
    let config: PathBuf = workspace.join(".git/config");
    let url = super::public_url(&wanted.url);
    let (Some(name), Some(url)) = (quoted(&wanted.name), quoted(&url)) else { return Ok(()) };
    let noted = fs::File::options().append(true).open(&config);
    let noted = noted.and_then(|mut file| write!(file, "[submodule {name}]\n\tactive = true\n\turl = {url}\n"));
    noted.map_err(Error::io("write", &config))
}

fn shown(path: &[u8]) -> String {
    told(&String::from_utf8_lossy(path))
}
