//! The program that a sandbox runs: it waits for ever. Written out byte by byte, since an image that has a program to run may not be at hand, and a
//! sandbox must not depend on one: 130 bytes, no libc, no shell, nothing to attack.

use super::elf;

/// `again: mov eax, 34 (pause); syscall; jmp again`.
const X86_64: &[u8] = &[0xb8, 0x22, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7];
/// `again: ppoll(0, 0, 0, 0, 0); b again`, as this machine has no `pause`: x0 to x4 = 0, x8 = 73, `svc 0`, back seven.
const AARCH64: &[u32] = &[0xd280_0000, 0xd280_0001, 0xd280_0002, 0xd280_0003, 0xd280_0004, 0xd280_0928, 0xd400_0001, 0x17ff_fff9];

/// The executable for the engine's machine; `None` for one that is not known.
pub(super) fn executable(architecture: &str) -> Option<Vec<u8>> {
    elf::executable(architecture, X86_64, &AARCH64.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>())
}
