//! Taking back messages that were never shown and would go to the wrong place.

use rusqlite::{Transaction, params};

use super::outbox::{OPEN, TO_COMPOSE, bury, free_alerts, resting_alert};
use super::{Store, StoreError, channels};
use crate::domain::Destination;

/// The condition of the partial index `alerts_waiting`.
const WAITS_BY_RULE: &str = "wait_until IS NOT NULL";

/// Messages that Slack surely has not shown.
const UNSEEN: &str = "d.state IN ('pending', 'held') AND d.possible_duplicate = 0";

/// The lane of an alert of a rule that tells lane ?2, or where ?3, the task's owner.
const HOME: &str = "CASE WHEN ?3 AND a.user_id IS NOT NULL THEN 'owner:' || a.user_id ELSE ?2 END";

/// Whether an alert is in a lane where its rule tells.
const AT_HOME: &str = "(a.channel = ?2 OR (?3 AND a.user_id IS NOT NULL AND a.channel = 'owner:' || a.user_id))";

impl Store {
    /// Takes back messages that were never shown and whose lane is not where the rule tells any more, so that their alerts
    /// are composed for the new one. Returns how many alerts moved. Where the rule tells owners, what is on its way to one
    /// of them or to the channel that stands in for them stays there.
    pub async fn retarget(&self, rule: &str, to: &Destination) -> Result<usize, StoreError> {
        let (rule, lane) = (rule.to_owned(), to.common_lane());
        let owners = matches!(to, Destination::Owner { .. });
        self.write(move |tx| {
            let sql = format!(
                "SELECT d.id FROM deliveries AS d WHERE {OPEN} AND {UNSEEN}
                     AND EXISTS (SELECT 1 FROM alerts AS a WHERE a.delivery_id = d.id AND a.rule = ?1 AND NOT {AT_HOME})"
            );
            take_back(tx, &sql, params![rule, lane, owners], "told in another channel")?;
            // What it told elsewhere is followed no more.
            let sql = "DELETE FROM threads WHERE rule = ?1 AND channel <> ?2 AND NOT (?3 AND channel GLOB 'owner:*')";
            tx.execute(sql, params![rule, lane, owners])?;
            let mut moved = 0;
            for waits in [TO_COMPOSE, WAITS_BY_RULE] {
                moved += move_home(tx, waits, &rule, &lane, owners)?;
            }
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
            let freed = take_back(tx, &sql, params![channel, channel_id], "the channel changed")?;
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

/// Moves the alerts of a rule that `waits` finds to where the rule tells. One that waits by its rule goes on waiting.
fn move_home(tx: &Transaction<'_>, waits: &str, rule: &str, lane: &str, owners: bool) -> rusqlite::Result<usize> {
    let sql = format!("SELECT DISTINCT {HOME} FROM alerts AS a WHERE {waits} AND a.rule = ?1 AND NOT {AT_HOME}");
    let mut statement = tx.prepare(&sql)?;
    let homes = statement.query_map(params![rule, lane, owners], |row| row.get(0))?;
    let homes: Vec<String> = homes.collect::<Result<_, _>>()?;
    let sql = format!(
        "UPDATE alerts AS a SET channel = ?4, state = iif(wait_until IS NULL, ?5, state),
             reason = iif(wait_until IS NULL, ?6, reason)
         WHERE {waits} AND a.rule = ?1 AND NOT {AT_HOME} AND {HOME} = ?4"
    );
    let mut moved = 0;
    for home in homes {
        let (state, reason) = resting_alert(tx, &home)?;
        moved += tx.execute(&sql, params![rule, lane, owners, home, state.as_str(), reason])?;
    }
    Ok(moved)
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

/// Buries the messages that `sql` finds and frees their alerts. Returns how many alerts.
fn take_back(tx: &Transaction<'_>, sql: &str, of: impl rusqlite::Params, reason: &str) -> rusqlite::Result<usize> {
    let found: Vec<i64> = tx.prepare(sql)?.query_map(of, |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut freed = 0;
    for delivery in found {
        freed += free_alerts(tx, delivery)?;
        bury(tx, delivery, reason)?;
    }
    Ok(freed)
}
