//! Composing: from alerts that wait to messages in the outbox, each with its exact payload. A console that cannot be
//! fetched costs the alert its console, never the alert; one whose last lines are still with the agent is waited for, for
//! some seconds.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::deliver::{Deliverer, Next};
use super::error::MonitorError;
use super::follow::{Placed, in_thread};
use super::lanes::Target;
use crate::domain::message::{
    self, AlertMessage, DigestItem, DigestMessage, Place, SilenceNotice, StartNotice, compose_alert, compose_digest,
    compose_silence_end, compose_start,
};
use crate::domain::{Diagnosis, FirstMessage, PendingAlert, Redactor, Task, Why, console};
use crate::store::{Delivery, DeliveryKind, Method, NewDelivery, SilenceSummary};
use crate::webhook::event::{self, AlertEvent, Envelope};

/// Alerts composed at once: their consoles are fetched side by side.
const BATCH: usize = 8;
/// Alerts that one digest takes up at once.
const DIGEST_BATCH: usize = 20_000;
/// Alerts that one event of a webhook takes up at once: receivers limit what they take.
const EVENT_BATCH: usize = 500;
/// Log events asked for to find the last console lines.
const CONSOLE_EVENTS: u32 = 20;
/// Lines of console in an alert.
const CONSOLE_LINES: usize = 20;
/// Characters of console in an alert.
const CONSOLE_CHARACTERS: usize = 2_400;
/// Lines of console in which secrets are looked for.
const SEARCHED_LINES: usize = 20_000;
/// Characters of console in which secrets are looked for.
const SEARCHED_CHARACTERS: usize = 256 * 1024;
/// A console is waited for no longer than this.
const CONSOLE_PATIENCE: Duration = Duration::from_secs(10);
/// A digest is edited while the flood lasts and it is no older than this; then a new one begins.
const DIGEST_AGE: Duration = Duration::from_mins(5);
/// A flood lasts until no more came for so long.
const FLOOD_LASTS: Duration = Duration::from_mins(1);

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
        let waiting = self.store.count_to_compose(channel).await?;
        if waiting == 0 {
            return Ok(Next::Idle);
        }
        let open_digest = self.open_digest(channel).await?;
        let is_flood = self.config.digest_above > 0 && (waiting > self.config.digest_above || open_digest.is_some());
        let composed = if is_flood {
            vec![self.digest(channel, target, open_digest).await?]
        } else {
            let alerts = self.store.alerts_to_compose(channel, BATCH).await?;
            let (server_time, longest) = (self.clearml.server_time(), self.config.waits.console);
            let (ripe, first) = self.ripening.sort(alerts, server_time, longest, Instant::now());
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
            let seen = this.console(alert).await;
            this.compose_one(alert, first.as_ref(), target, mentions, seen.as_ref())
        });
        Ok(join_all(composed).await)
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
        let (why, tail) = (read.as_ref().or(alert.why.as_ref()), seen.map(|seen| &seen.tail));
        let (payload, key) = compose_alert(&AlertMessage {
            alert,
            channel_id: target.address(&alert.channel),
            instance: &self.config.instance,
            prefix: message::with_mentions(&mention, self.prefix_of(&alert.rule)).as_deref(),
            project_url: project_url.as_deref(),
            server: self.clearml.host(),
            console: tail,
            why,
            age: now.since(alert.task.status_changed),
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
            whys: read.map(|why: Why| (alert.id, why)).into_iter().collect(),
            thread: self.thread_of(alert, first, target),
        })
    }

    /// Alerts for a document that nobody looks through again.
    fn without_secrets(&self, alerts: Vec<PendingAlert>) -> Vec<PendingAlert> {
        let redactor = &self.config.redactor;
        alerts.into_iter().map(|alert| PendingAlert { task: without_secrets(&alert.task, redactor), ..alert }).collect()
    }

    fn envelope<'a>(&'a self, key: &'a str) -> Envelope<'a> {
        Envelope { key, instance: &self.config.instance, server: self.clearml.host(), created_at: self.clock.now() }
    }

    async fn console(&self, alert: &PendingAlert) -> Option<Seen> {
        let asked = self.clearml.console_tail(&alert.task.id, CONSOLE_EVENTS);
        match tokio::time::timeout(CONSOLE_PATIENCE, asked).await {
            Ok(Ok(messages)) => Some(seen_without_secrets(&messages.join("\n"), &self.config.redactor)),
            Ok(Err(error)) => {
                tracing::warn!(task = %alert.task.id, %error, "the console could not be fetched; the alert goes without it");
                None
            }
            Err(_) => {
                tracing::warn!(task = %alert.task.id, "the console took too long; the alert goes without it");
                None
            }
        }
    }

    /// The digest that is still to be edited, if the flood lasts.
    async fn open_digest(&self, channel: &str) -> Result<Option<Delivery>, MonitorError> {
        if self.config.digest_above == 0 {
            return Ok(None);
        }
        let now = self.clock.now();
        let found = self.store.open_digest(channel, now.minus(DIGEST_AGE), now.minus(FLOOD_LASTS)).await?;
        Ok(found.filter(|digest| digest.message_ts.is_some()))
    }

    async fn digest(
        &mut self,
        channel: &str,
        target: &Target,
        open: Option<Delivery>,
    ) -> Result<NewDelivery, MonitorError> {
        let batch = if matches!(target, Target::Webhook(_)) { EVENT_BATCH } else { DIGEST_BATCH };
        let new = self.store.alerts_to_compose(channel, batch).await?;
        let mut told = match &open {
            Some(digest) => self.store.alerts_of_digest(digest.id).await?,
            None => Vec::new(),
        };
        let alerts = new.iter().map(|alert| alert.id).collect();
        let rule = new.first().map(|alert| alert.rule.clone());
        told.extend(new);
        told.sort_by_key(|alert| (alert.task.status_changed, alert.id));
        let mentions = if target.has_mentions() { self.mentions_of(&told).await? } else { HashMap::new() };
        let mentions: Vec<String> = told.iter().filter_map(|alert| self.mention_in(&mentions, alert)).collect();
        let prefix = message::with_mentions(&mentions, rule.as_deref().and_then(|rule| self.prefix_of(rule)));
        let items: Vec<DigestItem> = told.iter().map(|alert| digest_item(alert, &self.config.redactor)).collect();
        let place = match open.as_ref().and_then(|digest| digest.message_ts.clone().zip(Some(&digest.channel_id))) {
            Some((ts, channel)) => Place::Edit { channel: channel.clone(), ts },
            None => Place::New { channel: target.address(channel).to_owned() },
        };
        let first = told.first().map_or(0, |alert| alert.id);
        let id = format!("{first}-{}", self.clock.now().as_millis());
        let message =
            DigestMessage { items: &items, prefix: prefix.as_deref(), instance: &self.config.instance, id: &id };
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
        Ok(target.takes(NewDelivery { kind, method, edits, channel, channel_id, key, payload, alerts, whys, thread }))
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
        let (whys, thread) = (Vec::new(), None);
        target.takes(NewDelivery { kind, method, edits, channel, channel_id, key, payload, alerts, whys, thread })
    }

    fn prefix_of(&self, rule: &str) -> Option<&str> {
        self.config.prefixes.get(rule).map(String::as_str)
    }

    fn web_pages(&self) -> Option<crate::domain::WebPages> {
        let version = self.clearml.session().and_then(|session| session.server_version);
        self.config.web.as_deref().map(|web| crate::domain::WebPages::new(web, version.as_deref()))
    }
}

/// What was seen of a console.
struct Seen {
    /// What the message quotes.
    tail: console::ConsoleTail,
    /// More of it: what tells why the task ended.
    lines: Vec<String>,
}

/// The console's end. Secrets are looked for in what a terminal would show, and in more of it than is quoted: one that is
/// cut in two is hard to know.
fn seen_without_secrets(raw: &str, redactor: &Redactor) -> Seen {
    let shown = console::tail(raw, SEARCHED_LINES, SEARCHED_CHARACTERS);
    let text = shown.lines.join("\n");
    let text = redactor.redact(&text);
    let tail = console::tail(&text, CONSOLE_LINES, CONSOLE_CHARACTERS);
    let tail = console::ConsoleTail { cut: tail.cut || shown.cut, ..tail };
    Seen { tail, lines: text.lines().map(str::to_owned).collect() }
}

/// The task with reason and message as they may be shown.
fn without_secrets(task: &Task, redactor: &Redactor) -> Task {
    let clean = |words: &Option<String>| words.as_deref().map(|words| redactor.redact(words).into_owned());
    Task { status_reason: clean(&task.status_reason), status_message: clean(&task.status_message), ..task.clone() }
}

fn digest_item(alert: &PendingAlert, redactor: &Redactor) -> DigestItem {
    let task = &alert.task;
    DigestItem {
        task_name: task.name.clone(),
        project: task.project_label().map(str::to_owned),
        user: task.user_label().map(str::to_owned),
        outcome: alert.outcome,
        status_changed: task.status_changed,
        iteration: task.last_iteration,
        reason: match &alert.why {
            Some(why) if !why.detail.is_empty() => Some(why.detail.clone()),
            _ => message::first_reason(task).map(|reason| redactor.redact(reason).into_owned()),
        },
        url: alert.url.clone(),
    }
}
