//! What the monitor says about itself.

use std::time::Duration;

use serde_json::Map;

use super::{Parts, Place, context, key, payload, safe, section, words};
use crate::domain::{Outcome, Stamp};

/// Everything the start message is made of.
#[derive(Debug, Clone, Copy)]
pub struct StartNotice<'a> {
    /// Slack's ID of the channel.
    pub channel_id: &'a str,
    /// The database's own name.
    pub instance: &'a str,
    /// This program's version.
    pub version: &'a str,
    /// The machine it runs on.
    pub host: &'a str,
    /// The ClearML server's host.
    pub server: &'a str,
    /// What is watched, in words: `failed tasks of every project`.
    pub watches: &'a str,
    /// How often ClearML is asked.
    pub refresh: Duration,
    /// Up to where everything is recorded.
    pub resume: Option<Stamp>,
    /// The time now; tells one start from another.
    pub now: Stamp,
}

/// The start message's payload, and the key in its metadata.
pub fn compose_start(notice: &StartNotice<'_>) -> (String, String) {
    let key = key(notice.instance, &format!("start/{}", notice.now.as_millis()));
    let lead = format!(
        "ClearML alerts: the monitor of {} has started. It watches {}.",
        safe(notice.server, 150),
        safe(notice.watches, 500)
    );
    let resume =
        notice.resume.map_or_else(|| "from now on".to_owned(), |stamp| format!("since {}", words::slack_date(stamp)));
    let every = notice.refresh.as_secs_f64();
    let details = format!(
        "clearml-alerts {} · {} · every {every} s · {resume}",
        safe(notice.version, 50),
        safe(notice.host, 100)
    );
    let blocks = vec![section(&lead), context(&details)];
    let parts = Parts { text: lead, blocks, key: key.clone(), facts: Map::new() };
    (payload(&Place::New { channel: notice.channel_id.to_owned() }, parts), key)
}

/// The test message of `check --send-test`, and the key in its metadata.
pub fn compose_test(channel_id: &str, host: &str, version: &str, now: Stamp) -> (String, String) {
    let key = key("check", &now.as_millis().to_string());
    let lead = "ClearML alerts: this is a test message. Alerts will arrive in this channel.".to_owned();
    let details = format!("clearml-alerts {} · {}", safe(version, 50), safe(host, 100));
    let blocks = vec![section(&lead), context(&details)];
    let parts = Parts { text: lead, blocks, key: key.clone(), facts: Map::new() };
    (payload(&Place::New { channel: channel_id.to_owned() }, parts), key)
}

/// Everything that the end of a silence is told with.
#[derive(Debug, Clone, Copy)]
pub struct SilenceNotice<'a> {
    /// Slack's ID of the channel.
    pub channel_id: &'a str,
    /// The database's own name.
    pub instance: &'a str,
    /// The silence's number.
    pub id: i64,
    /// What it covered, in words.
    pub covers: &'a str,
    /// Who asked for it.
    pub author: &'a str,
    /// Why.
    pub reason: &'a str,
    /// How many alerts to this channel it kept quiet, by outcome.
    pub counts: &'a [(Outcome, u32)],
}

/// The one line that tells what a silence kept quiet, and the key in its metadata.
pub fn compose_silence_end(notice: &SilenceNotice<'_>) -> (String, String) {
    let key = key(notice.instance, &format!("silence/{}/{}", notice.id, notice.channel_id));
    let counts: Vec<String> =
        notice.counts.iter().map(|(outcome, count)| format!("{count} {}", words::outcome(*outcome))).collect();
    let lead = format!(
        "Silence {} has ended ({}; by {}: {}). It kept quiet: {}. See `clearml-alerts history --silence {}`.",
        notice.id,
        safe(notice.covers, 300),
        safe(notice.author, 100),
        safe(notice.reason, 300),
        counts.join(", "),
        notice.id,
    );
    let parts = Parts { blocks: vec![section(&lead)], text: lead, key: key.clone(), facts: Map::new() };
    (payload(&Place::New { channel: notice.channel_id.to_owned() }, parts), key)
}
