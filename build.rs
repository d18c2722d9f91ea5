//! Builds the init program (`src/executor/docker/init`): a static executable without dependencies that goes into the binary as bytes, since it must
//! run inside of any image. It is built by the same compiler for the same target, in one call.

use std::env;
use std::path::PathBuf;
use std::process::Command;

const SOURCE: &str = "src/executor/docker/init";

fn main() {
    println!("cargo::rerun-if-changed={SOURCE}");
    println!("cargo::rerun-if-changed=build.rs");
    let variable = |name: &str| env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"));
    let program = PathBuf::from(variable("OUT_DIR")).join("gantry-init");
    // Containers run Linux; where Gantry itself runs on something else, steps are started without it.
    if variable("CARGO_CFG_TARGET_OS") != "linux" {
        std::fs::write(&program, []).unwrap_or_else(|error| panic!("{} cannot be written: {error}", program.display()));
        return;
    }
    let mut rustc = Command::new(variable("RUSTC"));
    rustc.args(["--edition", "2024", "--crate-type", "bin", "--crate-name", "gantry_init", "--target", &variable("TARGET")]);
    // Small rather than fast: it copies bytes. No unwinding, so that nothing of it is left out when it must end.
    rustc.args(["-C", "opt-level=z", "-C", "panic=abort", "-C", "lto=fat", "-C", "codegen-units=1", "-C", "strip=symbols"]);
    rustc.args(["-C", "target-feature=+crt-static", "-C", "relocation-model=static", "-D", "warnings", "-A", "dead_code"]);
    if let Ok(linker) = env::var("RUSTC_LINKER") {
        rustc.arg("-C").arg(format!("linker={linker}"));
    }
    let built = rustc.arg("-o").arg(&program).arg(format!("{SOURCE}/main.rs")).status();
    let built = built.unwrap_or_else(|error| panic!("the compiler cannot be called: {error}"));
    assert!(built.success(), "the init program in {SOURCE} cannot be built, see above");
}
