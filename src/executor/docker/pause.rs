//! The program that a sandbox runs: it waits for ever. Written out byte by byte, since an image that has a program to run may not be at hand, and a
//! sandbox must not depend on one: 130 bytes, no libc, no shell, nothing to attack.

/// Where the file is loaded; any page-aligned address does.
const BASE: u64 = 0x40_0000;
/// ELF header and one program header.
const HEADERS: u64 = 64 + 56;

/// `again: mov eax, 34 (pause); syscall; jmp again`.
const X86_64: &[u8] = &[0xb8, 0x22, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7];
/// `again: ppoll(0, 0, 0, 0, 0); b again`, as this machine has no `pause`: x0 to x4 = 0, x8 = 73, `svc 0`, back seven.
const AARCH64: &[u32] = &[0xd280_0000, 0xd280_0001, 0xd280_0002, 0xd280_0003, 0xd280_0004, 0xd280_0928, 0xd400_0001, 0x17ff_fff9];

/// The executable for the engine's machine (as `docker info` names it); `None` for one that is not known.
pub(super) fn executable(architecture: &str) -> Option<Vec<u8>> {
    match architecture {
        "x86_64" | "amd64" => Some(elf(62, X86_64)),
        "aarch64" | "arm64" => Some(elf(183, &AARCH64.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>())),
        _ => None,
    }
}

/// A 64-bit little-endian ELF executable of one segment (System V ABI, "Object Files").
fn elf(machine: u16, code: &[u8]) -> Vec<u8> {
    let size = HEADERS + code.len() as u64;
    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let half = |file: &mut Vec<u8>, values: &[u16]| values.iter().for_each(|value| file.extend(value.to_le_bytes()));
    let word = |file: &mut Vec<u8>, values: &[u32]| values.iter().for_each(|value| file.extend(value.to_le_bytes()));
    let long = |file: &mut Vec<u8>, values: &[u64]| values.iter().for_each(|value| file.extend(value.to_le_bytes()));
    // Header: executable, machine, version; entry, program headers, no sections; flags; sizes and counts.
    half(&mut file, &[2, machine]);
    word(&mut file, &[1]);
    long(&mut file, &[BASE + HEADERS, 64, 0]);
    word(&mut file, &[0]);
    half(&mut file, &[64, 56, 1, 0, 0, 0]);
    // The segment: to be loaded, readable and executable, the whole file.
    word(&mut file, &[1, 5]);
    long(&mut file, &[0, BASE, BASE, size, size, 0x1000]);
    file.extend(code);
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_an_executable_of_the_asked_machine_and_tiny() {
        for (name, machine) in [("x86_64", 62), ("aarch64", 183)] {
            let file = executable(name).unwrap();
            assert_eq!(&file[..4], b"\x7fELF");
            assert_eq!(u16::from_le_bytes([file[18], file[19]]), machine);
            assert!(file.len() > 120 && file.len() < 200, "{}", file.len());
        }
        assert_eq!(executable("vax"), None);
    }
}
