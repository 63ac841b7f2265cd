//! `backup` and `restore`: a consistent copy of the database while the service runs, and back.

use super::arguments::BackupArguments;
use super::exit::Exit;
use super::start::Context;
use super::{assemble, output};
use crate::settings::find_database;
use crate::store::{Overwrite, Store};

/// Makes a copy at `arguments.path`.
pub(super) async fn make(arguments: &BackupArguments, context: &Context) -> anyhow::Result<Exit> {
    let database = find_database(&arguments.database, context.environment())?.path;
    assemble::read_database(&database)?.backup(&arguments.path, Overwrite::Never).await?;
    output::text(&format!("{} is a copy of {}.\n", arguments.path.display(), database.display()))?;
    Ok(Exit::Done)
}

/// Puts the copy at `arguments.path` in the database's place.
pub(super) fn restore(arguments: &BackupArguments, context: &Context) -> anyhow::Result<Exit> {
    let database = find_database(&arguments.database, context.environment())?.path;
    let restored = Store::restore(&arguments.path, &database)?;
    let mut text = format!("{} is restored from {}.\n", database.display(), arguments.path.display());
    if let Some(kept) = restored.kept_aside {
        text.push_str(&format!("What was there is kept as {}.\n", kept.display()));
    }
    match restored.watermark {
        Some(watermark) => text.push_str(&format!(
            "It has read ClearML up to {watermark}; what ended later is found by the next run, and alerted again.\n"
        )),
        None => text.push_str("It has not begun to watch yet.\n"),
    }
    if restored.to_look_for > 0 {
        text.push_str(&format!(
            "{} messages may have been sent since the copy was made: they are looked for in Slack before they are sent.\n",
            restored.to_look_for
        ));
    }
    output::text(&text)?;
    Ok(Exit::Done)
}
