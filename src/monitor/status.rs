//! What the running service knows of itself, for whoever watches the watcher: counts since its start, the last poll, the
//! next one. Nothing here decides anything, and nothing here is needed to go on: the database holds what matters.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::error::MonitorError;
use super::poll::PollReport;
use super::pulse::Pulse;
use crate::domain::Stamp;

/// Upper bounds of the buckets in which poll durations are counted, in seconds.
const POLL_BUCKETS: [f64; 10] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
/// Upper bounds of the buckets in which the time from a status change to Slack is counted, in seconds.
const DELIVERY_BUCKETS: [f64; 11] = [1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3_600.0];

/// The shared notes of a running service. Cheap to clone; every clone tells the same.
#[derive(Debug, Clone)]
pub struct Status {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    figures: Mutex<Figures>,
    good_cycles: watch::Sender<u64>,
    pulse: Pulse,
}

/// How a poll ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PollResult {
    /// Everything was read and recorded.
    Good,
    /// ClearML could not be asked, or its answer not understood.
    Clearml,
    /// The database did not take it.
    Database,
}

impl PollResult {
    /// The word for metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Clearml => "clearml_failed",
            Self::Database => "database_failed",
        }
    }
}

/// Everything noted so far; durations and latencies in seconds, counts since the start of the service.
#[derive(Debug, Clone)]
pub struct Figures {
    /// When the service started, by this machine's clock.
    pub started_at: Stamp,
    /// From one poll to the next.
    pub refresh: Duration,
    /// Polls, by how they ended.
    pub polls: BTreeMap<PollResult, u64>,
    /// How long polls took.
    pub poll_seconds: Histogram,
    /// When the last good poll ended, by this machine's clock.
    pub last_good_poll_at: Option<Stamp>,
    /// How long the last poll took.
    pub last_poll_took: Option<Duration>,
    /// Why the last poll failed; `None` where it was good, or where there was none.
    pub poll_trouble: Option<String>,
    /// Polls that failed since the last good one.
    pub failed_polls_in_a_row: u32,
    /// When the next poll is due.
    pub next_poll_at: Option<Stamp>,
    /// Everything stamped up to here is recorded.
    pub watermark: Option<Stamp>,
    /// The time of ClearML's clock less that of ours, in milliseconds, where it is known.
    pub clearml_ahead: Option<i64>,
    /// Changes of tasks that were recorded.
    pub tasks_observed: u64,
    /// Verdicts by rule and by what decided: `alert`, or the filter that spoke.
    pub verdicts: BTreeMap<(String, &'static str), u64>,
    /// Alerts by rule and by the state they came into.
    pub alerts: BTreeMap<(String, &'static str), u64>,
    /// Attempts to deliver, by what Slack's answer meant.
    pub attempts: BTreeMap<&'static str, u64>,
    /// From a status change in ClearML to its alert in Slack.
    pub delivery_seconds: Histogram,
    /// Waits that Slack asked for.
    pub slack_pauses: u64,
    /// Alerts that were removed because they were older than they are kept.
    pub pruned_alerts: u64,
    /// Why the delivery loop stands still; `None` where it does not.
    pub delivery_trouble: Option<String>,
    /// Why the config file could not be read again; `None` where it could, or was not.
    pub config_trouble: Option<String>,
    /// What the rules watch and where they tell, in words, where they were replaced since the start.
    pub rules_now: Option<(String, String)>,
}

/// Counts of observations at or below each of a list of bounds.
#[derive(Debug, Clone)]
pub struct Histogram {
    bounds: &'static [f64],
    /// How many fell into each bucket, one more than there are bounds.
    counts: Vec<u64>,
    sum: f64,
}

impl Histogram {
    fn new(bounds: &'static [f64]) -> Self {
        Self { bounds, counts: vec![0; bounds.len() + 1], sum: 0.0 }
    }

    fn observe(&mut self, value: f64) {
        let bucket = self.bounds.iter().position(|bound| value <= *bound).unwrap_or(self.bounds.len());
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
        self.sum += value;
    }

    /// The sum of everything observed.
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// How many were observed.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Each bucket's upper bound and how many fell into it, not into those below; the last bound is infinite.
    pub fn buckets(&self) -> Vec<(f64, u64)> {
        self.bounds.iter().copied().chain([f64::INFINITY]).zip(self.counts.iter().copied()).collect()
    }
}

impl Status {
    /// Notes of a service that starts now and polls every `refresh`.
    pub fn new(started_at: Stamp, refresh: Duration) -> Self {
        let figures = Figures {
            started_at,
            refresh,
            polls: BTreeMap::new(),
            poll_seconds: Histogram::new(&POLL_BUCKETS),
            last_good_poll_at: None,
            last_poll_took: None,
            poll_trouble: None,
            failed_polls_in_a_row: 0,
            next_poll_at: None,
            watermark: None,
            clearml_ahead: None,
            tasks_observed: 0,
            verdicts: BTreeMap::new(),
            alerts: BTreeMap::new(),
            attempts: BTreeMap::new(),
            delivery_seconds: Histogram::new(&DELIVERY_BUCKETS),
            slack_pauses: 0,
            pruned_alerts: 0,
            delivery_trouble: None,
            config_trouble: None,
            rules_now: None,
        };
        let (figures, good_cycles) = (Mutex::new(figures), watch::Sender::new(0));
        Self { shared: Arc::new(Shared { figures, good_cycles, pulse: Pulse::default() }) }
    }

    /// Whether the loops still move.
    pub fn pulse(&self) -> &Pulse {
        &self.shared.pulse
    }

    /// Everything noted so far.
    pub fn figures(&self) -> Figures {
        self.lock().clone()
    }

    /// Changes after every whole good cycle: a poll that was recorded, while deliveries are not standing still.
    pub fn good_cycles(&self) -> watch::Receiver<u64> {
        self.shared.good_cycles.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, Figures> {
        // A panic while noting leaves numbers that are at worst one behind.
        self.shared.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A poll went through.
    pub(super) fn polled(&self, report: &PollReport, took: Duration, now: Stamp, server_now: Option<Stamp>) {
        let mut figures = self.lock();
        match &report.stuck_trouble {
            None => {
                figures.poll_ended(PollResult::Good, took, now);
                figures.last_good_poll_at = Some(now);
                figures.poll_trouble = None;
                figures.failed_polls_in_a_row = 0;
            }
            Some(trouble) => {
                figures.poll_ended(PollResult::Clearml, took, now);
                figures.poll_trouble = Some(format!("the look for stuck tasks failed: {trouble}"));
                figures.failed_polls_in_a_row = figures.failed_polls_in_a_row.saturating_add(1);
            }
        }
        figures.watermark = report.watermark.or(figures.watermark);
        figures.clearml_ahead = server_now.map(|server| server.as_millis() - now.as_millis()).or(figures.clearml_ahead);
        figures.tasks_observed += report.changed as u64;
        for verdict in &report.verdicts {
            let filter = verdict.suppressed.as_ref().map(|suppression| suppression.filter.as_str());
            let state = if filter.is_some() { "suppressed" } else { "pending" };
            count(&mut figures.verdicts, (verdict.rule.clone(), filter.unwrap_or("alert")), 1);
            count(&mut figures.alerts, (verdict.rule.clone(), state), 1);
        }
        let is_whole = figures.delivery_trouble.is_none() && report.stuck_trouble.is_none();
        drop(figures);
        if is_whole {
            self.shared.good_cycles.send_modify(|cycles| *cycles += 1);
        }
    }

    /// A poll failed and moved nothing.
    pub(super) fn poll_failed(&self, error: &MonitorError, took: Duration, now: Stamp) {
        let mut figures = self.lock();
        let result = if matches!(error, MonitorError::Store(_)) { PollResult::Database } else { PollResult::Clearml };
        figures.poll_ended(result, took, now);
        figures.poll_trouble = Some(error.to_string());
        figures.failed_polls_in_a_row = figures.failed_polls_in_a_row.saturating_add(1);
    }

    /// An attempt was answered, or was not.
    pub(super) fn attempted(&self, class: &'static str) {
        count(&mut self.lock().attempts, class, 1);
    }

    /// Notes that old alerts were removed.
    pub(super) fn pruned(&self, alerts: usize) {
        self.lock().pruned_alerts += alerts as u64;
    }

    /// Slack asked to wait.
    pub(super) fn paused(&self) {
        self.lock().slack_pauses += 1;
    }

    /// Alerts of these rules came into a state.
    pub(super) fn came_into(&self, state: &'static str, rules: impl IntoIterator<Item = String>) {
        let mut figures = self.lock();
        for rule in rules {
            count(&mut figures.alerts, (rule, state), 1);
        }
    }

    /// Alerts about outcomes so long ago reached Slack.
    pub(super) fn told_after(&self, latencies: impl IntoIterator<Item = Duration>) {
        let mut figures = self.lock();
        for latency in latencies {
            figures.delivery_seconds.observe(latency.as_secs_f64());
        }
    }

    /// The config file was read again, or could not be.
    pub fn configured(&self, trouble: Option<String>) {
        self.lock().config_trouble = trouble;
    }

    /// Other rules are asked now: what they watch, and where they tell, in words.
    pub fn rules_are(&self, watches: String, tells: String) {
        self.lock().rules_now = Some((watches, tells));
    }

    /// The delivery loop went through its work, or could not.
    pub(super) fn delivery_pass(&self, trouble: Option<String>) {
        self.lock().delivery_trouble = trouble;
    }
}

impl Figures {
    fn poll_ended(&mut self, result: PollResult, took: Duration, now: Stamp) {
        count(&mut self.polls, result, 1);
        self.poll_seconds.observe(took.as_secs_f64());
        self.last_poll_took = Some(took);
        self.next_poll_at = Some(now.plus(self.refresh.saturating_sub(took)));
    }

    /// The time by ClearML's clock, as far as it is known, when ours shows `now`.
    pub fn clearml_now(&self, now: Stamp) -> Stamp {
        Stamp::from_millis(now.as_millis().saturating_add(self.clearml_ahead.unwrap_or(0)))
    }
}

fn count<K: Ord>(counts: &mut BTreeMap<K, u64>, key: K, by: u64) {
    *counts.entry(key).or_default() += by;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_falls_into_the_first_bucket_that_holds_it() {
        let mut histogram = Histogram::new(&[1.0, 5.0]);
        for value in [0.5, 1.0, 4.0, 9.0] {
            histogram.observe(value);
        }
        assert_eq!(histogram.buckets(), [(1.0, 2), (5.0, 1), (f64::INFINITY, 1)]);
        assert_eq!((histogram.count(), histogram.sum()), (4, 14.5));
    }

    #[test]
    fn a_cycle_is_whole_only_while_deliveries_go_on() {
        let status = Status::new(Stamp::from_millis(0), Duration::from_secs(10));
        let mut cycles = status.good_cycles();
        status.delivery_pass(Some("the disk is full".to_owned()));
        status.polled(&PollReport::default(), Duration::from_secs(1), Stamp::from_millis(5_000), None);
        assert!(!cycles.has_changed().unwrap());
        status.delivery_pass(None);
        status.polled(&PollReport::default(), Duration::from_secs(1), Stamp::from_millis(15_000), None);
        assert!(cycles.has_changed().unwrap());
        assert_eq!(*cycles.borrow_and_update(), 1);
        assert_eq!(status.figures().next_poll_at, Some(Stamp::from_millis(24_000)));
    }

    #[test]
    fn a_failure_is_remembered_until_a_poll_goes_through() {
        let status = Status::new(Stamp::from_millis(0), Duration::from_secs(10));
        let error = MonitorError::NoChannel { channel: "x".to_owned() };
        status.poll_failed(&error, Duration::ZERO, Stamp::from_millis(1));
        status.poll_failed(&error, Duration::ZERO, Stamp::from_millis(2));
        let figures = status.figures();
        assert_eq!((figures.failed_polls_in_a_row, figures.poll_trouble.is_some()), (2, true));
        status.polled(&PollReport::default(), Duration::ZERO, Stamp::from_millis(3), None);
        let figures = status.figures();
        assert_eq!((figures.failed_polls_in_a_row, figures.poll_trouble.is_some()), (0, false));
        assert_eq!(figures.polls.into_iter().collect::<Vec<_>>(), [(PollResult::Good, 1), (PollResult::Clearml, 2)]);
    }
}
