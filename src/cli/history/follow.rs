//! `history --follow`: each alert as it is recorded, and again whenever its state changes, until the reader goes.

use std::collections::HashMap;
use std::time::Duration;

use super::super::exit::Exit;
use super::super::output;
use super::render;
use crate::cli::arguments::Format;
use crate::domain::{AlertRecord, AlertState};
use crate::store::{HistoryFilter, Order, Store, StoreError};

/// How often the database is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Alerts read at once.
const PAGE: usize = 1_000;

/// Follows until standard output is closed or the process is asked to stop.
pub(super) fn run(store: &Store, filter: &HistoryFilter, format: Format) -> anyhow::Result<Exit> {
    let mut follower = Follower { after: store.newest_alert()?, open: HashMap::new() };
    let mut header = true;
    loop {
        let news = follower.news(store, filter)?;
        if (header || !news.is_empty()) && !output::write(|out| render::append(out, &news, format, header))? {
            return Ok(Exit::Done);
        }
        header = false;
        std::thread::sleep(LOOK_EVERY);
    }
}

struct Follower {
    /// Everything up to this number has been looked at, or was there before.
    after: i64,
    /// Alerts that may still change, by number, with the state that was last seen.
    open: HashMap<i64, AlertState>,
}

impl Follower {
    /// What is new or changed. States are compared here and not in the database: an alert that is followed for its state
    /// must be watched from the beginning.
    fn news(&mut self, store: &Store, filter: &HistoryFilter) -> Result<Vec<AlertRecord>, StoreError> {
        let in_any_state = HistoryFilter { limit: PAGE, states: Vec::new(), ..filter.clone() };
        let mut from = self.open.keys().min().map_or(self.after, |oldest| oldest - 1).min(self.after);
        let mut news = Vec::new();
        loop {
            let page = store.history(&in_any_state, Order::RecordedAfter(from))?;
            let is_last = page.len() < PAGE;
            from = page.last().map_or(from, |alert| alert.id);
            news.extend(page.into_iter().filter(|alert| self.is_news(alert)));
            if is_last {
                break;
            }
        }
        news.retain(|alert| filter.states.is_empty() || filter.states.contains(&alert.state));
        Ok(news)
    }

    fn is_news(&mut self, alert: &AlertRecord) -> bool {
        let is_news = alert.id > self.after || self.open.get(&alert.id).is_some_and(|seen| *seen != alert.state);
        if is_news {
            self.after = self.after.max(alert.id);
            match alert.state {
                AlertState::Sent | AlertState::Dead | AlertState::Suppressed => self.open.remove(&alert.id),
                state => self.open.insert(alert.id, state),
            };
        }
        is_news
    }
}
