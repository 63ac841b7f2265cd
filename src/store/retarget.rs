//! Taking back messages that were never shown and would go to the wrong place.

use rusqlite::{Params, Transaction, params};

use super::outbox::{OPEN, TO_COMPOSE, bury, free_alerts, resting_alert};
use super::{Store, StoreError, channels};
use crate::domain::Destination;

/// The lane in which a rule tells an alert: `?2`, or the owner's where `?3` says so, the owner is known, and the alert was
/// not diverted.
const LANE: &str = "iif(?3 AND a.user_id IS NOT NULL AND a.detour IS NULL, 'owner:' || a.user_id, ?2)";
/// Messages that Slack surely has not shown.
const UNSEEN: &str = "d.state IN ('pending', 'held') AND d.possible_duplicate = 0";

impl Store {
    /// Takes back messages that were never shown and whose lane is not where the rule posts any more, so that their alerts
    /// are composed for the new one. Returns how many alerts moved.
    pub async fn retarget(&self, rule: &str, destination: &Destination) -> Result<usize, StoreError> {
        let (rule, channel) = (rule.to_owned(), destination.common_lane());
        let to_owner = matches!(destination, Destination::Owner { .. });
        self.write(move |tx| {
            let sql = format!(
                "SELECT d.id FROM deliveries AS d WHERE {OPEN} AND {UNSEEN} AND EXISTS
                     (SELECT 1 FROM alerts AS a WHERE a.delivery_id = d.id AND a.rule = ?1 AND d.channel <> {LANE})"
            );
            take_back(tx, &sql, params![rule, channel, to_owner], "told in another channel")?;
            let sql = format!(
                "UPDATE alerts AS a SET channel = {LANE}, state = 'pending', reason = NULL
                 WHERE {TO_COMPOSE} AND rule = ?1 AND channel <> {LANE}"
            );
            let moved = tx.execute(&sql, params![rule, channel, to_owner])?;
            hold_in_parked_lanes(tx, &rule)?;
            Ok(moved)
        })
        .await
    }

    /// Moves what waits in the lane of an owner whom Slack does not know to the channels that the rules name instead
    /// (`fallbacks`: rule and channel), with the reason, which stays in the history. Returns how many alerts moved, and how
    /// many alerts and messages stay: their rule names none, or they may have been shown.
    pub async fn divert(
        &self,
        lane: &str,
        fallbacks: Vec<(String, String)>,
        why: &str,
    ) -> Result<(usize, usize), StoreError> {
        let (lane, why) = (lane.to_owned(), why.to_owned());
        self.write(move |tx| {
            let sql = format!("SELECT d.id FROM deliveries AS d WHERE {OPEN} AND {UNSEEN} AND d.channel = ?1");
            take_back(tx, &sql, [&lane], &why)?;
            let mut moved = 0;
            for (rule, channel) in fallbacks {
                moved += divert_rule(tx, &lane, &rule, &channel, &why)?;
            }
            let sql = format!(
                "SELECT (SELECT count(*) FROM alerts WHERE channel = ?1 AND {TO_COMPOSE})
                     + (SELECT count(*) FROM deliveries WHERE channel = ?1 AND {OPEN})"
            );
            let left = tx.query_row(&sql, [&lane], |row| row.get::<_, i64>(0))?;
            if left == 0 {
                tx.execute("DELETE FROM silence_summaries WHERE channel = ?1 AND delivery_id IS NULL", [&lane])?;
                channels::unpark(tx, &lane)?;
            }
            Ok((moved, usize::try_from(left).unwrap_or(usize::MAX)))
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
            let freed = take_back(tx, &sql, [&channel, &channel_id], "the channel changed")?;
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

fn divert_rule(tx: &Transaction<'_>, lane: &str, rule: &str, channel: &str, why: &str) -> rusqlite::Result<usize> {
    let (state, reason) = resting_alert(tx, channel)?;
    let sql = format!(
        "UPDATE alerts SET channel = ?3, detour = ?4, state = ?5, reason = ?6
         WHERE {TO_COMPOSE} AND channel = ?1 AND rule = ?2"
    );
    let moved = tx.execute(&sql, params![lane, rule, channel, why, state.as_str(), reason])?;
    // What a silence kept from the owner is summed up where the alerts would have gone.
    let summed = "SELECT silence_id FROM silence_summaries WHERE channel = ?1 AND delivery_id IS NULL";
    let sql = format!(
        "UPDATE alerts SET channel = ?3, detour = ?4 WHERE channel = ?1 AND rule = ?2 AND silence_id IN ({summed})
         RETURNING silence_id"
    );
    let parameters = params![lane, rule, channel, why];
    let silences: Vec<i64> =
        tx.prepare(&sql)?.query_map(parameters, |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    for silence in silences {
        let sql = "INSERT OR IGNORE INTO silence_summaries (silence_id, channel) VALUES (?1, ?2)";
        tx.prepare_cached(sql)?.execute(params![silence, channel])?;
    }
    Ok(moved)
}

/// Alerts of a rule that came into lanes that wait for a person wait too.
fn hold_in_parked_lanes(tx: &Transaction<'_>, rule: &str) -> rusqlite::Result<()> {
    let parked = "FROM channels WHERE name = alerts.channel AND parked_at IS NOT NULL";
    let sql = format!(
        "UPDATE alerts SET state = 'held', reason = (SELECT parked_reason {parked})
         WHERE {TO_COMPOSE} AND state = 'pending' AND rule = ?1 AND EXISTS (SELECT 1 {parked})"
    );
    tx.execute(&sql, [rule]).map(drop)
}

/// Buries the messages that `sql` finds and frees their alerts. Returns how many alerts.
fn take_back(tx: &Transaction<'_>, sql: &str, parameters: impl Params, reason: &str) -> rusqlite::Result<usize> {
    let found: Vec<i64> = tx.prepare(sql)?.query_map(parameters, |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut freed = 0;
    for delivery in found {
        freed += free_alerts(tx, delivery)?;
        bury(tx, delivery, reason)?;
    }
    Ok(freed)
}
