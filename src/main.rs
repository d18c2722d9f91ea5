//! The `gantry` program: hands the command line to its room.

fn main() {}
