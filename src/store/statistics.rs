//! Counts of past alerts: by group, and how late they came. What tallies tell costs what there are days and names; the rest
//! costs what the filter lets through.

use rusqlite::Connection;
use serde::Serialize;

use super::counts::{Counts, States};
use super::exclusion::Exclusion;
use super::facet_counts::Counting;
use super::history::HistoryFilter;
use super::lateness::{Each, Steps};
use super::{Store, StoreError, scan, tallies};
use crate::domain::AlertState;

/// What alerts are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupBy {
    /// The project's full name.
    Project,
    /// The user's name.
    User,
    /// The outcome.
    Status,
    /// The rule.
    Rule,
    /// The state.
    State,
    /// Why the task ended.
    Cause,
    /// The day of the outcome, UTC.
    Day,
}

/// How many alerts a group has, and where they stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    /// The group's name; null where the alerts have none.
    pub name: Option<String>,
    /// All of them.
    pub alerts: u32,
    /// In Slack.
    pub sent: u32,
    /// Pending, sending, unknown or held.
    pub waiting: u32,
    /// Given up.
    pub dead: u32,
    /// Kept quiet by a filter or a silence.
    pub suppressed: u32,
}

/// How many alerts, and how late they came.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Statistics {
    /// All that match.
    pub alerts: u32,
    /// In Slack: the next three are about these.
    pub sent: u32,
    /// Seconds from the server's stamp to Slack's confirmation: half of them came sooner.
    pub median_seconds: Option<f64>,
    /// 95 of 100 came sooner.
    pub p95_seconds: Option<f64>,
    /// The latest.
    pub longest_seconds: Option<f64>,
}

impl Store {
    /// Counts by group, the first `filter.limit` groups.
    pub fn groups(&self, filter: &HistoryFilter, by: GroupBy) -> Result<Vec<Group>, StoreError> {
        self.read_now(|connection| groups(connection, filter, by))
    }

    /// [`Store::groups`] on the blocking pool.
    pub async fn groups_page(&self, filter: HistoryFilter, by: GroupBy) -> Result<Vec<Group>, StoreError> {
        self.read(move |connection| groups(connection, &filter, by)).await
    }

    /// How many, and how late.
    pub fn statistics(&self, filter: &HistoryFilter) -> Result<Statistics, StoreError> {
        self.read_now(|connection| statistics(connection, filter))
    }
}

pub(super) fn groups(connection: &Connection, filter: &HistoryFilter, by: GroupBy) -> rusqlite::Result<Vec<Group>> {
    // Several questions, and one moment that all of them see.
    let _moment = connection.unchecked_transaction()?;
    let counts = match tallies::that_tell(connection, filter, by)? {
        Some(tallied) => tallies::count(connection, filter, by, tallied)?,
        None => count_alerts(connection, filter, by)?,
    };
    Ok(counts.into_groups(filter.limit))
}

/// Counts what no tally tells: by the beginnings of an index that tells all that is asked, or alert by alert.
fn count_alerts(connection: &Connection, filter: &HistoryFilter, by: GroupBy) -> rusqlite::Result<Counts> {
    let mut counts = Counts::new(by);
    match Counting::of(connection, filter, by)? {
        Some(counting) => counting.count(connection, by, &mut counts)?,
        None => scan::each(connection, filter, by, |alike, _| counts.add(alike, 1))?,
    }
    Ok(counts)
}

pub(super) fn statistics(connection: &Connection, filter: &HistoryFilter) -> rusqlite::Result<Statistics> {
    let _moment = connection.unchecked_transaction()?;
    let by = GroupBy::State;
    if asks_for_times_outcomes_and_states(filter)
        && let Some(tallied) = tallies::that_tell(connection, filter, by)?
    {
        let states = tallies::count(connection, filter, by, tallied)?.total();
        let steps = Steps::of(connection, filter)?;
        return told(&states, |place| steps.at(connection, filter, place));
    }
    let (mut counts, mut late) = (Counts::new(by), Each::default());
    match Counting::of(connection, filter, by)? {
        Some(counting) => counting.each_late(connection, &mut counts, |came_late| late.0.push(came_late))?,
        None => scan::each(connection, filter, by, |alike, came_late| {
            counts.add(alike, 1);
            late.0.extend(came_late);
        })?,
    }
    told(&counts.total(), |place| Ok(late.at(place)))
}

/// Statistics by what stands at a place of those that were sent, the soonest first.
fn told(states: &States, mut at: impl FnMut(usize) -> rusqlite::Result<Option<i64>>) -> rusqlite::Result<Statistics> {
    let (alerts, sent) = (states.total(), states.sum(&[AlertState::Sent]));
    let mut seconds_at = |percent| at(place(sent, percent) as usize).map(|late| late.map(seconds));
    let [median_seconds, p95_seconds, longest_seconds] = [seconds_at(50)?, seconds_at(95)?, seconds_at(100)?];
    Ok(Statistics { alerts, sent, median_seconds, p95_seconds, longest_seconds })
}

fn asks_for_times_outcomes_and_states(filter: &HistoryFilter) -> bool {
    let HistoryFilter { since, until, statuses, states, limit, .. } = filter.clone();
    let only =
        HistoryFilter { since, until, statuses, states, limit, not: filter.not.clone(), ..HistoryFilter::default() };
    *filter == only && filter.not.iter().all(|not| matches!(not, Exclusion::Status(_) | Exclusion::State(_)))
}

/// The place, from 1, below or at which so many of a hundred stand.
fn place(of: u32, percent: u32) -> u32 {
    u32::try_from((u64::from(of) * u64::from(percent)).div_ceil(100)).unwrap_or(of).max(1)
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds between two moments are far below 2^53")]
fn seconds(millis: i64) -> f64 {
    millis as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_that_so_many_stand_at_or_below() {
        assert_eq!([place(1, 50), place(2, 50), place(3, 50), place(100, 95), place(7, 100)], [1, 1, 2, 95, 7]);
        assert_eq!(place(0, 50), 1);
    }

    /// An alert that goes from one time to another while it is counted, both of them left out, is never counted.
    #[test]
    fn all_questions_of_a_count_see_one_moment() {
        const DAY: i64 = 86_400_000;
        let directory = tempfile::TempDir::new_in("/dev/shm").or_else(|_| tempfile::TempDir::new()).unwrap();
        let access = crate::store::Access::Own { wait: std::time::Duration::ZERO };
        let store = Store::open(&directory.path().join("alerts.db"), access, "test").unwrap();
        store
            .write_now(|tx| {
                tx.execute_batch(
                    "INSERT INTO tasks (task_id, name, status, status_changed, run, run_outcomes, first_seen_at, last_change_at)
                         VALUES ('t', 'n', 'failed', 0, 1, 1, 0, 0);
                     INSERT INTO alerts (rule, task_id, run, outcome, status_changed, task_name, state, filter, channel,
                         created_at) VALUES ('r', 't', 1, 'failed', 0, 'n', 'suppressed', 'user', '#a', 0)",
                )
            })
            .unwrap();
        let since = Some(crate::domain::Stamp::from_millis(DAY + 1_000));
        let filter = HistoryFilter { since, limit: 50, ..HistoryFilter::default() };
        for steps in 1..40 {
            let (connection, writer) = (store.connection().unwrap(), store.clone());
            let mut stamp = 0;
            let moves = move || {
                // The beginning of the day of which the rest is asked for, and the day before.
                stamp = if stamp == 0 { DAY } else { 0 };
                writer.write_now(|tx| tx.execute("UPDATE alerts SET status_changed = ?", [stamp])).is_err()
            };
            connection.progress_handler(steps, Some(moves)).unwrap();
            assert_eq!(groups(&connection, &filter, GroupBy::Day).unwrap(), [], "{steps} steps between two moves");
            assert_eq!(statistics(&connection, &filter).unwrap().alerts, 0, "{steps} steps between two moves");
            connection.progress_handler(0, None::<fn() -> bool>).unwrap();
        }
    }
}
