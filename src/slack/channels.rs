//! Channels: by name, by ID, and entering one.

use serde::Deserialize;
use serde_json::Value;

use super::client::Client;
use super::envelope;
use super::error::SlackError;
use super::method::Method;
use super::pages::Pages;

/// The most that Slack lists at a time.
const CHANNELS_A_PAGE: &str = "999";
const PUBLIC_AND_PRIVATE: &str = "public_channel,private_channel";
const PUBLIC: &str = "public_channel";

/// A channel, as the bot sees it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Channel {
    /// Its ID (`C…`), which never changes.
    pub id: String,
    /// Its name, without `#`.
    #[serde(default)]
    pub name: String,
    /// Whether only its members see it.
    #[serde(default)]
    pub is_private: bool,
    /// Whether the bot is in it.
    #[serde(default)]
    pub is_member: bool,
    /// Whether it was put away; nobody can post there.
    #[serde(default)]
    pub is_archived: bool,
}

impl Client {
    /// The channel of this name, with or without `#`, that is not archived; `None` where the bot sees none. Private
    /// channels are searched where the token has `groups:read`. Slack has no look-up by name, so this lists channels
    /// until the first match: remember the ID.
    pub async fn find_channel(&self, name: &str) -> Result<Option<Channel>, SlackError> {
        self.find_channel_where(name, false).await
    }

    /// The archived channel of this name: what is told where no living one is found.
    pub async fn find_archived_channel(&self, name: &str) -> Result<Option<Channel>, SlackError> {
        Ok(self.find_channel_where(name, true).await?.filter(|channel| channel.is_archived))
    }

    async fn find_channel_where(&self, name: &str, archived_too: bool) -> Result<Option<Channel>, SlackError> {
        match self.find_channel_among(PUBLIC_AND_PRIVATE, name, archived_too).await {
            Err(error) if lacks_sight_of_private_channels(&error) => {
                self.find_channel_among(PUBLIC, name, archived_too).await
            }
            found => found,
        }
    }

    async fn find_channel_among(
        &self,
        types: &str,
        name: &str,
        archived_too: bool,
    ) -> Result<Option<Channel>, SlackError> {
        let wanted = name.trim().trim_start_matches('#').to_lowercase();
        let mut pages = Pages::default();
        loop {
            let fields = [
                ("types", types.to_owned()),
                ("exclude_archived", (!archived_too).to_string()),
                ("limit", CHANNELS_A_PAGE.to_owned()),
            ];
            let (reply, page) = self.read(Method::ListChannels, &pages.with_cursor(fields)).await?;
            let channels = page.get("channels").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            let mut channels = channels.iter().filter_map(|channel| Channel::deserialize(channel).ok());
            if let Some(channel) = channels.find(|channel| channel.name.to_lowercase() == wanted) {
                return Ok(Some(channel));
            }
            if !pages.turn(Method::ListChannels, &reply, &page)? {
                return Ok(None);
            }
        }
    }

    /// The channel with this ID (`conversations.info`).
    pub async fn channel_info(&self, id: &str) -> Result<Channel, SlackError> {
        let (reply, fields) = self.read(Method::ChannelInfo, &[("channel", id.to_owned())]).await?;
        fields
            .get("channel")
            .and_then(|channel| Channel::deserialize(channel).ok())
            .ok_or_else(|| envelope::unreadable(Method::ChannelInfo, &reply, "the answer holds no channel"))
    }

    /// Enters the public channel with this ID; being there already is fine. A private one must invite the bot.
    pub async fn join(&self, id: &str) -> Result<(), SlackError> {
        self.read(Method::JoinChannel, &[("channel", id.to_owned())]).await.map(|_| ())
    }
}

fn lacks_sight_of_private_channels(error: &SlackError) -> bool {
    let names_the_scope = |detail: &String| detail.contains("needed: groups:read");
    error.code.as_deref() == Some("missing_scope") && error.detail.as_ref().is_some_and(names_the_scope)
}
