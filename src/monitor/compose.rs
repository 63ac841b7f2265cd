//! Composing: from alerts that wait to messages in the outbox, each with its exact payload. A console whose last lines are
//! still with the agent is waited for, for some seconds.

use std::collections::HashMap;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::consoles::{SEARCHED_CHARACTERS, SEARCHED_LINES, Seen};
use super::deliver::{Deliverer, Next};
use super::error::MonitorError;
use super::follow::{Placed, in_thread};
use super::lanes::Target;
use crate::domain::message::{
    self, AlertMessage, SilenceNotice, StartNotice, compose_alert, compose_silence_end, compose_start,
};
use crate::domain::rule::Style;
use crate::domain::{Diagnosis, FirstMessage, PendingAlert, Redactor, Task, Why, console};
use crate::store::{DeliveryKind, DigestSeries, Method, NewDelivery, SilenceSummary};
use crate::webhook::event::{self, AlertEvent, Envelope};

/// Alerts composed at once: their consoles are fetched side by side.
const BATCH: usize = 8;

impl Deliverer {
    /// Composes what waits for `channel`: alerts one by one, or a digest where they are too many. Tells whether there was
    /// anything, or when there will be.
    pub(super) async fn compose_due(&mut self, channel: &str, target: &Target) -> Result<Next, MonitorError> {
        if self.compose_notice(channel, target).await? {
            return Ok(Next::Now);
        }
        if self.compose_silence_end(channel, target).await? {
            return Ok(Next::Now);
        }
        let due = self.store.due_by_rule(channel).await?;
        if due.is_empty() {
            return Ok(Next::Idle);
        }
        let composed = if let Some(digest) = self.digest_due(channel, due).await? {
            vec![self.digest(channel, target, digest).await?]
        } else {
            let alerts = self.store.alerts_to_compose(channel, BATCH).await?;
            let (server_time, longest) = (self.clearml.server_time(), self.config.waits.console);
            let (waiting, bare) = alerts.into_iter().partition(|alert| self.console_lines(alert, target) > 0);
            let (mut ripe, first) = self.ripening.sort(waiting, server_time, longest, Instant::now());
            ripe.extend::<Vec<PendingAlert>>(bare);
            ripe.sort_by_key(|alert| (alert.task.status_changed, alert.id));
            if let (true, Some(at)) = (ripe.is_empty(), first) {
                return Ok(Next::At(at));
            }
            let placed = self.placed(ripe, target).await?;
            if placed.is_empty() {
                return Ok(first.map_or(Next::Idle, Next::At));
            }
            self.alerts(&placed, target).await?
        };
        self.store.enqueue(composed, self.clock.now()).await?;
        crate::crash::point("payload_stored");
        Ok(Next::Now)
    }

    async fn alerts(&mut self, placed: &[Placed], target: &Target) -> Result<Vec<NewDelivery>, MonitorError> {
        let alerts: Vec<PendingAlert> = placed.iter().map(|(alert, _)| alert.clone()).collect();
        let mentions = if target.has_mentions() { self.mentions_of(&alerts).await? } else { HashMap::new() };
        let (this, mentions) = (&*self, &mentions);
        let composed = placed.iter().map(|(alert, first)| async move {
            let seen = this.console(alert, this.console_lines(alert, target)).await;
            this.compose_one(alert, first.as_ref(), target, mentions, seen.as_ref())
        });
        Ok(join_all(composed).await)
    }

    /// Lines of console that an alert is to show. An event for a webhook is the same whatever the rule's messages look like.
    fn console_lines(&self, alert: &PendingAlert, target: &Target) -> usize {
        match target {
            Target::Webhook(_) => Style::CONSOLE_LINES,
            _ => self.config.tellings.of_rule(&alert.rule).style.console_lines,
        }
    }

    fn compose_one(
        &self,
        alert: &PendingAlert,
        first: Option<&FirstMessage>,
        target: &Target,
        mentions: &HashMap<String, String>,
        seen: Option<&Seen>,
    ) -> NewDelivery {
        let redactor = &self.config.redactor;
        let read = seen.and_then(|seen| Some(Diagnosis::of_row(&alert.task, redactor)?.refined(&seen.lines).why()));
        let alert = &PendingAlert { task: without_secrets(&alert.task, redactor), ..alert.clone() };
        let pages = self.web_pages();
        let project_url = alert.task.project.as_ref().zip(pages).map(|(project, pages)| pages.project(project));
        let now = self.clearml.server_time().unwrap_or_else(|| self.clock.now());
        let mention: Vec<String> = self.mention_in(mentions, alert).into_iter().collect();
        let telling = self.config.tellings.of_rule(&alert.rule);
        let prefixes: Vec<&str> = telling.style.prefix.as_deref().into_iter().collect();
        let (why, tail) = (read.as_ref().or(alert.why.as_ref()), seen.map(|seen| &seen.tail));
        let (payload, key) = compose_alert(&AlertMessage {
            alert,
            channel_id: target.address(&alert.channel),
            instance: &self.config.instance,
            prefix: message::with_mentions(&mention, &prefixes).as_deref(),
            project_url: project_url.as_deref(),
            server: self.clearml.host(),
            console: tail,
            why,
            age: match alert.waited {
                Some(waited) => self.clock.now().since(waited.released_at),
                None => now.since(alert.task.status_changed),
            },
            style: &telling.style,
            metric: telling.metric.as_ref(),
        });
        let payload = in_thread(payload, alert, first, target);
        let payload = match target {
            Target::Webhook(_) => {
                let follows = first.map(|first| first.key.as_str());
                let event = AlertEvent { alert, why, project_url: project_url.as_deref(), console: tail, follows };
                event::alert(self.envelope(&key), event)
            }
            _ => payload,
        };
        let (kind, alerts) = (DeliveryKind::Alert, vec![alert.id]);
        target.takes(NewDelivery {
            kind,
            method: Method::Post,
            edits: None,
            channel: alert.channel.clone(),
            channel_id: target.address(&alert.channel).to_owned(),
            key,
            payload,
            alerts,
            series: DigestSeries::default(),
            whys: read.map(|why: Why| (alert.id, why)).into_iter().collect(),
            thread: self.thread_of(alert, first, target),
        })
    }

    /// Alerts for a document that nobody looks through again.
    pub(super) fn without_secrets(&self, alerts: Vec<PendingAlert>) -> Vec<PendingAlert> {
        let redactor = &self.config.redactor;
        alerts.into_iter().map(|alert| PendingAlert { task: without_secrets(&alert.task, redactor), ..alert }).collect()
    }

    pub(super) fn envelope<'a>(&'a self, key: &'a str) -> Envelope<'a> {
        Envelope { key, instance: &self.config.instance, server: self.clearml.host(), created_at: self.clock.now() }
    }

    async fn compose_notice(&mut self, channel: &str, target: &Target) -> Result<bool, MonitorError> {
        let Some(start) = self.start_notice.take_if(|start| start.channel == channel) else {
            return Ok(false);
        };
        let now = self.clock.now();
        let (payload, key) = compose_start(&StartNotice {
            channel_id: target.address(channel),
            instance: &self.config.instance,
            version: env!("CARGO_PKG_VERSION"),
            host: &self.config.host,
            server: self.clearml.host(),
            watches: &start.watches,
            refresh: start.refresh,
            resume: start.resume,
            now,
        });
        let notice = self.notice(channel, target, key, payload);
        self.store.announce(notice, now).await?;
        Ok(true)
    }

    /// One line for a silence that has ended and kept this channel quiet.
    async fn compose_silence_end(&self, channel: &str, target: &Target) -> Result<bool, MonitorError> {
        let Some(SilenceSummary { silence, counts }) = self.store.silence_to_tell(channel).await? else {
            return Ok(false);
        };
        let (payload, key) = compose_silence_end(&SilenceNotice {
            channel_id: target.address(channel),
            instance: &self.config.instance,
            id: silence.id,
            covers: &silence.covers.to_string(),
            author: &silence.author,
            reason: &silence.reason,
            counts: &counts,
        });
        let notice = self.notice(channel, target, key, payload);
        self.store.tell_silence(silence.id, notice, self.clock.now()).await?;
        Ok(true)
    }

    /// A message about the monitor itself; a webhook gets its words as plain text.
    fn notice(&self, lane: &str, target: &Target, key: String, payload: String) -> NewDelivery {
        let payload = match target {
            Target::Webhook(_) => event::notice(self.envelope(&key), &message::draw::plain_text(&payload)),
            _ => payload,
        };
        let (channel, channel_id) = (lane.to_owned(), target.address(lane).to_owned());
        let (kind, method, edits, alerts) = (DeliveryKind::Notice, Method::Post, None, Vec::new());
        let (series, whys, thread) = (DigestSeries::default(), Vec::new(), None);
        target.takes(NewDelivery {
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
        })
    }

    fn web_pages(&self) -> Option<crate::domain::WebPages> {
        let version = self.clearml.session().and_then(|session| session.server_version);
        self.config.web.as_deref().map(|web| crate::domain::WebPages::new(web, version.as_deref()))
    }
}

/// The task with reason and message as they may be shown: without secrets, and without the colours of a console.
pub(super) fn without_secrets(task: &Task, redactor: &Redactor) -> Task {
    let clean = |words: &Option<String>| {
        let seen = console::tail(words.as_deref()?, SEARCHED_LINES, SEARCHED_CHARACTERS).lines.join("\n");
        Some(redactor.redact(&seen).into_owned())
    };
    Task { status_reason: clean(&task.status_reason), status_message: clean(&task.status_message), ..task.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Status;
    use crate::domain::decide::tests::task;

    #[test]
    fn a_reason_is_told_without_colours_and_without_secrets() {
        let reason = "\u{1b}[31mValueError\u{1b}[0m: password=hunter2\nsecond line";
        let failed = Task { status_reason: Some(reason.to_owned()), ..task(Status::Failed) };
        let shown = without_secrets(&failed, &Redactor::new(Vec::new())).status_reason.unwrap();
        assert!(shown.starts_with("ValueError: password=") && shown.ends_with("\nsecond line"), "{shown:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
