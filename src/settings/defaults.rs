//! Every default, written once: resolution takes it from here, and the help texts tell it from here.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Seconds between two polls, as in the original.
pub const REFRESH_SECONDS: f64 = 10.0;
/// What `--refresh-rate` may be: faster would only load the server, slower is a task for cron.
pub const REFRESH_RANGE: RangeInclusive<f64> = 0.1..=86_400.0;
/// The queue that the service enqueues itself in, as in the original.
pub const SERVICE_QUEUE: &str = "services";
/// Messages a second to one channel: what Slack documents.
pub const SLACK_RATE: f64 = 1.0;
/// What `--slack-rate` may be; 0 leaves the pacing to Slack.
pub const SLACK_RATE_RANGE: RangeInclusive<f64> = 0.0..=1000.0;
/// What `--digest-above` may be; 0 is never.
pub const DIGEST_RANGE: RangeInclusive<u32> = 0..=1_000_000;
/// What `--min-num-iterations` may be.
pub const ITERATIONS_RANGE: RangeInclusive<i64> = 0..=1_000_000_000_000;
/// The longest `--message-prefix`: as much as every message takes uncut.
pub const PREFIX_CHARACTERS: usize = 1_000;
/// Slack's own address.
pub const SLACK_API_URL: &str = "https://slack.com/api/";
/// The hosted ClearML's API server.
pub const CLEARML_API_URL: &str = "https://api.clear.ml";
/// Tasks with fewer iterations are left out, as in the original.
pub const MIN_ITERATIONS: i64 = 0;
/// More alerts than this, due for one channel, go out as one digest.
pub const DIGEST_ABOVE: u32 = 10;
/// How long to wait for another instance to let go of the database.
pub const WAIT_LOCK: Duration = Duration::ZERO;
/// The least that `--keep` may keep: less would take away what a person still looks into.
pub const SHORTEST_KEEP: Duration = Duration::from_hours(24);
/// How long `once` goes on delivering.
pub const DELIVER_TIMEOUT: &str = "60s";
/// The config file below `$XDG_CONFIG_HOME`, which is `~/.config` by default.
pub const CONFIG_BELOW_CONFIG: &str = "clearml-alerts/config.toml";
/// The database below `$XDG_STATE_HOME`, which is `~/.local/state` by default.
pub const DATABASE_BELOW_STATE: &str = "clearml-alerts/alerts.db";
