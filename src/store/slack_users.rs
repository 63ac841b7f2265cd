//! People found at Slack by their e-mail address.

use rusqlite::{OptionalExtension, params};

use super::{Store, StoreError};

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
