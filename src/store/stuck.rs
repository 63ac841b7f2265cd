//! Tasks that run and do not move: what looks remember of them, and the episodes that are told. A look is recorded in one
//! transaction: alerts, episodes and what the messages are to show move together.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Transaction, named_params, params};

use super::known_tasks::{known_task, save_task};
use super::rows::unreadable;
use super::{RecordedAlert, Store, StoreError, channels, silences, threads, waiting};
use crate::domain::rule::Wait;
use crate::domain::run::observe;
use crate::domain::stuck::{Episode, Sight, Standstill, Turn, Watched, ask, turn, watched_after};
use crate::domain::{AlertState, Outcome, Rule, Silence, Silences, Stamp, Status, Task, TaskState, WebPages};

/// What a look at running tasks saw, with all that is needed to judge it.
#[derive(Debug, Clone)]
pub struct StuckLook {
    /// When, by ClearML's clock.
    pub at: Stamp,
    /// The tasks that were seen to run, and those of open episodes, whatever they do.
    pub tasks: Vec<Task>,
    /// Whether these are all that run.
    pub is_whole: bool,
    /// The rules to ask.
    pub rules: Arc<Vec<Rule>>,
    /// Where ClearML's web pages are, if known.
    pub pages: Option<WebPages>,
    /// The time now, by this machine's clock.
    pub now: Stamp,
}

/// What a look brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StuckRecorded {
    /// The alerts of episodes that began.
    pub alerts: Vec<RecordedAlert>,
    /// Rule and task of those that ended: they move again.
    pub recovered: Vec<(String, String)>,
    /// Something changed that a message is to show.
    pub has_news: bool,
}

impl Store {
    /// The tasks of open episodes.
    pub async fn stuck_tasks(&self) -> Result<Vec<String>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT DISTINCT task_id FROM stuck")?;
            statement.query_map([], |row| row.get(0))?.collect()
        })
        .await
    }

    /// Records a look in one transaction. One that brought nothing new writes nothing.
    pub async fn record_stuck(&self, look: StuckLook) -> Result<StuckRecorded, StoreError> {
        let look = Arc::new(look);
        let asked = Arc::clone(&look);
        let is_news = self.read(move |connection| Changes::of(connection, &asked)).await?.is_some();
        if !is_news {
            return Ok(StuckRecorded::default());
        }
        // Judged again where nobody can change anything meanwhile.
        self.write(move |tx| match Changes::of(tx, &look)? {
            Some(changes) => changes.record(tx, &look),
            None => Ok(StuckRecorded::default()),
        })
        .await
    }
}

/// What a look changes.
#[derive(Debug, Default)]
struct Changes {
    watched: Vec<(String, Watched)>,
    begun: Vec<Begun>,
    going_on: Vec<(String, String, Episode)>,
    ended: Vec<(String, String, TaskState)>,
    /// Rule and task of episodes that nobody can follow any more.
    forgotten: Vec<(String, String)>,
    /// Tasks whose iterations nobody watches any more.
    unwatched: Vec<String>,
}

#[derive(Debug)]
struct Begun {
    task: Task,
    run: u32,
    is_new: bool,
    rule: usize,
    episode: Episode,
    silence: Option<Silence>,
}

impl Changes {
    fn of(connection: &Connection, look: &StuckLook) -> rusqlite::Result<Option<Self>> {
        let memory = Memory::read(connection)?;
        let silences = Silences::new(silences::open(connection)?, look.now, Some(look.at));
        let mut changes = Self::default();
        let mut seen = HashSet::new();
        for task in &look.tasks {
            seen.insert(task.id.as_str());
            if let Some((run, is_new)) = run_of(connection, task)? {
                changes.judge(look, &memory, &silences, task, (run, is_new));
            }
        }
        let any_iteration = asks_for_iterations(&look.rules);
        if look.is_whole || !any_iteration {
            let gone = memory.watched.keys().filter(|task| !any_iteration || !seen.contains(task.as_str()));
            changes.unwatched.extend(gone.cloned());
        }
        let is_asked = |name: &str| look.rules.iter().any(|rule| rule.name == name && rule.stuck.is_some());
        let lost = memory.episodes.keys().filter(|(rule, task)| !is_asked(rule) || !seen.contains(task.as_str()));
        changes.forgotten.extend(lost.cloned());
        Ok((!changes.is_empty()).then_some(changes))
    }

    fn is_empty(&self) -> bool {
        self.watched.is_empty()
            && self.begun.is_empty()
            && self.going_on.is_empty()
            && self.ended.is_empty()
            && self.forgotten.is_empty()
            && self.unwatched.is_empty()
    }

    /// What the look makes of one running task.
    fn judge(&mut self, look: &StuckLook, memory: &Memory, silences: &Silences, task: &Task, run: (u32, bool)) {
        let (run, is_new) = run;
        let sight = Sight::of(task, run, look.at);
        let known = memory.watched.get(&task.id).copied();
        let any_iteration = asks_for_iterations(&look.rules);
        let watched = any_iteration.then(|| watched_after(known, &sight));
        if let Some(watched) = watched.filter(|watched| Some(*watched) != known) {
            self.watched.push((task.id.clone(), watched));
        }
        let standstill = |rule: &Rule| {
            let limits = rule.stuck.as_ref();
            limits.map(|limits| Standstill::at(limits, &sight, watched)).unwrap_or_default()
        };
        for rule in look.rules.iter().filter(|rule| rule.stuck.is_some()) {
            let key = (rule.name.clone(), task.id.clone());
            let Some(episode) = memory.episodes.get(&key) else { continue };
            match turn(Some(*episode), standstill(rule), &sight) {
                Turn::GoesOn(next) if next != *episode => self.going_on.push((key.0, key.1, next)),
                Turn::Ends => {
                    let since = task.last_update.unwrap_or(look.at);
                    let state = TaskState { run, status: Status::InProgress, since, stuck: false };
                    self.ended.push((key.0, key.1, state));
                }
                Turn::GoesOn(_) | Turn::Begins(..) | Turn::Nothing => {}
            }
        }
        let found = as_found(task, look.at);
        for (position, silence) in ask(&found, &look.rules, |rule| standstill(rule).is_stuck(), silences) {
            let rule = &look.rules[position];
            let known = memory.episodes.get(&(rule.name.clone(), task.id.clone())).copied();
            if let Turn::Begins(episode, standstill) = turn(known, standstill(rule), &sight) {
                let task = Task { status_reason: Some(standstill.words(&sight)), ..found.clone() };
                self.begun.push(Begun { task, run, is_new, rule: position, episode, silence: silence.cloned() });
            }
        }
    }

    fn record(self, tx: &Transaction<'_>, look: &StuckLook) -> rusqlite::Result<StuckRecorded> {
        let mut recorded = StuckRecorded::default();
        for (task, watched) in &self.watched {
            let sql = "INSERT INTO iterations (task_id, run, iteration, since) VALUES (?1, ?2, ?3, ?4)
                       ON CONFLICT (task_id) DO UPDATE SET run = excluded.run, iteration = excluded.iteration,
                           since = excluded.since";
            let parameters = params![task, watched.run, watched.iteration, watched.since.as_millis()];
            tx.prepare_cached(sql)?.execute(parameters)?;
        }
        for task in &self.unwatched {
            tx.prepare_cached("DELETE FROM iterations WHERE task_id = ?1")?.execute([task])?;
        }
        for (rule, task) in &self.forgotten {
            forget(tx, rule, task)?;
        }
        for (rule, task, episode) in &self.going_on {
            remember(tx, rule, task, episode)?;
        }
        for (rule, task, state) in self.ended {
            forget(tx, &rule, &task)?;
            threads::want(tx, &rule, &task, &state)?;
            recorded.recovered.push((rule, task));
        }
        for begun in self.begun {
            recorded.alerts.extend(begin(tx, &begun, look)?);
        }
        recorded.has_news = !recorded.alerts.is_empty() || !recorded.recovered.is_empty();
        crate::crash::point("before_stuck_commit");
        Ok(recorded)
    }
}

fn asks_for_iterations(rules: &[Rule]) -> bool {
    rules.iter().any(|rule| rule.stuck.as_ref().is_some_and(|limits| limits.iteration.is_some()))
}

/// What is remembered between two looks: as much as runs, not as much as ever ran.
struct Memory {
    watched: HashMap<String, Watched>,
    episodes: HashMap<(String, String), Episode>,
}

impl Memory {
    fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let mut statement = connection.prepare_cached("SELECT task_id, run, iteration, since FROM iterations")?;
        let rows = statement.query_map([], |row| {
            let since = Stamp::from_millis(row.get("since")?);
            Ok((row.get("task_id")?, Watched { run: row.get("run")?, iteration: row.get("iteration")?, since }))
        })?;
        let watched = rows.collect::<rusqlite::Result<_>>()?;
        let mut statement = connection.prepare_cached("SELECT rule, task_id, episode FROM stuck")?;
        let rows = statement.query_map([], |row| {
            let text: String = row.get("episode")?;
            let episode =
                serde_json::from_str(&text).map_err(|error| unreadable(format!("column episode: {error}")))?;
            Ok(((row.get("rule")?, row.get("task_id")?), episode))
        })?;
        Ok(Self { watched, episodes: rows.collect::<rusqlite::Result<_>>()? })
    }
}

/// Which run a task that runs is in, and whether it is unknown so far; `None` where it does not run, or where a poll has to
/// tell first what became of it.
fn run_of(connection: &Connection, task: &Task) -> rusqlite::Result<Option<(u32, bool)>> {
    if task.status != Status::InProgress {
        return Ok(None);
    }
    Ok(match known_task(connection, &task.id)? {
        None => Some((1, true)),
        Some(known) => {
            let is_current = known.status == task.status && known.status_changed == task.status_changed;
            is_current.then_some((known.run, false))
        }
    })
}

/// The task as its alert tells it: it was found stuck at the look, and nobody has said why.
fn as_found(task: &Task, at: Stamp) -> Task {
    Task { status_changed: at, status_message: None, ..task.clone() }
}

fn forget(tx: &Transaction<'_>, rule: &str, task: &str) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM stuck WHERE rule = ?1 AND task_id = ?2")?.execute([rule, task]).map(drop)
}

/// A task's episodes and the watch over its iteration are over: it does not run any more.
pub(super) fn forget_task(tx: &Transaction<'_>, task: &str) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM stuck WHERE task_id = ?1")?.execute([task])?;
    tx.prepare_cached("DELETE FROM iterations WHERE task_id = ?1")?.execute([task]).map(drop)
}

fn remember(tx: &Transaction<'_>, rule: &str, task: &str, episode: &Episode) -> rusqlite::Result<()> {
    let text = serde_json::to_string(episode).map_err(|error| unreadable(error.to_string()))?;
    let sql = "INSERT INTO stuck (task_id, rule, episode) VALUES (?1, ?2, ?3)
               ON CONFLICT (task_id, rule) DO UPDATE SET episode = excluded.episode";
    tx.prepare_cached(sql)?.execute(params![task, rule, text]).map(drop)
}

/// Records that an episode begins: its alert, or that a silence keeps it quiet.
fn begin(tx: &Transaction<'_>, begun: &Begun, look: &StuckLook) -> rusqlite::Result<Option<RecordedAlert>> {
    let Begun { task, run, is_new, rule, episode, silence } = begun;
    let rule = &look.rules[*rule];
    if *is_new && known_task(tx, &task.id)?.is_none() {
        let seen = look.tasks.iter().find(|seen| seen.id == task.id).unwrap_or(task);
        save_task(tx, seen, &observe(None, seen).known, look.now)?;
    }
    remember(tx, &rule.name, &task.id, episode)?;
    let number = "SELECT coalesce(max(episode), 0) + 1 FROM alerts
                  WHERE rule = ?1 AND task_id = ?2 AND run = ?3 AND outcome = 'stuck'";
    let number: u32 = tx.prepare_cached(number)?.query_row(params![rule.name, task.id, run], |row| row.get(0))?;
    let Some(id) = save_alert(tx, begun, rule, number, look)? else {
        return Ok(None);
    };
    let state = TaskState { run: *run, status: Status::InProgress, since: task.status_changed, stuck: true };
    if silence.is_none() && rule.timing.thread {
        threads::want(tx, &rule.name, &task.id, &state)?;
    }
    Ok(Some(RecordedAlert {
        id,
        rule: rule.name.clone(),
        task_id: task.id.clone(),
        task_name: task.name.clone(),
        outcome: Outcome::Stuck,
        status_changed: task.status_changed,
        suppressed: silence.as_ref().map(Silence::suppression),
        wait: wait_of(begun, rule, look),
    }))
}

/// Quiet hours keep it until their end; what runs is not held.
fn wait_of(begun: &Begun, rule: &Rule, look: &StuckLook) -> Option<Wait> {
    rule.timing.quiet_wait(look.at).filter(|_| begun.silence.is_none())
}

fn save_alert(
    tx: &Transaction<'_>,
    begun: &Begun,
    rule: &Rule,
    number: u32,
    look: &StuckLook,
) -> rusqlite::Result<Option<i64>> {
    let (task, suppressed) = (&begun.task, begun.silence.as_ref().map(Silence::suppression));
    let channel = rule.destination.lane(task);
    let parked = if suppressed.is_none() { channels::parked_reason(tx, &channel)? } else { None };
    let wait = wait_of(begun, rule, look);
    let (state, reason) = match &suppressed {
        Some(why) => (AlertState::Suppressed, Some(why.to_string())),
        None => waiting::resting_place(parked, wait.map(|wait| wait.reason())),
    };
    let snapshot = match suppressed {
        Some(_) => None,
        None => Some(serde_json::to_string(task).map_err(|error| unreadable(error.to_string()))?),
    };
    let sql =
        "INSERT INTO alerts (rule, task_id, run, outcome, episode, status_changed, task_name, project_id, project,
                   user_id, user, state, filter, cause_detail, reason, channel, silence_id, wait_until,
                   kept_quiet, snapshot, url, created_at)
               VALUES (:rule, :task_id, :run, 'stuck', :episode, :status_changed, :task_name, :project_id, :project,
                   :user_id, :user, :state, :filter, :detail, :reason, :channel, :silence_id, :wait_until,
                   :kept_quiet, :snapshot, :url, :now)
               ON CONFLICT (rule, task_id, run, outcome, episode) DO NOTHING RETURNING id";
    tx.prepare_cached(sql)?
        .query_row(
            named_params! {
                ":rule": rule.name, ":task_id": task.id, ":run": begun.run, ":episode": number,
                ":status_changed": task.status_changed.as_millis(), ":task_name": task.name,
                ":project_id": task.project.as_ref().map(|project| &project.id), ":project": task.project_label(),
                ":user_id": task.user.as_ref().map(|user| &user.id), ":user": task.user_label(),
                ":state": state.as_str(), ":filter": suppressed.as_ref().map(|why| why.filter.as_str()),
                ":detail": task.status_reason, ":reason": reason,
                ":wait_until": wait.map(|wait| wait.until.as_millis()), ":kept_quiet": wait.is_some(),
                ":channel": channel, ":silence_id": begun.silence.as_ref().map(|silence| silence.id),
                ":snapshot": snapshot,
                ":url": look.pages.as_ref().map(|pages| pages.task(task.project.as_ref(), &task.id)),
                ":now": look.now.as_millis(),
            },
            |row| row.get(0),
        )
        .optional()
}
