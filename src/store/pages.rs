//! Recording a page of a poll: the one transaction in which tasks, transitions, alerts and the watermark move together.

use std::sync::Arc;

use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, Statement, Transaction, named_params, params};

use super::known_tasks::{KNOWN_TASK, SAVE_TASK, known_task, read_known, write_task};
use super::rows::unreadable;
use super::{Store, StoreError, channels, monitor, rule_sets, silences, stuck, threads, waiting};
use crate::domain::rule::Wait;
use crate::domain::{
    AlertState, Change, Decision, Diagnosis, Outcome, Redactor, Rule, RuleVerdict, Silences, Stamp, Status,
    Suppression, Task, Verdict, WebPages, Why, decide, observe,
};

/// A page of a poll with all that is needed to decide it.
#[derive(Debug, Clone)]
pub struct PageToRecord {
    /// The rows, oldest change first.
    pub tasks: Vec<Task>,
    /// The rules to ask.
    pub rules: Arc<Vec<Rule>>,
    /// What takes secrets out of the words that tell why a task ended.
    pub redactor: Redactor,
    /// Where ClearML's web pages are, if known.
    pub pages: Option<WebPages>,
    /// The stamp up to which everything is recorded once this page is.
    pub newest: Option<Stamp>,
    /// What the page is read for.
    pub watching: Watching,
    /// The time now.
    pub now: Stamp,
    /// The same moment by the server's clock, where it is known.
    pub server_now: Option<Stamp>,
}

/// What a page is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watching {
    /// Watching is about to begin: tasks are remembered as they are, nothing is decided.
    Baseline,
    /// The last page before watching begins: likewise, and from now on `from` is the oldest stamp asked for.
    Begin {
        /// Nothing stamped before this is ever asked for.
        from: Stamp,
        /// Where reading goes on.
        watermark: Stamp,
    },
    /// Watching: every outcome is decided.
    Outcomes,
}

/// What recording a page brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recorded {
    /// How many tasks had changed.
    pub changed: usize,
    /// The verdicts, in the order of the page.
    pub alerts: Vec<RecordedAlert>,
}

/// One verdict, as it is logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedAlert {
    /// The row's number.
    pub id: i64,
    /// The rule that spoke.
    pub rule: String,
    /// The task's ID.
    pub task_id: String,
    /// The task's name.
    pub task_name: String,
    /// The outcome.
    pub outcome: Outcome,
    /// When the server stamped it.
    pub status_changed: Stamp,
    /// Why it is not to be told; `None`: it is.
    pub suppressed: Option<Suppression>,
    /// The wait that its rule asks for before it is told.
    pub wait: Option<Wait>,
}

impl Store {
    /// Records a page in one transaction. A page that fails to commit moved nothing, and one that holds nothing new writes
    /// nothing: most polls are such.
    pub async fn record_page(&self, page: PageToRecord) -> Result<Recorded, StoreError> {
        let looked = self.read(move |connection| Ok((has_news(connection, &page)?, page))).await?;
        let (true, page) = looked else { return Ok(Recorded::default()) };
        self.write(move |tx| record_page(tx, &page)).await
    }
}

/// Whether recording the page would change anything. Only the monitor writes what this reads, so it still holds when the
/// page is recorded.
fn has_news(connection: &Connection, page: &PageToRecord) -> rusqlite::Result<bool> {
    if matches!(page.watching, Watching::Begin { .. }) || monitor::would_advance(connection, page.newest)? {
        return Ok(true);
    }
    for task in &page.tasks {
        if observe(known_task(connection, &task.id)?.as_ref(), task).change != Change::Nothing {
            return Ok(true);
        }
    }
    Ok(false)
}

fn record_page(tx: &Transaction<'_>, page: &PageToRecord) -> rusqlite::Result<Recorded> {
    let mut recorded = Recorded::default();
    let silences = Silences::new(silences::open(tx)?, page.now, page.server_now);
    let hidden_from = monitor::hidden_from(tx)?;
    let (mut rule_set, mut of_page, mut beside) = (None, OfPage::new(tx)?, Beside::of(tx)?);
    for task in &page.tasks {
        let known = read_known(&mut of_page.known, &task.id)?;
        let is_past = task.has_system_tag("hidden") && hidden_from.is_some_and(|from| task.status_changed < from);
        let is_watched = page.watching == Watching::Outcomes && !is_past;
        let rules: &[Rule] = if is_watched { &page.rules } else { &[] };
        let decision = decide(known.as_ref(), task, rules, &silences);
        if decision.observation.change == Change::Nothing {
            continue;
        }
        recorded.changed += 1;
        write_task(&mut of_page.task, task, &decision.observation.known, page.now)?;
        let asked = match (decision.said.is_empty(), rule_set) {
            (true, _) => None,
            (false, None) => Some(rule_sets::number_of(tx, rules, page.now)?),
            (false, known) => known,
        };
        rule_set = asked.or(rule_set);
        write_transition(&mut of_page.transition, task, &decision, asked, is_watched, page.now)?;
        if beside.on_hold {
            recorded.alerts.extend(waiting::drop_retried(tx, task, &decision)?);
        }
        save_verdicts(tx, task, &decision, page, &mut recorded)?;
        beside.on_hold |= !decision.verdicts.is_empty();
        if beside.threads {
            threads::note(tx, &task.id, &decision.observation, rules)?;
        }
        if beside.stuck && task.status != Status::InProgress {
            stuck::forget_task(tx, &task.id)?;
        }
    }
    match page.watching {
        Watching::Baseline => {}
        Watching::Begin { from, watermark } => monitor::begin(tx, from, watermark)?,
        Watching::Outcomes => page.newest.map_or(Ok(()), |newest| monitor::advance(tx, newest))?,
    }
    crate::crash::point("before_commit");
    Ok(recorded)
}

/// The statements that each task of a page needs, prepared once for all of them.
struct OfPage<'tx> {
    known: CachedStatement<'tx>,
    task: CachedStatement<'tx>,
    transition: CachedStatement<'tx>,
}

impl<'tx> OfPage<'tx> {
    fn new(tx: &'tx Transaction<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            known: tx.prepare_cached(KNOWN_TASK)?,
            task: tx.prepare_cached(SAVE_TASK)?,
            transition: tx.prepare_cached(SAVE_TRANSITION)?,
        })
    }
}

/// What there may be about the tasks of a page beside their rows: mostly nothing, and then no task asks for it.
struct Beside {
    on_hold: bool,
    threads: bool,
    stuck: bool,
}

impl Beside {
    fn of(tx: &Transaction<'_>) -> rusqlite::Result<Self> {
        let sql = "SELECT EXISTS (SELECT 1 FROM alerts WHERE hold_until IS NOT NULL), EXISTS (SELECT 1 FROM threads),
                       EXISTS (SELECT 1 FROM stuck) OR EXISTS (SELECT 1 FROM iterations)";
        let beside = |row: &Row<'_>| Ok(Self { on_hold: row.get(0)?, threads: row.get(1)?, stuck: row.get(2)? });
        tx.prepare_cached(sql)?.query_row([], beside)
    }
}

const SAVE_TRANSITION: &str =
    "INSERT INTO transitions (task_id, run, change, status, status_changed, reason, message, seen_at, rule_set_id, said)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";

fn write_transition(
    statement: &mut Statement<'_>,
    task: &Task,
    decision: &Decision,
    rule_set: Option<i64>,
    is_watched: bool,
    now: Stamp,
) -> rusqlite::Result<()> {
    let change = match decision.observation.change {
        _ if !is_watched => "baseline",
        Change::Restamp | Change::Nothing => "restamp",
        Change::Moved => "moved",
        Change::Ended(_) => "ended",
    };
    statement
        .execute(params![
            task.id,
            decision.observation.known.run,
            change,
            task.status.as_str(),
            task.status_changed.as_millis(),
            task.status_reason,
            task.status_message,
            now.as_millis(),
            rule_set,
            rule_set.map(|_| &decision.said),
        ])
        .map(drop)
}

fn save_verdicts(
    tx: &Transaction<'_>,
    task: &Task,
    decision: &Decision,
    page: &PageToRecord,
    recorded: &mut Recorded,
) -> rusqlite::Result<()> {
    let why = if decision.verdicts.is_empty() { None } else { Diagnosis::of_row(task, &page.redactor) };
    let why = why.map(|diagnosis| diagnosis.why());
    for each in &decision.verdicts {
        let Some(rule) = page.rules.get(each.rule) else {
            continue;
        };
        let suppressed = match &each.verdict {
            Verdict::Alert => None,
            Verdict::Suppressed(suppression) => Some(suppression.clone()),
        };
        let run = decision.observation.known.run;
        let wait = match suppressed {
            Some(_) => None,
            None => rule.timing.wait(task.status_changed, page.server_now.unwrap_or(task.status_changed)),
        };
        let Some(id) = save_verdict(tx, task, run, each, rule, suppressed.as_ref(), wait, why.as_ref(), page)? else {
            continue;
        };
        recorded.alerts.push(RecordedAlert {
            id,
            rule: rule.name.clone(),
            task_id: task.id.clone(),
            task_name: task.name.clone(),
            outcome: each.outcome,
            status_changed: task.status_changed,
            suppressed,
            wait,
        });
    }
    Ok(())
}

/// Inserts one verdict; `None` where the unique key says that it was given already.
#[expect(clippy::too_many_arguments, reason = "one row, and each of them is a part of it")]
fn save_verdict(
    tx: &Transaction<'_>,
    task: &Task,
    run: u32,
    verdict: &RuleVerdict,
    rule: &Rule,
    suppressed: Option<&Suppression>,
    wait: Option<Wait>,
    why: Option<&Why>,
    page: &PageToRecord,
) -> rusqlite::Result<Option<i64>> {
    let channel = rule.destination.lane(task);
    let parked = if suppressed.is_none() { channels::parked_reason(tx, &channel)? } else { None };
    let (state, reason) = match suppressed {
        Some(why) => (AlertState::Suppressed, Some(why.to_string())),
        None => waiting::resting_place(parked, wait.map(|wait| wait.reason())),
    };
    let snapshot = match suppressed {
        Some(_) => None,
        None => Some(serde_json::to_string(task).map_err(|error| unreadable(error.to_string()))?),
    };
    let sql =
        "INSERT INTO alerts (rule, task_id, run, outcome, status_changed, task_name, project_id, project, user_id,
                   user, state, filter, cause, cause_detail, reason, channel, silence_id, wait_until, hold_until, kept_quiet,
                   snapshot, url, created_at)
               VALUES (:rule, :task_id, :run, :outcome, :status_changed, :task_name, :project_id, :project, :user_id,
                   :user, :state, :filter, :cause, :cause_detail, :reason, :channel, :silence_id, :wait_until, :hold_until,
                   :kept_quiet, :snapshot, :url, :now)
               ON CONFLICT (rule, task_id, run, outcome, episode) DO NOTHING RETURNING id";
    tx.prepare_cached(sql)?
        .query_row(
            named_params! {
                ":rule": rule.name, ":task_id": task.id, ":run": run, ":outcome": verdict.outcome.as_str(),
                ":status_changed": task.status_changed.as_millis(), ":task_name": task.name,
                ":project_id": task.project.as_ref().map(|project| &project.id), ":project": task.project_label(),
                ":user_id": task.user.as_ref().map(|user| &user.id), ":user": task.user_label(),
                ":state": state.as_str(), ":filter": suppressed.map(|suppression| suppression.filter.as_str()),
                ":cause": why.map(|why| why.cause.as_str()), ":cause_detail": why.map(|why| &why.detail),
                ":reason": reason, ":channel": channel, ":silence_id": verdict.silence,
                ":wait_until": wait.map(|wait| wait.until.as_millis()),
                ":hold_until": wait.and_then(|wait| wait.hold_until).map(Stamp::as_millis),
                ":kept_quiet": wait.is_some_and(|wait| wait.is_quiet), ":snapshot": snapshot,
                ":url": page.pages.as_ref().map(|pages| pages.task(task.project.as_ref(), &task.id)),
                ":now": page.now.as_millis(),
            },
            |row| row.get(0),
        )
        .optional()
}
