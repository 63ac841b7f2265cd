//! A file per subcommand: its arguments, and what it prints. No logic.

pub mod arguments;
