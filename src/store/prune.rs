//! Retention: what is told and old goes, in steps of a bounded number of rows, each a transaction of its own, so that a
//! poll never waits for more than one of them. What stays whatever its age: an alert that is not told yet, a dead one that
//! nobody has dropped, what a silence keeps quiet until its end has been told, and every task, since its row is what tells
//! news from what is known.

use rusqlite::{Connection, Transaction, named_params, params};

use super::{Store, StoreError};
use crate::domain::Stamp;

/// Rows that one step looks at.
const ROWS: usize = 200;
/// Attempts that one step removes; a message that was tried more often goes in several steps.
const ATTEMPTS: usize = 2_000;

/// What is old: both the server's stamp and our own record of it must say so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Old {
    /// Stamped by ClearML before this, by ClearML's clock.
    pub stamped_before: Stamp,
    /// Recorded, sent or closed before this, by this machine's clock.
    pub recorded_before: Stamp,
}

/// How far a round has come: one walk over everything that is old.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Round(Stage);

/// What the next step looks at; each stage frees what the ones behind it need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Alerts stamped after this, or then with a higher number.
    Alerts(i64, i64),
    Transitions(i64),
    Silences(i64),
    Deliveries(i64),
    Over,
}

impl Default for Stage {
    fn default() -> Self {
        Self::Alerts(i64::MIN, 0)
    }
}

impl Round {
    /// Nothing that is old is left to look at.
    pub fn is_over(self) -> bool {
        self.0 == Stage::Over
    }
}

/// What was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Removed {
    /// Alerts.
    pub alerts: usize,
    /// What belonged to alerts and tasks: status changes, messages, silences.
    pub others: usize,
}

impl Removed {
    /// Adds what another step removed.
    pub fn add(&mut self, other: Self) {
        self.alerts += other.alerts;
        self.others += other.others;
    }

    /// Nothing was removed.
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

impl Store {
    /// One step of a round: looks at so many rows at the most, and removes those that may go.
    pub async fn prune_step(&self, round: Round, old: Old) -> Result<(Round, Removed), StoreError> {
        let page = self.read(move |connection| look(connection, round.0, old)).await?;
        if page.may_go.is_empty() {
            return Ok((Round(page.next), Removed::default()));
        }
        self.write(move |tx| {
            // What may go may not be what it was: looked at again, by the same eyes, where nobody else writes.
            let page = look(tx, round.0, old)?;
            let step = remove(tx, &page, round.0)?;
            crate::crash::point("prune_step");
            Ok(step)
        })
        .await
    }

    /// How many alerts may be older than what is kept, of those counted up to `most`: all that are stamped before.
    pub async fn alerts_stamped_before(&self, stamp: Stamp, most: usize) -> Result<usize, StoreError> {
        self.read(move |connection| {
            let sql = "SELECT count(*) FROM (SELECT 1 FROM alerts INDEXED BY alerts_newest WHERE status_changed < ?1 LIMIT ?2)";
            let counted: i64 = connection.query_row(sql, params![stamp.as_millis(), super::rows::count(most)], |row| row.get(0))?;
            Ok(usize::try_from(counted).unwrap_or(usize::MAX))
        })
        .await
    }
}

/// What one look found.
#[derive(Debug, PartialEq, Eq)]
struct Page {
    may_go: Vec<i64>,
    /// The stamp of the newest alert that may go.
    newest: Option<i64>,
    /// Where the next look begins.
    next: Stage,
}

/// Old alerts in the order of their stamps. That a run was stuck stays until the run has ended: its next episode is numbered
/// after it, and a number that comes again would be a key that a webhook knows already.
pub(super) const OLD_ALERTS: &str = "SELECT id, status_changed AS place, 1 AS is_old,
        (state IN ('sent', 'suppressed') OR (state = 'dead' AND coalesce(dropped_at, :recorded) < :recorded))
        AND created_at < :recorded AND coalesce(sent_at, 0) < :recorded
        AND (silence_id IS NULL OR EXISTS (
            SELECT 1 FROM silences AS s WHERE s.id = silence_id AND s.closed_at IS NOT NULL
                AND NOT EXISTS (SELECT 1 FROM silence_summaries AS m WHERE m.silence_id = s.id AND m.delivery_id IS NULL)))
        AND NOT (outcome = 'stuck' AND EXISTS (
            SELECT 1 FROM tasks AS k WHERE k.task_id = alerts.task_id AND k.run = alerts.run AND k.run_outcomes = 0))
        AS may_go
    FROM alerts INDEXED BY alerts_newest
    WHERE (status_changed, id) > (:stamp_after, :after) AND status_changed < :stamped
    ORDER BY status_changed, id LIMIT :rows";

/// Status changes in the order in which they were recorded. Those of a run stay with its alerts.
pub(super) const OLD_TRANSITIONS: &str =
    "SELECT id, id AS place, status_changed < :stamped AND seen_at < :recorded AS is_old,
        status_changed < :stamped AND seen_at < :recorded
        AND NOT EXISTS (SELECT 1 FROM alerts AS a WHERE a.task_id = t.task_id AND a.run = t.run) AS may_go
    FROM transitions AS t WHERE id > :after ORDER BY id LIMIT :rows";

/// Silences that are over, were told, and keep no alert quiet that is still here.
pub(super) const OLD_SILENCES: &str =
    "SELECT id, id AS place, coalesce(closed_at, :recorded) < :recorded AND ends_at < :recorded AS is_old,
        coalesce(closed_at, :recorded) < :recorded AND ends_at < :recorded
        AND NOT EXISTS (SELECT 1 FROM alerts AS a WHERE a.silence_id = s.id)
        AND NOT EXISTS (
            SELECT 1 FROM silence_summaries AS m LEFT JOIN deliveries AS d ON d.id = m.delivery_id
            WHERE m.silence_id = s.id AND coalesce(d.state, 'pending') NOT IN ('sent', 'dead')) AS may_go
    FROM silences AS s WHERE id > :after ORDER BY id LIMIT :rows";

/// Messages that are done and that nothing names any more. The first of a thread goes when no message follows it any more,
/// no alert waits to, and it shows how its task stands.
pub(super) const OLD_DELIVERIES: &str =
    "SELECT id, id AS place, created_at < :recorded AND coalesce(sent_at, 0) < :recorded AS is_old,
        created_at < :recorded AND coalesce(sent_at, 0) < :recorded AND state IN ('sent', 'dead')
        AND NOT EXISTS (SELECT 1 FROM alerts AS a WHERE a.delivery_id = d.id)
        AND NOT EXISTS (SELECT 1 FROM tellings AS t WHERE t.delivery_id = d.id)
        AND NOT EXISTS (SELECT 1 FROM deliveries AS e WHERE e.edits = d.id)
        AND NOT EXISTS (SELECT 1 FROM deliveries AS f WHERE f.follows = d.id)
        AND NOT EXISTS (
            SELECT 1 FROM threads AS h WHERE h.delivery_id = d.id AND (h.shown <> h.wanted OR EXISTS (
                SELECT 1 FROM alerts AS w WHERE w.task_id = h.task_id AND w.rule = h.rule AND w.delivery_id IS NULL
                    AND w.state IN ('pending', 'held'))))
        AND NOT EXISTS (SELECT 1 FROM silence_summaries AS m WHERE m.delivery_id = d.id) AS may_go
    FROM deliveries AS d WHERE id > :after ORDER BY id LIMIT :rows";

fn look(connection: &Connection, stage: Stage, old: Old) -> rusqlite::Result<Page> {
    let (sql, stamp_after, after, following) = match stage {
        Stage::Alerts(stamp, after) => (OLD_ALERTS, stamp, after, Stage::Transitions(0)),
        Stage::Transitions(after) => (OLD_TRANSITIONS, 0, after, Stage::Silences(0)),
        Stage::Silences(after) => (OLD_SILENCES, 0, after, Stage::Deliveries(0)),
        Stage::Deliveries(after) => (OLD_DELIVERIES, 0, after, Stage::Over),
        Stage::Over => return Ok(Page { may_go: Vec::new(), newest: None, next: Stage::Over }),
    };
    let mut statement = connection.prepare_cached(sql)?;
    let all = named_params! {
        ":stamped": old.stamped_before.as_millis(), ":recorded": old.recorded_before.as_millis(),
        ":stamp_after": stamp_after, ":after": after, ":rows": super::rows::count(ROWS),
    };
    // A question knows only some of the names.
    let known: Vec<_> =
        all.iter().filter(|(name, _)| statement.parameter_index(name).is_ok_and(|at| at.is_some())).copied().collect();
    let mut rows = statement.query(known.as_slice())?;
    let (mut may_go, mut newest, mut last, mut seen, mut is_any_old) = (Vec::new(), None, None, 0, false);
    while let Some(row) = rows.next()? {
        let (id, place): (i64, i64) = (row.get("id")?, row.get("place")?);
        (last, seen) = (Some((place, id)), seen + 1);
        is_any_old |= row.get::<_, bool>("is_old")?;
        if row.get("may_go")? {
            may_go.push(id);
            newest = Some(place);
        }
    }
    // Rows stand in the order of their recording, nearly that of their age: where none of so many is old, none behind is.
    let next = match last.filter(|_| seen == ROWS && is_any_old) {
        None => following,
        Some((stamp, id)) => match stage {
            Stage::Alerts(..) => Stage::Alerts(stamp, id),
            Stage::Transitions(_) => Stage::Transitions(id),
            Stage::Silences(_) => Stage::Silences(id),
            Stage::Deliveries(_) | Stage::Over => Stage::Deliveries(id),
        },
    };
    Ok(Page { may_go, newest, next })
}

fn remove(tx: &Transaction<'_>, page: &Page, stage: Stage) -> rusqlite::Result<(Round, Removed)> {
    let each = |statements: &[&str]| -> rusqlite::Result<usize> {
        for id in &page.may_go {
            for sql in statements {
                tx.prepare_cached(sql)?.execute([id])?;
            }
        }
        Ok(page.may_go.len())
    };
    let of_others = |others| Removed { alerts: 0, others };
    let removed = match stage {
        Stage::Alerts(..) => {
            if let Some(newest) = page.newest {
                let sql = "UPDATE monitor SET kept_from = max(coalesce(kept_from, ?1), ?1)";
                tx.prepare_cached(sql)?.execute([newest + 1])?;
            }
            Removed { alerts: each(&REMOVE_ALERT)?, others: 0 }
        }
        Stage::Transitions(_) => of_others(each(&[REMOVE_TRANSITION])?),
        Stage::Silences(_) => of_others(each(&REMOVE_SILENCE)?),
        Stage::Deliveries(after) => return remove_deliveries(tx, page, after),
        Stage::Over => Removed::default(),
    };
    Ok((Round(page.next), removed))
}

pub(super) const REMOVE_ALERT: [&str; 2] =
    ["DELETE FROM tellings WHERE alert_id = ?1", "DELETE FROM alerts WHERE id = ?1"];
pub(super) const REMOVE_TRANSITION: &str = "DELETE FROM transitions WHERE id = ?1";
pub(super) const REMOVE_SILENCE: [&str; 2] =
    ["DELETE FROM silence_summaries WHERE silence_id = ?1", "DELETE FROM silences WHERE id = ?1"];
pub(super) const REMOVE_DELIVERY: [&str; 2] =
    ["DELETE FROM threads WHERE delivery_id = ?1", "DELETE FROM deliveries WHERE id = ?1"];
pub(super) const REMOVE_ATTEMPTS: &str =
    "DELETE FROM attempts WHERE id IN (SELECT id FROM attempts WHERE delivery_id = ?1 ORDER BY id LIMIT ?2)";

/// A message with its attempts; where there are too many of those for one step, the next one goes on with it.
fn remove_deliveries(tx: &Transaction<'_>, page: &Page, after: i64) -> rusqlite::Result<(Round, Removed)> {
    let (mut left, mut others, mut done) = (ATTEMPTS, 0, after);
    for id in &page.may_go {
        let removed = tx.prepare_cached(REMOVE_ATTEMPTS)?.execute(params![id, super::rows::count(left)])?;
        left -= removed.min(left);
        if left == 0 {
            return Ok((Round(Stage::Deliveries(done)), Removed { alerts: 0, others: others + removed }));
        }
        for sql in REMOVE_DELIVERY {
            tx.prepare_cached(sql)?.execute([id])?;
        }
        (others, done) = (others + 1, *id);
    }
    Ok((Round(page.next), Removed { alerts: 0, others }))
}
