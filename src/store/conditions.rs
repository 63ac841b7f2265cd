//! The conditions of a question about past alerts: clauses and their values. Only fixed words of this file enter the SQL
//! text; whatever a person typed is a value.

use rusqlite::types::Value;

use super::exclusion::Exclusion;
use super::history::{HistoryFilter, Place};

/// A task by the beginning of its ID or a part of its name; the value stands twice.
const TASK: &str = "(instr(a.task_id, lower(?)) = 1 OR holds(a.task_name, ?))";
const PROJECT: &str = "(holds(a.project, ?) OR a.project_id = ?)";
const USER: &str = "(holds(a.user, ?) OR a.user_id = ?)";
const REASON: &str = "holds(a.reason, ?)";
const CHANNEL: &str = "ltrim(a.channel, '#')";

/// Clauses that all must hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Conditions {
    clauses: Vec<String>,
    values: Vec<Value>,
}

impl Conditions {
    /// Those of a filter.
    pub(super) fn of(filter: &HistoryFilter) -> Self {
        let mut conditions = Self::of_range(filter);
        conditions.add_each(PROJECT, 2, &filter.projects);
        conditions.add_each(TASK, 2, &filter.tasks);
        conditions.add_each(USER, 2, &filter.users);
        conditions.add_each(REASON, 1, &filter.reasons);
        conditions.add_any_of("a.outcome", filter.statuses.iter().map(|status| status.as_str()));
        conditions.add_any_of("a.state", filter.states.iter().map(|state| state.as_str()));
        conditions.add_any_of("a.filter", filter.filters.iter().map(|filter| filter.as_str()));
        conditions.add_any_of("a.cause", filter.causes.iter().map(|cause| cause.as_str()));
        conditions.add_any_of("a.rule", filter.rules.iter().map(String::as_str));
        let channels = filter.channels.iter().map(|channel| channel.trim_start_matches('#'));
        conditions.add_any_of(CHANNEL, channels);
        conditions.add("a.silence_id = ?", filter.silence.map(Into::into));
        filter.not.iter().for_each(|exclusion| conditions.exclude(exclusion));
        conditions
    }

    /// Those of a filter's times alone.
    pub(super) fn of_range(filter: &HistoryFilter) -> Self {
        let mut conditions = Self::default();
        conditions.add("a.status_changed >= ?", filter.since.map(|since| since.as_millis().into()));
        conditions.add("a.status_changed < ?", filter.until.map(|until| until.as_millis().into()));
        conditions
    }

    /// A clause with one value, where there is one.
    pub(super) fn add(&mut self, clause: &'static str, value: Option<Value>) {
        if let Some(value) = value {
            self.clauses.push(clause.to_owned());
            self.values.push(value);
        }
    }

    pub(super) fn add_place(&mut self, clause: &'static str, place: Place) {
        self.clauses.push(clause.to_owned());
        self.values.extend([place.status_changed.as_millis().into(), place.id.into()]);
    }

    /// What is not known is not excluded.
    fn exclude(&mut self, exclusion: &Exclusion) {
        let (clause, times, value) = match exclusion {
            Exclusion::Project(text) => (PROJECT, 2, text.clone()),
            Exclusion::Task(text) => (TASK, 2, text.clone()),
            Exclusion::User(text) => (USER, 2, text.clone()),
            Exclusion::Reason(text) => (REASON, 1, text.clone()),
            Exclusion::Status(status) => ("a.outcome = ?", 1, status.as_str().to_owned()),
            Exclusion::State(state) => ("a.state = ?", 1, state.as_str().to_owned()),
            Exclusion::Filter(filter) => ("a.filter = ?", 1, filter.as_str().to_owned()),
            Exclusion::Cause(cause) => ("a.cause = ?", 1, cause.as_str().to_owned()),
            Exclusion::Rule(rule) => ("a.rule = ?", 1, rule.clone()),
            Exclusion::Channel(channel) => ("ltrim(a.channel, '#') = ?", 1, channel.trim_start_matches('#').to_owned()),
        };
        self.clauses.push(format!("{clause} IS NOT TRUE"));
        self.values.extend(std::iter::repeat_n(Value::from(value), times));
    }

    /// Any of `values` may match a clause in which each stands so many times.
    fn add_each(&mut self, clause: &'static str, times: usize, values: &[String]) {
        if values.is_empty() {
            return;
        }
        self.clauses.push(format!("({})", vec![clause; values.len()].join(" OR ")));
        for value in values {
            self.values.extend(std::iter::repeat_n(Value::from(value.clone()), times));
        }
    }

    fn add_any_of<'a>(&mut self, column: &'static str, words: impl Iterator<Item = &'a str>) {
        let words: Vec<Value> = words.map(|word| word.to_owned().into()).collect();
        if !words.is_empty() {
            let marks = vec!["?"; words.len()].join(", ");
            self.clauses.push(format!("{column} IN ({marks})"));
            self.values.extend(words);
        }
    }

    /// As SQL; `true` where there are none.
    pub(super) fn sql(&self) -> String {
        if self.clauses.is_empty() { "true".to_owned() } else { self.clauses.join(" AND ") }
    }

    /// The values, in the order of the SQL.
    pub(super) fn values(&self) -> impl Iterator<Item = Value> {
        self.values.iter().cloned()
    }
}
