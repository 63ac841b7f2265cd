//! What a poll would make of the task now, in words.

use serde::Serialize;

use crate::domain::message::words;
use crate::domain::{Change, Decision, Outcome, Rule, RuleVerdict, Silences, Stamp, Status, Task, Verdict, hear};
use crate::monitor::{Prospect, WhyUnseen};
use crate::store::{MonitorRecord, TaskStory};

/// What a poll would make of the task now.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Foresight {
    /// `unseen`, `nothing`, `restamp`, `moved` or `ended`.
    pub what: &'static str,
    /// The same for a person, and why.
    pub because: Vec<String>,
}

pub(super) fn tell(
    prospect: &Prospect,
    task: &Task,
    recorded: Option<&TaskStory>,
    record: &MonitorRecord,
    rules: &[Rule],
    silences: &Silences,
    server_now: Option<Stamp>,
) -> Foresight {
    match prospect {
        Prospect::Unseen(why) => {
            let mut because = vec![unseen(*why, task.status_changed)];
            if recorded.is_none() && matches!(why, WhyUnseen::BeforeSweep { .. }) {
                because.extend(OVERLOOKED.map(str::to_owned));
            }
            Foresight { what: "unseen", because }
        }
        Prospect::Decided(decision) => {
            let heard = task.outcome().map(|outcome| hear(task, outcome, rules, silences)).unwrap_or_default();
            let answers = Answers { rules, heard: &heard, ended: task.status_changed, server_now };
            let mut foresight = decided(decision, task, recorded, record, &answers);
            foresight.because.extend(if_it_stands_still(task, rules));
            foresight
        }
    }
}

/// What rules with `stuck` would say of a task that runs.
fn if_it_stands_still(task: &Task, rules: &[Rule]) -> Vec<String> {
    if task.status != Status::InProgress {
        return Vec::new();
    }
    let of = |rule: &Rule| {
        let limits = rule.stuck.as_ref()?.in_words();
        let name = &rule.name;
        Some(match rule.judge(task, Outcome::Stuck) {
            Verdict::Alert => format!("rule {name}: {limits}, it would be told as stuck"),
            Verdict::Suppressed(why) => format!("rule {name}: it would not be told as stuck, because of {why}"),
        })
    };
    rules.iter().filter_map(of).collect()
}

/// How a change within the watch can have stayed unrecorded.
const OVERLOOKED: [&str; 3] = [
    "it changed within the watch and was not recorded: it was hidden, or not visible to the monitor's credentials then,",
    "or its row could not be read (the monitor's log says so: `a task could not be read`),",
    "or the database was put back from a backup that is older than the change",
];

fn unseen(why: WhyUnseen, changed: Stamp) -> String {
    match why {
        WhyUnseen::NotWatching => {
            "this database has not begun to watch: the first `once` or `run` remembers what is there and alerts \
             nothing of it (unless --since asks for it)"
                .to_owned()
        }
        WhyUnseen::NeverChanged => "it never changed its status, so there is nothing to alert".to_owned(),
        WhyUnseen::Hidden => {
            "ClearML leaves tasks with the system tag `hidden` out of its lists, and no rule asks for them: no poll sees it".to_owned()
        }
        WhyUnseen::BeforeWatch { watch_from } => format!(
            "its last change ({changed}) is older than the watch, which asks for nothing stamped before {watch_from}; \
             only a fresh database with --since looks further back"
        ),
        WhyUnseen::BeforeSweep { reads_from } => {
            format!("its last change ({changed}) is older than everything polls read again (from {reads_from} on)")
        }
    }
}

fn decided(
    decision: &Decision,
    task: &Task,
    recorded: Option<&TaskStory>,
    record: &MonitorRecord,
    answers: &Answers<'_>,
) -> Foresight {
    let (what, mut because) = match decision.observation.change {
        Change::Nothing => {
            let nothing = "nothing: this status with this stamp is recorded already".to_owned();
            ("nothing", std::iter::once(nothing).chain(answers.anew()).collect())
        }
        Change::Restamp => {
            let told = format!(
                "it would be recorded as a new stamp of the same end ({}), and not alerted again",
                task.status_changed
            );
            ("restamp", std::iter::once(told).chain(answers.anew()).collect())
        }
        Change::Moved => {
            ("moved", vec![format!("`{}` would be recorded; it is no end, so no rule is asked", task.status)])
        }
        Change::Ended(outcome) => ("ended", answers.verdicts(decision, outcome, recorded)),
    };
    if recorded.is_none() && what != "nothing" {
        because.push(not_yet_polled(record));
    }
    Foresight { what, because }
}

/// What every rule says to the task as it is now.
struct Answers<'a> {
    rules: &'a [Rule],
    heard: &'a [RuleVerdict],
    /// When the outcome was stamped.
    ended: Stamp,
    /// The time by the server's clock.
    server_now: Option<Stamp>,
}

impl Answers<'_> {
    fn verdicts(&self, decision: &Decision, outcome: Outcome, recorded: Option<&TaskStory>) -> Vec<String> {
        let run = decision.observation.known.run;
        let was_told = |rule: &Rule| {
            recorded.is_some_and(|story| {
                story.verdicts.iter().any(|verdict| {
                    verdict.run == run && verdict.alert.status == outcome && verdict.alert.rule == rule.name
                })
            })
        };
        let outcome = words::outcome(outcome);
        let of = |(rule, verdict): (&Rule, &Verdict)| match verdict {
            _ if was_told(rule) => {
                format!("rule {}: it has spoken on run {run} {outcome} already, so nothing more", rule.name)
            }
            Verdict::Alert => {
                let wait = rule.timing.wait(self.ended, self.server_now.unwrap_or(self.ended));
                let wait = wait.map_or_else(String::new, |wait| format!(", but {}", wait.reason()));
                format!("rule {}: run {run} {outcome} would be alerted to {}{wait}", rule.name, rule.destination)
            }
            Verdict::Suppressed(why) => {
                format!("rule {}: run {run} {outcome} would not be alerted, because of {why}", rule.name)
            }
        };
        self.each().map(of).collect()
    }

    /// What several rules would say if the outcome were new: they may have changed since it was recorded.
    fn anew(&self) -> Vec<String> {
        let of = |(rule, verdict): (&Rule, &Verdict)| match verdict {
            Verdict::Alert => format!("if it were new, rule {} would alert it to {}", rule.name, rule.destination),
            Verdict::Suppressed(why) => format!("if it were new, rule {} would not alert it: {why}", rule.name),
        };
        if self.rules.len() > 1 { self.each().map(of).collect() } else { Vec::new() }
    }

    fn each(&self) -> impl Iterator<Item = (&Rule, &Verdict)> {
        self.rules.iter().zip(self.heard.iter().map(|heard| &heard.verdict))
    }
}

fn not_yet_polled(record: &MonitorRecord) -> String {
    match record.last_poll_at {
        Some(at) => format!("it is not recorded yet: the last good poll was noted at {at}; the next one sees it"),
        None => "it is not recorded yet: no poll has gone through since the watch began".to_owned(),
    }
}
