//! What runs here, on disk: `STATE/RUN-JOB/root` says where the job's directory is, `…/workspace` where its work tree, `STATE/RUN-JOB/STEP-ATTEMPT/` holds the attempt's script, the files
//! that it may write to, and,
//! once it has a process, `group`: the process group, when its leader began, and in which boot of the machine; `ended` in its place when the group
//! is over. **Invariant:** a group is killed by its record only if the leader it names is that process, or is gone; never a stranger that got the same number later.

use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::base::{AttemptKey, JobKey};
use crate::executor::{JobDirs, wrote};

/// The records of one state directory.
pub(super) struct Record {
    dir: PathBuf,
}

/// One attempt's directory.
pub(super) struct Attempt {
    dir: PathBuf,
}

impl Attempt {
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn script(&self) -> PathBuf {
        self.dir.join("script")
    }

    /// Whether it ever had a process.
    pub(super) fn ran_before(&self) -> bool {
        self.group_file().exists() || self.ended_file().exists()
    }

    /// Puts its process on record.
    pub(super) fn note_group(&self, leader: i32) -> io::Result<()> {
        let began = began(leader).unwrap_or_default();
        // By renaming, so that a record is whole or not there.
        let draft = self.dir.join("group.new");
        std::fs::write(&draft, format!("{leader} {began} {}\n", boot()))?;
        std::fs::rename(draft, self.group_file())
    }

    /// Notes that the group is over, so that nobody looks for it again: its number will be given to others.
    pub(super) fn note_end(&self) -> io::Result<()> {
        match std::fs::rename(self.group_file(), self.ended_file()) {
            // The job was released meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    fn ended_file(&self) -> PathBuf {
        self.dir.join("ended")
    }

    fn group_file(&self) -> PathBuf {
        self.dir.join("group")
    }

    /// The group on record, if it can still be that one.
    fn group(&self) -> io::Result<Option<i32>> {
        let text = match std::fs::read_to_string(self.group_file()) {
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(None),
            text => text?,
        };
        let mut words = text.split_whitespace();
        let leader: Option<i32> = words.next().and_then(|word| word.parse().ok());
        let (recorded, recorded_boot) = (words.next(), words.next());
        Ok(leader.filter(|leader| {
            let same_process = began(*leader).is_none_or(|began| Some(began.as_str()) == recorded);
            same_process && recorded_boot == Some(boot().as_str())
        }))
    }
}

impl Record {
    pub(super) fn open(dir: PathBuf) -> io::Result<Self> {
        std::fs::create_dir_all(&dir)?;
        Ok(Self { dir: std::path::absolute(dir)? })
    }

    /// Puts a job on record.
    pub(super) fn job(&self, job: &JobKey, dirs: &JobDirs) -> io::Result<()> {
        let dir = self.dir.join(job.to_string());
        std::fs::create_dir_all(&dir)?;
        for (file, path) in [("root", &dirs.root), ("workspace", &dirs.workspace)] {
            std::fs::write(dir.join(file), std::path::absolute(path)?.as_os_str().as_encoded_bytes())?;
        }
        Ok(())
    }

    /// The work tree of an attempt that is on record.
    pub(super) fn workspace_of(&self, key: &AttemptKey) -> io::Result<Option<PathBuf>> {
        if !self.place(key).ran_before() {
            return Ok(None);
        }
        let file = self.dir.join(key.job_key().to_string()).join("workspace");
        Ok(Some(PathBuf::from(std::ffi::OsString::from_vec(std::fs::read(file)?))))
    }

    /// Puts an attempt on record, with its script.
    pub(super) fn attempt(&self, key: &AttemptKey, dirs: &JobDirs, script: &str) -> io::Result<Attempt> {
        self.job(&key.job_key(), dirs)?;
        let attempt = self.place(key);
        std::fs::create_dir_all(&attempt.dir)?;
        wrote::make(&attempt.dir)?;
        std::fs::write(attempt.script(), script)?;
        Ok(attempt)
    }

    /// The process group of an attempt, if it has one.
    pub(super) fn group_of(&self, key: &AttemptKey) -> io::Result<Option<i32>> {
        self.place(key).group()
    }

    /// The process groups of a job.
    pub(super) fn groups_of(&self, job: &JobKey) -> io::Result<Vec<i32>> {
        groups_in(&self.dir.join(job.to_string()))
    }

    /// Groups of all jobs on record: at the start of a server, what the one before it left running.
    pub(super) fn left_behind(&self) -> io::Result<Vec<i32>> {
        let mut groups = Vec::new();
        for job in std::fs::read_dir(&self.dir)? {
            groups.extend(groups_in(&job?.path())?);
        }
        Ok(groups)
    }

    /// Every job on record.
    pub(super) fn jobs(&self) -> io::Result<Vec<JobKey>> {
        let mut jobs = Vec::new();
        for entry in std::fs::read_dir(&self.dir)? {
            jobs.extend(entry?.file_name().to_str().and_then(job_key));
        }
        Ok(jobs)
    }

    pub(super) fn remove_attempt(&self, key: &AttemptKey) -> io::Result<()> {
        remove_tree(&self.place(key).dir)
    }

    /// Removes a job's own directory and then its record.
    pub(super) fn remove_job(&self, job: &JobKey) -> io::Result<()> {
        let dir = self.dir.join(job.to_string());
        match std::fs::read_to_string(dir.join("root")) {
            Ok(root) => remove_tree(Path::new(&root))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        remove_tree(&dir)
    }

    fn place(&self, key: &AttemptKey) -> Attempt {
        let job = self.dir.join(key.job_key().to_string());
        Attempt { dir: job.join(format!("{}-{}", key.step, key.attempt)) }
    }
}

fn groups_in(job: &Path) -> io::Result<Vec<i32>> {
    let entries = match std::fs::read_dir(job) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut groups = Vec::new();
    for entry in entries {
        let attempt = Attempt { dir: entry?.path() };
        groups.extend(attempt.group()?);
    }
    Ok(groups)
}

fn remove_tree(dir: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

fn job_key(text: &str) -> Option<JobKey> {
    let (run, job) = text.split_once('-')?;
    Some(JobKey { run: run.parse().ok()?, job: job.parse().ok()? })
}

/// When a process began, in the kernel's ticks since the boot (`/proc/PID/stat`, field 22, counted after the name, which may hold anything).
fn began(pid: i32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after_name = &stat[stat.rfind(')')? + 1..];
    after_name.split_whitespace().nth(19).map(str::to_owned)
}

/// Process numbers and ticks start anew with each boot.
fn boot() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map_or_else(|_| "-".to_owned(), |id| id.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Clock, RunId};

    #[test]
    fn a_process_is_known_again_and_a_stranger_of_the_same_number_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let record = Record::open(dir.path().join("state")).unwrap();
        let key = AttemptKey { run: RunId::new(&Clock::System), job: 1, step: 2, attempt: 3 };
        let dirs = JobDirs { root: "/nowhere".into(), workspace: "/nowhere/tree".into(), shared: Vec::new(), layers: None };
        let attempt = record.attempt(&key, &dirs, "true").unwrap();
        assert!(!attempt.ran_before());
        assert_eq!(record.workspace_of(&key).unwrap(), None);
        assert_eq!(record.left_behind().unwrap(), [0; 0]);

        let me = i32::try_from(std::process::id()).unwrap();
        attempt.note_group(me).unwrap();
        assert!(attempt.ran_before());
        assert_eq!(record.workspace_of(&key).unwrap(), Some("/nowhere/tree".into()));
        assert_eq!(record.left_behind().unwrap(), [me]);
        assert_eq!(record.jobs().unwrap(), [key.job_key()]);

        std::fs::write(attempt.group_file(), format!("{me} 1 {}\n", boot())).unwrap();
        assert_eq!(record.left_behind().unwrap(), [0; 0], "it began at another time");
        std::fs::write(attempt.group_file(), format!("{me} {} another-boot\n", began(me).unwrap())).unwrap();
        assert_eq!(record.left_behind().unwrap(), [0; 0], "it began in another boot");
        std::fs::write(attempt.group_file(), "nonsense").unwrap();
        assert_eq!(record.left_behind().unwrap(), [0; 0]);
        attempt.note_group(me).unwrap();
        attempt.note_end().unwrap();
        assert_eq!(record.left_behind().unwrap(), [0; 0], "it is over");
        assert!(attempt.ran_before());

        record.remove_job(&key.job_key()).unwrap();
        record.remove_job(&key.job_key()).unwrap();
        assert_eq!(record.jobs().unwrap(), []);
    }
}
