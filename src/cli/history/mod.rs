//! `history`: past alerts.

mod follow;
mod render;

use super::arguments::{Format, HistoryArguments};
use super::exit::Exit;
use super::output;
use super::start::Context;
use crate::domain::AlertState;
use crate::settings::resolve_database;
use crate::store::{HistoryFilter, Order};

/// Runs the command.
pub(super) fn run(arguments: &HistoryArguments, context: &Context) -> anyhow::Result<Exit> {
    let path = resolve_database(&arguments.database, context.environment())?.path;
    let store = super::assemble::read_database(&path)?;
    let filter = filter(arguments, context);
    if arguments.follow {
        return follow::run(&store, &filter, arguments.format);
    }
    let alerts = store.history(&filter, Order::Newest)?;
    let width = terminal_width();
    if alerts.is_empty() && arguments.format == Format::Table {
        output::text("No alerts match.\n")?;
        return Ok(Exit::Done);
    }
    output::write(|out| render::render(out, &alerts, arguments.format, width))?;
    Ok(Exit::Done)
}

fn filter(arguments: &HistoryArguments, context: &Context) -> HistoryFilter {
    let now = context.clock.now();
    HistoryFilter {
        since: arguments.since.map(|since| since.resolve(now)),
        until: arguments.until.map(|until| until.resolve(now)),
        projects: arguments.project.clone(),
        tasks: arguments.task.clone(),
        users: arguments.user.clone(),
        statuses: arguments.status.clone(),
        states: arguments.state.iter().filter_map(|state| AlertState::parse(state)).collect(),
        rules: arguments.rule.clone(),
        channels: arguments.channel.clone(),
        limit: usize::try_from(arguments.limit).unwrap_or(usize::MAX),
    }
}

/// The terminal's width; `None` where results go to a pipe or a file, which get whole values.
fn terminal_width() -> Option<u16> {
    if output::is_terminal() { comfy_table::Table::new().width().or(Some(80)) } else { None }
}
