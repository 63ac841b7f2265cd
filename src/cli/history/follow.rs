//! `history --follow`: each alert as it is recorded, and again whenever its state changes, until the reader goes.

use std::collections::HashMap;
use std::time::Duration;

use super::super::exit::Exit;
use super::super::output;
use super::render;
use crate::cli::arguments::Format;
use crate::domain::{AlertRecord, AlertState};
use crate::store::{HistoryFilter, Order, Store};

/// How often the database is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

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
    /// Everything up to this number has been told, or was there before.
    after: i64,
    /// Told alerts that may still change, by number, with the state that was told.
    open: HashMap<i64, AlertState>,
}

impl Follower {
    fn news(&mut self, store: &Store, filter: &HistoryFilter) -> anyhow::Result<Vec<AlertRecord>> {
        let from = self.open.keys().min().map_or(self.after, |oldest| oldest - 1).min(self.after);
        let filter = HistoryFilter { limit: 10_000, ..filter.clone() };
        let mut news = store.history(&filter, Order::RecordedAfter(from))?;
        news.retain(|alert| alert.id > self.after || self.open.get(&alert.id).is_some_and(|told| *told != alert.state));
        for alert in &news {
            self.after = self.after.max(alert.id);
            match alert.state {
                AlertState::Sent | AlertState::Dead | AlertState::Suppressed => self.open.remove(&alert.id),
                state => self.open.insert(alert.id, state),
            };
        }
        Ok(news)
    }
}
