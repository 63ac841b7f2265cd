//! The delivery of one message as a state machine: what an answer, or its absence, makes of it.
//!
//! ```text
//! pending --> sending --+--> sent
//!    ^                  +--> pending   not delivered: again after a wait
//!    |                  +--> unknown   the answer was lost: look for it in Slack, then sent or pending
//!    |                  +--> held      a person must act on the channel; tried again every minute
//!    |                  +--> pending   refused in this form: the next plainer form at once
//!    +--- dead retry ---+--> dead      refused in every form
//! ```

use std::fmt;
use std::time::Duration;

use super::backoff::{Backoff, scaled};
use super::rule::Lane;
use super::stamp::Stamp;

/// Where a delivery stands; the words of the `deliveries.state` column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeliveryState {
    /// Waits for its time.
    Pending,
    /// A request is under way, or was when the program was killed.
    Sending,
    /// The answer was lost; it may have arrived.
    Unknown,
    /// A person must act first.
    Held,
    /// Confirmed by Slack.
    Sent,
    /// Given up.
    Dead,
}

impl DeliveryState {
    /// Every state.
    pub const ALL: [Self; 6] = [Self::Pending, Self::Sending, Self::Unknown, Self::Held, Self::Sent, Self::Dead];

    /// The word in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sending => "sending",
            Self::Unknown => "unknown",
            Self::Held => "held",
            Self::Sent => "sent",
            Self::Dead => "dead",
        }
    }

    /// The inverse of [`DeliveryState::as_str`].
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// How much of a message is left in the payload; each form asks less of Slack than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// Blocks, text and metadata.
    Full,
    /// Blocks and text.
    WithoutMetadata,
    /// Text alone.
    TextOnly,
    /// The body for a generic webhook, of which there is no plainer form.
    Body,
}

impl Form {
    /// Every form, richest first.
    pub const ALL: [Self; 4] = [Self::Full, Self::WithoutMetadata, Self::TextOnly, Self::Body];

    /// The form in which a message for a lane begins: what goes through an incoming webhook carries no metadata.
    pub const fn first(lane: Lane<'_>) -> Self {
        match lane {
            Lane::Channel(_) | Lane::Owner(_) => Self::Full,
            Lane::SlackWebhook(_) => Self::WithoutMetadata,
            Lane::Webhook(_) => Self::Body,
        }
    }

    /// The word in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::WithoutMetadata => "without_metadata",
            Self::TextOnly => "text_only",
            Self::Body => "body",
        }
    }

    /// The inverse of [`Form::as_str`].
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.as_str() == word)
    }

    /// The next plainer form, if there is one.
    pub const fn plainer(self) -> Option<Self> {
        match self {
            Self::Full => Some(Self::WithoutMetadata),
            Self::WithoutMetadata => Some(Self::TextOnly),
            Self::TextOnly | Self::Body => None,
        }
    }
}

/// What comes back with the word that a message was taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Slack's ID of the message; webhooks give none.
    pub ts: Option<String>,
    /// The direct conversation that a message to a user turned out to be in, by Slack's ID.
    pub conversation: Option<String>,
}

/// What an answer of Slack, or its absence, means for the message that was sent. The classes of the table in
/// `slack::answers`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It was taken: it is in the channel.
    Sent(Receipt),
    /// It is not in the channel; the same request may work later.
    NotDelivered {
        /// How long Slack asks to wait before the next request of this method.
        retry_after: Option<Duration>,
        /// Only a long wait makes sense (a workspace at its message limit, say).
        long: bool,
    },
    /// It may or may not be in the channel.
    Ambiguous,
    /// Nothing can be posted to this channel, or with this token, until a person acts.
    OperatorMustAct,
    /// This payload never works in this form.
    PayloadRefused,
}

impl Answer {
    /// The class's word in `attempts.class`.
    pub const fn class(&self) -> &'static str {
        match self {
            Self::Sent(_) => "sent",
            Self::NotDelivered { .. } => "not_delivered",
            Self::Ambiguous => "ambiguous",
            Self::OperatorMustAct => "operator_must_act",
            Self::PayloadRefused => "payload_refused",
        }
    }
}

/// What becomes of the delivery after an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Done.
    Sent(Receipt),
    /// The same bytes again, not before `due`; `pause` holds the whole method back until then.
    Retry {
        /// When to try again.
        due: Stamp,
        /// Whether every request of this method waits until then: Slack asked for it.
        pause: bool,
    },
    /// Look for it in Slack before anything is sent again.
    Reconcile {
        /// When to look.
        due: Stamp,
    },
    /// Keep it, and everything else for its channel, until a person has acted; try again at `due`.
    Park {
        /// When to try again.
        due: Stamp,
    },
    /// At once again in a plainer form.
    Degrade {
        /// The form to send.
        form: Form,
    },
    /// The message to be edited or followed is gone or closed to it: the news is composed anew.
    Recompose,
    /// An edit that tells no alert is not made: what it would have shown is shown by the next one.
    GiveUp,
    /// Given up: refused in every form.
    Dead,
}

/// What a delivery brings to the decision about its next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Situation {
    /// The form that was sent.
    pub form: Form,
    /// Tries in a row, this one included, that Slack did not take.
    pub failures: u32,
    /// The time now.
    pub now: Stamp,
}

/// The waits of delivery; one value, so that tests can shorten them all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waits {
    /// After a failure that may pass by itself.
    pub retry: Backoff,
    /// After one that passes slowly.
    pub long_retry: Backoff,
    /// Between two tries of a parked channel.
    pub parked: Duration,
    /// Before an absent message is believed to be absent: an answer may be lost while Slack still works on the request,
    /// and a history may lag behind.
    pub settle: Duration,
    /// How long an agent may hold the last console lines of a task whose own program told its end: it looks at what the
    /// program printed every 5 s, and takes a moment to send it.
    pub console: Duration,
    /// Between two log lines about a backlog.
    pub report: Duration,
    /// Between two looks for stuck tasks at least.
    pub stuck: Duration,
}

impl Waits {
    /// 1 s to 5 min with jitter; a parked channel every minute; 5 s until an absent message is believed to be absent; 6 s
    /// for the last console lines.
    pub const STANDARD: Self = Self {
        retry: Backoff { first: Duration::from_secs(1), longest: Duration::from_mins(5) },
        long_retry: Backoff { first: Duration::from_mins(2), longest: Duration::from_mins(30) },
        parked: Duration::from_mins(1),
        settle: Duration::from_secs(5),
        console: Duration::from_secs(6),
        report: Duration::from_mins(1),
        stuck: Duration::from_secs(30),
    };

    /// All waits times `factor`, for tests.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        Self {
            retry: self.retry.scaled(factor),
            long_retry: self.long_retry.scaled(factor),
            parked: scaled(self.parked, factor),
            settle: scaled(self.settle, factor),
            console: scaled(self.console, factor),
            report: scaled(self.report, factor),
            stuck: scaled(self.stuck, factor),
        }
    }
}

/// The longest wait that is believed when Slack asks for one: a broken proxy must not stop the service for a year.
pub const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(1);

/// What an answer makes of a delivery. `jitter` in `0.0..1.0` spreads the retries of many clients.
pub fn after_answer(answer: &Answer, situation: Situation, waits: &Waits, jitter: f64) -> Step {
    let Situation { form, failures, now } = situation;
    match answer {
        Answer::Sent(receipt) => Step::Sent(receipt.clone()),
        Answer::NotDelivered { retry_after: Some(wait), .. } => {
            Step::Retry { due: now.plus((*wait).min(LONGEST_RETRY_AFTER)), pause: true }
        }
        Answer::NotDelivered { retry_after: None, long } => {
            let backoff = if *long { waits.long_retry } else { waits.retry };
            Step::Retry { due: now.plus(backoff.delay(failures, jitter)), pause: false }
        }
        // The first is looked for at once; one that is lost over and over is not sent without pause.
        Answer::Ambiguous if failures <= 1 => Step::Reconcile { due: now },
        Answer::Ambiguous => Step::Reconcile { due: now.plus(waits.retry.delay(failures - 1, jitter)) },
        Answer::OperatorMustAct => Step::Park { due: now.plus(waits.parked) },
        Answer::PayloadRefused => form.plainer().map_or(Step::Dead, |form| Step::Degrade { form }),
    }
}

/// What to do about a message whose answer was lost where Slack does not let us look for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnUnknown {
    /// Send it again, once for each lost answer, and say in the history that it may be there twice.
    #[default]
    Resend,
    /// Keep it until a person says `dead retry` or `dead drop`.
    Hold,
}

impl OnUnknown {
    /// The word of `--on-unknown`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Resend => "resend",
            Self::Hold => "hold",
        }
    }
}

impl fmt::Display for OnUnknown {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// What a look into the channel's history found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// The message, under this `ts`.
    Found {
        /// Slack's ID of the message.
        ts: String,
    },
    /// The whole time since the attempt was read, and it is not there.
    Absent,
    /// The token may not read the history.
    NotPermitted,
    /// Slack could not be asked; the look says nothing.
    Failed,
}

/// What becomes of a delivery whose answer was lost, after a look for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reconciled {
    /// It had arrived.
    Sent {
        /// Slack's ID of the message.
        ts: String,
    },
    /// It is not there: send the same bytes again.
    Resend {
        /// Nobody could look: it may be there twice after this.
        possible_duplicate: bool,
    },
    /// Look again later.
    LookAgain {
        /// When.
        due: Stamp,
    },
    /// An edit that is not there although it was sent again and again: its news is composed anew.
    Recompose,
    /// Kept until a person decides; looked for again at `due`, in case the scope was added.
    Keep {
        /// When to look again.
        due: Stamp,
    },
}

/// What a look makes of a delivery whose answer was lost. `looks` counts the looks before this one that found the whole
/// history readable and the message absent; `failures` those that could not be made.
pub fn after_look(
    look: &Look,
    looks: u32,
    failures: u32,
    policy: OnUnknown,
    now: Stamp,
    waits: &Waits,
    jitter: f64,
) -> Reconciled {
    match (look, policy) {
        (Look::Found { ts }, _) => Reconciled::Sent { ts: ts.clone() },
        (Look::Absent, _) if looks == 0 => Reconciled::LookAgain { due: now.plus(waits.settle) },
        (Look::Absent, _) => Reconciled::Resend { possible_duplicate: false },
        (Look::NotPermitted, OnUnknown::Resend) => Reconciled::Resend { possible_duplicate: true },
        (Look::NotPermitted, OnUnknown::Hold) => Reconciled::Keep { due: now.plus(waits.parked) },
        (Look::Failed, _) => {
            Reconciled::LookAgain { due: now.plus(waits.retry.delay(failures.saturating_add(1), jitter)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Stamp = Stamp::from_millis(1_000_000);

    fn situation(form: Form, failures: u32) -> Situation {
        Situation { form, failures, now: NOW }
    }

    fn step(answer: &Answer, form: Form, failures: u32) -> Step {
        after_answer(answer, situation(form, failures), &Waits::STANDARD, 1.0)
    }

    #[test]
    fn one_that_is_lost_over_and_over_waits_longer_each_time() {
        let due = |failures| match step(&Answer::Ambiguous, Form::Full, failures) {
            Step::Reconcile { due } => due.since(NOW),
            other => panic!("{other:?}"),
        };
        assert_eq!(due(1), Duration::ZERO, "the first is looked for at once");
        assert!(due(2) > Duration::ZERO && due(3) > due(2), "{:?}", (due(2), due(3)));
        assert!(due(1_000) <= Waits::STANDARD.retry.longest);
    }

    #[test]
    fn retry_after_is_obeyed_and_pauses_the_method() {
        let asked = Answer::NotDelivered { retry_after: Some(Duration::from_secs(30)), long: false };
        let due = NOW.plus(Duration::from_secs(30));
        assert_eq!(step(&asked, Form::Full, 9), Step::Retry { due, pause: true });
    }

    #[test]
    fn an_absurd_retry_after_is_cut() {
        let asked = Answer::NotDelivered { retry_after: Some(Duration::from_hours(24 * 365)), long: false };
        let due = NOW.plus(LONGEST_RETRY_AFTER);
        assert_eq!(step(&asked, Form::Full, 1), Step::Retry { due, pause: true });
    }

    #[test]
    fn without_it_the_back_off_doubles_from_a_second_to_five_minutes() {
        let answer = Answer::NotDelivered { retry_after: None, long: false };
        let wait = |failures| match step(&answer, Form::Full, failures) {
            Step::Retry { due, pause: false } => due.since(NOW).as_secs(),
            other => panic!("{other:?}"),
        };
        assert_eq!([wait(1), wait(2), wait(9), wait(10), wait(1_000_000)], [1, 2, 256, 300, 300]);
    }

    #[test]
    fn a_refused_payload_degrades_and_then_dies() {
        let refused = Answer::PayloadRefused;
        assert_eq!(step(&refused, Form::Full, 1), Step::Degrade { form: Form::WithoutMetadata });
        assert_eq!(step(&refused, Form::WithoutMetadata, 2), Step::Degrade { form: Form::TextOnly });
        assert_eq!(step(&refused, Form::TextOnly, 3), Step::Dead);
        assert_eq!(step(&refused, Form::Body, 1), Step::Dead);
    }

    #[test]
    fn an_absent_message_is_looked_for_twice_before_it_is_sent_again() {
        let look = |looks| after_look(&Look::Absent, looks, 0, OnUnknown::Resend, NOW, &Waits::STANDARD, 1.0);
        assert_eq!(look(0), Reconciled::LookAgain { due: NOW.plus(Waits::STANDARD.settle) });
        assert_eq!(look(1), Reconciled::Resend { possible_duplicate: false });
    }

    #[test]
    fn where_nobody_may_look_the_policy_decides_and_a_resend_is_marked() {
        let look = |policy| after_look(&Look::NotPermitted, 0, 0, policy, NOW, &Waits::STANDARD, 1.0);
        assert_eq!(look(OnUnknown::Resend), Reconciled::Resend { possible_duplicate: true });
        assert_eq!(look(OnUnknown::Hold), Reconciled::Keep { due: NOW.plus(Waits::STANDARD.parked) });
    }

    #[test]
    fn the_words_of_the_database_are_read_back() {
        for state in DeliveryState::ALL {
            assert_eq!(DeliveryState::parse(state.as_str()), Some(state));
        }
        for form in Form::ALL {
            assert_eq!(Form::parse(form.as_str()), Some(form));
        }
    }

    fn answer() -> impl Strategy<Value = Answer> {
        prop_oneof![
            Just(Answer::Sent(Receipt { ts: Some("1.1".to_owned()), conversation: None })),
            (prop::option::of(0..100_000_u64), any::<bool>()).prop_map(|(seconds, long)| Answer::NotDelivered {
                retry_after: seconds.map(Duration::from_secs),
                long
            }),
            Just(Answer::Ambiguous),
            Just(Answer::OperatorMustAct),
            Just(Answer::PayloadRefused),
        ]
    }

    fn look() -> impl Strategy<Value = Look> {
        prop_oneof![
            Just(Look::Found { ts: "1.1".to_owned() }),
            Just(Look::Absent),
            Just(Look::NotPermitted),
            Just(Look::Failed)
        ]
    }

    proptest! {
        /// The invariants of the state machine over random lives of one message: it is sent again only after an answer
        /// that says it did not arrive, after looks that say so, or marked as a possible duplicate; it ends only as
        /// sent or dead; and it dies only refused in its plainest form.
        #[test]
        fn never_resent_unmarked_while_it_may_have_arrived(
            lives in prop::collection::vec((answer(), prop::collection::vec(look(), 0..6)), 1..30),
            hold in any::<bool>(),
        ) {
            let policy = if hold { OnUnknown::Hold } else { OnUnknown::Resend };
            let mut form = Form::Full;
            for (failures, (answer, looks)) in lives.into_iter().enumerate() {
                let failures = u32::try_from(failures).unwrap() + 1;
                match after_answer(&answer, situation(form, failures), &Waits::STANDARD, 0.3) {
                    Step::Sent(_) => { assert!(matches!(answer, Answer::Sent(_))); return Ok(()); }
                    Step::Dead => { prop_assert_eq!(form, Form::TextOnly); prop_assert_eq!(answer, Answer::PayloadRefused); return Ok(()); }
                    Step::Retry { due, .. } => {
                        assert!(matches!(answer, Answer::NotDelivered { .. }));
                        prop_assert!(due >= NOW && due.since(NOW) <= LONGEST_RETRY_AFTER);
                    }
                    Step::Park { .. } => prop_assert_eq!(answer, Answer::OperatorMustAct),
                    Step::Degrade { form: next } => { prop_assert_eq!(form.plainer(), Some(next)); form = next; }
                    Step::Recompose | Step::GiveUp => unreachable!("decided by the deliverer"),
                    Step::Reconcile { .. } => {
                        prop_assert_eq!(answer, Answer::Ambiguous);
                        let mut absent = 0;
                        let mut resent = false;
                        for look in looks {
                            match after_look(&look, absent, 0, policy, NOW, &Waits::STANDARD, 0.3) {
                                Reconciled::Sent { .. } => return Ok(()),
                                Reconciled::Resend { possible_duplicate } => {
                                    prop_assert!(possible_duplicate || absent >= 1);
                                    prop_assert!(!possible_duplicate || (look == Look::NotPermitted && !hold));
                                    resent = true;
                                    break;
                                }
                                Reconciled::LookAgain { .. } => { if look == Look::Absent { absent += 1; } }
                                Reconciled::Keep { .. } => prop_assert!(hold),
                                Reconciled::Recompose => unreachable!("only the edits of digests"),
                            }
                        }
                        if !resent { return Ok(()); }
                    }
                }
            }
        }
    }
}
