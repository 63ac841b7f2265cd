//! A model of what is counted: alerts, filters, and what a filter means by the obvious reading of it.

use std::collections::BTreeMap;

use clearml_alerts::domain::{AlertState, Cause, Filter, Outcome, Stamp};
use clearml_alerts::store::{Exclusion, GroupBy, HistoryFilter};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use crate::support::at;

const DAY: i64 = 86_400_000;
const FIRST_DAY: i64 = 20_000 * DAY;
const NAMES: [&str; 9] = ["a", "zz", "Train Ab", "ÄRGER", "straße", "x y", "Опыт", "run 12", "\u{212a}1"];
const PARTS: [&str; 10] = ["z", "ab", "ä", "É", "Y", "оП", "12", "k", "ra", "run"];
const PROJECTS: [Option<&str>; 5] = [None, Some("0"), Some("Vision/ResNet"), Some("Ärzte"), Some("vision")];
const USERS: [Option<&str>; 3] = [None, Some("Ada"), Some("Grace")];
const RULES: [&str; 3] = ["default", "nightly", "Ada"];
const CHANNELS: [&str; 2] = ["#a", "b"];
const CAUSES: [Option<Cause>; 3] = [None, Some(Cause::Crash), Some(Cause::CudaOutOfMemory)];
const LATE: [i64; 13] =
    [-7, 0, 99, 100, 9_999, 10_000, 10_999, 119_999, 120_000, 3_599_999, 3_600_000, 7_199_999, 900_000_000];

#[derive(Debug, Clone)]
pub(crate) struct Alert {
    pub(crate) name: &'static str,
    pub(crate) project: Option<&'static str>,
    pub(crate) user: Option<&'static str>,
    pub(crate) rule: &'static str,
    pub(crate) channel: &'static str,
    pub(crate) cause: Option<Cause>,
    pub(crate) outcome: Outcome,
    pub(crate) status_changed: i64,
    pub(crate) state: AlertState,
    pub(crate) late: i64,
}

impl Alert {
    fn sent_after(&self) -> Option<i64> {
        (self.state == AlertState::Sent).then_some(self.late)
    }

    /// All its columns but its number, as SQL.
    pub(crate) fn columns(&self, number: usize) -> Vec<(&'static str, String)> {
        let text = |text: Option<&str>| text.map_or("NULL".to_owned(), |text| format!("'{text}'"));
        let is = |state| self.state == state;
        let id = |text: Option<&str>| text.map_or("NULL".to_owned(), |text| format!("'id of {text}'"));
        let sent_at = self.sent_after().map_or("NULL".to_owned(), |late| (self.status_changed + late).to_string());
        vec![
            ("rule", text(Some(self.rule))),
            ("task_id", "'t0'".to_owned()),
            ("run", (number + 10).to_string()),
            ("outcome", text(Some(self.outcome.as_str()))),
            ("episode", i64::from(self.outcome == Outcome::Stuck).to_string()),
            ("status_changed", self.status_changed.to_string()),
            ("task_name", text(Some(self.name))),
            ("project_id", id(self.project)),
            ("project", text(self.project)),
            ("user_id", id(self.user)),
            ("user", text(self.user)),
            ("state", text(Some(self.state.as_str()))),
            ("filter", if is(AlertState::Suppressed) { "'iterations'".to_owned() } else { "NULL".to_owned() }),
            ("cause", text(self.cause.map(Cause::as_str))),
            ("channel", text(Some(self.channel))),
            ("snapshot", "'{}'".to_owned()),
            (
                "delivery_id",
                if is(AlertState::Suppressed) { "NULL".to_owned() } else { (self.state as u8).to_string() },
            ),
            ("created_at", "0".to_owned()),
            ("sent_at", sent_at),
        ]
    }
}

fn moment() -> impl Strategy<Value = i64> {
    let within = select(vec![0, 1, 1_000, DAY / 2 - 1, DAY / 2, DAY / 2 + 1, DAY - 1]);
    (0_i64..5, within).prop_map(|(day, within)| FIRST_DAY + day * DAY + within)
}

pub(crate) fn alert() -> impl Strategy<Value = Alert> {
    let is_of = (select(NAMES.to_vec()), select(PROJECTS.to_vec()), select(USERS.to_vec()), select(RULES.to_vec()));
    let stands = (select(AlertState::ALL.to_vec()), select(LATE.to_vec()));
    (is_of, select(CHANNELS.to_vec()), select(CAUSES.to_vec()), select(Outcome::ALL.to_vec()), moment(), stands)
        .prop_map(|((name, project, user, rule), channel, cause, outcome, status_changed, (state, late))| Alert {
            name,
            project,
            user,
            rule,
            channel,
            cause,
            outcome,
            status_changed,
            state,
            late,
        })
}

/// What becomes of one of the alerts.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Becomes(Alert),
    Goes,
}

pub(crate) fn change() -> impl Strategy<Value = (usize, Change)> {
    (0_usize..60, prop_oneof![3 => alert().prop_map(Change::Becomes), 1 => Just(Change::Goes)])
}

fn exclusion() -> impl Strategy<Value = Exclusion> {
    prop_oneof![
        Just(Exclusion::Project("vis".to_owned())),
        Just(Exclusion::Project("id of 0".to_owned())),
        Just(Exclusion::User("ada".to_owned())),
        Just(Exclusion::Rule("nightly".to_owned())),
        Just(Exclusion::Cause(Cause::Crash)),
        Just(Exclusion::Status(Outcome::Failed)),
        select(AlertState::ALL.to_vec()).prop_map(Exclusion::State),
        Just(Exclusion::Channel("a".to_owned())),
        Just(Exclusion::Filter(Filter::Iterations)),
        Just(Exclusion::Task("z".to_owned())),
    ]
}

/// Mostly nothing, so that every way of counting has its turn.
fn few(texts: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    let some = subsequence(texts.to_vec(), 1..=2).prop_map(|texts| texts.into_iter().map(str::to_owned).collect());
    prop_oneof![5 => Just(Vec::new()), 1 => some]
}

pub(crate) fn filter() -> impl Strategy<Value = HistoryFilter> {
    let times = (prop::option::of(moment()), prop::option::of(moment()));
    let statuses = prop_oneof![3 => Just(Vec::new()), 1 => subsequence(Outcome::ALL.to_vec(), 1..=2)];
    let states = prop_oneof![3 => Just(Vec::new()), 1 => subsequence(AlertState::ALL.to_vec(), 1..=4)];
    let causes = prop_oneof![5 => Just(Vec::new()), 1 => Just(vec![Cause::Crash])];
    let texts =
        (few(&["vis", "id of 0", "0", "äRZ", "no"]), few(&["gra", "Ada", "id of Ada"]), few(&RULES), few(&PARTS));
    let not = prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(exclusion(), 1..3)];
    (times, statuses, states, causes, texts, few(&["a", "#b"]), not).prop_map(
        |((since, until), statuses, states, causes, (projects, users, rules, tasks), channels, not)| HistoryFilter {
            since: since.map(at),
            until: until.map(at),
            projects,
            tasks,
            users,
            statuses,
            states,
            rules,
            channels,
            causes,
            not,
            limit: 1_000,
            ..HistoryFilter::default()
        },
    )
}

/// What a filter means, by the obvious reading of it.
pub(crate) fn matches(filter: &HistoryFilter, alert: &Alert) -> bool {
    let holds = |text: &str, part: &str| text.to_lowercase().contains(&part.to_lowercase());
    let named =
        |name: Option<&str>, part: &str| name.is_some_and(|name| holds(name, part) || format!("id of {name}") == part);
    let task = |part: &str| holds(alert.name, part) || "t0".starts_with(&part.to_lowercase());
    let any = |texts: &[String], fits: &dyn Fn(&str) -> bool| texts.is_empty() || texts.iter().any(|text| fits(text));
    let one_of = |is_empty: bool, contains: bool| is_empty || contains;
    let bare = |channel: &str| channel.trim_start_matches('#').to_owned();
    let excluded = |not: &Exclusion| match not {
        Exclusion::Project(part) => named(alert.project, part),
        Exclusion::User(part) => named(alert.user, part),
        Exclusion::Task(part) => task(part),
        Exclusion::Rule(rule) => alert.rule == rule,
        Exclusion::Cause(cause) => alert.cause == Some(*cause),
        Exclusion::Status(status) => alert.outcome == *status,
        Exclusion::State(state) => alert.state == *state,
        Exclusion::Channel(channel) => bare(alert.channel) == bare(channel),
        Exclusion::Filter(filter) => alert.state == AlertState::Suppressed && *filter == Filter::Iterations,
        Exclusion::Reason(_) => false,
    };
    filter.since.is_none_or(|since| since.as_millis() <= alert.status_changed)
        && filter.until.is_none_or(|until| alert.status_changed < until.as_millis())
        && any(&filter.projects, &|part| named(alert.project, part))
        && any(&filter.users, &|part| named(alert.user, part))
        && any(&filter.tasks, &task)
        && any(&filter.rules, &|rule| alert.rule == rule)
        && any(&filter.channels, &|channel| bare(alert.channel) == bare(channel))
        && one_of(filter.statuses.is_empty(), filter.statuses.contains(&alert.outcome))
        && one_of(filter.states.is_empty(), filter.states.contains(&alert.state))
        && one_of(filter.causes.is_empty(), alert.cause.is_some_and(|cause| filter.causes.contains(&cause)))
        && !filter.not.iter().any(excluded)
}

fn group_of(by: GroupBy, alert: &Alert) -> Option<String> {
    let owned = |text: &str| text.to_owned();
    match by {
        GroupBy::Project => alert.project.map(owned),
        GroupBy::User => alert.user.map(owned),
        GroupBy::Rule => Some(alert.rule.to_owned()),
        GroupBy::Cause => alert.cause.map(|cause| cause.as_str().to_owned()),
        GroupBy::Status => Some(alert.outcome.as_str().to_owned()),
        GroupBy::State => Some(alert.state.as_str().to_owned()),
        GroupBy::Day => Some(Stamp::from_millis(alert.status_changed).to_timestamp().strftime("%Y-%m-%d").to_string()),
    }
}

pub(crate) const WAYS: [GroupBy; 7] =
    [GroupBy::Project, GroupBy::User, GroupBy::Rule, GroupBy::Cause, GroupBy::Status, GroupBy::State, GroupBy::Day];

/// Name, alerts, sent, waiting, dead, suppressed.
pub(crate) type Row = (Option<String>, [u32; 5]);

pub(crate) fn groups_by_hand(alerts: &BTreeMap<i64, Alert>, filter: &HistoryFilter, by: GroupBy) -> Vec<Row> {
    let mut groups: BTreeMap<Option<String>, [u32; 5]> = BTreeMap::new();
    for alert in alerts.values().filter(|alert| matches(filter, alert)) {
        let counts = groups.entry(group_of(by, alert)).or_default();
        counts[0] += 1;
        counts[match alert.state {
            AlertState::Sent => 1,
            AlertState::Dead => 3,
            AlertState::Suppressed => 4,
            _ => 2,
        }] += 1;
    }
    let mut groups: Vec<Row> = groups.into_iter().collect();
    if by == GroupBy::Day {
        groups.reverse();
    } else {
        groups.sort_by(|(one, these), (other, those)| those[0].cmp(&these[0]).then_with(|| one.cmp(other)));
    }
    groups
}

/// Alerts, sent, and milliseconds of the median, of 95 in 100, and of the latest.
pub(crate) fn statistics_by_hand(
    alerts: &BTreeMap<i64, Alert>,
    filter: &HistoryFilter,
) -> (usize, usize, [Option<i64>; 3]) {
    let matching: Vec<&Alert> = alerts.values().filter(|alert| matches(filter, alert)).collect();
    let mut late: Vec<i64> = matching.iter().filter_map(|alert| alert.sent_after()).collect();
    late.sort_unstable();
    let at = |percent: usize| late.get((late.len() * percent).div_ceil(100).max(1) - 1).copied();
    (matching.len(), late.len(), [at(50), at(95), at(100)])
}
