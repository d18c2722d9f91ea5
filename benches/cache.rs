//! A cache of many files saved and restored with real Docker, beside what `tar` and `zstd` take for the same tree in the same minute.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::process::{IMAGE, Served};
use crate::support::Remote;
use crate::table::{Row, Target};
use crate::watch::{Spread, Watch};

const ROUNDS: usize = 3;
const FILES: usize = 20_000;
const BYTES: usize = 300_000_000;
const REPO: &str = "cached";

pub async fn rows() -> Vec<Row> {
    if Command::new("zstd").arg("--version").stdout(Stdio::null()).status().is_err() {
        eprintln!("bench: the cache's figures need the program `zstd` to compare with; on Debian: apt-get install zstd");
        return Vec::new();
    }
    let tree = tempfile::tempdir().expect("a directory");
    grow(&tree.path().join("cache"));
    let image = Image::with(tree.path());
    let served = Served::start_with(&[], &[("GANTRY_LOG", "gantry=info,warn")]);
    let remote = Remote::with(&pipeline(IMAGE, 0));
    served.add_repo(REPO, &remote.url()).await;
    let mut number = 1;
    served.ended(REPO, number).await;
    let (mut saves, mut restores, mut packs, mut unpacks) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut without = Vec::new();
    for round in 1..=ROUNDS {
        let (pack, unpack) = reference(tree.path());
        packs.push(pack);
        unpacks.push(unpack);
        // The first run of a key finds no cache, and saves what its image has; the second one's image has nothing but the cache.
        for (image, restores_it) in [(image.name.as_str(), false), (IMAGE, true)] {
            remote.commit(&[(".gantry.yml", &pipeline(image, round))], "measured");
            number += 1;
            let (status, _) = served.post(&format!("/api/v1/repos/{REPO}/sync"), Value::Null).await;
            assert_eq!(status, 202);
            let run = served.ended(REPO, number).await;
            let watch = Watch::start();
            assert_eq!(run["outcome"], "passed", "{run:#}\n{}", served.log());
            let started = ms_of(&run["jobs"][0]["steps"][0], "started_at") - ms_of(&run["jobs"][0], "started_at");
            if restores_it {
                restores.push(started);
            } else {
                without.push(started);
                until_saved(&served, round).await;
                saves.push(watch.ms());
            }
            served.nothing_left().await;
        }
    }
    // From the job's start to its step's, less what that takes with no cache to restore.
    let without = Spread::of(&without).median;
    let restores: Vec<f64> = restores.into_iter().map(|ms| (ms - without).max(0.0)).collect();
    let row = |what: &str, times: &[f64], with: &str, reference: &[f64]| Row {
        figure: format!("{what} a cache of {FILES} files, {} MB", BYTES / 1_000_000),
        unit: "ms",
        measured: Spread::of(times),
        rounds: ROUNDS,
        reference: Some((with.to_owned(), Spread::of(reference).median)),
        target: Target::Ratio(2.0),
    };
    vec![row("save", &saves, "`tar c | zstd -3`", &packs), row("restore", &restores, "`zstd -d | tar x`", &unpacks)]
}

/// An image that has the tree, removed when dropped.
struct Image {
    name: String,
}

impl Image {
    /// Of what is in `dir`, on top of the image that everything here runs in.
    fn with(dir: &Path) -> Self {
        let name = format!("gantry-bench/cache:{}", std::process::id());
        let made = docker(&["create", IMAGE]);
        docker(&["cp", &format!("{}/cache", dir.display()), &format!("{made}:/cache")]);
        docker(&["commit", &made, &name]);
        docker(&["rm", &made]);
        Self { name }
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        docker(&["image", "rm", "--force", &self.name]);
    }
}

fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output().expect("docker runs");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn ms_of(value: &Value, name: &str) -> f64 {
    value[name].as_f64().unwrap_or_else(|| panic!("{name} of {value:#}"))
}

fn pipeline(image: &str, round: usize) -> String {
    let look = if round == 0 { "true" } else { "test $(ls /cache | wc -l) = 200" };
    let cache = if round == 0 { String::new() } else { format!("    cache: {{ key: round-{round}, paths: [/cache] }}\n") };
    format!("image: {image}\nsteps:\n  - name: s\n    run: {look}\n{cache}")
}

/// Files of a few pages: half of each is in all of its directory, the rest nowhere else.
fn grow(dir: &Path) {
    let half = BYTES / FILES / 2;
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for d in 0..200 {
        let sub = dir.join(d.to_string());
        std::fs::create_dir_all(&sub).expect("a directory");
        let mut digits = || -> Vec<u8> {
            (0..half)
                .map(|_| {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    b"0123456789abcdef"[(state % 16) as usize]
                })
                .collect()
        };
        let shared = digits();
        for f in 0..FILES / 200 {
            std::fs::write(sub.join(f.to_string()), [shared.clone(), digits()].concat()).expect("a file");
        }
    }
}

/// Milliseconds of packing the tree and of unpacking it.
fn reference(dir: &Path) -> (f64, f64) {
    let shell = |script: &str| {
        let watch = Watch::start();
        let status = Command::new("sh").args(["-ec", script]).current_dir(dir).status().expect("a shell");
        assert!(status.success(), "{script}");
        watch.ms()
    };
    let pack = shell("tar cf - cache | zstd -q -3 -c > packed; sync packed");
    let unpack = shell("mkdir out; zstd -q -dc packed | tar xf - -C out");
    shell("rm -rf out packed");
    (pack, unpack)
}

async fn until_saved(served: &Served, count: usize) {
    loop {
        let page = served.get(&format!("/api/v1/repos/{REPO}/caches")).await;
        if page["items"].as_array().is_some_and(|items| items.len() == count) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}
