//! What must be right before a monitor starts: users resolved.

use std::collections::{HashMap, HashSet};

use super::error::MonitorError;
use crate::clearml::Client;
use crate::domain::UserFilter;

/// Turns user names into IDs by the server's list. A name that the server does not know is kept as it stands, taken for
/// an ID, and returned for a warning.
pub async fn resolve_users(clearml: &Client, users: UserFilter) -> Result<(UserFilter, Vec<String>), MonitorError> {
    let (wanted, build): (_, fn(HashSet<String>) -> UserFilter) = match users {
        UserFilter::Everyone => return Ok((UserFilter::Everyone, Vec::new())),
        UserFilter::Only(wanted) => (wanted, UserFilter::Only),
        UserFilter::Except(wanted) => (wanted, UserFilter::Except),
    };
    let known = clearml.users().await?;
    let mut by_name: HashMap<&str, Vec<&str>> = HashMap::new();
    let mut ids = HashSet::new();
    for user in &known {
        by_name.entry(&user.name).or_default().push(&user.id);
        ids.insert(user.id.as_str());
    }
    let mut resolved = HashSet::new();
    let mut unknown = Vec::new();
    for entry in wanted {
        match by_name.get(entry.as_str()) {
            Some(found) => resolved.extend(found.iter().map(|id| (*id).to_owned())),
            None if ids.contains(entry.as_str()) => {}
            None => unknown.push(entry.clone()),
        }
        resolved.insert(entry);
    }
    unknown.sort_unstable();
    Ok((build(resolved), unknown))
}
