//! What a repository is made of, and the ready-made pipeline that fits, adapted. Only files at its root are looked at.

use std::fs;
use std::path::Path;

const RUST: &str = include_str!("../../../pipelines/rust.yml");
const NODE: &str = include_str!("../../../pipelines/node.yml");
const PYTHON: &str = include_str!("../../../pipelines/python.yml");
const GO: &str = include_str!("../../../pipelines/go.yml");
const MAKE: &str = include_str!("../../../pipelines/make.yml");
/// Of a file that is looked at.
const FILE_BYTES: u64 = 256 * 1024;

/// A pipeline that fits.
pub(super) struct Draft {
    /// Of the file, without its ending.
    pub name: &'static str,
    pub text: String,
    /// What it was made for, as a sentence.
    pub because: String,
}

/// Pipelines for what is there. A Makefile counts when nothing else tells how to build.
pub(super) fn look(root: &Path) -> Vec<Draft> {
    let found: Vec<Draft> = [rust(root), node(root), python(root), go(root)].into_iter().flatten().collect();
    if found.is_empty() { make(root).into_iter().collect() } else { found }
}

fn rust(root: &Path) -> Option<Draft> {
    let manifest = read(root, "Cargo.toml")?;
    let mut text = RUST.to_owned();
    let toolchain =
        read(root, "rust-toolchain.toml").and_then(|file| after(&file, "channel")).or_else(|| read(root, "rust-toolchain"));
    let version = toolchain.or_else(|| after(&manifest, "rust-version")).filter(|version| is_version(version));
    if let Some(version) = &version {
        text = text.replace("image: rust:1\n", &format!("image: rust:{version}\n"));
    }
    if has(root, "Cargo.lock") {
        text = text.replace("hash('**/Cargo.toml')", "hash('Cargo.lock')");
        for command in ["cargo clippy", "cargo test", "cargo build"] {
            text = text.replace(command, &format!("{command} --locked"));
        }
    }
    if has(root, ".config/nextest.toml") {
        let report = "        # With cargo-nextest and its JUnit setting, failed tests stand on the run's page:\n        # reports: { junit: \"target/nextest/**/*.xml\" }\n";
        text = text.replace(report, "        reports: { junit: \"target/nextest/**/*.xml\" }\n");
        let test = if has(root, "Cargo.lock") { "        run: cargo test --locked\n" } else { "        run: cargo test\n" };
        text =
            text.replace(test, "        run: |\n          cargo install --locked cargo-nextest\n          cargo nextest run\n");
    }
    let because = version.map_or_else(|| "a Rust project".to_owned(), |version| format!("a Rust project, with Rust {version}"));
    Some(Draft { name: "rust", text, because })
}

fn node(root: &Path) -> Option<Draft> {
    let manifest = read(root, "package.json")?;
    let mut text = NODE.to_owned();
    let version = read(root, ".nvmrc").or_else(|| read(root, ".node-version"));
    let version = version.map(|version| version.trim_start_matches('v').to_owned()).filter(|version| is_version(version));
    if let Some(version) = &version {
        text = text.replace("image: node:22\n", &format!("image: node:{version}\n"));
    }
    let says = |manager: &str| manifest.contains(&format!("\"packageManager\": \"{manager}@"));
    let manager = if has(root, "pnpm-lock.yaml") || says("pnpm") {
        let install = "run: |\n      corepack enable\n      pnpm install --frozen-lockfile";
        text = text.replace("run: npm ci", install).replace("[/root/.npm]", "[/root/.local/share/pnpm/store]");
        text = text.replace("hash('package*.json')", "hash('pnpm-lock.yaml', 'package.json')");
        "pnpm"
    } else if has(root, "yarn.lock") || says("yarn") {
        let install = "run: |\n      corepack enable\n      yarn install --immutable";
        text = text.replace("run: npm ci", install).replace("[/root/.npm]", "[/root/.yarn/berry/cache]");
        text = text.replace("hash('package*.json')", "hash('yarn.lock', 'package.json')");
        "yarn"
    } else {
        if !has(root, "package-lock.json") {
            text = text.replace("run: npm ci", "run: npm install");
        }
        "npm"
    };
    Some(Draft { name: "node", text, because: format!("a Node.js package that {manager} installs") })
}

fn python(root: &Path) -> Option<Draft> {
    let requirements = read(root, "requirements.txt");
    let project = read(root, "pyproject.toml");
    let is_package = project.is_some() || has(root, "setup.py") || has(root, "setup.cfg");
    if requirements.is_none() && !is_package {
        return None;
    }
    let mut text = PYTHON.to_owned();
    if let Some(version) = read(root, ".python-version").filter(|version| is_version(version)) {
        text = text.replace("[\"3.12\", \"3.13\"]", &format!("[\"{version}\"]"));
    }
    if requirements.is_none() {
        text = text.replace("install -r requirements.txt pytest", "install . pytest");
        let file =
            ["pyproject.toml", "setup.py", "setup.cfg"].into_iter().find(|name| has(root, name)).unwrap_or("pyproject.toml");
        text = text.replace("hash('requirements.txt')", &format!("hash('{file}')"));
    }
    let because = if is_package { "a Python package" } else { "Python with requirements.txt" };
    Some(Draft { name: "python", text, because: because.to_owned() })
}

fn go(root: &Path) -> Option<Draft> {
    let module = read(root, "go.mod")?;
    let mut text = GO.to_owned();
    let version = module.lines().find_map(|line| line.trim().strip_prefix("go ")).map(|version| version.trim().to_owned());
    let version = version.filter(|version| is_version(version));
    if let Some(version) = &version {
        text = text.replace("image: golang:1\n", &format!("image: golang:{version}\n"));
    }
    if has(root, "go.sum") {
        text = text.replace("hash('go.mod')", "hash('go.sum')");
    }
    let because = version.map_or_else(|| "a Go module".to_owned(), |version| format!("a Go module, with Go {version}"));
    Some(Draft { name: "go", text, because })
}

fn make(root: &Path) -> Option<Draft> {
    let file = ["Makefile", "makefile", "GNUmakefile"].into_iter().find_map(|name| read(root, name))?;
    let has_target =
        |name: &str| file.lines().any(|line| line.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with(':')));
    let mut text = MAKE.to_owned();
    let target = ["test", "check"].into_iter().find(|target| has_target(target));
    match target {
        Some(target) => text = text.replace("run: make test", &format!("run: make {target}")),
        None => text = text.replace("  - name: test\n    run: make test\n", ""),
    }
    if target != Some("test") {
        let said = target.map_or_else(|| "`make`.".to_owned(), |target| format!("`make`, then `make {target}`."));
        text = text.replace("`make`, then `make test`.", &said);
    }
    Some(Draft { name: "make", text, because: "a Makefile".to_owned() })
}

fn has(root: &Path, name: &str) -> bool {
    root.join(name).is_file()
}

/// A small text file's content, without blanks around it; `None` when there is none.
fn read(root: &Path, name: &str) -> Option<String> {
    let path = root.join(name);
    let small = fs::metadata(&path).ok().filter(|file| file.is_file() && file.len() <= FILE_BYTES);
    small.and_then(|_| fs::read_to_string(&path).ok()).map(|text| text.trim().to_owned())
}

/// The text in quotes after `key =` on a line of its own.
fn after(toml: &str, key: &str) -> Option<String> {
    let value = toml.lines().find_map(|line| line.trim().strip_prefix(key)?.trim_start().strip_prefix('='))?;
    let value = value.split('#').next()?.trim();
    Some(value.trim_matches(['"', '\'']).to_owned())
}

/// Whether it can be an image's tag as it is: `1.85`, `22`, `3.12.1`.
fn is_version(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.len() <= 4 && part.bytes().all(|b| b.is_ascii_digit());
    text.split('.').count() <= 3 && text.split('.').all(digits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::{check, render};

    /// A directory with these files.
    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        dir
    }

    /// The one draft for these files; it has no problem.
    fn drafted(files: &[(&str, &str)]) -> String {
        let dir = tree(files);
        let mut drafts = look(dir.path());
        assert_eq!(drafts.len(), 1, "{files:?}");
        let text = drafts.remove(0).text;
        let problems = check(".gantry.yml", text.as_bytes());
        assert!(problems.is_empty(), "{}\n{text}", render(&problems, false));
        text
    }

    #[track_caller]
    fn says(text: &str, all: &[&str]) {
        for wanted in all {
            assert!(text.contains(wanted), "`{wanted}` is not in:\n{text}");
        }
    }

    #[test]
    fn a_rust_project_gets_its_toolchain_and_lock_file() {
        let plain = drafted(&[("Cargo.toml", "[package]\n")]);
        says(&plain, &["image: rust:1\n", "run: cargo test\n", "hash('**/Cargo.toml')"]);
        let pinned = drafted(&[("Cargo.toml", "[package]\nrust-version = \"1.85\" # oldest\n"), ("Cargo.lock", "")]);
        says(
            &pinned,
            &["image: rust:1.85\n", "cargo test --locked\n", "hash('Cargo.lock')", "cargo clippy --locked --all-targets"],
        );
        let channel = drafted(&[("Cargo.toml", ""), ("rust-toolchain.toml", "[toolchain]\nchannel = '1.90.0'\n")]);
        says(&channel, &["image: rust:1.90.0\n"]);
        let nightly = drafted(&[("Cargo.toml", ""), ("rust-toolchain", "nightly\n")]);
        says(&nightly, &["image: rust:1\n"]);
        let nextest = drafted(&[("Cargo.toml", ""), ("Cargo.lock", ""), (".config/nextest.toml", "")]);
        says(&nextest, &["          cargo nextest run\n", "\n        reports: { junit: \"target/nextest/**/*.xml\" }\n"]);
    }

    #[test]
    fn a_node_package_gets_its_package_manager() {
        says(&drafted(&[("package.json", "{}")]), &["run: npm install\n", "image: node:22\n"]);
        says(
            &drafted(&[("package.json", "{}"), ("package-lock.json", "{}"), (".nvmrc", "v20\n")]),
            &["run: npm ci\n", "image: node:20\n"],
        );
        says(
            &drafted(&[("package.json", "{}"), ("pnpm-lock.yaml", "")]),
            &["pnpm install --frozen-lockfile\n", "hash('pnpm-lock.yaml', 'package.json')"],
        );
        says(&drafted(&[("package.json", "{\"packageManager\": \"yarn@4.1.0\"}")]), &["yarn install --immutable\n"]);
    }

    #[test]
    fn python_go_and_make_get_what_they_say() {
        says(&drafted(&[("requirements.txt", "x")]), &["install -r requirements.txt pytest", "[\"3.12\", \"3.13\"]"]);
        says(
            &drafted(&[("pyproject.toml", ""), (".python-version", "3.11")]),
            &["install . pytest", "[\"3.11\"]", "hash('pyproject.toml')"],
        );
        says(&drafted(&[("go.mod", "module x\n\ngo 1.23\n"), ("go.sum", "")]), &["image: golang:1.23\n", "hash('go.sum')"]);
        says(&drafted(&[("Makefile", "all:\n\ntest: all\n")]), &["run: make test\n"]);
        says(&drafted(&[("Makefile", "all:\n\ncheck:\n")]), &["run: make check\n", "then `make check`."]);
        assert!(!drafted(&[("Makefile", "all:\n")]).contains("make test"));
    }

    #[test]
    fn several_languages_are_several_pipelines_and_nothing_is_nothing() {
        let both = tree(&[("Cargo.toml", ""), ("package.json", "{}"), ("Makefile", "test:\n")]);
        let names: Vec<&str> = look(both.path()).iter().map(|draft| draft.name).collect();
        assert_eq!(names, ["rust", "node"]);
        assert!(look(tree(&[("README", "")]).path()).is_empty());
        assert!(look(tree(&[("Cargo.toml/x", "")]).path()).is_empty(), "a folder of that name");
    }

    #[test]
    fn what_is_no_version_becomes_no_tag() {
        for good in ["1", "1.85", "3.12.1"] {
            assert!(is_version(good), "{good}");
        }
        for bad in ["", "latest", "1.", "1.2.3.4", "1.85\n", "v20", "20 ", "lts/*", "123456"] {
            assert!(!is_version(bad), "{bad}");
        }
    }
}
