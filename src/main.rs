//! A corridor: everything happens in the library.

fn main() -> std::process::ExitCode {
    clearml_alerts::cli::main(std::env::args_os())
}
