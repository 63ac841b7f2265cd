//! Dead letters as they are listed and shown: alerts that could not be delivered, or whose delivery waits for a person's
//! word. What that word does is in `dead`.

use rusqlite::{Connection, OptionalExtension, Row};
use serde::Serialize;

use super::outbox::OPEN;
use super::rows::{maybe_stamp, outcome, stamp, word};
use super::{Store, StoreError};
use crate::domain::{AlertState, Outcome, Stamp};

/// An alert that cannot be delivered, or whose delivery waits for a person's word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeadLetter {
    /// The alert's number.
    pub id: i64,
    /// `dead`, or `unknown` where `--on-unknown hold` keeps it.
    pub state: AlertState,
    /// The rule that spoke.
    pub rule: String,
    /// ClearML's task ID.
    pub task_id: String,
    /// The task's name.
    pub task_name: String,
    /// The project's full name.
    pub project: Option<String>,
    /// The outcome.
    pub status: Outcome,
    /// When the server stamped it.
    pub status_changed: Stamp,
    /// The channel.
    pub channel: String,
    /// Why.
    pub reason: Option<String>,
    /// How often it was tried.
    pub attempts: u32,
    /// When the alert was recorded.
    pub created_at: Stamp,
}

/// A dead letter with all that is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeadLetterDetail {
    /// The alert.
    #[serde(flatten)]
    pub letter: DeadLetter,
    /// The message's number in the outbox.
    pub delivery: i64,
    /// How many alerts that message tells, this one included.
    pub alerts_in_message: u32,
    /// How much of the message was left at the last try: `full`, `without_metadata` or `text_only`.
    pub form: String,
    /// The body of the last request.
    pub payload: String,
    /// Every try, oldest first.
    pub tries: Vec<AttemptRecord>,
}

/// One try to send a message that was to tell an alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AttemptRecord {
    /// The attempt's number.
    pub id: i64,
    /// The message's number in the outbox.
    pub delivery: i64,
    /// When it began.
    pub started_at: Stamp,
    /// SHA-256 of the payload, in hexadecimal digits.
    pub payload_sha256: String,
    /// The payload's size in bytes.
    pub payload_bytes: u64,
    /// What the answer meant; null while it is not known, also after a kill.
    pub class: Option<String>,
    /// The HTTP status, if there was one.
    pub http_status: Option<u16>,
    /// Slack's error, or what happened to the connection.
    pub error: Option<String>,
    /// What else Slack said.
    pub detail: Option<String>,
    /// How long it took, in milliseconds.
    pub took_ms: Option<u64>,
}

impl Store {
    /// What could not be delivered and was not dropped, oldest first.
    pub async fn dead_letters(&self) -> Result<Vec<DeadLetter>, StoreError> {
        self.read(|connection| connection.prepare(&dead_letters())?.query_map([], dead_letter)?.collect()).await
    }

    /// One dead letter with its payload and its tries; a dropped one too.
    pub async fn dead_letter(&self, alert: i64) -> Result<DeadLetterDetail, StoreError> {
        let standing = self.read(move |connection| standing(connection, alert)).await?;
        let standing = standing.ok_or(StoreError::NoAlert { alert })?;
        let delivery = match (standing.state, standing.delivery) {
            (AlertState::Dead, Some(delivery)) => delivery,
            (AlertState::Unknown, Some(delivery)) if standing.kept => delivery,
            _ => return Err(standing.not_dead(alert)),
        };
        self.read(move |connection| detail(connection, alert, delivery)).await
    }

    /// Every try to tell an alert, oldest first, those of earlier messages included.
    pub async fn attempts_of(&self, alert: i64) -> Result<Vec<AttemptRecord>, StoreError> {
        self.read(move |connection| attempts_of(connection, alert)).await
    }
}

/// Dead ones by their own index; kept ones by that of the open messages.
pub(super) fn dead_letters() -> String {
    let kept = format!("SELECT id FROM deliveries WHERE {OPEN} AND kept_at IS NOT NULL");
    format!(
        "SELECT {COLUMNS} FROM alerts AS a INDEXED BY alerts_dead WHERE a.state = 'dead' AND a.dropped_at IS NULL
         UNION ALL SELECT {COLUMNS} FROM alerts AS a WHERE a.delivery_id IN ({kept}) AND a.state = 'unknown' ORDER BY 1"
    )
}

const COLUMNS: &str =
    "a.id, a.state, a.rule, a.task_id, a.task_name, a.project, a.outcome, a.status_changed, a.channel,
    a.reason, a.created_at,
    (SELECT coalesce(sum(d.tries), 0) FROM tellings AS t JOIN deliveries AS d ON d.id = t.delivery_id
     WHERE t.alert_id = a.id) AS attempts";

/// Where an alert stands, as far as `dead` must know.
pub(super) struct Standing {
    pub(super) state: AlertState,
    pub(super) reason: Option<String>,
    pub(super) channel: String,
    pub(super) delivery: Option<i64>,
    pub(super) kept: bool,
    pub(super) waits_by_rule: bool,
    pub(super) sent_at: Option<Stamp>,
    pub(super) dropped_at: Option<Stamp>,
}

impl Standing {
    pub(super) fn not_dead(&self, alert: i64) -> StoreError {
        let reason = self.reason.as_deref().unwrap_or("no reason noted");
        let hint = match self.state {
            AlertState::Pending if self.waits_by_rule => {
                format!("its rule makes it wait, then it goes out by itself ({reason})")
            }
            AlertState::Pending => "it is sent as soon as its turn comes".to_owned(),
            AlertState::Sending => "it is being sent right now".to_owned(),
            AlertState::Unknown => "its answer was lost, and Slack is being asked whether it arrived".to_owned(),
            AlertState::Held => format!("its channel waits for somebody to act, then it goes out by itself ({reason})"),
            AlertState::Sent => {
                self.sent_at.map_or_else(|| "it is in Slack".to_owned(), |at| format!("it is in Slack since {at}"))
            }
            AlertState::Suppressed => format!("a filter kept it quiet ({reason})"),
            AlertState::Dead => {
                let when = self.dropped_at.map_or_else(String::new, |at| format!(" at {at}"));
                format!("it was dropped already{when}; `clearml-alerts dead retry {alert}` brings it back")
            }
        };
        StoreError::NotDead { alert, state: self.state, hint }
    }
}

pub(super) fn standing(connection: &Connection, alert: i64) -> rusqlite::Result<Option<Standing>> {
    let sql =
        "SELECT a.state, a.reason, a.channel, a.delivery_id, d.kept_at IS NOT NULL AS kept, a.sent_at, a.dropped_at,
                   a.wait_until IS NOT NULL AS waits_by_rule
               FROM alerts AS a LEFT JOIN deliveries AS d ON d.id = a.delivery_id WHERE a.id = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let found = statement.query_row([alert], |row| {
        Ok(Standing {
            state: word(row, "state", AlertState::parse)?,
            reason: row.get("reason")?,
            channel: row.get("channel")?,
            delivery: row.get("delivery_id")?,
            kept: row.get("kept")?,
            waits_by_rule: row.get("waits_by_rule")?,
            sent_at: maybe_stamp(row, "sent_at")?,
            dropped_at: maybe_stamp(row, "dropped_at")?,
        })
    });
    found.optional()
}

fn detail(connection: &Connection, alert: i64, delivery: i64) -> rusqlite::Result<DeadLetterDetail> {
    let letter =
        connection.query_row(&format!("SELECT {COLUMNS} FROM alerts AS a WHERE a.id = ?1"), [alert], dead_letter)?;
    let sql = "SELECT count(*) FROM alerts WHERE delivery_id = ?1";
    let alerts_in_message = connection.query_row(sql, [delivery], |row| row.get(0))?;
    let tries = attempts_of(connection, alert)?;
    connection.query_row("SELECT form, payload FROM deliveries WHERE id = ?1", [delivery], |row| {
        let (form, payload) = (row.get("form")?, row.get("payload")?);
        Ok(DeadLetterDetail { letter, delivery, alerts_in_message, form, payload, tries })
    })
}

pub(super) const ATTEMPTS_OF: &str = "SELECT attempts.* FROM tellings
    JOIN attempts ON attempts.delivery_id = tellings.delivery_id WHERE tellings.alert_id = ?1 ORDER BY attempts.id";

pub(super) fn attempts_of(connection: &Connection, alert: i64) -> rusqlite::Result<Vec<AttemptRecord>> {
    connection.prepare_cached(ATTEMPTS_OF)?.query_map([alert], attempt)?.collect()
}

fn dead_letter(row: &Row<'_>) -> rusqlite::Result<DeadLetter> {
    Ok(DeadLetter {
        id: row.get("id")?,
        state: word(row, "state", AlertState::parse)?,
        rule: row.get("rule")?,
        task_id: row.get("task_id")?,
        task_name: row.get("task_name")?,
        project: row.get("project")?,
        status: outcome(row, "outcome")?,
        status_changed: stamp(row, "status_changed")?,
        channel: row.get("channel")?,
        reason: row.get("reason")?,
        attempts: row.get("attempts")?,
        created_at: stamp(row, "created_at")?,
    })
}

fn attempt(row: &Row<'_>) -> rusqlite::Result<AttemptRecord> {
    let number = |column: &str| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(column)?.map(i64::unsigned_abs));
    Ok(AttemptRecord {
        id: row.get("id")?,
        delivery: row.get("delivery_id")?,
        started_at: stamp(row, "started_at")?,
        payload_sha256: row.get("payload_sha256")?,
        payload_bytes: number("payload_bytes")?.unwrap_or(0),
        class: row.get("class")?,
        http_status: row.get("http_status")?,
        error: row.get("error")?,
        detail: row.get("detail")?,
        took_ms: number("took_ms")?,
    })
}
