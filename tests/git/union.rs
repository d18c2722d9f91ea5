//! What the kernel's overlay shows of a layer over a base, made by hand, so that these tests need no right to mount anything.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};
use std::path::Path;

/// Copies `base` and then `upper` to `into`, as the overlay would show them.
pub fn union(base: &Path, upper: &Path, into: &Path) {
    fs::create_dir(into).unwrap();
    copy(base, into);
    copy(upper, into);
}

fn copy(from: &Path, into: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (from, to) = (entry.path(), into.join(entry.file_name()));
        let (kind, found) = (entry.file_type().unwrap(), fs::symlink_metadata(&from).unwrap());
        let below = fs::symlink_metadata(&to).ok();
        let both_are_directories = kind.is_dir() && below.as_ref().is_some_and(fs::Metadata::is_dir);
        if let Some(below) = below.filter(|_| !both_are_directories) {
            if below.is_dir() { fs::remove_dir_all(&to).unwrap() } else { fs::remove_file(&to).unwrap() }
        }
        if kind.is_char_device() {
            assert_eq!(found.rdev(), 0, "a mark for what is gone");
        } else if kind.is_dir() {
            if !both_are_directories {
                fs::create_dir(&to).unwrap();
            }
            copy(&from, &to);
        } else if kind.is_symlink() {
            symlink(fs::read_link(&from).unwrap(), &to).unwrap();
            let at = std::process::Command::new("touch").args(["-h", "-r"]).arg(&from).arg(&to).status().unwrap();
            assert!(at.success());
        } else {
            assert!(kind.is_file(), "{from:?} is {kind:?}");
            fs::copy(&from, &to).unwrap();
            fs::File::open(&to).unwrap().set_modified(found.modified().unwrap()).unwrap();
        }
    }
}

/// Every file, link and directory below, with what it is: what two work trees are compared by.
pub fn listing(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    list(dir, "", &mut found);
    found.sort();
    found
}

fn list(dir: &Path, prefix: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if name == ".git" {
            continue;
        }
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.push(format!("{name}/"));
            list(&entry.path(), &format!("{name}/"), found);
        } else if kind.is_symlink() {
            found.push(format!("{name} -> {}", fs::read_link(entry.path()).unwrap().display()));
        } else {
            let mode = entry.metadata().unwrap().mode();
            found.push(format!("{name} {mode:o} {:?}", String::from_utf8_lossy(&fs::read(entry.path()).unwrap())));
        }
    }
}
