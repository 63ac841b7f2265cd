//! Commands about the database itself: `dead`, `backup`, `restore`, `check`.

use super::arguments::{BackupArguments, CheckArguments, DeadCommand};
use super::exit::Exit;
use super::start::Context;

/// `dead`.
pub fn dead(_command: DeadCommand, _context: &Context) -> anyhow::Result<Exit> {
    Ok(Exit::Done)
}
/// `backup`.
pub fn backup(_arguments: &BackupArguments, _context: &Context) -> anyhow::Result<Exit> {
    Ok(Exit::Done)
}
/// `restore`.
pub fn restore(_arguments: &BackupArguments, _context: &Context) -> anyhow::Result<Exit> {
    Ok(Exit::Done)
}
/// `check`.
pub async fn check(_arguments: CheckArguments, _context: &Context) -> anyhow::Result<Exit> {
    Ok(Exit::Done)
}
