//! The binary: everything it does is in `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    gantry::cli::main()
}
