//! Whether the monitor does its work, and why not: one answer for `/readyz`, the status page and the heartbeat.

use std::time::Duration;

use super::status::{Figures, Status};
use crate::domain::Stamp;
use crate::domain::message::words;
use crate::store::{ParkedChannel, Store};

/// A last good poll may be this old, however short the refresh period is.
const SHORTEST_LIMIT: Duration = Duration::from_mins(1);
/// A database that takes no change within this is not usable now.
const WRITE_PATIENCE: Duration = Duration::from_secs(2);

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Each thing that was looked at, in the order in which a person should read them.
    pub checks: Vec<Check>,
    /// What a person should look at, though the service does its work.
    pub attention: Vec<String>,
}

/// One thing that must be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Its name: `polling`, `database`, `slack`.
    pub name: &'static str,
    /// What is wrong, in words; `None`: nothing is.
    pub problem: Option<String>,
}

impl Health {
    /// Whether everything is right.
    pub fn is_good(&self) -> bool {
        self.checks.iter().all(|check| check.problem.is_none())
    }

    /// What is wrong.
    pub fn problems(&self) -> impl Iterator<Item = &str> {
        self.checks.iter().filter_map(|check| check.problem.as_deref())
    }
}

/// Looks at the service: is the last good poll young, can the database be written, can Slack be posted to?
pub async fn health(status: &Status, store: &Store, now: Stamp) -> Health {
    let figures = status.figures();
    let checks = vec![
        Check { name: "polling", problem: polling(&figures, now) },
        Check { name: "database", problem: database(&figures, store).await },
        Check { name: "slack", problem: slack(store).await },
    ];
    let as_before = |trouble: String| format!("the config file cannot be used, the rules are as before: {trouble}");
    let attention = figures.config_trouble.map(as_before).into_iter().collect();
    Health { checks, attention }
}

/// How old the last good poll may be.
pub fn oldest_good_poll(refresh: Duration) -> Duration {
    SHORTEST_LIMIT.max(refresh.saturating_mul(3))
}

fn polling(figures: &Figures, now: Stamp) -> Option<String> {
    let limit = oldest_good_poll(figures.refresh);
    let why = figures.poll_trouble.as_ref().map_or_else(String::new, |trouble| format!(": {trouble}"));
    match figures.last_good_poll_at {
        Some(at) if now.since(at) <= limit => None,
        Some(at) => Some(format!("the last good poll was {} ago{why}", words::duration(now.since(at)))),
        None => Some(format!("no poll has gone through since the start{why}")),
    }
}

async fn database(figures: &Figures, store: &Store) -> Option<String> {
    if let Some(trouble) = &figures.delivery_trouble {
        return Some(trouble.clone());
    }
    match tokio::time::timeout(WRITE_PATIENCE, store.probe_write()).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some("the database takes no change: something else holds it".to_owned()),
    }
}

async fn slack(store: &Store) -> Option<String> {
    match store.parked_channels().await {
        Ok(parked) if parked.is_empty() => None,
        Ok(parked) => Some(parked.iter().map(parked_in_words).collect::<Vec<_>>().join("; ")),
        Err(error) => Some(error.to_string()),
    }
}

fn parked_in_words(channel: &ParkedChannel) -> String {
    let reason = channel.reason.as_deref().unwrap_or("Slack refused");
    format!("alerts for {} wait for a person: {reason}", channel.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::PollReport;
    use crate::store::Access;

    #[test]
    fn a_good_poll_may_be_three_periods_old_and_always_a_minute() {
        for (refresh, age, is_good) in [(1, 59, true), (1, 61, false), (60, 179, true), (60, 181, false)] {
            let status = Status::new(Stamp::EPOCH, Duration::from_secs(refresh));
            status.polled(&PollReport::default(), Duration::ZERO, Stamp::EPOCH, None);
            let problem = polling(&status.figures(), Stamp::from_millis(age * 1_000));
            assert_eq!(problem.is_none(), is_good, "{refresh} {age}: {problem:?}");
        }
    }

    #[tokio::test]
    async fn a_database_that_takes_no_change_is_a_problem() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("alerts.db");
        let own = Store::open(&path, Access::Own { wait: Duration::ZERO }, "i").unwrap();
        let read_only = Store::open(&path, Access::Read, "").unwrap();
        let status = Status::new(Stamp::EPOCH, Duration::from_secs(10));
        for (store, is_good) in [(&own, true), (&read_only, false)] {
            let problem = database(&status.figures(), store).await;
            assert_eq!(problem.is_none(), is_good, "{problem:?}");
        }
    }

    #[test]
    fn before_the_first_good_poll_the_reason_is_told() {
        let status = Status::new(Stamp::EPOCH, Duration::from_secs(10));
        let problem = polling(&status.figures(), Stamp::EPOCH);
        assert_eq!(problem.as_deref(), Some("no poll has gone through since the start"));
    }
}
