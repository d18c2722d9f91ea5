//! Programs written out byte by byte, for the sandbox's image: no libc, no shell, no image that has to be at hand.

/// Where the file is loaded; any page-aligned address does.
const BASE: u64 = 0x40_0000;
/// ELF header and one program header.
const HEADERS: u64 = 64 + 56;

/// The executable of a program for the engine's machine (as `docker info` names it); `None` for one that is not known.
pub(super) fn executable(architecture: &str, x86_64: &[u8], aarch64: &[u8]) -> Option<Vec<u8>> {
    match architecture {
        "x86_64" | "amd64" => Some(elf(62, x86_64)),
        "aarch64" | "arm64" => Some(elf(183, aarch64)),
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
            let file = executable(name, &[0; 9], &[0; 32]).unwrap();
            assert_eq!(&file[..4], b"\x7fELF");
            assert_eq!(u16::from_le_bytes([file[18], file[19]]), machine);
            assert!(file.len() > 120 && file.len() < 200, "{}", file.len());
        }
        assert_eq!(executable("vax", &[], &[]), None);
    }
}
