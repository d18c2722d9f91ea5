//! A repository made on the spot, for the demo: bare, with commits written straight into it, as pushes would.

use std::path::Path;

use git2::{FileMode, IndexEntry, IndexTime, ObjectType, Repository, RepositoryInitOptions, Signature};

use super::{Error, library};

/// A bare repository that takes commits.
pub struct Sample {
    repository: Repository,
}

impl Sample {
    /// Makes one with no commit; its default branch will be `main`.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn create(dir: &Path) -> Result<Self, Error> {
        library::ready()?;
        let mut options = RepositoryInitOptions::new();
        options.bare(true).initial_head("main").external_template(false);
        let repository = Repository::init_opts(dir, &options).map_err(Error::damaged(dir))?;
        Ok(Self { repository })
    }

    /// Commits these files (path, content, executable) on top of `main`, as a push to it would; answers the commit's id.
    ///
    /// # Errors
    /// The repository cannot be written.
    pub fn push(&self, files: &[(&str, &str, bool)], message: &str) -> Result<String, Error> {
        self.commit(files, message).map_err(Error::damaged(self.repository.path()))
    }

    fn commit(&self, files: &[(&str, &str, bool)], message: &str) -> Result<String, git2::Error> {
        let parent = self.repository.find_reference("refs/heads/main").ok().and_then(|main| main.peel_to_commit().ok());
        let mut index = git2::Index::new()?;
        if let Some(parent) = &parent {
            index.read_tree(&parent.tree()?)?;
        }
        for (path, content, executable) in files {
            let id = self.repository.odb()?.write(ObjectType::Blob, content.as_bytes())?;
            let mode = if *executable { FileMode::BlobExecutable } else { FileMode::Blob };
            let none = IndexTime::new(0, 0);
            index.add(&IndexEntry {
                ctime: none,
                mtime: none,
                dev: 0,
                ino: 0,
                mode: u32::from(mode),
                uid: 0,
                gid: 0,
                file_size: 0,
                id,
                flags: 0,
                flags_extended: 0,
                path: path.as_bytes().to_vec(),
            })?;
        }
        let tree = self.repository.find_tree(index.write_tree_to(&self.repository)?)?;
        let author = Signature::now("Gantry", "demo@gantry.invalid")?;
        let parents: Vec<_> = parent.iter().collect();
        let id = self.repository.commit(Some("refs/heads/main"), &author, &author, message, &tree, &parents)?;
        Ok(id.to_string())
    }
}
