//! Work trees that are layers over kept ones, in a real engine. Needs a running one on this machine, and the images `gantry-test/busybox:1` and
//! `gantry-test/debian:1` (`.ci/docker-up` makes sure of them).

mod executor_rig;
#[expect(dead_code, reason = "the tests of the git room use all of it")]
#[path = "git/peer.rs"]
mod peer;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use executor_rig::docker::{Rig, docker};
use executor_rig::packed::{Packed, add_file, listed, tar};
use executor_rig::{NoServices, TestJob, run};
use gantry::base::{JobKey, Timestamp};
use gantry::executor::{Executor, JobDirs, Layers, StepSpec};
use gantry::git::{Bases, Checkout, Credentials, Mirror, Times};
use gantry::run::Exit;
use peer::Peer;

const DEBIAN: &str = "gantry-test/debian:1";

/// A repository, its mirror, and its kept work trees.
struct Place {
    peer: Peer,
    mirror: Mirror,
    bases: Bases,
}

impl Place {
    fn new(peer: Peer) -> Self {
        let mirror = Mirror::open(&peer.beside("mirror")).unwrap();
        let bases = Bases::new(&peer.beside("bases"), &peer.beside("work"));
        Self { peer, mirror, bases }
    }

    /// A job at the peer's head, its layer made.
    fn job(&self, name: &str) -> TestJob {
        self.mirror.fetch(&self.peer.url(), &Credentials::default()).unwrap();
        let mut job = TestJob::new();
        let root = self.peer.beside("work").join(name);
        fs::create_dir_all(&root).unwrap();
        let layers = Layers { base: PathBuf::new(), upper: root.join("upper"), work: root.join("overlay") };
        let at = Checkout::of(self.peer.head(), Some("main".to_owned()), self.peer.url());
        let at = Checkout { times: Times::Settled, ..at };
        let layer = self.bases.layer(&self.mirror, "R1", &at, (&root, &layers.upper), Timestamp(1)).unwrap();
        fs::create_dir_all(&layers.work).unwrap();
        let layers = Layers { base: layer.base, ..layers };
        let workspace = root.join("workspace");
        job.spec.dirs = JobDirs { root, workspace, shared: vec![self.mirror.objects_dir()], layers: Some(layers) };
        job
    }
}

async fn rig_that_mounts(place: &Place) -> Rig {
    let rig = Rig::new().await;
    fs::create_dir_all(place.peer.beside("work")).unwrap();
    let works = rig.docker.layers(&place.peer.beside("work")).await.unwrap();
    assert_eq!(works, Ok(()), "these tests need an engine on this machine that mounts overlays");
    assert_eq!(fs::read_dir(place.peer.beside("work")).unwrap().count(), 0, "the trial left nothing");
    assert_eq!((rig.containers(), volumes(&rig)), (vec![], vec![]));
    rig
}

fn volumes(rig: &Rig) -> Vec<String> {
    docker(&["volume", "ls", "--filter", &format!("label=io.gantry.instance={}", rig.instance), "--format", "{{.Name}}"])
}

fn in_debian(step: StepSpec) -> StepSpec {
    StepSpec { image: Some(DEBIAN.to_owned()), ..step }
}

async fn passes(rig: &Rig, step: &StepSpec) -> String {
    let (exit, kept) = run(&rig.docker, step).await;
    assert_eq!(exit, Ok(Exit::Code(0)), "{}{}{}", kept.stdout(), kept.stderr(), kept.system());
    kept.stdout()
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_work_in_a_layered_work_tree_as_in_any_other_and_the_base_stays_as_it_is() {
    let peer = Peer::with(&[("a", "1\n"), ("dir/b", "2\n"), ("dir/c", "3\n"), ("goes", "x\n"), ("big/x", &"y".repeat(100_000))]);
    symlink("dir/b", peer.dir.join("link")).unwrap();
    peer.commit(&[]);
    peer.git(&["tag", "-a", "-m", "x", "v1"]);
    let place = Place::new(peer);
    let rig = rig_that_mounts(&place).await;
    let job = place.job("one");
    rig.docker.prepare(&job.spec, &NoServices).await.unwrap();

    let looks = "git status --porcelain --ignored; git describe; git log --format=%s | wc -l; cat link; ls -d /workspace/*";
    let seen = passes(&rig, &in_debian(job.script(0, looks))).await;
    assert_eq!(seen, "v1\n2\n2\n/workspace/a\n/workspace/big\n/workspace/dir\n/workspace/goes\n/workspace/link\n");
    // Written in place, removed, renamed with all that is in it, made anew where something was, linked, and committed.
    let works = "echo more >> a; rm goes; mv dir moved; mkdir dir; echo new > dir/b; ln a hard; chmod +x big/x; rm -r big; mkdir big; \
                 git config user.name n; git config user.email e; git add -A; git commit -qm 'in the job'; git status --porcelain";
    assert_eq!(passes(&rig, &in_debian(job.script(1, works))).await, "");
    let looks = "cat a moved/b moved/c dir/b link; ls big; test ! -e goes; git log -1 --format=%s; git status --porcelain; git fsck --no-dangling";
    let seen = passes(&rig, &in_debian(job.script(2, looks))).await;
    assert_eq!(seen, "1\nmore\n2\n3\nnew\nnew\nin the job\n");

    let base = &job.spec.dirs.layers.as_ref().unwrap().base;
    assert_eq!(fs::read_to_string(base.join("a")).unwrap(), "1\n");
    assert_eq!(fs::read_to_string(base.join("dir/b")).unwrap(), "2\n");
    assert!(base.join("goes").exists() && !base.join("moved").exists());
    // Another job on the same base sees nothing of it.
    let other = place.job("two");
    rig.docker.prepare(&other.spec, &NoServices).await.unwrap();
    let seen = passes(&rig, &in_debian(other.script(0, "git status --porcelain --ignored; cat a; ls"))).await;
    assert_eq!(seen, "1\na\nbig\ndir\ngoes\nlink\n");

    assert_eq!(volumes(&rig).len(), 2);
    for job in [&job, &other] {
        rig.docker.release(&job.spec.key).await.unwrap();
        assert!(!job.spec.dirs.root.exists());
    }
    assert_eq!((volumes(&rig), rig.containers()), (vec![], vec![]));
    assert!(base.join("goes").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base_of_an_earlier_commit_shows_the_new_one_and_what_is_gone_is_gone() {
    let peer = Peer::with(&[
        ("a", "1\n"),
        ("goes", "x\n"),
        ("dir/goes", "x\n"),
        ("all/goes", "x\n"),
        ("file", "x\n"),
        ("tree/x", "x\n"),
    ]);
    let place = Place::new(peer);
    let rig = rig_that_mounts(&place).await;
    place.job("one");
    let peer = &place.peer;
    for gone in ["goes", "dir/goes", "file"] {
        fs::remove_file(peer.dir.join(gone)).unwrap();
    }
    for gone in ["all", "tree"] {
        fs::remove_dir_all(peer.dir.join(gone)).unwrap();
    }
    peer.commit(&[("a", "2\n"), ("dir/new", "n\n"), ("file/in", "f\n"), ("tree", "t\n")]);
    let job = place.job("two");
    let base = job.spec.dirs.layers.as_ref().unwrap().base.clone();
    assert!(base.join("goes").exists(), "it stands on the earlier commit's");
    rig.docker.prepare(&job.spec, &NoServices).await.unwrap();
    let looks = "git status --porcelain --ignored; git diff HEAD --stat; find . -path ./.git -prune -o -type f -print | sort | xargs cat /dev/null; \
                 find . -path ./.git -prune -o -print | sort";
    let seen = passes(&rig, &in_debian(job.script(0, looks))).await;
    assert_eq!(seen, "2\nn\nf\nt\n.\n./a\n./dir\n./dir/new\n./file\n./file/in\n./tree\n");
    // What is gone can be made again.
    assert_eq!(passes(&rig, &job.script(1, "echo back > goes; mkdir all; ls all; cat goes")).await, "back\n");
    rig.docker.release(&job.spec.key).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn artifacts_come_out_of_and_go_into_a_layered_work_tree() {
    let place = Place::new(Peer::with(&[("kept/a", "from the base\n")]));
    let rig = rig_that_mounts(&place).await;
    let mut job = place.job("one");
    let mut archive = tar();
    add_file(&mut archive, "in", b"of another job\n");
    job.spec.fill = vec![Packed::new("/workspace/kept", archive)];
    rig.docker.prepare(&job.spec, &NoServices).await.unwrap();
    assert_eq!(passes(&rig, &job.script(0, "cat kept/a kept/in; echo made > kept/out")).await, "from the base\nof another job\n");
    let key = job.script(0, "").key;
    let archive = rig.docker.collect(&key, "/workspace/kept").await.unwrap().expect("it is there");
    let names: Vec<String> = listed(archive).await.into_keys().collect();
    assert_eq!(names, ["kept", "kept/a", "kept/in", "kept/out"]);
    rig.docker.release(&job.spec.key).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preparation_that_a_crash_cut_off_does_not_decide_what_the_next_one_shows() {
    let peer = Peer::with(&[("a", "1\n")]);
    let place = Place::new(peer);
    let rig = rig_that_mounts(&place).await;
    let mut job = place.job("one");
    let mut archive = tar();
    add_file(&mut archive, "in", b"x");
    job.spec.fill = vec![Packed::breaking("/workspace", archive, 512)];
    rig.docker.prepare(&job.spec, &NoServices).await.unwrap_err();
    assert_eq!(volumes(&rig).len(), 1, "the container that fills it and its volume are left");

    place.peer.commit(&[("a", "2\n"), (".gitattributes", "x text\n")]);
    let again = place.job("two");
    let spec = gantry::executor::JobSpec { key: job.spec.key.clone(), ..again.spec.clone() };
    rig.restarted().prepare(&spec, &NoServices).await.unwrap();
    let step = StepSpec { dirs: spec.dirs.clone(), ..job.script(0, "cat a") };
    assert_eq!(passes(&rig, &step).await, "2\n");
    rig.docker.release(&job.spec.key).await.unwrap();
    assert_eq!(volumes(&rig), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_crash_a_volume_alone_tells_of_its_job_and_its_release_takes_the_directory_along() {
    let place = Place::new(Peer::with(&[("a", "1\n")]));
    let rig = rig_that_mounts(&place).await;
    let job = place.job("one");
    rig.docker.prepare(&job.spec, &NoServices).await.unwrap();
    passes(&rig, &job.script(0, "echo x > made")).await;
    for container in rig.containers() {
        docker(&["rm", "-f", &container]);
    }
    let restarted = rig.restarted();
    assert_eq!(restarted.jobs().await.unwrap(), [job.spec.key.clone()]);
    let other = JobKey { job: 7, ..job.spec.key.clone() };
    restarted.release(&other).await.unwrap();
    assert_eq!(volumes(&rig).len(), 1, "another job's release leaves it alone");
    restarted.release(&job.spec.key).await.unwrap();
    assert!(!job.spec.dirs.root.exists());
    assert_eq!(volumes(&rig), Vec::<String>::new());
    assert_eq!(restarted.jobs().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn links_of_a_hostile_repository_lead_into_the_container_and_never_onto_the_machine() {
    let peer = Peer::with(&[("a", "1\n")]);
    let outside = peer.beside("outside");
    fs::create_dir(&outside).unwrap();
    symlink(&outside, peer.dir.join("out")).unwrap();
    symlink("../..", peer.dir.join("up")).unwrap();
    symlink("/", peer.dir.join("root")).unwrap();
    peer.commit(&[]);
    let place = Place::new(peer);
    let rig = rig_that_mounts(&place).await;
    let job = place.job("one");
    rig.docker.prepare(&job.spec, &NoServices).await.unwrap();
    let tries = format!(
        "for d in out up root; do echo escaped > $d/gantry-escaped || true; done; mkdir -p {0}; echo x > out/gantry-escaped; ls {0}",
        outside.display()
    );
    passes(&rig, &job.script(0, &tries)).await;
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    for place in ["/", &*place.peer.beside("").to_string_lossy(), &*job.root().to_string_lossy()] {
        assert!(!Path::new(place).join("gantry-escaped").exists(), "{place}");
    }
    rig.docker.release(&job.spec.key).await.unwrap();
    assert!(outside.exists(), "nor does removing follow a link");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_path_cannot_stand_in_a_mounts_options_it_is_said() {
    let place = Place::new(Peer::with(&[("a", "1\n")]));
    let rig = Rig::new().await;
    let odd = place.peer.beside("with, comma");
    fs::create_dir(&odd).unwrap();
    let why = rig.docker.layers(&odd).await.unwrap().unwrap_err();
    assert!(why.contains("with, comma"), "{why}");
    assert_eq!(rig.docker.layers(&place.peer.beside("")).await.unwrap(), Err(why), "asked once");
}
