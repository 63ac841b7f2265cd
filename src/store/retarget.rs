//! Taking back messages that were never shown and would go to the wrong place.

use rusqlite::{Transaction, params};

use super::outbox::{OPEN, TO_COMPOSE, bury, free_alerts, resting_alert};
use super::{Store, StoreError};

/// Messages that Slack surely has not shown.
const UNSEEN: &str = "d.state IN ('pending', 'held') AND d.possible_duplicate = 0";

impl Store {
    /// Takes back messages that were never shown and whose channel is not where the rule posts any more, so that their
    /// alerts are composed for the new one. Returns how many alerts moved.
    pub async fn retarget(&self, rule: &str, channel: &str) -> Result<usize, StoreError> {
        let (rule, channel) = (rule.to_owned(), channel.to_owned());
        self.write(move |tx| {
            let sql = format!(
                "SELECT d.id FROM deliveries AS d WHERE {OPEN} AND {UNSEEN} AND d.channel <> ?2
                     AND EXISTS (SELECT 1 FROM alerts AS a WHERE a.delivery_id = d.id AND a.rule = ?1)"
            );
            take_back(tx, &sql, &rule, &channel, "told in another channel")?;
            let (state, reason) = resting_alert(tx, &channel)?;
            let sql = format!(
                "UPDATE alerts SET channel = ?2, state = ?3, reason = ?4 WHERE {TO_COMPOSE} AND rule = ?1 AND channel <> ?2"
            );
            tx.execute(&sql, params![rule, channel, state.as_str(), reason])
        })
        .await
    }

    /// Takes back messages for a channel that were composed for another channel ID (the name now means another channel).
    /// Those that are sent again, and so keep their mark as possible duplicates, are readdressed instead.
    pub async fn recompose_for(&self, channel: &str, channel_id: &str) -> Result<usize, StoreError> {
        let (channel, channel_id) = (channel.to_owned(), channel_id.to_owned());
        self.write(move |tx| {
            let sql = format!(
                "SELECT d.id FROM deliveries AS d WHERE {OPEN} AND {UNSEEN} AND d.channel = ?1 AND d.channel_id <> ?2"
            );
            let freed = take_back(tx, &sql, &channel, &channel_id, "the channel changed")?;
            let sql = format!(
                "UPDATE deliveries SET channel_id = ?2, payload = json_set(payload, '$.channel', ?2)
                 WHERE {OPEN} AND state IN ('pending', 'held') AND channel = ?1 AND channel_id <> ?2"
            );
            tx.execute(&sql, params![channel, channel_id])?;
            Ok(freed)
        })
        .await
    }
}

/// Buries the messages that `sql` finds and frees their alerts. Returns how many alerts.
fn take_back(tx: &Transaction<'_>, sql: &str, one: &str, two: &str, reason: &str) -> rusqlite::Result<usize> {
    let found: Vec<i64> = tx.prepare(sql)?.query_map([one, two], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut freed = 0;
    for delivery in found {
        freed += free_alerts(tx, delivery)?;
        bury(tx, delivery, reason)?;
    }
    Ok(freed)
}
