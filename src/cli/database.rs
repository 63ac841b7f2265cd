//! `check` (being built)

use super::arguments::CheckArguments;
use super::exit::Exit;
use super::start::Context;

/// `check`.
pub(super) async fn check(_arguments: CheckArguments, _context: &Context) -> anyhow::Result<Exit> {
    Ok(Exit::Done)
}
