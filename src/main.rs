//! A corridor: parse, start logging, run, map the error to an exit code.

fn main() {}
