//! People found at Slack by their e-mail address.

use rusqlite::{OptionalExtension, Transaction, params};

use super::{Store, StoreError, channels};

impl Store {
    /// Slack's ID of the person with this e-mail address, where it was found before.
    pub async fn slack_user(&self, email: &str) -> Result<Option<String>, StoreError> {
        let email = email.to_owned();
        self.read(move |connection| {
            let sql = "SELECT user_id FROM slack_users WHERE email = ?1";
            connection.prepare_cached(sql)?.query_row([email], |row| row.get(0)).optional()
        })
        .await
    }

    /// What people call a ClearML user, as alerts about their tasks have it.
    pub async fn user_label(&self, user_id: &str) -> Result<Option<String>, StoreError> {
        let user_id = user_id.to_owned();
        self.read(move |connection| {
            let found = connection.prepare_cached(USER_LABEL)?.query_row([user_id], |row| row.get(0)).optional()?;
            Ok(found.flatten())
        })
        .await
    }

    /// Notes which conversation a message to a user is in: there it is looked for, and edited.
    pub async fn settle_conversation(&self, delivery: i64, user: &str, conversation: &str) -> Result<(), StoreError> {
        let (user, conversation) = (user.to_owned(), conversation.to_owned());
        self.write(move |tx| settle_conversation(tx, delivery, &user, &conversation)).await
    }

    /// Remembers who has this e-mail address.
    pub async fn remember_slack_user(&self, email: &str, user_id: &str) -> Result<(), StoreError> {
        let (email, user_id) = (email.to_owned(), user_id.to_owned());
        self.write(move |tx| {
            let sql = "INSERT INTO slack_users (email, user_id) VALUES (?1, ?2)
                       ON CONFLICT (email) DO UPDATE SET user_id = excluded.user_id";
            tx.execute(sql, params![email, user_id]).map(drop)
        })
        .await
    }
}

/// Along an index that begins with the user.
pub(super) const USER_LABEL: &str =
    "SELECT user FROM alerts INDEXED BY alerts_by_user WHERE user_id = ?1 ORDER BY user DESC LIMIT 1";

/// The conversation is remembered by the user, not by the lane: another person may own the lane tomorrow.
pub(super) fn settle_conversation(
    tx: &Transaction<'_>,
    delivery: i64,
    user: &str,
    conversation: &str,
) -> rusqlite::Result<()> {
    tx.prepare_cached("UPDATE deliveries SET channel_id = ?2 WHERE id = ?1")?
        .execute(params![delivery, conversation])?;
    channels::remember(tx, user, conversation)
}
