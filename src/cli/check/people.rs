//! Who ClearML's users are at Slack: the scopes that direct messages and look-ups ask for, and the entries of the map that
//! lead to nobody.

use super::item::{Area, Item};
use crate::settings::{SlackUser, UserMap};
use crate::slack::{Client, Identity};

/// Looks at the map `[slack.users]`, and at what rules that write to owners need. Nothing is said where nobody asks for it.
pub(super) async fn look(slack: &Client, identity: &Identity, users: &UserMap, writes_to_owners: bool) -> Vec<Item> {
    let emails: Vec<(&String, &String)> = users
        .0
        .iter()
        .filter_map(|(user, person)| match person {
            SlackUser::Email(email) => Some((user, email)),
            SlackUser::Id(_) => None,
        })
        .collect();
    let mut items = Vec::new();
    if writes_to_owners {
        let cost = "a direct message whose answer was lost cannot be looked for, so it may be posted twice (or waits, with \
                    --on-unknown hold)";
        items.extend(
            ["im:history", "im:write"]
                .map(|scope| scope_of(identity, scope, cost, Item::warning))
                .into_iter()
                .flatten(),
        );
        if users.0.is_empty() {
            let found =
                "rules write to the tasks' owners, and [slack.users] names none: every alert goes to their channel";
            items.push(Item::warning(
                Area::Slack,
                "users",
                found,
                "add the owners to [slack.users] in the config file",
            ));
        }
    }
    if !emails.is_empty() {
        let build = if writes_to_owners { Item::failed } else { Item::warning };
        let cost =
            "owners given by e-mail address are not found: direct messages to them wait, mentions name them only";
        items.extend(scope_of(identity, "users:read.email", cost, build));
    }
    if identity.grants("users:read.email") == Some(false) {
        return items;
    }
    let by_id = users.0.len() - emails.len();
    let mut found = by_id;
    for (user, email) in emails {
        match slack.find_person(email).await {
            Ok(Some(_)) => found += 1,
            Ok(None) => {
                let told = format!("`{user}`: nobody in the workspace has the address {email}");
                let mend = "correct it in [slack.users], or write the person's Slack user ID";
                items.push(Item::warning(Area::Slack, "user", told, mend));
            }
            Err(error) => {
                items.push(Item::slack_error(&format!("user {user}"), &error));
                return items;
            }
        }
    }
    if !users.0.is_empty() {
        let unasked =
            if by_id == 0 { String::new() } else { format!(" ({by_id} by Slack user ID, taken as it stands)") };
        items.push(Item::ok(Area::Slack, "users", format!("{found} of {} lead to a person{unasked}", users.0.len())));
    }
    items
}

fn scope_of(
    identity: &Identity,
    scope: &str,
    cost: &str,
    build: fn(Area, String, String, String) -> Item,
) -> Option<Item> {
    let item = format!("scope {scope}");
    if identity.grants(scope)? {
        return Some(Item::ok(Area::Slack, item, "granted"));
    }
    let mend = format!("add {scope} under OAuth & Permissions of the Slack app, and reinstall the app");
    Some(build(Area::Slack, item, format!("missing: {cost}"), mend))
}

#[cfg(test)]
#[cfg(feature = "sandbox")]
mod tests {
    use std::time::Duration;

    use secrecy::SecretString;

    use super::super::item::Grade;
    use super::*;
    use crate::sandbox::{SimulatedSlack, SlackOptions};
    use crate::settings::Source;
    use crate::slack::Config;

    fn map(entries: &[(&str, &str)]) -> UserMap {
        let mut map = UserMap::default();
        for (user, person) in entries {
            map.insert(user, person, &Source::Default).unwrap();
        }
        map
    }

    async fn told(slack: &SimulatedSlack, users: &UserMap, writes_to_owners: bool) -> Vec<(Grade, String)> {
        let limit = Duration::from_secs(10);
        let (base_url, token) = (slack.url().parse().unwrap(), SecretString::from(slack.token()));
        let client = Client::new(Config { base_url, token, timeout: limit, connect_timeout: limit }).unwrap();
        let identity = client.auth_test().await.unwrap();
        let items = look(&client, &identity, users, writes_to_owners).await;
        items.into_iter().map(|item| (item.grade, format!("{}: {}", item.item, item.found))).collect()
    }

    fn has(told: &[(Grade, String)], grade: Grade, words: &str) -> bool {
        told.iter().any(|(found, text)| *found == grade && text.contains(words))
    }

    #[tokio::test]
    async fn entries_that_lead_to_nobody_are_listed() {
        let slack = SimulatedSlack::start(SlackOptions::default()).unwrap();
        slack.add_person("Ada", "ada@example.com");
        let users = map(&[("Ada", "ada@example.com"), ("Bob", "bob@example.com"), ("Cyd", "U012AB3CD")]);
        let told = told(&slack, &users, true).await;
        assert!(
            has(&told, Grade::Warning, "`Bob`: nobody in the workspace has the address bob@example.com"),
            "{told:?}"
        );
        assert!(has(&told, Grade::Ok, "users: 2 of 3 lead to a person"), "{told:?}");
        assert!(!told.iter().any(|(_, text)| text.contains("Ada")), "{told:?}");
    }

    #[tokio::test]
    async fn a_missing_scope_is_told_with_what_it_costs_and_only_where_it_is_needed() {
        let slack = SimulatedSlack::start(SlackOptions::default()).unwrap();
        slack.set_scopes(&["chat:write"]);
        let by_email = map(&[("Ada", "ada@example.com")]);
        let direct = told(&slack, &by_email, true).await;
        assert!(has(&direct, Grade::Failed, "scope users:read.email: missing: owners given by e-mail"), "{direct:?}");
        assert!(has(&direct, Grade::Warning, "scope im:history: missing: a direct message"), "{direct:?}");
        let mentions = told(&slack, &by_email, false).await;
        assert!(has(&mentions, Grade::Warning, "scope users:read.email") && mentions.len() == 1, "{mentions:?}");
        assert!(told(&slack, &UserMap::default(), false).await.is_empty());
        let nobody = told(&slack, &UserMap::default(), true).await;
        assert!(has(&nobody, Grade::Warning, "[slack.users] names none"), "{nobody:?}");
        assert_eq!(slack.requests().count("users.lookupByEmail"), 0, "nothing is asked that is refused anyway");
    }
}
