//! `history`: past alerts.

mod follow;
mod render;
mod table;

use super::arguments::{Format, HistoryArguments};
use super::exit::Exit;
use super::output;
use super::start::Context;
use crate::domain::{AlertRecord, AlertState};
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
    print(&alerts, arguments.format)?;
    Ok(Exit::Done)
}

/// Prints alerts.
pub(super) fn print(alerts: &[AlertRecord], format: Format) -> anyhow::Result<()> {
    if alerts.is_empty() && format == Format::Table {
        output::text("No alerts match.\n")?;
        return Ok(());
    }
    output::write(|out| render::render(out, alerts, format, output::width()))?;
    Ok(())
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
