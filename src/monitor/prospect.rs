//! What a poll would make of a task now: the same decision, recorded nowhere. Pure; `explain` asks and tells.

use super::poll::SWEEP;
use crate::domain::{Decision, KnownTask, Rule, Silences, Stamp, Task, decide};
use crate::store::MonitorRecord;

/// What a poll would make of a task now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prospect {
    /// It would not come with the answer, or would be passed over.
    Unseen(WhyUnseen),
    /// It would be decided like this.
    Decided(Decision),
}

/// Why a poll does not see a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyUnseen {
    /// The watch has not begun: the first poll only remembers.
    NotWatching,
    /// It never changed its status, so it has no stamp to be found by.
    NeverChanged,
    /// ClearML leaves tasks with the system tag `hidden` out of what it lists, and no rule asks for them.
    Hidden,
    /// Its last change is older than the watch.
    BeforeWatch {
        /// Nothing stamped before this is ever asked for.
        watch_from: Stamp,
    },
    /// Its last change lies before everything that a poll reads again.
    BeforeSweep {
        /// How far back the longest poll reads.
        reads_from: Stamp,
    },
}

/// What a poll would make of `task` now, given what is recorded of it.
pub fn prospect(
    record: &MonitorRecord,
    known: Option<&KnownTask>,
    task: &Task,
    rules: &[Rule],
    silences: &Silences,
) -> Prospect {
    let decision = decide(known, task, rules, silences);
    let unseen = why_unseen(record, task, rules);
    // What is recorded already is told as that, wherever its stamp lies.
    let is_recorded = decision.observation.change == crate::domain::Change::Nothing;
    match unseen {
        Some(why) if !is_recorded => Prospect::Unseen(why),
        _ => Prospect::Decided(decision),
    }
}

fn why_unseen(record: &MonitorRecord, task: &Task, rules: &[Rule]) -> Option<WhyUnseen> {
    let (Some(watch_from), Some(watermark)) = (record.watch_from, record.watermark) else {
        return Some(WhyUnseen::NotWatching);
    };
    let reads_from = watermark.minus(SWEEP);
    let is_hidden = task.has_system_tag("hidden");
    let hidden_from = record.hidden_from.filter(|_| is_hidden);
    match task.status_changed {
        _ if is_hidden && !rules.iter().any(|rule| rule.conditions.include_hidden) => Some(WhyUnseen::Hidden),
        changed if hidden_from.is_some_and(|from| changed < from) => {
            hidden_from.map(|watch_from| WhyUnseen::BeforeWatch { watch_from })
        }
        Stamp::EPOCH => Some(WhyUnseen::NeverChanged),
        changed if changed < watch_from => Some(WhyUnseen::BeforeWatch { watch_from }),
        changed if changed < reads_from => Some(WhyUnseen::BeforeSweep { reads_from }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::decide::tests::{task, watch_all};
    use crate::domain::{Change, Outcome, Status};

    const HOUR: i64 = 3_600_000;

    fn record(watch_from: i64, watermark: i64) -> MonitorRecord {
        MonitorRecord {
            instance: "i".to_owned(),
            server: None,
            watch_from: Some(Stamp::from_millis(watch_from)),
            watermark: Some(Stamp::from_millis(watermark)),
            hidden_from: None,
            last_poll_at: None,
            announced_at: None,
            service_task: None,
            kept_from: None,
        }
    }

    fn failed_at(millis: i64) -> Task {
        Task { status_changed: Stamp::from_millis(millis), ..task(Status::Failed) }
    }

    fn of(record: &MonitorRecord, task: &Task) -> Prospect {
        prospect(record, None, task, &[watch_all()], &Silences::default())
    }

    #[test]
    fn each_reason_for_not_being_seen() {
        let watching = record(10 * HOUR, 20 * HOUR);
        let fresh = MonitorRecord { watch_from: None, watermark: None, ..record(0, 0) };
        let hidden = Task { system_tags: vec!["hidden".to_owned()], ..failed_at(20 * HOUR) };
        let (watch_from, reads_from) = (Stamp::from_millis(10 * HOUR), Stamp::from_millis(18 * HOUR));
        for (record, task, why) in [
            (&fresh, failed_at(5), WhyUnseen::NotWatching),
            (&watching, failed_at(0), WhyUnseen::NeverChanged),
            (&watching, hidden, WhyUnseen::Hidden),
            (&watching, failed_at(10 * HOUR - 1), WhyUnseen::BeforeWatch { watch_from }),
            (&watching, failed_at(18 * HOUR - 1), WhyUnseen::BeforeSweep { reads_from }),
        ] {
            assert_eq!(of(record, &task), Prospect::Unseen(why));
        }
    }

    #[test]
    fn what_a_poll_reads_is_decided_and_what_is_recorded_is_nothing_new() {
        let watching = record(10 * HOUR, 20 * HOUR);
        let Prospect::Decided(decision) = of(&watching, &failed_at(18 * HOUR)) else { panic!() };
        assert_eq!(decision.observation.change, Change::Ended(Outcome::Failed));
        let known = decision.observation.known;
        let long_after = record(10 * HOUR, 90 * HOUR);
        let again = prospect(&long_after, Some(&known), &failed_at(18 * HOUR), &[watch_all()], &Silences::default());
        let Prospect::Decided(again) = again else { panic!() };
        assert_eq!(again.observation.change, Change::Nothing);
    }
}
