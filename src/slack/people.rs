//! People: by e-mail address, and the direct conversation with one.
//!
//! Facts: <https://docs.slack.dev/reference/methods/users.lookupByEmail> (form encoding, bot scope `users:read.email`,
//! about 50 calls a minute, `users_not_found` where nobody has the address, `user.id` in the answer) and
//! <https://docs.slack.dev/reference/methods/conversations.open> (`users` with one user ID, bot scope `im:write`,
//! `channel.id` in the answer). Every other answer means what the table in [`super::answers`] says of its code.

use serde_json::Value;

use super::client::Client;
use super::envelope;
use super::error::SlackError;
use super::method::Method;

impl Client {
    /// The ID of the person with this e-mail address; `None` where the workspace has nobody by it, or only somebody whose
    /// account was deactivated. Needs `users:read.email`.
    pub async fn find_person(&self, email: &str) -> Result<Option<String>, SlackError> {
        let (reply, answer) = match self.read(Method::LookUpByEmail, &[("email", email.to_owned())]).await {
            Err(error) if is_nobody(&error) => return Ok(None),
            other => other?,
        };
        let user = answer.get("user");
        if user.and_then(|user| user.get("deleted")).and_then(Value::as_bool) == Some(true) {
            return Ok(None);
        }
        let id = user.and_then(|user| user.get("id")).and_then(Value::as_str).filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| envelope::unreadable(Method::LookUpByEmail, &reply, "the answer holds no user"))?;
        Ok(Some(id.to_owned()))
    }

    /// The ID of the direct conversation with a person, opened where there is none; nobody sees that. Needs `im:write`.
    pub async fn open_conversation(&self, user: &str) -> Result<String, SlackError> {
        let (reply, answer) = self.read(Method::OpenConversation, &[("users", user.to_owned())]).await?;
        let id = answer.get("channel").and_then(|channel| channel.get("id")).and_then(Value::as_str);
        let id = id.filter(|id| !id.is_empty());
        id.map(str::to_owned)
            .ok_or_else(|| envelope::unreadable(Method::OpenConversation, &reply, "the answer holds no channel"))
    }
}

/// The method's word where nobody has the address; older references write `user_not_found`.
fn is_nobody(error: &SlackError) -> bool {
    matches!(error.code.as_deref(), Some("users_not_found" | "user_not_found"))
}
