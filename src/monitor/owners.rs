//! Who a task's owner is at Slack: for direct messages, and for mentions. What waits for an owner whom Slack does not know
//! goes to the channel that the rule names for that, and says why.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::deliver::{Deliverer, Next};
use super::error::MonitorError;
use super::lanes::Person;
use crate::domain::message::mention;
use crate::domain::{Lane, PendingAlert};

/// An address that Slack did not know is asked about again after this: people join.
const ASK_AGAIN: Duration = Duration::from_hours(1);

impl Deliverer {
    /// Slack's ID of the owner of a lane, by ClearML's user ID.
    pub(super) async fn require_owner(&mut self, owner: &str) -> Result<String, MonitorError> {
        let name = self.store.user_label(owner).await?;
        let found = self.slack_id_of(owner, name.as_deref()).await?;
        found.ok_or_else(|| MonitorError::UnknownOwner { owner: name.unwrap_or_else(|| owner.to_owned()) })
    }

    /// Slack's ID of a ClearML user, by the map, or by the e-mail address in it; `None` where neither tells.
    async fn slack_id_of(&mut self, id: &str, name: Option<&str>) -> Result<Option<String>, MonitorError> {
        let people = &self.config.destinations.people;
        let person = people.get(id).or_else(|| people.get(name?));
        let email = match person {
            None => return Ok(None),
            Some(Person::Id(id)) => return Ok(Some(id.clone())),
            Some(Person::Email(email)) => email.clone(),
        };
        if let Some(known) = self.store.slack_user(&email).await? {
            return Ok(Some(known));
        }
        let now = Instant::now();
        if self.nobody.get(&email).is_some_and(|asked| now.duration_since(*asked) < ASK_AGAIN) {
            return Ok(None);
        }
        let found = self.slack.find_person(&email).await?;
        crate::crash::point("person_found");
        match &found {
            Some(id) => self.store.remember_slack_user(&email, id).await?,
            None => drop(self.nobody.insert(email, now)),
        }
        Ok(found)
    }

    /// The mentions of the owners of alerts whose rules ask for it, by ClearML's user ID: `<@U…>`, or the plain name where
    /// Slack does not know the owner or cannot be asked. A mention is never worth waiting for.
    pub(super) async fn mentions_of(
        &mut self,
        alerts: &[PendingAlert],
    ) -> Result<HashMap<String, String>, MonitorError> {
        let mut mentions = HashMap::new();
        for alert in alerts {
            let is_asked = self.config.destinations.mention_owner.contains(&alert.rule);
            let Some(user) = alert.task.user.as_ref().filter(|_| is_asked) else { continue };
            if mentions.contains_key(&user.id) {
                continue;
            }
            let found = match self.slack_id_of(&user.id, user.name.as_deref()).await {
                Err(error @ MonitorError::Store(_)) => return Err(error),
                Err(error) => {
                    tracing::warn!(user = user.label(), %error, "the owner cannot be looked up at Slack and is named only");
                    None
                }
                Ok(found) => found,
            };
            mentions.insert(user.id.clone(), mention(found.as_deref(), user.label()));
        }
        Ok(mentions)
    }

    /// The mention of the owner of one alert, out of those that were looked up; empty where its rule asks for none.
    pub(super) fn mention_in(&self, mentions: &HashMap<String, String>, alert: &PendingAlert) -> Option<String> {
        let is_asked = self.config.destinations.mention_owner.contains(&alert.rule);
        let user = alert.task.user.as_ref().filter(|_| is_asked)?;
        mentions.get(&user.id).cloned()
    }

    /// Slack refused to write to the owner of `lane`.
    pub(super) async fn divert_refused(&mut self, lane: &str, error: &str) -> Result<Next, MonitorError> {
        let Lane::Owner(owner) = Lane::of(lane) else { return Ok(Next::Now) };
        let name = self.store.user_label(owner).await?.unwrap_or_else(|| owner.to_owned());
        self.divert(lane, &format!("Slack delivers nothing to owner {name} ({error})")).await
    }

    /// Moves what waits for an owner to the channels that the rules name for that. What no rule places is parked.
    pub(super) async fn divert(&mut self, lane: &str, why: &str) -> Result<Next, MonitorError> {
        let fallbacks = self.config.destinations.fallbacks.clone().into_iter().collect();
        let (moved, left) = self.store.divert(lane, fallbacks, why).await?;
        self.lanes_moved = true;
        if moved > 0 {
            tracing::warn!(lane, alerts = moved, why, "alerts go to their rule's channel instead of their owner");
        }
        if left == 0 {
            return Ok(Next::Now);
        }
        let reason = format!(
            "{why}, and no rule of the configuration says which channel hears of it: add the owner to [slack.users], or \
             bring the rule back"
        );
        self.park(lane, &reason).await
    }
}
