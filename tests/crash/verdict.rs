//! What must be true in the end, whatever happened on the way.

use std::collections::BTreeMap;

use clearml_alerts::sandbox::slack::Message;
use serde_json::Value;

use crate::world::{CHANNEL, Ended, World, title};

/// Whether the bot may read the channel's history, and so whether a lost answer can be cleared up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    History,
    NoHistory,
}

impl Scope {
    /// A world whose token has the scopes.
    pub fn world(self) -> World {
        let world = World::new();
        if self == Self::NoHistory {
            world.slack.set_scopes(&["chat:write", "channels:read", "channels:join"]);
        }
        world
    }
}

/// Runs `once` until everything is delivered.
pub fn deliver_the_rest(world: &World, more: &[&str]) -> Ended {
    for _ in 0..20 {
        let ended = world.once(more);
        if ended.code == 0 {
            return ended;
        }
        assert_eq!(ended.code, 4, "{ended:?}");
    }
    panic!("alerts are left undelivered: {:?}", world.history(&[]));
}

/// Each of `names` failed once and must be in the channel once, or, where nobody may look for lost answers, twice and
/// marked; history must say the same. Returns how many are there twice.
pub fn assert_each_alerted_once(world: &World, names: &[String], scope: Scope) -> usize {
    world.assert_no_violations();
    let messages = world.slack.messages(CHANNEL);
    let mut shown: BTreeMap<String, usize> = BTreeMap::new();
    for message in &messages {
        *shown.entry(name_in(message)).or_default() += 1;
    }
    let history = world.history(&["--limit", "100000"]);
    let rows: BTreeMap<&str, &Value> = history.iter().map(|row| (row["task_name"].as_str().unwrap(), row)).collect();
    assert_eq!(history.len(), names.len(), "a row a task: {history:?}");
    let mut doubled = 0;
    for name in names {
        let row = rows.get(name.as_str()).unwrap_or_else(|| panic!("{name} is not in the history"));
        assert_eq!(row["state"], "sent", "{row}");
        let ts = row["message_ts"].as_str().unwrap();
        assert!(messages.iter().any(|message| message.ts == ts), "history names a message that is not there: {row}");
        let is_marked = row["reason"].as_str().is_some_and(|reason| reason.starts_with("possible duplicate"));
        match (shown.remove(name).unwrap_or(0), scope) {
            (1, Scope::History) => assert!(!is_marked, "{row}"),
            (1, Scope::NoHistory) => {}
            (2, Scope::NoHistory) if is_marked => doubled += 1,
            (count, _) => panic!("{name} is shown {count} times: {row}"),
        }
    }
    assert!(shown.is_empty(), "nobody asked for these: {shown:?}");
    doubled
}

fn name_in(message: &Message) -> String {
    let title = title(message);
    title.strip_prefix("Task failed: ").unwrap_or(&title).to_owned()
}
