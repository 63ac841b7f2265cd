//! `check` about the people whom rules write to and mention: each answer as it stands there, made for real and mended as
//! it advises.

use clearml_alerts::sandbox::slack::ALL_SCOPES;
use clearml_alerts::sandbox::{Fault, FaultRule};

use crate::reports::about;
use crate::world::{CHANNEL, Ended, World};

const TO_OWNERS: &str = "owner = true\n";
const MENTIONS: &str = "message = { mention_owner = true }\n";
const PEOPLE: [&str; 4] = ["slack scope im:", "slack scope users:", "slack user", "slack channel"];

/// `check` by a file whose `[slack.users]` holds these, with a rule that says this besides its channel.
fn check(world: &World, users: &str, rule: &str) -> Ended {
    let config = world.config(&format!(
        "[slack]\nchannel = '{CHANNEL}'\n[slack.users]\n{users}\n[[rule]]\nname = 'mine'\nchannel = '{CHANNEL}'\n{rule}"
    ));
    world.run(&["check", "--local", "--config", config.to_str().unwrap()])
}

fn people(world: &World, ended: &Ended) -> String {
    about(world, ended, &PEOPLE)
}

fn assert_well(ended: &Ended) {
    assert!(ended.code == 0 && ended.stdout.ends_with("\nAll is well.\n"), "{ended:?}");
}

#[test]
fn owners_who_are_known_by_address_and_by_id() {
    let world = World::new();
    world.slack.add_person("Ada", "ada@example.com");
    let grace = world.slack.add_person("Grace", "grace@example.com");
    let ended = check(&world, &format!("Ada = 'ada@example.com'\nGrace = '{grace}'"), TO_OWNERS);
    assert_well(&ended);
    insta::assert_snapshot!(people(&world, &ended), @r"
    ok       slack     scope im:history: granted
    ok       slack     scope im:write: granted
    ok       slack     scope users:read.email: granted
    ok       slack     users: 2 of 2 lead to a person (1 by Slack user ID, taken as it stands)
    ok       slack     channel: #ml-alerts (C0MLALERTS, public), the bot is in it
    ");
}

#[test]
fn an_address_that_nobody_has() {
    let world = World::new();
    let ada = world.slack.add_person("Ada", "ada@example.com");
    let ended = check(&world, "Ada = 'adda@example.com'\nGrace = 'grace@example.com'", TO_OWNERS);
    assert_eq!(ended.code, 0, "alerts of both go to the channel: {ended:?}");
    insta::assert_snapshot!(people(&world, &ended), @r"
    ok       slack     scope im:history: granted
    ok       slack     scope im:write: granted
    ok       slack     scope users:read.email: granted
    warning  slack     user: `Ada`: nobody in the workspace has the address adda@example.com -> correct it in [slack.users], or write the person's Slack user ID
    warning  slack     user: `Grace`: nobody in the workspace has the address grace@example.com -> correct it in [slack.users], or write the person's Slack user ID
    ok       slack     users: 0 of 2 lead to a person
    ok       slack     channel: #ml-alerts (C0MLALERTS, public), the bot is in it
    ");
    world.slack.add_person("Grace", "grace@example.com");
    assert_well(&check(&world, "Ada = 'ada@example.com'\nGrace = 'grace@example.com'", TO_OWNERS));
    assert_well(&check(&world, &format!("Ada = '{ada}'\nGrace = 'grace@example.com'"), TO_OWNERS));
}

/// Slack tells who an ID is only to apps that may read everybody's profile, so that its first alert tells.
#[test]
fn an_id_that_nobody_has() {
    let world = World::new();
    let ended = check(&world, "Ada = 'U0NOBODY00'", TO_OWNERS);
    assert_well(&ended);
    insta::assert_snapshot!(people(&world, &ended), @r"
    ok       slack     scope im:history: granted
    ok       slack     scope im:write: granted
    ok       slack     users: 1 of 1 lead to a person (1 by Slack user ID, taken as it stands)
    ok       slack     channel: #ml-alerts (C0MLALERTS, public), the bot is in it
    ");
    let once = ["once", "--config", "config.toml"];
    assert_eq!(world.run(&once).code, 0);
    world.failed_task("resnet50");
    assert_eq!(world.run(&once).code, 0);
    let reason = world.history(&[])[0]["reason"].as_str().unwrap().to_owned();
    insta::assert_snapshot!(reason, @"Slack delivers nothing to owner Ada (channel_not_found)");
    world.assert_alerts(&["resnet50"]);
}

#[test]
fn rules_that_write_to_owners_where_none_is_named() {
    let world = World::new();
    world.slack.add_person("Ada", "ada@example.com");
    let ended = check(&world, "", TO_OWNERS);
    assert_eq!(ended.code, 0, "{ended:?}");
    insta::assert_snapshot!(people(&world, &ended), @r"
    ok       slack     scope im:history: granted
    ok       slack     scope im:write: granted
    warning  slack     users: rules write to the tasks' owners, and [slack.users] names none: every alert goes to their channel -> add the owners to [slack.users] in the config file
    ok       slack     channel: #ml-alerts (C0MLALERTS, public), the bot is in it
    ");
    assert_well(&check(&world, "Ada = 'ada@example.com'", TO_OWNERS));
    let ended = check(&world, "", MENTIONS);
    assert_well(&ended);
    insta::assert_snapshot!(people(&world, &ended), @"ok       slack     channel: #ml-alerts (C0MLALERTS, public), the bot is in it");
}

#[test]
fn scopes_that_direct_messages_and_addresses_ask_for() {
    let world = World::new();
    world.slack.add_person("Ada", "ada@example.com");
    let without: Vec<&str> =
        ALL_SCOPES.into_iter().filter(|scope| !scope.starts_with("im:") && !scope.starts_with("users:")).collect();
    world.slack.set_scopes(&without);
    let owners = check(&world, "Ada = 'ada@example.com'", TO_OWNERS);
    assert_eq!(owners.code, 4, "{owners:?}");
    insta::assert_snapshot!(people(&world, &owners), @r"
    warning  slack     scope im:history: missing: a direct message whose answer was lost cannot be looked for, so it may be posted twice (or waits, with --on-unknown hold) -> add im:history under OAuth & Permissions of the Slack app, and reinstall the app
    warning  slack     scope im:write: missing: a direct message whose answer was lost cannot be looked for, so it may be posted twice (or waits, with --on-unknown hold) -> add im:write under OAuth & Permissions of the Slack app, and reinstall the app
    failed   slack     scope users:read.email: missing: owners given by e-mail address are not found: direct messages to them wait, mentions name them only -> add users:read.email under OAuth & Permissions of the Slack app, and reinstall the app
    ok       slack     channel: #ml-alerts (C0MLALERTS, public), the bot is in it
    ");
    let mentions = check(&world, "Ada = 'ada@example.com'", MENTIONS);
    assert_eq!(mentions.code, 0, "{mentions:?}");
    insta::assert_snapshot!(people(&world, &mentions), @r"
    warning  slack     scope users:read.email: missing: owners given by e-mail address are not found: direct messages to them wait, mentions name them only -> add users:read.email under OAuth & Permissions of the Slack app, and reinstall the app
    ok       slack     channel: #ml-alerts (C0MLALERTS, public), the bot is in it
    ");
    world.slack.set_scopes(&ALL_SCOPES);
    for rule in [TO_OWNERS, MENTIONS] {
        assert_well(&check(&world, "Ada = 'ada@example.com'", rule));
    }
}

#[test]
fn a_slack_that_fails_while_people_are_looked_for() {
    let world = World::new();
    world.slack.add_person("Ada", "ada@example.com");
    world.slack.faults().push(FaultRule::next(Fault::status(503, "down")).on("users.lookupByEmail").forever());
    let ended = check(&world, "Ada = 'ada@example.com'", TO_OWNERS);
    assert_eq!(ended.code, 4, "{ended:?}");
    insta::assert_snapshot!(people(&world, &ended), @r"
    ok       slack     scope im:history: granted
    ok       slack     scope im:write: granted
    ok       slack     scope users:read.email: granted
    failed   slack     user Ada: Slack's users.lookupByEmail failed: HTTP 503 -> nothing to do at once: the outcome is unknown, so it is looked for before anything is sent again; if it persists, see https://slack-status.com
    ok       slack     channel: #ml-alerts (C0MLALERTS, public), the bot is in it
    ");
    world.slack.faults().clear();
    assert_well(&check(&world, "Ada = 'ada@example.com'", TO_OWNERS));
}
