//! What a person's word does to dead letters: try them again, or drop them.

use std::collections::HashSet;

use rusqlite::{Transaction, params};

use super::attempts::send_blindly;
use super::error::Stop;
use super::letters::{Standing, dead_letters, standing};
use super::outbox::{bury, resting, resting_alert, set_alerts};
use super::{Store, StoreError};
use crate::domain::delivery::DeliveryState;
use crate::domain::{AlertState, Stamp};

/// Which alerts a person speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// Every dead letter, and everything held.
    All,
    /// These, by number. One that cannot be meant refuses them all.
    These(Vec<i64>),
}

/// What became of alerts that are to be tried again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retried {
    /// Dead ones: composed anew.
    pub composed_anew: usize,
    /// Kept ones whose answer was lost: the same message again, perhaps a second time in the channel.
    pub sent_again: usize,
    /// Held ones: their channel is tried at once.
    pub due_now: usize,
}

impl Store {
    /// Tries alerts again: a dead one is composed anew; of one that is kept because its answer was lost the same message
    /// is sent again; a held one is due at once. All of them, or with an error none.
    pub async fn retry_dead(&self, which: Which, now: Stamp) -> Result<Retried, StoreError> {
        self.change(move |tx| {
            let alerts = match &which {
                Which::All => all_waiting(tx)?,
                Which::These(alerts) => alerts.clone(),
            };
            let mut retried = Retried::default();
            let mut done = HashSet::new();
            for alert in alerts {
                retry(tx, alert, now, &mut done, &mut retried)?;
            }
            Ok(retried)
        })
        .await
    }

    /// Gives a dead letter up for good. One that is kept because its answer was lost takes with it whatever else its
    /// message tells. Returns how many alerts were given up.
    pub async fn drop_dead(&self, alert: i64, reason: &str, now: Stamp) -> Result<usize, StoreError> {
        let reason = format!("dropped: {reason}");
        self.change(move |tx| {
            let standing = standing(tx, alert)?.ok_or(StoreError::NoAlert { alert })?;
            let sql = "UPDATE alerts SET state = 'dead', reason = ?2, dropped_at = ?3 WHERE";
            match (standing.state, standing.delivery) {
                (AlertState::Dead, _) if standing.dropped_at.is_none() => {
                    Ok(tx.execute(&format!("{sql} id = ?1"), params![alert, reason, now.as_millis()])?)
                }
                (AlertState::Unknown, Some(delivery)) if standing.kept => {
                    bury(tx, delivery, &reason)?;
                    Ok(tx.execute(&format!("{sql} delivery_id = ?1"), params![delivery, reason, now.as_millis()])?)
                }
                _ => Err(standing.not_dead(alert).into()),
            }
        })
        .await
    }
}

/// What a person's word has brought back.
#[derive(PartialEq, Eq, Hash)]
enum Told {
    Alert(i64),
    Message(i64),
}

fn all_waiting(tx: &Transaction<'_>) -> rusqlite::Result<Vec<i64>> {
    let held = "SELECT id FROM alerts WHERE state = 'held'";
    let sql = format!("SELECT id FROM ({}) UNION {held} ORDER BY 1", dead_letters());
    tx.prepare(&sql)?.query_map([], |row| row.get(0))?.collect()
}

/// `done` holds what was brought back already: a number may be named twice, and a message may tell several alerts.
fn retry(
    tx: &Transaction<'_>,
    alert: i64,
    now: Stamp,
    done: &mut HashSet<Told>,
    retried: &mut Retried,
) -> Result<(), Stop> {
    let standing = standing(tx, alert)?.ok_or(StoreError::NoAlert { alert })?;
    let by_message = standing.delivery.is_some_and(|delivery| done.contains(&Told::Message(delivery)));
    if by_message || !done.insert(Told::Alert(alert)) {
        return Ok(());
    }
    match (standing.state, standing.delivery) {
        (AlertState::Dead, _) => {
            compose_anew(tx, alert, &standing.channel)?;
            retried.composed_anew += 1;
        }
        (AlertState::Unknown, Some(delivery)) if standing.kept => {
            retried.sent_again += send_again(tx, delivery, &standing.channel)?;
            done.insert(Told::Message(delivery));
        }
        (AlertState::Held, _) => {
            try_at_once(tx, &standing, now)?;
            retried.due_now += 1;
        }
        _ => return Err(standing.not_dead(alert).into()),
    }
    Ok(())
}

fn compose_anew(tx: &Transaction<'_>, alert: i64, channel: &str) -> rusqlite::Result<()> {
    let (state, reason) = resting_alert(tx, channel)?;
    let sql =
        "UPDATE alerts SET state = ?2, reason = ?3, delivery_id = NULL, digest = 0, dropped_at = NULL WHERE id = ?1";
    tx.prepare_cached(sql)?.execute(params![alert, state.as_str(), reason]).map(drop)
}

/// Returns how many alerts the message tells.
fn send_again(tx: &Transaction<'_>, delivery: i64, channel: &str) -> rusqlite::Result<usize> {
    let reason = "its answer was lost; it is sent again because somebody said so";
    let (state, reason) = resting(tx, channel, DeliveryState::Pending, Some(reason))?;
    send_blindly(tx, delivery)?;
    let sql = "UPDATE deliveries SET state = ?2, reason = ?3, due_at = 0, kept_at = NULL WHERE id = ?1";
    tx.execute(sql, params![delivery, state.as_str(), reason])?;
    set_alerts(tx, delivery, state, reason.as_deref())
}

fn try_at_once(tx: &Transaction<'_>, standing: &Standing, now: Stamp) -> rusqlite::Result<()> {
    tx.prepare_cached("UPDATE deliveries SET due_at = 0 WHERE id = ?1")?.execute([standing.delivery])?;
    let sql = "UPDATE channels SET retry_at = ?2 WHERE name = ?1 AND retry_at > ?2";
    tx.prepare_cached(sql)?.execute(params![standing.channel, now.as_millis()]).map(drop)
}
