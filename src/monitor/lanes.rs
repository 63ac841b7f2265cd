//! What a lane of the outbox leads to: a channel or a person at Slack, or a webhook of the configuration.

use std::collections::{HashMap, HashSet};

use super::deliver::{Deliverer, is_channel_id};
use super::error::MonitorError;
use super::setup;
use crate::domain::message::for_incoming_webhook;
use crate::domain::{Destination, Lane, Rule};
use crate::store::{ChannelRecord, NewDelivery};
use crate::{slack, webhook};

/// What the names of destinations mean. Nothing of it is ever stored: addresses and keys are secrets.
#[derive(Debug, Clone, Default)]
pub struct Destinations {
    /// Slack's incoming webhooks, by the name they have in the configuration.
    pub slack_webhooks: HashMap<String, slack::IncomingWebhook>,
    /// Other tools' webhooks, likewise.
    pub webhooks: HashMap<String, webhook::Client>,
    /// Who ClearML's users are at Slack, by ClearML's ID or name.
    pub people: HashMap<String, Person>,
    /// For each rule that writes to owners, the channel that hears of the others.
    pub fallbacks: HashMap<String, String>,
    /// Rules whose messages mention the task's owner.
    pub mention_owner: HashSet<String>,
    /// Rules that follow up in threads.
    pub threads: HashSet<String>,
}

/// A person at Slack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Person {
    /// By Slack's user ID.
    Id(String),
    /// By e-mail address, looked up when it is first needed.
    Email(String),
}

impl Destinations {
    /// Takes from the rules what concerns their destinations.
    pub fn heed_rules(&mut self, rules: &[Rule]) {
        self.fallbacks.clear();
        self.mention_owner.clear();
        self.threads.clear();
        for rule in rules {
            if let Destination::Owner { fallback } = &rule.destination {
                self.fallbacks.insert(rule.name.clone(), fallback.clone());
            }
            if rule.timing.thread {
                self.threads.insert(rule.name.clone());
            }
            if rule.style.mention_owner {
                self.mention_owner.insert(rule.name.clone());
            }
        }
    }
}

/// Where a lane leads.
#[derive(Debug, Clone)]
pub(super) enum Target {
    /// A channel or a direct conversation, by Slack's Web API.
    Slack {
        /// Slack's ID, as payloads carry it: of the channel, of the conversation once it is known, or of the user.
        id: String,
        /// For a direct conversation: the user's ID.
        user: Option<String>,
    },
    /// An incoming webhook.
    SlackWebhook(slack::IncomingWebhook),
    /// A generic webhook.
    Webhook(webhook::Client),
}

impl Target {
    /// What `deliveries.channel_id` holds of a message for this lane.
    pub(super) fn address<'a>(&'a self, lane: &'a str) -> &'a str {
        match self {
            Self::Slack { id, .. } => id,
            Self::SlackWebhook(_) | Self::Webhook(_) => lane,
        }
    }

    /// Whether a mention means something there.
    pub(super) fn has_mentions(&self) -> bool {
        !matches!(self, Self::Webhook(_))
    }

    /// A message as it is taken there: incoming webhooks take neither channel, metadata nor `rich_text`.
    pub(super) fn takes(&self, message: NewDelivery) -> NewDelivery {
        match self {
            Self::SlackWebhook(_) => NewDelivery { payload: for_incoming_webhook(&message.payload), ..message },
            Self::Slack { .. } | Self::Webhook(_) => message,
        }
    }

    /// Whether a message that was composed for `address` still goes to the right place.
    pub(super) fn accepts(&self, address: &str, lane: &str) -> bool {
        let by_user = matches!(self, Self::Slack { user: Some(user), .. } if user == address);
        by_user || self.address(lane) == address
    }
}

impl Deliverer {
    /// Where a lane leads now. An error says what a person must do, or that Slack cannot be asked at the moment.
    pub(super) async fn target(&mut self, lane: &str, record: &ChannelRecord) -> Result<Target, MonitorError> {
        let known = &self.config.destinations;
        let missing = |name: &str, table| MonitorError::NoWebhook { name: name.to_owned(), table };
        match Lane::of(lane) {
            Lane::SlackWebhook(name) => {
                let hook = known.slack_webhooks.get(name).cloned();
                hook.map(Target::SlackWebhook).ok_or_else(|| missing(name, "slack.webhooks"))
            }
            Lane::Webhook(name) => {
                let hook = known.webhooks.get(name).cloned();
                hook.map(Target::Webhook).ok_or_else(|| missing(name, "webhooks"))
            }
            Lane::Channel(channel) => {
                self.ensure_identity().await?;
                let id = self.channel_id(channel, record).await?;
                Ok(Target::Slack { id, user: None })
            }
            Lane::Owner(owner) => {
                self.ensure_identity().await?;
                let user = self.require_owner(owner).await?;
                let conversation = self.store.channel(&user).await?.channel_id;
                Ok(Target::Slack { id: conversation.unwrap_or_else(|| user.clone()), user: Some(user) })
            }
        }
    }

    /// Slack's ID of a channel: given, remembered, or found. A parked channel is looked for again: the name may mean
    /// another channel by now.
    async fn channel_id(&mut self, channel: &str, record: &ChannelRecord) -> Result<String, MonitorError> {
        if is_channel_id(channel) {
            return Ok(channel.to_owned());
        }
        if let Some(known) = &record.channel_id
            && record.parked_at.is_none()
        {
            return Ok(known.clone());
        }
        let Some(found) = self.slack.find_channel(channel).await? else {
            return Err(setup::not_found(&self.slack, channel).await);
        };
        crate::crash::point("channel_found");
        if record.channel_id.as_ref() != Some(&found.id) {
            self.store.remember_channel(channel, &found.id).await?;
        }
        Ok(found.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_for_a_person_may_name_the_person_or_the_conversation() {
        let target = Target::Slack { id: "D1".to_owned(), user: Some("U1".to_owned()) };
        assert_eq!(target.address("owner:u1"), "D1");
        for (address, fits) in [("D1", true), ("U1", true), ("U2", false), ("owner:u1", false)] {
            assert_eq!(target.accepts(address, "owner:u1"), fits, "{address}");
        }
        let channel = Target::Slack { id: "C1".to_owned(), user: None };
        assert!(channel.accepts("C1", "#a") && !channel.accepts("#a", "#a"));
    }

    #[test]
    fn rules_say_who_is_mentioned_and_who_hears_of_the_ownerless() {
        let mut rules = vec![
            Rule::new("mine", Destination::Owner { fallback: "#all".to_owned() }),
            Rule::new("b", Destination::Webhook("ops".to_owned())),
        ];
        rules[1].style.mention_owner = true;
        let mut destinations = Destinations::default();
        destinations.heed_rules(&rules);
        assert_eq!(destinations.fallbacks, HashMap::from([("mine".to_owned(), "#all".to_owned())]));
        assert_eq!(destinations.mention_owner, HashSet::from(["b".to_owned()]));
        destinations.heed_rules(&[]);
        assert!(destinations.fallbacks.is_empty() && destinations.mention_owner.is_empty());
    }
}
