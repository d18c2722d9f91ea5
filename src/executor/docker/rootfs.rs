//! A root file system out of this machine's own static busybox: what `gantry demo` runs its steps in where no image can be pulled.

use std::io;
use std::process::Command;

const BUSYBOX: &str = "/bin/busybox";

/// The archive (tar) of a root file system; `None` if this machine has no busybox or a dynamically linked one. Blocking.
pub(super) fn from_busybox() -> io::Result<Option<Vec<u8>>> {
    let program = match std::fs::read(BUSYBOX) {
        Ok(program) => program,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if !is_static(&program) {
        return Ok(None);
    }
    let listed = Command::new(BUSYBOX).arg("--list").output()?;
    let applets = String::from_utf8_lossy(&listed.stdout).into_owned();
    pack(&program, applets.lines().filter(|name| *name != "busybox")).map(Some)
}

fn pack<'a>(busybox: &[u8], applets: impl Iterator<Item = &'a str>) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for (dir, mode) in [("bin", 0o755), ("etc", 0o755), ("root", 0o700), ("tmp", 0o1777)] {
        let mut header = header(tar::EntryType::Directory, mode, 0);
        archive.append_data(&mut header, format!("{dir}/"), io::empty())?;
    }
    let files: [(&str, u32, &[u8]); 3] = [
        ("bin/busybox", 0o755, busybox),
        ("etc/passwd", 0o644, b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"),
        ("etc/group", 0o644, b"root:x:0:\nnogroup:x:65534:\n"),
    ];
    for (path, mode, content) in files {
        archive.append_data(&mut header(tar::EntryType::Regular, mode, content.len() as u64), path, content)?;
    }
    for applet in applets {
        archive.append_link(&mut header(tar::EntryType::Symlink, 0o777, 0), format!("bin/{applet}"), "busybox")?;
    }
    archive.into_inner()
}

fn header(kind: tar::EntryType, mode: u32, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header
}

/// Whether an ELF file (64 bit, little-endian) asks for no interpreter (program header `PT_INTERP`), so that it runs alone.
fn is_static(elf: &[u8]) -> bool {
    const PT_INTERP: usize = 3;
    let number = |at: usize, bytes: usize| -> Option<usize> {
        let slice = elf.get(at..at.checked_add(bytes)?)?;
        Some(slice.iter().rev().fold(0, |sum, byte| (sum << 8) | usize::from(*byte)))
    };
    let read = || {
        let (table, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
        let kinds: Option<Vec<usize>> = (0..count).map(|ix| number(table.checked_add(ix * size)?, 4)).collect();
        Some(!kinds?.contains(&PT_INTERP))
    };
    elf.starts_with(b"\x7fELF\x02\x01") && read().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn static_and_dynamic_programs_are_told_apart() {
        let pause = super::super::pause::executable("x86_64").unwrap();
        assert!(is_static(&pause));
        let mut dynamic = pause.clone();
        dynamic[64] = 3;
        assert!(!is_static(&dynamic));
        assert!(!is_static(b"#!/bin/sh"));
        assert!(!is_static(&pause[..40]));
    }

    #[test]
    fn the_archive_has_the_program_its_links_and_a_tmp_for_everybody() {
        let tar = pack(b"program", ["sh", "["].into_iter()).unwrap();
        let mut archive = tar::Archive::new(tar.as_slice());
        let entries: BTreeMap<String, (u32, Option<String>)> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let link = entry.link_name().unwrap().map(|link| link.display().to_string());
                (entry.path().unwrap().display().to_string(), (entry.header().mode().unwrap(), link))
            })
            .collect();
        assert_eq!(entries["bin/busybox"], (0o755, None));
        assert_eq!(entries["bin/sh"].1.as_deref(), Some("busybox"));
        assert_eq!(entries["bin/["].1.as_deref(), Some("busybox"));
        assert_eq!(entries["tmp/"].0, 0o1777);
        assert!(entries.contains_key("etc/passwd"));
    }
}
