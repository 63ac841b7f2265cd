//! A silence: a person asked not to hear of some outcomes for a while. What it covers is recorded as suppressed, never
//! lost: history keeps it, with the silence named.

use std::fmt;
use std::time::Duration;

use regex::Regex;
use serde::{Deserialize, Serialize};

use super::rule::{Filter, Suppression, suppressed};
use super::stamp::Stamp;
use super::task::{Outcome, Task};

/// What a silence covers. Everything given must fit; of several values any may. Nothing given covers everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Coverage {
    /// A regular expression on the project's full name, unanchored, case-sensitive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// A regular expression on the task's name, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// Users, by name or ID.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<String>,
    /// Tags, the users' or ClearML's own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Outcomes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub statuses: Vec<Outcome>,
    /// Rules, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
}

/// In words: `project matches `vision`, user Ada or Bob`.
impl fmt::Display for Coverage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let statuses: Vec<String> = self.statuses.iter().map(ToString::to_string).collect();
        let patterns = [("project", &self.project), ("task", &self.task)]
            .into_iter()
            .filter_map(|(what, pattern)| pattern.as_ref().map(|pattern| format!("{what} matches `{pattern}`")));
        let lists = [("user", &self.users), ("tag", &self.tags), ("status", &statuses), ("rule", &self.rules)];
        let lists = lists.into_iter().filter(|(_, list)| !list.is_empty());
        let lists = lists.map(|(what, list)| format!("{what} {}", list.join(" or ")));
        let parts: Vec<String> = patterns.chain(lists).collect();
        formatter.write_str(if parts.is_empty() { "everything".to_owned() } else { parts.join(", ") }.as_str())
    }
}

/// A silence, ready to be asked.
#[derive(Debug, Clone)]
pub struct Silence {
    /// Its number.
    pub id: i64,
    /// What it covers.
    pub coverage: Coverage,
    /// Who asked for it.
    pub author: String,
    /// Why.
    pub reason: String,
    /// It covers outcomes from here, by the clock of the machine that keeps the database.
    pub starts_at: Stamp,
    /// Up to here.
    pub ends_at: Stamp,
    project: Option<Regex>,
    task: Option<Regex>,
}

/// The parts of a silence that are not patterns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SilenceTerms {
    /// Its number.
    pub id: i64,
    /// Who asked for it.
    pub author: String,
    /// Why.
    pub reason: String,
    /// From here.
    pub starts_at: Stamp,
    /// Up to here.
    pub ends_at: Stamp,
}

impl Silence {
    /// Makes a silence ready. Fails where a pattern is no regular expression.
    pub fn new(terms: SilenceTerms, coverage: Coverage) -> Result<Self, regex::Error> {
        let compile = |pattern: &Option<String>| pattern.as_deref().map(Regex::new).transpose();
        let (project, task) = (compile(&coverage.project)?, compile(&coverage.task)?);
        let SilenceTerms { id, author, reason, starts_at, ends_at } = terms;
        Ok(Self { id, coverage, author, reason, starts_at, ends_at, project, task })
    }

    /// What is recorded with an outcome that it covers.
    pub fn suppression(&self) -> Suppression {
        suppressed(Filter::Silence, format!("number {} by {}: {}", self.id, self.author, self.reason))
    }

    fn fits(&self, task: &Task, outcome: Outcome, rule: &str) -> bool {
        let matches = |pattern: &Option<Regex>, text: Option<&str>| {
            pattern.as_ref().is_none_or(|pattern| text.is_some_and(|text| pattern.is_match(text)))
        };
        let Coverage { users, tags, statuses, rules, .. } = &self.coverage;
        let is_by = |wanted: &String| {
            task.user.as_ref().is_some_and(|user| user.id == *wanted || user.name.as_ref() == Some(wanted))
        };
        matches(&self.project, task.project_label())
            && matches(&self.task, Some(&task.name))
            && (users.is_empty() || users.iter().any(is_by))
            && (tags.is_empty() || tags.iter().any(|tag| task.tags.contains(tag) || task.system_tags.contains(tag)))
            && (statuses.is_empty() || statuses.contains(&outcome))
            && (rules.is_empty() || rules.iter().any(|own| own == rule))
    }
}

/// The silences that may cover an outcome, and how our clock stands to the server's: silences are dated by ours, and
/// outcomes by the server's.
#[derive(Debug, Clone, Default)]
pub struct Silences {
    list: Vec<Silence>,
    ahead_millis: i64,
}

impl Silences {
    /// These silences. `ours` and `servers` are the same moment by the two clocks; where the server's is not known, the
    /// clocks are taken to agree.
    pub fn new(list: Vec<Silence>, ours: Stamp, servers: Option<Stamp>) -> Self {
        let ahead_millis = servers.map_or(0, |servers| ours.as_millis().saturating_sub(servers.as_millis()));
        // A header tells the server's time to the second only: below that the clocks agree.
        let agree = Duration::from_secs(2).as_millis();
        let ahead_millis = if u128::from(ahead_millis.unsigned_abs()) <= agree { 0 } else { ahead_millis };
        Self { list, ahead_millis }
    }

    /// The first silence that covers this outcome of `task` for the rule of this name.
    pub fn covering(&self, task: &Task, outcome: Outcome, rule: &str) -> Option<&Silence> {
        let ended = Stamp::from_millis(task.status_changed.as_millis().saturating_add(self.ahead_millis));
        self.list.iter().find(|each| (each.starts_at..each.ends_at).contains(&ended) && each.fits(task, outcome, rule))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::decide::tests::{task, watch_all};
    use crate::domain::{Status, Verdict, decide};

    fn silence(coverage: Coverage) -> Silence {
        let (starts_at, ends_at) = (Stamp::from_millis(1_000), Stamp::from_millis(9_000));
        let (author, reason) = ("ada".to_owned(), "maintenance".to_owned());
        Silence::new(SilenceTerms { id: 3, author, reason, starts_at, ends_at }, coverage).unwrap()
    }

    fn is_covered(coverage: Coverage, task: &Task) -> bool {
        let silences = Silences::new(vec![silence(coverage)], Stamp::EPOCH, None);
        silences.covering(task, Outcome::Failed, "default").is_some()
    }

    fn of<const N: usize>(values: [&str; N]) -> Vec<String> {
        values.map(str::to_owned).to_vec()
    }

    #[test]
    fn everything_given_must_fit_and_any_of_several() {
        let failed = Task { tags: of(["nightly"]), system_tags: of(["development"]), ..task(Status::Failed) };
        let none = Coverage::default;
        let fits = [
            none(),
            Coverage { project: Some("^vision/".to_owned()), ..none() },
            Coverage { task: Some("tr.in$".to_owned()), ..none() },
            Coverage { users: of(["Bob", "Ada"]), ..none() },
            Coverage { users: of(["u1"]), ..none() },
            Coverage { tags: of(["nightly"]), ..none() },
            Coverage { tags: of(["development"]), statuses: vec![Outcome::Failed], rules: of(["default"]), ..none() },
        ];
        for coverage in fits {
            assert!(is_covered(coverage.clone(), &failed), "{coverage}");
        }
        let misses = [
            Coverage { project: Some("^resnet".to_owned()), ..none() },
            Coverage { task: Some("TRAIN".to_owned()), ..none() },
            Coverage { users: of(["ada"]), ..none() },
            Coverage { tags: of(["night"]), ..none() },
            Coverage { statuses: vec![Outcome::Stopped], ..none() },
            Coverage { rules: of(["other"]), ..none() },
            Coverage { project: Some("vision".to_owned()), users: of(["Bob"]), ..none() },
        ];
        for coverage in misses {
            assert!(!is_covered(coverage.clone(), &failed), "{coverage}");
        }
        let homeless = Task { project: None, user: None, ..failed };
        assert!(!is_covered(Coverage { project: Some(String::new()), ..none() }, &homeless));
        assert!(!is_covered(Coverage { users: of(["Ada"]), ..none() }, &homeless));
    }

    #[test]
    fn it_covers_from_its_start_to_its_end_by_our_clock() {
        let at = |millis| Task { status_changed: Stamp::from_millis(millis), ..task(Status::Failed) };
        for (changed, covered) in [(999, false), (1_000, true), (8_999, true), (9_000, false)] {
            assert_eq!(is_covered(Coverage::default(), &at(changed)), covered, "{changed}");
        }
        let hour = 3_600_000;
        let list = vec![silence(Coverage::default())];
        let ahead = Silences::new(list, Stamp::from_millis(hour + 500), Some(Stamp::from_millis(500)));
        for (changed, covered) in [(1_000, false), (1_000 - hour, true), (8_999 - hour, true), (9_000 - hour, false)] {
            assert_eq!(ahead.covering(&at(changed), Outcome::Failed, "default").is_some(), covered, "{changed}");
        }
    }

    #[test]
    fn the_verdict_names_the_silence_and_the_rules_own_filter_speaks_first() {
        let silences = Silences::new(vec![silence(Coverage::default())], Stamp::EPOCH, None);
        let verdict = |status| {
            let decision = decide(None, &task(status), &[watch_all()], &silences);
            let Verdict::Suppressed(why) = &decision.verdicts[0].verdict else { panic!() };
            (why.to_string(), decision.verdicts[0].silence)
        };
        assert_eq!(verdict(Status::Failed), ("silence: number 3 by ada: maintenance".to_owned(), Some(3)));
        assert_eq!(verdict(Status::Completed), ("status: completed, watched: failed".to_owned(), None));
    }

    #[test]
    fn coverage_survives_the_database_and_reads_well() {
        let coverage = Coverage {
            project: Some("^vision".to_owned()),
            users: of(["Ada", "Bob"]),
            statuses: vec![Outcome::Failed],
            ..Coverage::default()
        };
        assert_eq!(coverage.to_string(), "project matches `^vision`, user Ada or Bob, status failed");
        assert_eq!(Coverage::default().to_string(), "everything");
        let json = serde_json::to_string(&coverage).unwrap();
        assert_eq!(serde_json::from_str::<Coverage>(&json).unwrap(), coverage);
        assert!(serde_json::from_str::<Coverage>(r#"{"projct": "x"}"#).is_err());
    }
}
