//! `sandbox` (being built)
use super::{arguments::SandboxArguments, exit::Exit, start::Context};
/// Runs the command.
pub(super) async fn run(_arguments: &SandboxArguments, _context: &Context) -> anyhow::Result<Exit> {
    Ok(Exit::Done)
}
