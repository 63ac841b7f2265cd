//! Delivery: oldest first, one channel at a time, paced. Every attempt is recorded before its request and completed after
//! the answer; what is found under way at start is reconciled before anything is sent again.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::backlog::Backlog;
use super::error::MonitorError;
use super::follow::is_waiting_edit;
use super::in_flight::InFlight;
use super::lanes::Destinations;
use super::next_rules::NextRules;
use super::ripe::Ripening;
use super::send::Unrecorded;
use super::status::Status;
use super::telling::Tellings;
use crate::clearml;
use crate::clock::Clock;
use crate::domain::delivery::{DeliveryState, LONGEST_RETRY_AFTER, OnUnknown, Waits};
use crate::domain::{Lane, Redactor, Stamp};
use crate::slack::pacing::DEFAULT_BURST;
use crate::slack::{self, Class, Pacer, Pauses};
use crate::store::{Delivery, LaneNow, Method, Store};

/// Steps of each channel before the list of channels is made anew.
const ROUNDS: usize = 100;
/// Where Slack does not tell its time it is taken to be a day behind: a look for a lost answer then begins too early, and
/// never too late.
const UNKNOWN_BEHIND: i64 = -86_400_000;
/// How often a parked channel is spoken of loudly in the log.
const LOUD_PERIOD: Duration = Duration::from_mins(10);

/// What a deliverer needs to be told.
#[derive(Debug, Clone)]
pub struct DeliveryConfig {
    /// The database's own name: part of every message's key.
    pub instance: String,
    /// This machine's name, for the start message.
    pub host: String,
    /// ClearML's web application, where links are known to lead.
    pub web: Option<String>,
    /// How each rule tells.
    pub tellings: Tellings,
    /// More alerts than this at once become a digest; 0 never.
    pub digest_above: u32,
    /// What to do about a lost answer where nobody may look.
    pub on_unknown: OnUnknown,
    /// The waits.
    pub waits: Waits,
    /// Messages a second in each channel; 0 leaves the pace to Slack.
    pub rate: f64,
    /// Blots secrets out of consoles.
    pub redactor: Redactor,
    /// What the names of destinations mean.
    pub destinations: Destinations,
}

/// A start message that waits for its channel.
#[derive(Debug, Clone)]
pub struct StartRequest {
    /// The channel, as the user named it.
    pub channel: String,
    /// What is watched, in words.
    pub watches: String,
    /// How often ClearML is asked.
    pub refresh: Duration,
    /// Up to where everything is recorded.
    pub resume: Option<Stamp>,
}

/// When there is something to do again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Not before news.
    Idle,
    /// At this moment at the latest.
    At(Instant),
    /// At once.
    Now,
}

impl Next {
    fn sooner(self, other: Self) -> Self {
        match (self, other) {
            (Self::Now, _) | (_, Self::Now) => Self::Now,
            (Self::At(one), Self::At(two)) => Self::At(one.min(two)),
            (at @ Self::At(_), Self::Idle) | (Self::Idle, at) => at,
        }
    }
}

/// Sends what the store says is due.
#[derive(Debug)]
pub struct Deliverer {
    pub(super) store: Store,
    pub(super) clearml: clearml::Client,
    pub(super) slack: slack::Client,
    pub(super) clock: Clock,
    pub(super) config: DeliveryConfig,
    next: NextRules,
    pub(super) start_notice: Option<StartRequest>,
    pub(super) status: Status,
    pub(super) pacer: Pacer,
    pub(super) pauses: Pauses,
    /// By how much Slack's clock is ahead of ours, in milliseconds; known once the token was tested.
    slack_ahead: Option<i64>,
    /// Channels joined since something was last posted there: once is enough.
    pub(super) joined: HashSet<String>,
    /// Channels that could not be looked up for a passing reason: how often in a row, and when to try again.
    unready: HashMap<String, (u32, Instant)>,
    pub(super) spoken: HashMap<String, Instant>,
    /// What became of attempts, where the database could not take it yet.
    pub(super) unrecorded: Vec<Unrecorded>,
    /// Requests to webhooks that are under way: none of them holds another lane up.
    pub(super) in_flight: InFlight,
    /// Owners' addresses that Slack did not know, and when it was asked.
    pub(super) nobody: HashMap<String, Instant>,
    /// Something was moved to a lane that may not be among those looked at.
    pub(super) lanes_moved: bool,
    pub(super) backlog: Backlog,
    /// Messages that are kept because nobody may look for them, and that the log has told of.
    pub(super) told_kept: HashSet<i64>,
    /// Alerts whose consoles are not complete yet.
    pub(super) ripening: Ripening,
}

impl Deliverer {
    /// A deliverer. [`Deliverer::recover`] comes first.
    pub fn new(
        store: Store,
        clearml: clearml::Client,
        slack: slack::Client,
        clock: Clock,
        config: DeliveryConfig,
    ) -> Self {
        let pacer = Pacer::new(config.rate, DEFAULT_BURST);
        let status = Status::new(clock.now(), Duration::ZERO);
        Self {
            store,
            clearml,
            slack,
            clock,
            config,
            next: NextRules::default(),
            start_notice: None,
            status,
            pacer,
            pauses: Pauses::new(),
            slack_ahead: None,
            joined: HashSet::new(),
            unready: HashMap::new(),
            spoken: HashMap::new(),
            unrecorded: Vec::new(),
            in_flight: InFlight::default(),
            nobody: HashMap::new(),
            lanes_moved: false,
            backlog: Backlog::default(),
            told_kept: HashSet::new(),
            ripening: Ripening::default(),
        }
    }

    /// Where rules are put that outcomes are put to from now on: what waits goes where they tell.
    pub fn next_rules(&self) -> NextRules {
        self.next.clone()
    }

    /// Between two messages, so that none is taken back that is being sent.
    async fn adopt_rules(&mut self) -> Result<(), MonitorError> {
        let Some(rules) = self.next.take() else {
            return Ok(());
        };
        for rule in &rules {
            match self.store.retarget(&rule.name, &rule.destination).await {
                Ok(0) => {}
                Ok(moved) => {
                    let channel = &rule.destination;
                    tracing::info!(alerts = moved, %channel, "alerts that waited for another channel go here now");
                }
                Err(error) => {
                    self.next.replace(rules);
                    return Err(error.into());
                }
            }
        }
        crate::crash::point("retargeted");
        self.config.destinations.heed_rules(&rules);
        self.config.tellings = Tellings::of(&rules);
        Ok(())
    }

    /// Takes up what the last run left: what was under way is unknown, and the waits that Slack asked for go on.
    pub async fn recover(&mut self) -> Result<(), MonitorError> {
        let now = self.clock.steady();
        let (latest_retry, latest_pause) = (now.plus(self.config.waits.retry.longest), now.plus(LONGEST_RETRY_AFTER));
        let interrupted = self.store.recover_interrupted(latest_retry, latest_pause).await?;
        if interrupted > 0 {
            tracing::info!(
                messages = interrupted,
                "the last run ended while sending: looking for these messages in Slack first"
            );
        }
        for pause in self.store.pauses(now).await? {
            if let Some(method) = slack::Method::parse(&pause.method) {
                self.pauses.pause(method, Instant::now(), pause.until.since(now));
            }
        }
        Ok(())
    }

    /// Tests the token and finds the channel before there is anything to send, so that what a person must mend is told
    /// at the start and not with the first alert.
    pub async fn check_channel(&mut self, channel: &str) -> Result<(), MonitorError> {
        let record = self.store.channel(channel).await?;
        match self.target(channel, &record).await {
            Ok(_) => Ok(()),
            Err(error) => self.not_ready(channel, error).await.map(drop),
        }
    }

    /// Posts a start message once its channel is known.
    pub fn announce(&mut self, request: StartRequest) {
        self.start_notice = Some(request);
    }

    /// Sends what is due until nothing is, `stop` is set, or a good while has passed; says when to come back.
    pub async fn deliver_due(&mut self, stop: &CancellationToken) -> Result<Next, MonitorError> {
        self.record_again().await?;
        self.record_landed().await?;
        self.adopt_rules().await?;
        self.speak_of_backlog().await?;
        let channels = self.channels().await?;
        for _ in 0..ROUNDS {
            let mut next = Next::Idle;
            for channel in &channels {
                if stop.is_cancelled() {
                    return Ok(Next::Idle);
                }
                self.status.pulse().delivering.step();
                if !self.in_flight.has(channel) {
                    next = next.sooner(self.step(channel).await?);
                }
            }
            if self.record_landed().await? || std::mem::take(&mut self.lanes_moved) {
                return Ok(Next::Now);
            }
            if next == Next::Idle && self.in_flight.is_empty() {
                self.backlog.end();
            }
            if next != Next::Now {
                return Ok(next);
            }
        }
        Ok(Next::Now)
    }

    async fn channels(&self) -> Result<Vec<String>, MonitorError> {
        let mut channels = self.store.channels_with_work().await?;
        if let Some(start) = &self.start_notice
            && !channels.contains(&start.channel)
        {
            channels.push(start.channel.clone());
        }
        Ok(channels)
    }

    /// One step for one channel: a look for lost answers, and one message composed or sent.
    async fn step(&mut self, channel: &str) -> Result<Next, MonitorError> {
        let skip_unknown = self.config.on_unknown == OnUnknown::Hold;
        let LaneNow { record, lost, mut next } =
            self.store.lane_now(channel, skip_unknown, self.clock.steady()).await?;
        let parked_until = record.parked_at.and(record.retry_at);
        if let Some(wait) = parked_until.and_then(|until| self.wait_until(until)) {
            return Ok(wait);
        }
        if let Some((_, at)) = self.unready.get(channel)
            && *at > Instant::now()
        {
            return Ok(Next::At(*at));
        }
        let target = match self.target(channel, &record).await {
            Ok(target) => target,
            Err(error @ MonitorError::UnknownOwner { .. }) => return self.divert(channel, &error.to_string()).await,
            Err(error) => return self.not_ready(channel, error).await,
        };
        self.unready.remove(channel);
        if !lost.is_empty() {
            if let Some(wait) = self.reconcile(channel, &target, lost).await? {
                return Ok(wait);
            }
            next = self.store.next_delivery(channel, skip_unknown).await?;
        }
        // What shows how a task stands keeps no alert waiting.
        let composed = if next.as_ref().is_none_or(is_waiting_edit) {
            self.compose_due(channel, &target).await?
        } else {
            Next::Idle
        };
        if composed == Next::Now {
            return Ok(Next::Now);
        }
        let Some(delivery) = next else {
            let edited = self.compose_state(channel, &target).await?;
            return Ok(composed.sooner(edited).sooner(self.next_look(channel).await?));
        };
        if !matches!(delivery.state, DeliveryState::Pending | DeliveryState::Held) {
            // What may have arrived is looked for first, be its time as near as it may.
            return Ok(self.wait_until(delivery.due_at).unwrap_or(Next::Now));
        }
        if !target.accepts(&delivery.channel_id, channel) {
            self.store.recompose_for(channel, target.address(channel)).await?;
            return Ok(Next::Now);
        }
        if let Some(wait) = self.must_wait(&delivery) {
            return Ok(composed.sooner(wait));
        }
        self.send(delivery, target).await
    }

    /// When the next lost answer is to be looked for that holds no other message up.
    async fn next_look(&self, channel: &str) -> Result<Next, MonitorError> {
        let due = self.store.next_look(channel).await?;
        Ok(due.map_or(Next::Idle, |due| self.wait_until(due).unwrap_or(Next::Now)))
    }

    fn must_wait(&self, delivery: &Delivery) -> Option<Next> {
        let now = Instant::now();
        let lane = Lane::of(&delivery.channel);
        let is_by_web_api = lane.is_by_web_api();
        let paused = if is_by_web_api { self.pauses.ready_at(method_of(delivery.method), now) } else { now };
        let ready = match lane {
            Lane::Webhook(_) => now,
            _ => paused.max(self.pacer.ready_at(&delivery.channel, now)),
        };
        let by_pace = (ready > now).then_some(Next::At(ready));
        self.wait_until(delivery.due_at).or(by_pace)
    }

    fn wait_until(&self, due: Stamp) -> Option<Next> {
        let wait = due.since(self.clock.steady());
        (!wait.is_zero()).then(|| Next::At(Instant::now() + wait))
    }

    /// Tests the token once, and learns Slack's time.
    pub(super) async fn ensure_identity(&mut self) -> Result<(), MonitorError> {
        if self.slack_ahead.is_none() {
            let identity = self.slack.auth_test().await?;
            let ahead = identity.server_time.map(|slack| slack.as_millis() - self.clock.steady().as_millis());
            self.slack_ahead = Some(ahead.unwrap_or(UNKNOWN_BEHIND));
        }
        Ok(())
    }

    /// The time by Slack's clock.
    pub(super) fn slack_now(&self) -> Stamp {
        Stamp::from_millis(self.clock.steady().as_millis() + self.slack_ahead.unwrap_or(0))
    }

    /// Slack could not be asked about a channel: wait, or park the channel until a person has acted.
    async fn not_ready(&mut self, channel: &str, error: MonitorError) -> Result<Next, MonitorError> {
        if matches!(error, MonitorError::Store(_)) {
            return Err(error);
        }
        if error.is_transient() {
            let failures = self.unready.get(channel).map_or(1, |(failures, _)| failures.saturating_add(1));
            let at = Instant::now() + self.config.waits.retry.delay(failures, fastrand::f64());
            if failures == 1 {
                tracing::warn!(channel, %error, "Slack cannot be asked now; alerts wait");
            }
            self.unready.insert(channel.to_owned(), (failures, at));
            return Ok(Next::At(at));
        }
        self.park(channel, &error.to_string()).await
    }

    /// Parks a channel until a person has acted.
    pub(super) async fn park(&mut self, channel: &str, reason: &str) -> Result<Next, MonitorError> {
        let retry_at = self.clock.steady().plus(self.config.waits.parked);
        self.store.park_channel(channel, reason, self.clock.now(), retry_at).await?;
        crate::crash::point("parked");
        self.speak_of_parked(channel, reason);
        Ok(self.wait_until(retry_at).unwrap_or(Next::Now))
    }

    /// One loud line a period, not one per alert.
    pub(super) fn speak_of_parked(&mut self, channel: &str, reason: &str) {
        let now = Instant::now();
        let is_quiet = self.spoken.get(channel).is_none_or(|at| now.duration_since(*at) >= LOUD_PERIOD);
        if is_quiet {
            self.spoken.insert(channel.to_owned(), now);
            tracing::error!(
                channel,
                reason,
                "alerts are held until somebody acts; nothing is lost, and they go out by themselves afterwards"
            );
        }
    }
}

pub(super) fn method_of(method: Method) -> slack::Method {
    match method {
        Method::Post => slack::Method::PostMessage,
        Method::Update => slack::Method::UpdateMessage,
    }
}

/// Whether the user gave an ID (`C0123456789`) rather than a name: Slack's names have no capitals.
pub fn is_channel_id(channel: &str) -> bool {
    let mut characters = channel.chars();
    let kind = characters.next();
    matches!(kind, Some('C' | 'G' | 'D'))
        && channel.len() >= 9
        && characters.all(|character| character.is_ascii_uppercase() || character.is_ascii_digit())
}

/// Whether an error at start is Slack's or the user's and will not pass by itself.
pub fn is_refusal(error: &MonitorError) -> bool {
    match error {
        MonitorError::Slack(error) => error.class == Class::OperatorMustAct,
        MonitorError::NoChannel { .. } | MonitorError::NoWebhook { .. } | MonitorError::ArchivedChannel { .. } => true,
        _ => false,
    }
}
