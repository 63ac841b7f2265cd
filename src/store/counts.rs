//! Counts of alerts as they are put together: how many stand in each state, by group. What is counted twice on the way
//! is taken off again, so the numbers may be negative until all is told.

use std::collections::{BTreeMap, HashMap};

use super::statistics::{Group, GroupBy};
use crate::domain::AlertState;

/// Milliseconds of a day; days begin at midnight UTC, as the server's clock has it.
pub(super) const DAY: i64 = 86_400_000;

/// How many alerts stand in each state, in the order of [`AlertState::ALL`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct States(pub(super) [i64; AlertState::ALL.len()]);

impl States {
    pub(super) fn of(state: AlertState, alerts: i64) -> Self {
        let mut states = Self::default();
        states.0[state as usize] = alerts;
        states
    }

    pub(super) fn sum(&self, which: &[AlertState]) -> u32 {
        let sum: i64 = which.iter().map(|state| self.0[*state as usize]).sum();
        u32::try_from(sum).unwrap_or(0)
    }

    pub(super) fn total(&self) -> u32 {
        self.sum(&AlertState::ALL)
    }

    pub(super) fn add(&mut self, other: &Self, times: i64) {
        self.0.iter_mut().zip(other.0).for_each(|(mine, theirs)| *mine += times * theirs);
    }
}

/// Alerts that have something in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Alike<'a> {
    /// The name that they are grouped by, where it is a project, a user, a rule or a cause.
    pub(super) name: Option<&'a str>,
    pub(super) outcome: &'a str,
    /// The day of their outcome, in days since 1970.
    pub(super) day: i64,
    pub(super) states: States,
}

/// Counts by group.
#[derive(Debug, Clone)]
pub(super) struct Counts {
    by: GroupBy,
    unnamed: States,
    named: HashMap<String, States>,
    days: BTreeMap<i64, States>,
}

impl Counts {
    pub(super) fn new(by: GroupBy) -> Self {
        Self { by, unnamed: States::default(), named: HashMap::new(), days: BTreeMap::new() }
    }

    /// Counts alerts, so many times.
    pub(super) fn add(&mut self, alike: &Alike<'_>, times: i64) {
        match self.by {
            GroupBy::Project | GroupBy::User | GroupBy::Rule | GroupBy::Cause => match alike.name {
                Some(name) => self.add_named(name, &alike.states, times),
                None => self.unnamed.add(&alike.states, times),
            },
            GroupBy::Status => self.add_named(alike.outcome, &alike.states, times),
            GroupBy::Day => self.days.entry(alike.day).or_default().add(&alike.states, times),
            GroupBy::State => {
                for (state, alerts) in
                    AlertState::ALL.into_iter().zip(alike.states.0).filter(|(_, alerts)| *alerts != 0)
                {
                    self.add_named(state.as_str(), &States::of(state, alerts), times);
                }
            }
        }
    }

    /// The groups that hold alerts, in the order that a person expects: days newest first, everything else largest first.
    pub(super) fn into_groups(self, limit: usize) -> Vec<Group> {
        if self.by == GroupBy::Day {
            // Days that no calendar has are one group, as alerts without a name are.
            let mut beyond = States::default();
            let mut named: Vec<(Option<String>, States)> = Vec::new();
            for (day, states) in self.days.into_iter().rev() {
                match date(day) {
                    None => beyond.add(&states, 1),
                    date => named.push((date, states)),
                }
            }
            named.push((None, beyond));
            return groups(named, limit);
        }
        let mut named: Vec<_> = self.named.into_iter().map(|(name, states)| (Some(name), states)).collect();
        named.push((None, self.unnamed));
        named.sort_by(|(one, these), (other, those)| those.total().cmp(&these.total()).then_with(|| one.cmp(other)));
        groups(named, limit)
    }

    /// Everything that was counted.
    pub(super) fn total(&self) -> States {
        let mut total = self.unnamed;
        self.named.values().chain(self.days.values()).for_each(|states| total.add(states, 1));
        total
    }

    fn add_named(&mut self, name: &str, states: &States, times: i64) {
        if let Some(known) = self.named.get_mut(name) {
            known.add(states, times);
        } else {
            let mut counted = States::default();
            counted.add(states, times);
            self.named.insert(name.to_owned(), counted);
        }
    }
}

fn groups(named: Vec<(Option<String>, States)>, limit: usize) -> Vec<Group> {
    let there = named.into_iter().filter(|(_, states)| states.total() > 0).take(limit);
    there.map(|(name, states)| group(name, &states)).collect()
}

fn group(name: Option<String>, states: &States) -> Group {
    use AlertState::{Dead, Held, Pending, Sending, Sent, Suppressed, Unknown};
    Group {
        name,
        alerts: states.total(),
        sent: states.sum(&[Sent]),
        waiting: states.sum(&[Pending, Sending, Unknown, Held]),
        dead: states.sum(&[Dead]),
        suppressed: states.sum(&[Suppressed]),
    }
}

/// A day as people write it; `None` where no calendar has it.
fn date(day: i64) -> Option<String> {
    let midnight = jiff::Timestamp::from_millisecond(day.checked_mul(DAY)?).ok()?.to_zoned(jiff::tz::TimeZone::UTC);
    (midnight.year() >= 0).then(|| midnight.strftime("%Y-%m-%d").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alike(name: Option<&str>, day: i64, state: AlertState, alerts: i64) -> Alike<'_> {
        Alike { name, outcome: "failed", day, states: States::of(state, alerts) }
    }

    fn names(counts: Counts) -> Vec<(Option<String>, u32)> {
        counts.into_groups(10).into_iter().map(|group| (group.name, group.alerts)).collect()
    }

    #[test]
    fn the_largest_group_comes_first_and_of_equals_the_unnamed() {
        let mut counts = Counts::new(GroupBy::Project);
        for (name, alerts) in [(Some("b"), 1), (Some("a"), 1), (None, 1), (Some("c"), 2), (Some("gone"), 3)] {
            counts.add(&alike(name, 0, AlertState::Sent, alerts), 1);
        }
        counts.add(&alike(Some("gone"), 0, AlertState::Sent, 3), -1);
        let name = |name: &str| Some(name.to_owned());
        assert_eq!(names(counts.clone()), [(name("c"), 2), (None, 1), (name("a"), 1), (name("b"), 1)]);
        assert_eq!(counts.total(), States::of(AlertState::Sent, 5));
        assert_eq!(counts.into_groups(1).len(), 1);
    }

    #[test]
    fn days_are_newest_first_and_those_of_no_calendar_are_one() {
        let mut counts = Counts::new(GroupBy::Day);
        for day in [0, 20_000, -1, i64::MAX, i64::MAX - 1, i64::MIN] {
            counts.add(&alike(None, day, AlertState::Dead, 1), 1);
        }
        let name = |name: &str| Some(name.to_owned());
        let expected = [(name("2024-10-04"), 1), (name("1970-01-01"), 1), (name("1969-12-31"), 1), (None, 3)];
        assert_eq!(names(counts), expected);
    }
}
