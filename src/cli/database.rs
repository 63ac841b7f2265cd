//! Commands about the database itself: `dead`, `backup`, `restore`, `check`.

use super::arguments::{BackupArguments, CheckArguments, DeadCommand};
use super::exit::Exit;
use super::start::Context;

/// `dead`.
pub(super) fn dead(_command: DeadCommand, _context: &Context) -> anyhow::Result<Exit> {
    Ok(Exit::Done)
}
/// `backup`.
pub(super) fn backup(_arguments: &BackupArguments, _context: &Context) -> anyhow::Result<Exit> {
    Ok(Exit::Done)
}
/// `restore`.
pub(super) fn restore(_arguments: &BackupArguments, _context: &Context) -> anyhow::Result<Exit> {
    Ok(Exit::Done)
}
/// `check`.
pub(super) async fn check(_arguments: CheckArguments, _context: &Context) -> anyhow::Result<Exit> {
    Ok(Exit::Done)
}
