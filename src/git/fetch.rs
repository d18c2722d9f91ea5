//! Fetching: after it the mirror's branches and tags are the remote's, no more and no less, and the snapshot says what they are.
//! **Invariants:** one fetch at a time for each mirror; what a killed fetch left behind is cleared by the next one; tags are not followed
//! beyond the refs asked for, redirects to another host are refused, hooks do not exist.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;

use git2::{AutotagOption, FetchOptions, ProxyOptions, Remote, RemoteRedirect, RemoteUpdateFlags, Repository};

use super::address::{Address, Place};
use super::attempt::Attempt;
use super::{Credentials, Error, Mirror, directory};

/// What is mirrored: all branches and all tags, as they are there, rewritten or not.
const REFSPECS: [&str; 2] = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"];
/// From here on refs are kept in one file instead of one file each.
const LOOSE_REFS: usize = 200;

/// A remote's branches and tags at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// Short name of the remote's default branch; none in an empty repository.
    pub default_branch: Option<String>,
    /// Full ref name (`refs/heads/…`, `refs/tags/…`) → commit id. Tags are followed to their commit; tags of something else, and names that
    /// are not UTF-8, are left out.
    pub refs: BTreeMap<String, String>,
}

impl Mirror {
    /// Fetches all branches and tags of `url`; what is gone there goes here.
    ///
    /// # Errors
    /// Each a sentence for people; [`Error::is_transient`] says whether trying again makes sense. The mirror stays usable.
    pub fn fetch(&self, url: &str, credentials: &Credentials) -> Result<Snapshot, Error> {
        let address = Address::read(url)?;
        let repository = self.repository()?;
        let _one_at_a_time = self.claim()?;
        let (dial, offers) = match &address.place {
            Place::Local(path) => {
                look_at(path, &address.shown)?;
                (path.to_string_lossy().into_owned(), Vec::new())
            }
            Place::Remote(remote) => (remote.dial.clone(), credentials.offers(remote)),
        };
        let mut first = 0;
        loop {
            let attempt = Attempt::new(&address, &offers, first);
            match fetch_once(&repository, &dial, &attempt) {
                Ok(head) => return self.snapshot(&repository, head.as_deref()),
                Err(Trouble::Mirror(error)) => return Err(Error::damaged(&self.dir)(error)),
                // Every round makes at least one offer more, so this ends.
                Err(Trouble::Remote(error)) => match attempt.resume_at(&error) {
                    Some(next) => first = next,
                    None => return Err(attempt.explain(&error)),
                },
            }
        }
    }

    /// Waits until no other fetch works on this mirror, then removes what a killed one left.
    fn claim(&self) -> Result<File, Error> {
        let path = self.dir.join("gantry.lock");
        let file = File::create(&path).map_err(Error::io("open", &path))?;
        file.lock().map_err(Error::io("lock", &path))?;
        sweep(&self.dir.join("refs"), true, &|name| name.ends_with(".lock"))?;
        sweep(&self.dir, false, &|name| matches!(name, "HEAD.lock" | "packed-refs.lock" | "config.lock"))?;
        sweep(&self.dir.join("objects/pack"), false, &|name| name.starts_with("pack_git2_"))?;
        Ok(file)
    }

    fn snapshot(&self, repository: &Repository, head: Option<&str>) -> Result<Snapshot, Error> {
        let damaged = Error::damaged(&self.dir);
        let mut refs = BTreeMap::new();
        let mut loose = 0;
        for reference in repository.references().map_err(&damaged)? {
            let reference = reference.map_err(&damaged)?;
            loose += usize::from(self.dir.join(String::from_utf8_lossy(reference.name_bytes()).as_ref()).exists());
            let Ok(name) = std::str::from_utf8(reference.name_bytes()) else {
                tracing::warn!(name = ?String::from_utf8_lossy(reference.name_bytes()), "a ref whose name is not UTF-8 is not watched");
                continue;
            };
            if let Ok(commit) = reference.peel_to_commit() {
                refs.insert(name.to_owned(), commit.id().to_string());
            }
        }
        if loose > LOOSE_REFS {
            repository.refdb().and_then(|_| repository.refdb_compress()).map_err(&damaged)?;
        }
        let default_branch = default_branch(&refs, head);
        if let Some(branch) = &default_branch {
            repository.set_head(&format!("refs/heads/{branch}")).map_err(&damaged)?;
        }
        Ok(Snapshot { default_branch, refs })
    }
}

/// On whose side a fetch failed.
enum Trouble {
    Remote(git2::Error),
    Mirror(git2::Error),
}

/// One conversation. Returns where the remote's HEAD points, if it says.
fn fetch_once(repository: &Repository, dial: &str, attempt: &Attempt<'_>) -> Result<Option<String>, Trouble> {
    // A mirror whose refs cannot be read would fail in the middle of the conversation.
    repository.references().and_then(|mut all| all.try_for_each(|reference| reference.map(drop))).map_err(Trouble::Mirror)?;
    let mut remote: Remote<'_> = repository.remote_anonymous(dial).map_err(Trouble::Remote)?;
    let mut proxy = ProxyOptions::new();
    proxy.auto();
    let mut options = FetchOptions::new();
    options
        .remote_callbacks(attempt.callbacks())
        .proxy_options(proxy)
        .download_tags(AutotagOption::None)
        .follow_redirects(RemoteRedirect::None)
        .update_fetchhead(false);
    remote.download(&REFSPECS, Some(&mut options)).map_err(Trouble::Remote)?;
    let head = remote.default_branch().ok().and_then(|name| name.as_str().ok().map(str::to_owned));
    // First away with what is gone: `a` must go before `a/b` can come.
    remote.prune(None).map_err(Trouble::Mirror)?;
    remote.update_tips(None, RemoteUpdateFlags::empty(), AutotagOption::None, None).map_err(Trouble::Mirror)?;
    remote.disconnect().map_err(Trouble::Remote)?;
    Ok(head)
}

/// The branch that HEAD names there; else `main`, `master`, or the only one.
fn default_branch(refs: &BTreeMap<String, String>, head: Option<&str>) -> Option<String> {
    let branches: Vec<&str> = refs.keys().filter_map(|name| name.strip_prefix("refs/heads/")).collect();
    let head = head.and_then(|name| name.strip_prefix("refs/heads/"));
    let wanted = [head, Some("main"), Some("master")].into_iter().flatten().find(|name| branches.contains(name));
    wanted.or(if let [only] = branches[..] { Some(only) } else { None }).map(str::to_owned)
}

/// A local repository that cannot be opened is better explained by looking than by the library's error.
fn look_at(path: &Path, shown: &str) -> Result<(), Error> {
    use std::io::ErrorKind;
    let url = || shown.to_owned();
    let unreadable = |what: &Path| Error::Unreadable {
        url: url(),
        why: format!("{} is not readable; give the user that runs Gantry the right to read it", what.display()),
    };
    match fs::read_dir(path) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(unreadable(path)),
        Err(error) if error.kind() == ErrorKind::NotADirectory => {
            Err(Error::NoRepository { url: url(), why: "it is not a directory".to_owned() })
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Err(Error::NoRepository { url: url(), why: "there is no such directory on the server's machine".to_owned() })
        }
        Err(error) => Err(Error::io("read the directory", path)(error)),
        Ok(_) => {
            let git = if path.join(".git").is_dir() { path.join(".git") } else { path.to_owned() };
            for part in [git.join("HEAD"), git.join("refs"), git.join("objects")] {
                let opened = File::open(&part).map(drop);
                if opened.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied) {
                    return Err(unreadable(&part));
                }
            }
            if git.join("shallow").exists() {
                let why = "it is a shallow clone, whose history ends in nothing; run `git fetch --unshallow` there".to_owned();
                return Err(Error::Remote { url: url(), why });
            }
            Ok(())
        }
    }
}

/// Removes files by name from a directory, and from those below if `deep`.
fn sweep(dir: &Path, deep: bool, stale: &dyn Fn(&str) -> bool) -> Result<(), Error> {
    let Ok(entries) = fs::read_dir(dir) else { return Ok(()) };
    for entry in entries {
        let entry = entry.map_err(Error::io("read the directory", dir))?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if deep {
                sweep(&entry.path(), deep, stale)?;
            }
        } else if entry.file_name().to_str().is_some_and(stale) {
            directory::removed(&entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_branch_is_heads_else_main_else_master_else_the_only_one() {
        let of = |branches: &[&str], head| {
            let refs = branches.iter().map(|name| (format!("refs/heads/{name}"), String::new())).collect();
            default_branch(&refs, head)
        };
        assert_eq!(of(&["a", "main"], Some("refs/heads/a")).as_deref(), Some("a"));
        assert_eq!(of(&["a", "main", "master"], Some("refs/heads/gone")).as_deref(), Some("main"));
        assert_eq!(of(&["a", "master"], None).as_deref(), Some("master"));
        assert_eq!(of(&["only"], None).as_deref(), Some("only"));
        assert_eq!(of(&["a", "b"], None), None);
        assert_eq!(of(&[], Some("refs/heads/main")), None);
    }
}
