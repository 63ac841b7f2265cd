//! The address of a list of alerts: the filters of `history` by the same names, and where the page begins. What is not
//! understood is refused, never left out: a filter never widens.

use crate::domain::{AlertState, Cause, Filter, Outcome, Stamp};
use crate::settings::time::parse_since;
use crate::store::{Exclusion, GroupBy, HistoryFilter, Order, Place};

/// Alerts on a page unless the address says otherwise.
pub(super) const USUAL_LIMIT: usize = 50;
/// The most on a page.
const LARGEST_LIMIT: usize = 500;

/// What an address asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    /// The filters.
    pub(super) filter: HistoryFilter,
    /// Where the page begins.
    pub(super) begin: Begin,
    /// What is counted by, instead of listing alerts.
    pub(super) group_by: Option<GroupBy>,
    /// The filters as they were typed, name and text, in their order.
    pub(super) typed: Vec<(String, String)>,
}

/// Where a page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begin {
    /// With the newest.
    Newest,
    /// Behind that place, towards the older ones.
    Before(Place),
    /// Behind that place, towards the newer ones.
    After(Place),
    /// With the oldest.
    Oldest,
}

impl Begin {
    /// The order in which the database is to be read.
    pub(super) const fn order(self) -> Order {
        match self {
            Self::Newest => Order::Newest,
            Self::Before(place) => Order::OlderThan(place),
            Self::After(place) => Order::NewerThan(place),
            Self::Oldest => Order::Oldest,
        }
    }

    /// Whether the database is read from the old end.
    pub(super) const fn is_upwards(self) -> bool {
        matches!(self, Self::After(_) | Self::Oldest)
    }

    fn pair(self) -> Option<(&'static str, String)> {
        match self {
            Self::Newest => None,
            Self::Before(place) => Some(("before", in_address(place))),
            Self::After(place) => Some(("after", in_address(place))),
            Self::Oldest => Some(("from", "oldest".to_owned())),
        }
    }
}

/// What alerts can be counted by, by the words of `history --group-by`.
pub(super) const FIELDS: [(GroupBy, &str); 7] = [
    (GroupBy::Project, "project"),
    (GroupBy::User, "user"),
    (GroupBy::Status, "status"),
    (GroupBy::Rule, "rule"),
    (GroupBy::State, "state"),
    (GroupBy::Cause, "cause"),
    (GroupBy::Day, "day"),
];

fn field(word: &str) -> Option<GroupBy> {
    FIELDS.iter().find(|(_, name)| *name == word).map(|(by, _)| *by)
}

fn in_address(place: Place) -> String {
    format!("{}.{}", place.status_changed.as_millis(), place.id)
}

fn from_address(text: &str) -> Option<Place> {
    let (millis, id) = text.split_once('.')?;
    Some(Place { status_changed: Stamp::from_millis(millis.parse().ok()?), id: id.parse().ok()? })
}

/// Reads the part of an address behind the `?`. The error is a sentence for the reader.
pub(super) fn read(query: &str, now: Stamp) -> Result<Asked, String> {
    let filter = HistoryFilter { limit: USUAL_LIMIT, ..HistoryFilter::default() };
    let mut asked = Asked { filter, begin: Begin::Newest, group_by: None, typed: Vec::new() };
    for (name, text) in url::form_urlencoded::parse(query.as_bytes()) {
        let text = text.trim();
        // An empty field of the form filters nothing.
        if !text.is_empty() {
            asked.take(&name, text, now)?;
        }
    }
    Ok(asked)
}

impl Asked {
    fn take(&mut self, name: &str, text: &str, now: Stamp) -> Result<(), String> {
        let filter = &mut self.filter;
        let not = |what: &str| format!("“{text}” is no {what}.");
        let moment =
            || parse_since(text).map(|since| since.resolve(now)).map_err(|error| not(&format!("moment: {error}")));
        let place = || from_address(text).ok_or_else(|| not("place in the list"));
        match name {
            "since" => filter.since = Some(moment()?),
            "until" => filter.until = Some(moment()?),
            "project" => filter.projects.push(text.to_owned()),
            "task" => filter.tasks.push(text.to_owned()),
            "user" => filter.users.push(text.to_owned()),
            "status" => filter.statuses.push(Outcome::parse(text).ok_or_else(|| not("outcome"))?),
            "state" => filter.states.push(AlertState::parse(text).ok_or_else(|| not("state"))?),
            "cause" => filter.causes.push(Cause::parse(text).ok_or_else(|| not("cause"))?),
            "rule" => filter.rules.push(text.to_owned()),
            "channel" => filter.channels.push(text.to_owned()),
            "reason" => filter.reasons.push(text.to_owned()),
            "filter" => {
                let found = Filter::ALL.into_iter().find(|filter| filter.as_str() == text);
                filter.filters.push(found.ok_or_else(|| not("filter"))?);
            }
            "silence" => filter.silence = Some(text.parse().map_err(|_| not("number of a silence"))?),
            "not" => filter
                .not
                .push(Exclusion::parse(text).map_err(|error| format!("“{text}” leaves nothing out: {error}."))?),
            "group-by" => self.group_by = Some(field(text).ok_or_else(|| not("field to count by"))?),
            "limit" => {
                let number = text.parse().ok().filter(|number| (1..=LARGEST_LIMIT).contains(number));
                filter.limit = number.ok_or_else(|| not("number from 1 to 500"))?;
            }
            "before" => self.begin = Begin::Before(place()?),
            "after" => self.begin = Begin::After(place()?),
            "from" if text == "oldest" => self.begin = Begin::Oldest,
            _ => return Err(format!("There is no filter “{name}”.")),
        }
        if !matches!(name, "before" | "after" | "from") {
            self.typed.push((name.to_owned(), text.to_owned()));
        }
        Ok(())
    }

    /// The address of the alerts that a count stands for; `None` where no filter tells them from the others.
    pub(super) fn href_of_group(&self, by: GroupBy, name: &str) -> Option<String> {
        let filter = match by {
            GroupBy::Day => return None,
            by => FIELDS.iter().find(|(field, _)| *field == by)?.1,
        };
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        let kept = self.typed.iter().filter(|(typed, _)| typed != "group-by" && typed != filter);
        query.extend_pairs(kept).append_pair(filter, name);
        Some(format!("/alerts?{}", query.finish()))
    }

    /// The address of the same list, beginning elsewhere.
    pub(super) fn href(&self, begin: Begin) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(&self.typed);
        query.extend_pairs(begin.pair());
        match query.finish() {
            none if none.is_empty() => "/alerts".to_owned(),
            query => format!("/alerts?{query}"),
        }
    }

    /// What was typed for a filter that holds one text; several are joined as they cannot all be shown in one field.
    pub(super) fn text_of(&self, name: &str) -> Option<&str> {
        self.typed.iter().find(|(typed, _)| typed == name).map(|(_, text)| text.as_str())
    }

    /// Texts for a filter beyond the first: a form with one field keeps them as hidden ones.
    pub(super) fn further_texts_of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.typed.iter().filter(move |(typed, _)| typed == name).skip(1).map(|(_, text)| text.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Stamp = Stamp::from_millis(1_795_386_448_000);

    #[test]
    fn the_names_of_history_filter() {
        let query = "since=1h&project=vision&project=nlp&status=failed&state=dead&state=held&cause=crash&task=%3Cb%3E&user=&limit=7";
        let asked = read(query, NOW).unwrap();
        assert_eq!(asked.filter.since, Some(Stamp::from_millis(NOW.as_millis() - 3_600_000)));
        assert_eq!(asked.filter.projects, ["vision", "nlp"]);
        assert_eq!(asked.filter.statuses, [Outcome::Failed]);
        assert_eq!(asked.filter.states, [AlertState::Dead, AlertState::Held]);
        assert_eq!(asked.filter.tasks, ["<b>"]);
        assert_eq!(asked.filter.causes, [Cause::Crash]);
        assert_eq!((asked.filter.users.len(), asked.filter.limit), (0, 7));
        let more =
            read("reason=disk&filter=silence&silence=3&not=user%3Dbob&not=state%3Dsent&group-by=day", NOW).unwrap();
        assert_eq!((more.filter.reasons, more.filter.filters), (vec!["disk".to_owned()], vec![Filter::Silence]));
        assert_eq!((more.filter.silence, more.group_by), (Some(3), Some(GroupBy::Day)));
        let not = [Exclusion::User("bob".to_owned()), Exclusion::State(AlertState::Sent)];
        assert_eq!(more.filter.not, not);
    }

    #[test]
    fn a_count_leads_to_its_alerts() {
        let asked = read("since=1h&project=vision&not=user%3Dbob&group-by=project", NOW).unwrap();
        let href = asked.href_of_group(GroupBy::Project, "vision/a&b").unwrap();
        assert_eq!(href, "/alerts?since=1h&not=user%3Dbob&project=vision%2Fa%26b");
        assert_eq!(asked.href_of_group(GroupBy::Day, "2026-11-22"), None);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for wrong in [
            "since=whenever",
            "status=running",
            "state=x",
            "limit=0",
            "limit=501",
            "before=1",
            "colour=red",
            "from=x",
            "not=bob",
            "not=state%3Dx",
            "filter=x",
            "cause=x",
            "silence=x",
            "group-by=task",
        ] {
            assert!(read(wrong, NOW).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_address_leads_to_the_same_list() {
        let asked = read("task=a%26b&status=failed&before=5.6", NOW).unwrap();
        assert_eq!(asked.begin, Begin::Before(Place { status_changed: Stamp::from_millis(5), id: 6 }));
        let href = asked.href(Begin::After(Place { status_changed: Stamp::from_millis(7), id: 8 }));
        assert_eq!(href, "/alerts?task=a%26b&status=failed&after=7.8");
        let again = read(href.split_once('?').unwrap().1, NOW).unwrap();
        assert_eq!((again.filter, again.typed), (asked.filter.clone(), asked.typed.clone()));
        assert_eq!(read("", NOW).unwrap().href(Begin::Newest), "/alerts");
    }
}
