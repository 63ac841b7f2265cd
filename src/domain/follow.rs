//! Following a task after its first alert: where a later one goes, and what the first message says of the task by now.

use serde::{Deserialize, Serialize};

use super::alert::PendingAlert;
use super::delivery::DeliveryState;
use super::message::words;
use super::rule::Times;
use super::run::{Change, Observation};
use super::stamp::Stamp;
use super::task::{Outcome, Status};
use super::text;

/// Where a task stands, as far as a message tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskState {
    /// Which run of the task.
    pub run: u32,
    /// Its status.
    pub status: Status,
    /// Since when.
    pub since: Stamp,
    /// It runs and is stuck.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stuck: bool,
}

impl TaskState {
    /// Where the task of an alert stood when the alert was decided.
    pub fn told_by(alert: &PendingAlert) -> Self {
        let stuck = alert.outcome == Outcome::Stuck;
        Self { run: alert.run, status: alert.task.status.clone(), since: alert.task.status_changed, stuck }
    }

    /// Whether somebody who was told of `self` learns nothing from `other`: the same end of the same run, stamped again.
    pub fn says_as_much_as(&self, other: &Self) -> bool {
        let same_end = self.status.outcome().is_some() && self.status.outcome() == other.status.outcome();
        let same = self.status == other.status && self.stuck == other.stuck;
        self.run == other.run && (same || same_end)
    }

    /// One line for people who were told of `told`, first in Slack's markup, with times as the rule's messages show them, then
    /// as plain text.
    pub fn lines(&self, told: &Self, times: &Times) -> (String, String) {
        let (words, preposition) = self.words(told);
        let run = if self.run > 1 && self.status.outcome().is_some() && self.run != told.run {
            format!(", run {}", self.run)
        } else {
            String::new()
        };
        let marked = format!("Now: *{words}*{preposition}{}{run}", words::moment(self.since, times));
        let plain = match times {
            Times::Reader => self.since.to_string(),
            zone @ Times::Zone(_) => words::moment(self.since, zone),
        };
        (marked, format!("Now: {words}{preposition}{plain}{run}"))
    }

    fn words(&self, told: &Self) -> (String, &'static str) {
        let again = if self.run > told.run { " again" } else { "" };
        match &self.status {
            Status::Queued => ("queued again".to_owned(), ", "),
            Status::InProgress if self.stuck => ("stuck".to_owned(), " since "),
            Status::InProgress if told.stuck && self.run == told.run => ("moves again".to_owned(), " since "),
            Status::InProgress => ("running again".to_owned(), " since "),
            Status::Created => ("reset to a draft".to_owned(), ", "),
            Status::Failed if told.status == Status::Failed => (format!("failed{again}"), ", "),
            Status::Published | Status::Publishing | Status::Closed => (self.status.as_str().to_owned(), ", "),
            Status::Other(word) => (text::truncate_escaped(&text::single_line(word), 60), " since "),
            ended => (ended.outcome().map_or("", words::outcome).to_owned(), ", "),
        }
    }
}

/// What a row of a poll makes of the state that a task's first messages show; `None` where they go on showing what they
/// show: a status that was only stamped again says nothing new.
pub fn shown_after(observation: &Observation) -> Option<TaskState> {
    match observation.change {
        Change::Moved | Change::Ended(_) => {
            let known = &observation.known;
            Some(TaskState { run: known.run, status: known.status.clone(), since: known.status_changed, stuck: false })
        }
        Change::Nothing | Change::Restamp => None,
    }
}

/// The message in whose thread a task's later alerts go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstMessage {
    /// Its delivery.
    pub delivery: i64,
    /// Where that stands.
    pub state: DeliveryState,
    /// Whether it is kept until a person decides: its answer was lost.
    pub kept: bool,
    /// The lane it went into.
    pub lane: String,
    /// Slack's ID of its channel; for a webhook the lane.
    pub address: String,
    /// Slack's ID of the message; webhooks give none.
    pub ts: Option<String>,
    /// The key in its metadata.
    pub key: String,
}

/// Where an alert of a rule that follows up in threads goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placement {
    /// At top level: it is the first, or the first one's thread is out of reach.
    TopLevel,
    /// After this message.
    Follows(FirstMessage),
    /// Not yet: the first message is under way.
    Wait,
}

/// Places an alert that goes into `lane`. `reaches` tells whether a message for this address is one in the conversation
/// that the lane leads to now.
pub fn place(first: Option<FirstMessage>, lane: &str, reaches: impl Fn(&str) -> bool) -> Placement {
    let Some(first) = first.filter(|first| first.lane == lane) else {
        return Placement::TopLevel;
    };
    match first.state {
        DeliveryState::Sent if reaches(&first.address) => Placement::Follows(first),
        DeliveryState::Sent | DeliveryState::Dead => Placement::TopLevel,
        // A person decides some day; news does not wait for that.
        DeliveryState::Unknown if first.kept => Placement::TopLevel,
        DeliveryState::Pending | DeliveryState::Sending | DeliveryState::Unknown | DeliveryState::Held => {
            Placement::Wait
        }
    }
}

/// Whether a reply is shown in the channel too: what failed again, or is stuck, is news for everybody.
pub fn is_broadcast(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Failed | Outcome::Stuck)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::decide::tests::task;
    use crate::domain::{Status, decide, silence::Silences};

    fn state(run: u32, status: Status) -> TaskState {
        TaskState { run, status, since: Stamp::from_millis(1_795_386_448_021), stuck: false }
    }

    fn first(state: DeliveryState) -> FirstMessage {
        FirstMessage {
            delivery: 7,
            state,
            kept: false,
            lane: "#ml".to_owned(),
            address: "C1".to_owned(),
            ts: Some("1.000001".to_owned()),
            key: "k".to_owned(),
        }
    }

    #[test]
    fn each_state_has_its_line() {
        let told = state(1, Status::Failed);
        let line = |run, status| state(run, status).lines(&told, &Times::Reader).1;
        assert_eq!(line(2, Status::Queued), "Now: queued again, 2026-11-22T22:27:28.021Z");
        assert_eq!(line(2, Status::InProgress), "Now: running again since 2026-11-22T22:27:28.021Z");
        assert_eq!(line(2, Status::Created), "Now: reset to a draft, 2026-11-22T22:27:28.021Z");
        assert_eq!(line(3, Status::Failed), "Now: failed again, 2026-11-22T22:27:28.021Z, run 3");
        assert_eq!(line(2, Status::Completed), "Now: completed, 2026-11-22T22:27:28.021Z, run 2");
        assert_eq!(line(1, Status::Completed), "Now: completed, 2026-11-22T22:27:28.021Z");
        assert_eq!(line(2, Status::Stopped), "Now: aborted, 2026-11-22T22:27:28.021Z, run 2");
        assert_eq!(line(2, Status::Published), "Now: published, 2026-11-22T22:27:28.021Z, run 2");
        let strange = Status::Other("<!channel>".to_owned());
        assert!(
            state(2, strange)
                .lines(&told, &Times::Reader)
                .0
                .starts_with("Now: *&lt;!channel&gt;* since <!date^1795386448^")
        );
        let stuck = TaskState { stuck: true, ..state(2, Status::InProgress) };
        assert_eq!(stuck.lines(&told, &Times::Reader).1, "Now: stuck since 2026-11-22T22:27:28.021Z");
        let moves = state(2, Status::InProgress).lines(&stuck, &Times::Reader).1;
        assert_eq!(moves, "Now: moves again since 2026-11-22T22:27:28.021Z");
        assert_eq!(state(2, Status::Failed).lines(&stuck, &Times::Reader).1, "Now: failed, 2026-11-22T22:27:28.021Z");
        let berlin = Times::Zone(jiff::tz::TimeZone::get("Europe/Berlin").unwrap());
        let (marked, plain) = state(2, Status::Queued).lines(&told, &berlin);
        assert_eq!(marked, "Now: *queued again*, 2026-11-22 23:27:28 CET");
        assert_eq!(plain, "Now: queued again, 2026-11-22 23:27:28 CET");
        let completed = state(1, Status::Completed);
        assert_eq!(
            state(2, Status::Failed).lines(&completed, &Times::Reader).1,
            "Now: failed, 2026-11-22T22:27:28.021Z, run 2",
            "never failed before"
        );
    }

    #[test]
    fn that_it_is_stuck_is_news_of_one_that_runs() {
        let (runs, stuck) = (state(1, Status::InProgress), TaskState { stuck: true, ..state(1, Status::InProgress) });
        assert!(!runs.says_as_much_as(&stuck) && !stuck.says_as_much_as(&runs) && stuck.says_as_much_as(&stuck));
    }

    #[test]
    fn an_end_that_is_stamped_again_is_no_news() {
        let told = state(1, Status::Completed);
        assert!(told.says_as_much_as(&state(1, Status::Published)));
        assert!(!told.says_as_much_as(&state(2, Status::Completed)));
        assert!(!told.says_as_much_as(&state(1, Status::Failed)));
        let failed = task(Status::Failed);
        let later = crate::domain::Task { status_changed: Stamp::from_millis(3_000), ..failed.clone() };
        let known = decide(None, &failed, &[], &Silences::default()).observation.known;
        assert_eq!(shown_after(&decide(Some(&known), &later, &[], &Silences::default()).observation), None);
        let queued = crate::domain::Task { status: Status::Queued, ..later };
        let shown = shown_after(&decide(Some(&known), &queued, &[], &Silences::default()).observation);
        assert_eq!(shown.map(|state| (state.run, state.status)), Some((2, Status::Queued)));
    }

    #[test]
    fn a_later_alert_follows_waits_or_stands_alone() {
        let here = |address: &str| address == "C1";
        let place_of = |first| place(first, "#ml", here);
        assert_eq!(place_of(None), Placement::TopLevel);
        assert_eq!(place_of(Some(first(DeliveryState::Sent))), Placement::Follows(first(DeliveryState::Sent)));
        assert_eq!(place_of(Some(first(DeliveryState::Dead))), Placement::TopLevel);
        for state in [DeliveryState::Pending, DeliveryState::Sending, DeliveryState::Unknown, DeliveryState::Held] {
            assert_eq!(place_of(Some(first(state))), Placement::Wait);
        }
        let kept = FirstMessage { kept: true, ..first(DeliveryState::Unknown) };
        assert_eq!(place_of(Some(kept)), Placement::TopLevel);
        let elsewhere = FirstMessage { lane: "#other".to_owned(), ..first(DeliveryState::Pending) };
        assert_eq!(place_of(Some(elsewhere)), Placement::TopLevel);
        let moved = FirstMessage { address: "C2".to_owned(), ..first(DeliveryState::Sent) };
        assert_eq!(place_of(Some(moved)), Placement::TopLevel);
    }
}
