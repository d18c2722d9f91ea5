//! A job's work tree: a layer over a kept one, beside the same made by hand and by Git itself in the same minute. Where this program is root it mounts
//! both, as the engine does when a container starts; elsewhere both are measured without their mount.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use gantry::base::{Clock, Timestamp};
use gantry::git::{Bases, Checkout, Credentials, Mirror, Times, make_empty};

use crate::support::git;
use crate::table::{Row, Target};
use crate::watch::{Spread, Watch};

const LARGE: usize = 20_000;
const SMALL: usize = 100;
const FILE_BYTES: usize = 15_000;
const ROUNDS: usize = 11;
/// Files that a new commit changes.
const CHANGED: usize = 4;

pub fn rows() -> Vec<Row> {
    let mut rows = large();
    rows.extend(small());
    rows
}

fn large() -> Vec<Row> {
    let mut bench = Bench::new(LARGE);
    let mut first = bench.layer();
    let made = first.ms;
    let plain = bench.by_read_tree();
    let hand: Vec<f64> = (0..ROUNDS).map(|_| bench.by_hand(&first.base, None)).collect();
    let same: Vec<f64> = (0..ROUNDS).map(|_| bench.layer().ms).collect();
    let (mut moved, mut by_git) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let commit = bench.commit();
        by_git.push(bench.by_hand(&first.base, Some(&commit)));
        let layer = bench.layer();
        assert_eq!(layer.base, first.base, "it stands on the first commit's");
        moved.push(layer.ms);
    }
    first.ms = made;
    let row = |figure: &str, times: &[f64], (reference, name): (f64, &str), target| Row {
        figure: format!("work tree of {LARGE} files, {figure}"),
        unit: "ms",
        measured: Spread::of(times),
        rounds: times.len(),
        reference: Some((name.to_owned(), reference)),
        target,
    };
    let (hand, by_git) = (Spread::of(&hand).median, Spread::of(&by_git).median);
    vec![
        row("its commit's base there", &same, (hand, "overlay and `.git` by hand"), Target::Ratio(1.1)),
        row("an earlier commit's base there", &moved, (by_git, "overlay and `git checkout` by hand"), Target::Ratio(1.1)),
        row("no base there", &[first.ms], (plain, "`git read-tree -u`, 2 workers"), Target::None),
    ]
}

fn small() -> Vec<Row> {
    let mut bench = Bench::new(SMALL);
    let first = bench.layer();
    let same: Vec<f64> = (0..ROUNDS).map(|_| bench.layer().ms).collect();
    let moved: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            bench.commit();
            bench.layer().ms
        })
        .collect();
    let row = |figure: &str, times: &[f64]| Row {
        figure: format!("work tree of {SMALL} files, {figure}"),
        unit: "ms",
        measured: Spread::of(times),
        rounds: times.len(),
        reference: None,
        target: Target::Below(20.0, "ms"),
    };
    vec![
        row("its commit's base there", &same),
        row("an earlier commit's base there", &moved),
        Row { target: Target::None, ..row("no base there", &[first.ms]) },
    ]
}

/// A repository, its mirror and its kept work trees, in one directory.
struct Bench {
    dir: tempfile::TempDir,
    mirror: Mirror,
    bases: Bases,
    count: usize,
    is_root: bool,
}

struct Layered {
    ms: f64,
    base: PathBuf,
}

impl Bench {
    fn new(files: usize) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let remote = dir.path().join("remote");
        fs::create_dir(&remote).expect("a directory");
        git(&remote, &["init", "--quiet", "--bare", "--initial-branch=main", "."]);
        import(&remote, "HEAD", (0..files).map(|n| (n, 0)));
        let mirror = Mirror::open(&dir.path().join("mirror")).expect("a mirror");
        let bases = Bases::new(&dir.path().join("bases"), &dir.path().join("work"));
        let is_root = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
        let bench = Self { dir, mirror, bases, count: 0, is_root };
        bench.fetch();
        bench
    }

    fn remote(&self) -> PathBuf {
        self.dir.path().join("remote")
    }

    fn fetch(&self) {
        self.mirror.fetch(self.remote().to_str().expect("a plain path"), &Credentials::default()).expect("a fetch");
    }

    /// A new commit, in the mirror.
    fn commit(&mut self) -> String {
        self.count += 1;
        import(&self.remote(), "refs/heads/main^0", (0..CHANGED).map(|n| (n * 7, self.count)));
        self.fetch();
        git(&self.remote(), &["rev-parse", "main"])
    }

    /// A new job's directories, with what they are mounted on.
    fn job(&mut self) -> [PathBuf; 4] {
        self.count += 1;
        let root = self.dir.path().join("work").join(format!("j{}", self.count));
        let dirs = ["upper", "overlay", "mounted"].map(|name| root.join(name));
        dirs.iter().for_each(|dir| fs::create_dir_all(dir).expect("a directory"));
        let [upper, work, mounted] = dirs;
        [root, upper, work, mounted]
    }

    /// As a server does it, and as the engine goes on.
    fn layer(&mut self) -> Layered {
        let [root, upper, work, mounted] = self.job();
        let commit = git(&self.remote(), &["rev-parse", "main"]);
        let at = Checkout::of(commit, Some("main".to_owned()), self.remote().to_str().expect("a plain path"));
        let at = Checkout { times: Times::Settled, ..at };
        let now = Timestamp(Clock::System.now().0);
        let watch = Watch::start();
        let layer = self.bases.layer(&self.mirror, "R1", &at, (&root, &upper), now).expect("a layer");
        make_empty(&work).expect("a directory");
        let mount = self.mount(&layer.base, &upper, &work, &mounted);
        let ms = watch.ms();
        if mount.is_some() {
            assert_eq!(git(&mounted, &["status", "--porcelain"]), "", "and it is clean");
        }
        drop(mount);
        fs::remove_dir_all(root).expect("it is removed");
        Layered { ms, base: layer.base }
    }

    /// The least that there is to do: a `.git` of as few files as Git takes, and the mount. Git itself moves it to another commit.
    fn by_hand(&mut self, base: &Path, to: Option<&str>) -> f64 {
        let [root, upper, work, mounted] = self.job();
        let from =
            base.parent().and_then(Path::file_name).expect("bases are named by their commits").to_string_lossy().into_owned();
        let watch = Watch::start();
        for dir in ["objects/info", "refs"] {
            fs::create_dir_all(upper.join(".git").join(dir)).expect("a directory");
        }
        let alternates = format!("{}\n", self.mirror.objects_dir().display());
        let config = "[core]\n\trepositoryformatversion = 0\n\tbare = false\n\tcheckStat = minimal\n\ttrustctime = false\n";
        for (name, text) in
            [("HEAD", format!("{from}\n")), ("config", config.to_owned()), ("objects/info/alternates", alternates)]
        {
            fs::write(upper.join(".git").join(name), text).expect("a file");
        }
        let mount = self.mount(base, &upper, &work, &mounted);
        if let (Some(to), Some(_)) = (to, &mount) {
            git(&mounted, &["checkout", "--quiet", "--detach", to]);
        }
        let ms = watch.ms();
        drop(mount);
        fs::remove_dir_all(root).expect("it is removed");
        ms
    }

    /// Milliseconds of Git's own fastest checkout.
    fn by_read_tree(&mut self) -> f64 {
        let [root, upper, _, _] = self.job();
        let watch = Watch::start();
        git(&upper, &["init", "--quiet", "."]);
        let alternates = format!("{}\n", self.mirror.objects_dir().display());
        fs::write(upper.join(".git/objects/info/alternates"), alternates).expect("a file");
        let commit = git(&self.remote(), &["rev-parse", "main"]);
        git(&upper, &["-c", "checkout.workers=2", "read-tree", "-u", "--reset", &commit]);
        let ms = watch.ms();
        fs::remove_dir_all(root).expect("it is removed");
        ms
    }

    fn mount(&self, base: &Path, upper: &Path, work: &Path, on: &Path) -> Option<Mounted> {
        if !self.is_root {
            return None;
        }
        let (base, upper, work) = (base.display(), upper.display(), work.display());
        let options = format!("lowerdir={base},upperdir={upper},workdir={work},redirect_dir=on,metacopy=off,index=off");
        let mounted = Command::new("mount").args(["-t", "overlay", "overlay", "-o", &options]).arg(on).status();
        assert!(mounted.is_ok_and(|status| status.success()), "root may mount an overlay here");
        Some(Mounted(on.to_owned()))
    }
}

/// Goes when it is dropped.
struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let gone = Command::new("umount").arg(&self.0).status();
        if !gone.is_ok_and(|status| status.success()) {
            eprintln!("bench: {} is still mounted", self.0.display());
        }
    }
}

/// Commits files on `main`; each is of a number and a version, so that no two are the same.
fn import(repository: &Path, from: &str, files: impl Iterator<Item = (usize, usize)>) {
    let mut child = Command::new("git")
        .args(["-c", "core.compression=1", "fast-import", "--quiet"])
        .current_dir(repository)
        .stdin(Stdio::piped())
        .spawn()
        .expect("git starts");
    let mut input = std::io::BufWriter::new(child.stdin.take().expect("its input"));
    let mut text = String::from("commit refs/heads/main\ncommitter Ada <ada@example.org> 1700000000 +0000\ndata 1\nm\n");
    if from != "HEAD" {
        let _ = writeln!(text, "from {from}");
    }
    input.write_all(text.as_bytes()).expect("git reads");
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for (number, version) in files {
        let mut content = format!("{number} {version}\n");
        while content.len() < FILE_BYTES {
            // Text that does not compress to nothing (xorshift).
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let _ = writeln!(content, "{state:016x} some words of a line that occurs again and again");
        }
        let path = format!("d{}/e{}/f{number}.txt", number % 50, number % 7);
        write!(input, "M 100644 inline {path}\ndata {}\n{content}\n", content.len()).expect("git reads");
    }
    drop(input);
    assert!(child.wait().is_ok_and(|status| status.success()), "git fast-import");
}
