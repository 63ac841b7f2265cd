//! A backlog is spoken of while it lasts: how much waits, and for how long at the pace of the last minute.

use std::time::Duration;

use tokio::time::Instant;

use super::deliver::Deliverer;
use super::error::MonitorError;
use crate::domain::message::words;

/// What is remembered from one look at the queue to the next.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    /// Messages sent in this run.
    pub(super) sent: u32,
    last: Option<Look>,
}

#[derive(Debug, Clone, Copy)]
struct Look {
    at: Instant,
    sent: u32,
    waiting: u32,
}

impl Backlog {
    /// Nothing waits any more.
    pub(super) fn end(&mut self) {
        self.last = None;
    }
}

impl Deliverer {
    /// Looks at the queue once a minute, and speaks of it where alerts waited at the last look too.
    pub(super) async fn speak_of_backlog(&mut self) -> Result<(), MonitorError> {
        let at = Instant::now();
        let last = self.backlog.last;
        if last.is_some_and(|last| at.duration_since(last.at) < self.config.waits.report) {
            return Ok(());
        }
        let waiting = self.store.queue_counts().await?.pending;
        let look = Look { at, sent: self.backlog.sent, waiting };
        self.backlog.last = Some(look);
        if let Some(last) = last.filter(|last| last.waiting > 0 && waiting > 0) {
            tracing::info!(waiting, "{}", in_words(last, look));
        }
        Ok(())
    }
}

/// `9,940 alerts wait, about 2 h 45 min at this pace`.
fn in_words(last: Look, look: Look) -> String {
    let waiting = words::number(look.waiting.try_into().unwrap_or(usize::MAX));
    let alerts = if look.waiting == 1 { "alert waits" } else { "alerts wait" };
    let (sent, took) = (look.sent.saturating_sub(last.sent), look.at.duration_since(last.at));
    if sent == 0 {
        return format!("{waiting} {alerts}, and nothing went out in the last {}", words::duration(took));
    }
    let left = Duration::try_from_secs_f64(took.as_secs_f64() * f64::from(look.waiting) / f64::from(sent));
    format!("{waiting} {alerts}, about {} at this pace", words::duration(left.unwrap_or(Duration::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_follows_from_the_pace_of_the_last_minute() {
        let start = Instant::now();
        let last = Look { at: start, sent: 100, waiting: 10_000 };
        let look = |sent, waiting| in_words(last, Look { at: start + Duration::from_mins(1), sent, waiting });
        assert_eq!(
            look(160, 9_940),
            format!("9,940 alerts wait, about {} at this pace", words::duration(Duration::from_secs(9_940)))
        );
        assert_eq!(look(100, 1), "1 alert waits, and nothing went out in the last 1 min");
    }
}
