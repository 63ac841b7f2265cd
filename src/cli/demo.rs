//! `demo` (being built)
use super::{exit::Exit, start::Context};
/// Runs the command.
pub(super) async fn run(_context: &Context) -> anyhow::Result<Exit> {
    Ok(Exit::Done)
}
