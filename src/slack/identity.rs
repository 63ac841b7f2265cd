//! Who the token belongs to, and what it may do.

use super::client::Client;
use super::error::SlackError;
use super::method::Method;
use crate::domain::Stamp;

/// Who the token belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The workspace's name.
    pub team: String,
    /// The workspace's ID.
    pub team_id: String,
    /// The workspace's address on the web.
    pub url: String,
    /// The bot's name.
    pub user: String,
    /// The bot's user ID.
    pub user_id: String,
    /// The bot's own ID; absent for a user's token.
    pub bot_id: Option<String>,
    /// What the token may do; absent where Slack did not say.
    pub scopes: Option<Vec<String>>,
    /// Slack's clock as the answer left, to the second: message IDs are times by that clock, not by ours.
    pub server_time: Option<Stamp>,
}

impl Identity {
    /// Whether the token has the scope `scope`; `None` where Slack did not say.
    pub fn grants(&self, scope: &str) -> Option<bool> {
        self.scopes.as_ref().map(|scopes| scopes.iter().any(|own| own == scope))
    }
}

impl Client {
    /// Asks Slack who the token belongs to (`auth.test`). From then on the client knows its own messages from others'.
    pub async fn auth_test(&self) -> Result<Identity, SlackError> {
        let (reply, fields) = self.read(Method::AuthTest, &[]).await?;
        let text = |name: &str| fields.get(name).and_then(|value| value.as_str()).map(str::to_owned);
        let bot_id = text("bot_id").filter(|id| !id.is_empty());
        if let Some(id) = &bot_id {
            // A second answer cannot differ: one token is one bot.
            let _ = self.own_bot_id.set(id.clone());
        }
        Ok(Identity {
            team: text("team").unwrap_or_default(),
            team_id: text("team_id").unwrap_or_default(),
            url: text("url").unwrap_or_default(),
            user: text("user").unwrap_or_default(),
            user_id: text("user_id").unwrap_or_default(),
            bot_id,
            scopes: reply.scopes,
            server_time: reply.date,
        })
    }
}
