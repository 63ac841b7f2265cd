//! Digests: one message for many alerts, edited while the flood lasts.

use std::collections::HashMap;
use std::time::Duration;

use super::compose::without_secrets;
use super::deliver::Deliverer;
use super::error::MonitorError;
use super::lanes::Target;
use crate::domain::message::{self, DigestItem, DigestMessage, Place, compose_digest};
use crate::domain::rule::{Style, Times};
use crate::domain::{Cause, PendingAlert, Redactor};
use crate::store::{Delivery, DeliveryKind, DigestSeries, Due, Method, NewDelivery};
use crate::webhook::event;

/// Alerts that one digest takes up at once.
const DIGEST_BATCH: usize = 20_000;
/// Alerts that one event of a webhook takes up at once: receivers limit what they take.
const EVENT_BATCH: usize = 500;
/// A digest is edited while the flood lasts and it is no older than this; then a new one begins.
const DIGEST_AGE: Duration = Duration::from_mins(5);
/// A flood lasts until no more came for so long.
const FLOOD_LASTS: Duration = Duration::from_mins(1);

/// Rules of one lane that share their digests, and how much they have to tell there.
#[derive(Debug, Default)]
struct Group {
    /// The rule that has digests of its own.
    own: Option<String>,
    rules: Vec<String>,
    fresh: u32,
    kept: u32,
}

/// A digest that is to be composed.
pub(super) struct DigestDue {
    series: DigestSeries,
    rules: Vec<String>,
    /// The message that it edits, if the flood lasts.
    open: Option<Delivery>,
}

impl Deliverer {
    /// The digest that is due in a lane, if one is: what quiet hours kept comes before what is too much at once.
    pub(super) async fn digest_due(&self, lane: &str, due: Vec<Due>) -> Result<Option<DigestDue>, MonitorError> {
        for group in self.groups(due) {
            if let Some(quiet) = self.open_or_many(lane, &group, true).await? {
                return Ok(Some(quiet));
            }
            if let Some(flood) = self.open_or_many(lane, &group, false).await? {
                return Ok(Some(flood));
            }
        }
        Ok(None)
    }

    /// What waits in a lane by the rules that share digests: each with a `digest_above` of its own has its own.
    fn groups(&self, due: Vec<Due>) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        for Due { rule, fresh, kept } in due {
            let is_own = self.config.tellings.of_rule(&rule).digest_above.is_some();
            let own = is_own.then(|| rule.clone());
            let position = groups.iter().position(|group| group.own == own).unwrap_or_else(|| {
                groups.push(Group { own, ..Group::default() });
                groups.len() - 1
            });
            let group = &mut groups[position];
            group.rules.push(rule);
            group.fresh += fresh;
            group.kept += kept;
        }
        groups
    }

    /// The digest of a group, of what quiet hours kept or of all, where it has enough for one or one is still open. What
    /// quiet hours kept becomes a digest wherever it is more than one alert: that is what they are for.
    async fn open_or_many(&self, lane: &str, group: &Group, quiet: bool) -> Result<Option<DigestDue>, MonitorError> {
        let own = group.own.as_ref().and_then(|rule| self.config.tellings.of_rule(rule).digest_above);
        let above = if quiet { 1 } else { own.unwrap_or(self.config.digest_above) };
        let waiting = if quiet { group.kept } else { group.fresh + group.kept };
        if above == 0 || waiting == 0 {
            return Ok(None);
        }
        let series = DigestSeries { rule: group.own.clone(), quiet };
        let open = self.open_digest(lane, &series).await?;
        let is_due = open.is_some() || waiting > above;
        Ok(is_due.then(|| DigestDue { series, rules: group.rules.clone(), open }))
    }

    /// The digest that is still to be edited, if the flood lasts.
    async fn open_digest(&self, channel: &str, series: &DigestSeries) -> Result<Option<Delivery>, MonitorError> {
        let now = self.clock.now();
        let found = self.store.open_digest(channel, series, now.minus(DIGEST_AGE), now.minus(FLOOD_LASTS)).await?;
        Ok(found.filter(|digest| digest.message_ts.is_some()))
    }

    pub(super) async fn digest(
        &mut self,
        channel: &str,
        target: &Target,
        due: DigestDue,
    ) -> Result<NewDelivery, MonitorError> {
        let DigestDue { series, rules, open } = due;
        let batch = if matches!(target, Target::Webhook(_)) { EVENT_BATCH } else { DIGEST_BATCH };
        let new = self.store.alerts_to_digest(channel, &rules, series.quiet, batch).await?;
        let mut told = match &open {
            Some(digest) => self.store.alerts_of_digest(digest.id).await?,
            None => Vec::new(),
        };
        let alerts = new.iter().map(|alert| alert.id).collect();
        told.extend(new);
        told.sort_by_key(|alert| (alert.task.status_changed, alert.id));
        let mentions = if target.has_mentions() { self.mentions_of(&told).await? } else { HashMap::new() };
        let mentions: Vec<String> = told.iter().filter_map(|alert| self.mention_in(&mentions, alert)).collect();
        let styles: Vec<&Style> = self.styles_of(&told);
        let prefixes: Vec<&str> = styles.iter().filter_map(|style| style.prefix.as_deref()).collect();
        let prefix = message::with_mentions(&mentions, &prefixes);
        let times = common_times(&styles);
        let items: Vec<DigestItem> = told.iter().map(|alert| digest_item(alert, &self.config.redactor)).collect();
        let place = match open.as_ref().and_then(|digest| digest.message_ts.clone().zip(Some(&digest.channel_id))) {
            Some((ts, channel)) => Place::Edit { channel: channel.clone(), ts },
            None => Place::New { channel: target.address(channel).to_owned() },
        };
        let first = told.first().map_or(0, |alert| alert.id);
        let id = format!("{first}-{}", self.clock.now().as_millis());
        let (prefix, instance) = (prefix.as_deref(), self.config.instance.as_str());
        let message =
            DigestMessage { items: &items, prefix, instance, id: &id, times: &times, kept_quiet: series.quiet };
        let (payload, key) = compose_digest(&place, &message);
        let (method, edits) = match open {
            Some(digest) => (Method::Update, Some(digest.id)),
            None => (Method::Post, None),
        };
        let payload = match target {
            Target::Webhook(_) => event::digest(self.envelope(&key), &self.without_secrets(told)),
            _ => payload,
        };
        let (channel, channel_id) = (channel.to_owned(), target.address(channel).to_owned());
        let (kind, whys) = (DeliveryKind::Digest, Vec::new());
        let thread = None;
        Ok(target.takes(NewDelivery {
            kind,
            method,
            edits,
            channel,
            channel_id,
            key,
            payload,
            alerts,
            series,
            whys,
            thread,
        }))
    }

    /// What the messages of the rules look like that have something to tell, each rule once.
    fn styles_of(&self, told: &[PendingAlert]) -> Vec<&Style> {
        let mut rules: Vec<&str> = Vec::new();
        for alert in told {
            if !rules.contains(&alert.rule.as_str()) {
                rules.push(&alert.rule);
            }
        }
        rules.into_iter().map(|rule| &self.config.tellings.of_rule(rule).style).collect()
    }
}

/// How rules that share a digest show moments: as all of them do, or where they differ, as each reader has it.
fn common_times(styles: &[&Style]) -> Times {
    let first = styles.first().map(|style| &style.times);
    let agreed = first.filter(|first| styles.iter().all(|style| style.times == **first));
    agreed.cloned().unwrap_or_default()
}

fn digest_item(alert: &PendingAlert, redactor: &Redactor) -> DigestItem {
    let task = without_secrets(&alert.task, redactor);
    DigestItem {
        task_name: task.name.clone(),
        project: task.project_label().map(str::to_owned),
        user: task.user_label().map(str::to_owned),
        outcome: alert.outcome,
        status_changed: task.status_changed,
        iteration: task.last_iteration,
        reason: match &alert.why {
            Some(why) if !why.detail.is_empty() => Some(why.detail.clone()),
            _ => message::first_reason(&task).map(str::to_owned),
        },
        cause: alert.why.as_ref().map(|why| why.cause).filter(|cause| *cause != Cause::Unknown),
        url: alert.url.clone(),
    }
}
