//! Following up: alerts that go into the thread of their task's first message, and edits by which that one shows how the
//! task stands. An edit tells no alert, waits behind every message that does, and is given up rather than hold one up.

use std::collections::HashSet;

use super::deliver::{Deliverer, Next};
use super::error::MonitorError;
use super::lanes::Target;
use super::telling::Tellings;
use crate::domain::delivery::DeliveryState;
use crate::domain::follow::{is_broadcast, place};
use crate::domain::{FirstMessage, Outcome, PendingAlert, Placement, TaskState, message};
use crate::store::{Delivery, DeliveryKind, DigestSeries, Method, NewDelivery, StateToShow, Thread};

/// An alert, and the message that it follows.
pub(super) type Placed = (PendingAlert, Option<FirstMessage>);

impl Deliverer {
    /// Finds for each alert the message that it follows. Those whose first message is under way are left out: they wait.
    pub(super) async fn placed(&self, alerts: Vec<PendingAlert>, target: &Target) -> Result<Vec<Placed>, MonitorError> {
        let mut placed = Vec::new();
        let mut begun = HashSet::new();
        for alert in alerts {
            if !self.follows_up(&alert, target) {
                placed.push((alert, None));
                continue;
            }
            if !begun.insert((alert.rule.clone(), alert.task.id.clone())) {
                continue;
            }
            let first = self.store.first_message(&alert.rule, &alert.task.id).await?;
            match place(first, &alert.channel, |address| target.accepts(address, &alert.channel)) {
                Placement::TopLevel => placed.push((alert, None)),
                Placement::Follows(first) => placed.push((alert, Some(first))),
                Placement::Wait => {}
            }
        }
        Ok(placed)
    }

    /// Whether there can be a thread: an incoming webhook says nothing of its messages.
    fn follows_up(&self, alert: &PendingAlert, target: &Target) -> bool {
        self.config.destinations.threads.contains(&alert.rule) && !matches!(target, Target::SlackWebhook(_))
    }

    /// How the message of an alert takes part in a thread.
    pub(super) fn thread_of(
        &self,
        alert: &PendingAlert,
        first: Option<&FirstMessage>,
        target: &Target,
    ) -> Option<Thread> {
        match first {
            Some(first) => Some(Thread::Follows(first.delivery)),
            None if self.follows_up(alert, target) || is_to_be_edited(alert, target) => Some(Thread::Begins {
                rule: alert.rule.clone(),
                task_id: alert.task.id.clone(),
                told: TaskState::told_by(alert),
            }),
            None => None,
        }
    }

    /// Composes the edit of one message that does not show yet how its task stands.
    pub(super) async fn compose_state(&self, channel: &str, target: &Target) -> Result<Next, MonitorError> {
        let Some(due) = self.store.state_to_show(channel).await? else {
            return Ok(Next::Idle);
        };
        let is_wanted = due.told.stuck || self.config.destinations.threads.contains(&due.rule);
        if is_wanted && matches!(target, Target::Slack { .. }) && target.accepts(&due.address, channel) {
            let state = due.wanted.clone();
            let edit = edit_of(due, channel, &self.config.tellings);
            self.store.enqueue_edit(edit, state, self.clock.now()).await?;
            crate::crash::point("edit_stored");
        } else {
            self.store.pass_over_state(due.delivery, due.wanted).await?;
        }
        Ok(Next::Now)
    }
}

/// That a task is stuck is taken back where it moves again, also by a rule that does not follow up in threads.
fn is_to_be_edited(alert: &PendingAlert, target: &Target) -> bool {
    alert.outcome == Outcome::Stuck && matches!(target, Target::Slack { .. })
}

fn edit_of(due: StateToShow, channel: &str, tellings: &Tellings) -> NewDelivery {
    let (marked, plain) = due.wanted.lines(&due.told, &tellings.of_rule(&due.rule).style.times);
    NewDelivery {
        kind: DeliveryKind::Edit,
        method: Method::Update,
        edits: Some(due.delivery),
        channel: channel.to_owned(),
        payload: message::with_state(&due.payload, &due.address, &due.ts, (&marked, &plain)),
        channel_id: due.address,
        key: due.key,
        alerts: Vec::new(),
        series: DigestSeries::default(),
        whys: Vec::new(),
        thread: None,
    }
}

/// A composed alert as a reply to the first message, in a lane that has threads.
pub(super) fn in_thread(
    payload: String,
    alert: &PendingAlert,
    first: Option<&FirstMessage>,
    target: &Target,
) -> String {
    match (first.and_then(|first| first.ts.as_deref()), target) {
        (Some(ts), Target::Slack { .. }) => message::as_reply(&payload, ts, is_broadcast(alert.outcome)),
        _ => payload,
    }
}

/// An edit that nothing keeps from being composed after other news.
pub(super) fn is_waiting_edit(delivery: &Delivery) -> bool {
    delivery.kind == DeliveryKind::Edit && matches!(delivery.state, DeliveryState::Pending | DeliveryState::Held)
}
