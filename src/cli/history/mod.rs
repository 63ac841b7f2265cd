//! `history`: past alerts, their counts, or one of them whole.

mod counts;
mod follow;
mod render;
mod show;
pub(super) mod table;

use super::arguments::{Format, HistoryArguments};
use super::exit::Exit;
use super::start::Context;
use super::{UsageError, output};
use crate::domain::{AlertRecord, AlertState, Stamp};
use crate::settings::find_database;
use crate::store::{HistoryFilter, Order, Store};

/// Runs the command.
pub(super) fn run(arguments: &HistoryArguments, context: &Context) -> anyhow::Result<Exit> {
    let path = find_database(&arguments.database, context.environment())?.path;
    let store = super::assemble::read_database(&path)?;
    let filter = filter(arguments, context);
    if arguments.follow {
        return follow::run(&store, &filter, arguments.format);
    }
    if let Some(alert) = arguments.show {
        return show::run(&store, alert, arguments.format, context);
    }
    if let Some(field) = arguments.group_by {
        let groups = store.groups(&filter, counts::group_by(field))?;
        output::write(|out| counts::groups(out, field, &groups, arguments.format, output::width()))?;
        tell_of_removed(&store, &filter, arguments.format)?;
        return Ok(Exit::Done);
    }
    if arguments.stats {
        let statistics = store.statistics(&filter)?;
        output::write(|out| counts::statistics(out, &statistics, arguments.format))?;
        tell_of_removed(&store, &filter, arguments.format)?;
        return Ok(Exit::Done);
    }
    let alerts = store.history(&filter, order(arguments, &store)?)?;
    if arguments.open {
        output::write(|out| render::addresses(out, &alerts))?;
        return Ok(Exit::Done);
    }
    print(&alerts, arguments.format)?;
    if is_full(&alerts, arguments) {
        tell_of_more(&alerts, arguments)?;
    } else {
        tell_of_removed(&store, &filter, arguments.format)?;
    }
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

fn order(arguments: &HistoryArguments, store: &Store) -> anyhow::Result<Order> {
    let Some(alert) = arguments.before else {
        return Ok(Order::Newest);
    };
    let place = store.place_of(alert)?;
    let told = || UsageError(format!("--before: there is no alert {alert}; `history` shows the numbers"));
    Ok(Order::OlderThan(place.ok_or_else(told)?))
}

fn is_full(alerts: &[AlertRecord], arguments: &HistoryArguments) -> bool {
    alerts.len() >= usize::try_from(arguments.limit).unwrap_or(usize::MAX)
}

/// For a person: that there was more once, where what is asked for reaches back to it.
fn tell_of_removed(store: &Store, filter: &HistoryFilter, format: Format) -> anyhow::Result<()> {
    let reaches_back = |kept_from: &Stamp| filter.since.is_none_or(|since| since < *kept_from);
    if format == Format::Table
        && let Some(kept_from) = store.kept_from_now()?.filter(reaches_back)
    {
        output::text(&format!("\nBesides, {}.\n", output::removed(kept_from)))?;
    }
    Ok(())
}

/// On a terminal: how to see the next page.
fn tell_of_more(alerts: &[AlertRecord], arguments: &HistoryArguments) -> anyhow::Result<()> {
    if let Some(last) = alerts.last().filter(|_| arguments.format == Format::Table)
        && output::width().is_some()
    {
        output::text(&format!("\nPerhaps more: the same with --before {} is the next page.\n", last.id))?;
    }
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
        reasons: arguments.reason.clone(),
        filters: arguments.filter.clone(),
        causes: arguments.cause.clone(),
        silence: arguments.silence,
        not: arguments.not.clone(),
        limit: usize::try_from(arguments.limit).unwrap_or(usize::MAX),
    }
}
