//! The part of the list of alerts in which a page is looked for, and the end from which it is read.

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::history::{HistoryFilter, Order, Place};
use super::rows::count;
use crate::domain::Stamp;

/// Alerts between two places, both left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    after: (i64, i64),
    before: (i64, i64),
    newest_first: bool,
}

impl Span {
    /// Its condition; takes [`Span::values`].
    pub(super) const CLAUSE: &str = "(a.status_changed, a.id) > (?, ?) AND (a.status_changed, a.id) < (?, ?)";

    /// Where a page is looked for; `None` where it does not follow the order of outcomes.
    pub(super) fn of(filter: &HistoryFilter, order: Order) -> Option<Self> {
        let since = filter.since.map_or(i64::MIN, Stamp::as_millis);
        let until = filter.until.map_or(i64::MAX, Stamp::as_millis);
        // No alert has the number i64::MIN: what stands at that millisecond comes behind it.
        let mut span = Self { after: (since, i64::MIN), before: (until, i64::MIN), newest_first: true };
        match order {
            Order::Newest => {}
            Order::Oldest => span.newest_first = false,
            Order::OlderThan(place) => span.end_before(place),
            Order::NewerThan(place) => {
                span.newest_first = false;
                span.begin_after(place);
            }
            Order::RecordedAfter(_) => return None,
        }
        Some(span)
    }

    /// Leaves out what comes behind a place: a page that is full up to there has no use for it.
    pub(super) fn end_at(&mut self, place: Place) {
        if self.newest_first { self.begin_after(place) } else { self.end_before(place) }
    }

    /// Whether `one` stands further from its beginning than `other`.
    pub(super) fn is_further(self, one: Option<Place>, other: Option<Place>) -> bool {
        let key = |place: Option<Place>| place.map(|place| (place.status_changed, place.id));
        if self.newest_first { key(one) < key(other) } else { key(one) > key(other) }
    }

    /// Whether it holds more than so many alerts.
    pub(super) fn has_more(self, connection: &Connection, most: usize) -> rusqlite::Result<bool> {
        let sql = format!(
            "SELECT count(*) FROM (SELECT 1 FROM alerts AS a INDEXED BY alerts_newest WHERE {} LIMIT ?)",
            Self::CLAUSE
        );
        let values = self.values().chain([count(most + 1).into()]);
        let counted: i64 = connection.prepare_cached(&sql)?.query_row(params_from_iter(values), |row| row.get(0))?;
        Ok(counted > count(most))
    }

    /// The order of its rows.
    pub(super) const fn order(self) -> &'static str {
        if self.newest_first { "a.status_changed DESC, a.id DESC" } else { "a.status_changed, a.id" }
    }

    /// Puts places into its order.
    pub(super) fn sort(self, places: &mut [Place]) {
        places.sort_unstable_by_key(|place| (place.status_changed, place.id));
        if self.newest_first {
            places.reverse();
        }
    }

    /// What its condition takes.
    pub(super) fn values(self) -> impl Iterator<Item = Value> {
        [self.after.0, self.after.1, self.before.0, self.before.1].into_iter().map(Value::from)
    }

    fn begin_after(&mut self, place: Place) {
        self.after = self.after.max((place.status_changed.as_millis(), place.id));
    }

    fn end_before(&mut self, place: Place) {
        self.before = self.before.min((place.status_changed.as_millis(), place.id));
    }
}
