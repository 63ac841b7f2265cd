//! Direct messages to the task's owner, and mentions of the owner.

use clearml_alerts::domain::{Destination, Rule};
use clearml_alerts::monitor::Person;
use clearml_alerts::sandbox::{Fault, FaultRule};

use crate::world::{CHANNEL, Monitor, World, history, to_incoming, to_owner};

const ADA: &str = "ada@example.com";

/// A monitor that writes to owners and knows this of Ada, by her name in ClearML.
async fn knowing(world: &World, ada: Option<Person>) -> Monitor {
    let rules = vec![Rule::new("mine", to_owner())];
    let mut monitor = world
        .monitor_with(rules, |config| {
            config.destinations.people.extend(ada.map(|person| ("Ada".to_owned(), person)));
            config.digest_above = 2;
        })
        .await;
    monitor.poll().await;
    monitor
}

fn by_email() -> Person {
    Person::Email(ADA.to_owned())
}

#[tokio::test]
async fn an_owner_is_found_once_by_e_mail_and_written_to_directly() {
    let world = World::new();
    let ada = world.slack.add_person("Ada Lovelace", ADA);
    let mut monitor = knowing(&world, Some(by_email())).await;
    for name in ["resnet50", "bert"] {
        world.failed_task(name);
        monitor.poll().await;
        monitor.deliver_until(|store| history(store).iter().all(|alert| alert.sent_at.is_some())).await;
    }
    let alerts = history(&monitor.store);
    assert!(alerts.iter().all(|alert| alert.channel.starts_with("owner:") && alert.reason.is_none()), "{alerts:?}");
    assert_eq!((world.slack.direct_messages(&ada).len(), world.slack.messages(CHANNEL).len()), (2, 0));
    assert_eq!(world.slack.requests().count("users.lookupByEmail"), 1);
    let conversation = monitor.store.channel(&ada).await.unwrap().channel_id.unwrap();
    assert!(conversation.starts_with('D'));
    drop(monitor);
    let mut monitor = knowing(&world, Some(by_email())).await;
    world.failed_task("after a restart");
    monitor.poll().await;
    monitor.deliver_until_all(3, "sent").await;
    assert_eq!(world.slack.requests().count("users.lookupByEmail"), 1, "the database remembers");
    world.assert_no_violations();
}

#[tokio::test]
async fn a_digest_to_an_owner_is_edited_in_the_conversation() {
    let world = World::new();
    let ada = world.slack.add_person("Ada", ADA);
    let mut monitor = knowing(&world, Some(Person::Id(ada.clone()))).await;
    for wave in 0..2 {
        for number in 0..3 {
            world.failed_task(&format!("flood {wave} {number}"));
        }
        monitor.poll().await;
        monitor.deliver_until_all((wave + 1) * 3, "sent").await;
    }
    let messages = world.slack.direct_messages(&ada);
    assert_eq!((messages.len(), messages[0].edits), (1, 1));
    assert_eq!(world.slack.requests().count("users.lookupByEmail"), 0, "an ID needs no look-up");
    world.assert_no_violations();
}

#[tokio::test]
async fn the_lost_answer_of_a_first_message_is_looked_for_in_the_conversation() {
    let world = World::new();
    let ada = world.slack.add_person("Ada", ADA);
    let mut monitor = knowing(&world, Some(Person::Id(ada.clone()))).await;
    world.slack.faults().push(FaultRule::next(Fault::apply_then_reset()).on("chat.postMessage"));
    world.failed_task("resnet50");
    monitor.poll().await;
    let alerts = monitor.deliver_until_all(1, "sent").await;
    assert_eq!((world.slack.direct_messages(&ada).len(), alerts[0].reason.as_deref()), (1, None));
    assert_eq!(alerts[0].message_ts.as_deref(), Some(world.slack.direct_messages(&ada)[0].ts.as_str()));
    world.assert_no_violations();
}

#[tokio::test]
async fn without_the_scopes_to_look_a_lost_answer_is_sent_again_and_marked() {
    let world = World::new();
    let ada = world.slack.add_person("Ada", ADA);
    world.slack.set_scopes(&["chat:write", "channels:read"]);
    let mut monitor = knowing(&world, Some(Person::Id(ada.clone()))).await;
    world.slack.faults().push(FaultRule::next(Fault::apply_then_reset()).on("chat.postMessage"));
    world.failed_task("resnet50");
    monitor.poll().await;
    let alerts = monitor.deliver_until_all(1, "sent").await;
    assert!(alerts[0].reason.as_deref().unwrap().starts_with("possible duplicate"), "{alerts:?}");
    assert_eq!(world.slack.direct_messages(&ada).len(), 2);
}

#[tokio::test]
async fn an_owner_whom_nobody_knows_is_told_of_in_the_rules_channel_with_the_reason() {
    for person in [None, Some(by_email())] {
        let world = World::new();
        let mut monitor = knowing(&world, person).await;
        for number in 0..2 {
            world.failed_task(&format!("task {number}"));
        }
        monitor.poll().await;
        let alerts = monitor.deliver_until_all(2, "sent").await;
        for alert in alerts {
            assert_eq!(alert.channel, CHANNEL);
            assert_eq!(alert.reason.as_deref(), Some("owner Ada is not known at Slack"));
        }
        assert_eq!(world.slack.messages(CHANNEL).len(), 2);
        assert!(world.slack.requests().count("users.lookupByEmail") <= 1, "nobody is asked for twice");
        world.assert_no_violations();
    }
}

#[tokio::test]
async fn an_owner_who_cannot_be_written_to_any_more_is_told_of_in_the_rules_channel() {
    let world = World::new();
    let ada = world.slack.add_person("Ada", ADA);
    let mut monitor = knowing(&world, Some(Person::Id(ada.clone()))).await;
    world.slack.remove_person(&ada);
    world.failed_task("resnet50");
    monitor.poll().await;
    let alerts = monitor.deliver_until_all(1, "sent").await;
    assert_eq!(alerts[0].reason.as_deref(), Some("Slack delivers nothing to owner Ada (channel_not_found)"));
    assert_eq!((alerts[0].channel.as_str(), world.slack.messages(CHANNEL).len()), (CHANNEL, 1));
}

#[tokio::test]
async fn a_missing_scope_holds_the_owners_alerts_and_names_the_scope() {
    let world = World::new();
    let ada = world.slack.add_person("Ada", ADA);
    world.slack.set_scopes(&["chat:write", "channels:read"]);
    let mut monitor = knowing(&world, Some(by_email())).await;
    world.failed_task("resnet50");
    monitor.poll().await;
    let alerts = monitor.deliver_until_all(1, "held").await;
    let reason = alerts[0].reason.clone().unwrap();
    assert!(reason.contains("users:read.email"), "{reason}");
    world.slack.set_scopes(&["chat:write", "channels:read", "users:read.email"]);
    monitor.deliver_until_all(1, "sent").await;
    assert_eq!(world.slack.direct_messages(&ada).len(), 1);
}

#[tokio::test]
async fn slack_away_during_the_look_up_is_waited_out() {
    let world = World::new();
    let ada = world.slack.add_person("Ada", ADA);
    let mut monitor = knowing(&world, Some(by_email())).await;
    let faults = [Fault::html(503), Fault::reset(), Fault::slack_error("a_word_of_tomorrow")];
    world.slack.faults().script(faults.map(|fault| FaultRule::next(fault).on("users.lookupByEmail")));
    world.failed_task("resnet50");
    monitor.poll().await;
    let alerts = monitor.deliver_until_all(1, "sent").await;
    assert_eq!((alerts[0].reason.as_deref(), world.slack.direct_messages(&ada).len()), (None, 1));
}

/// The mentions of people in what the usual channel shows.
fn mentioned(world: &World) -> Vec<String> {
    world.slack.mentions().into_iter().map(|mention| mention.entity).collect()
}

#[tokio::test]
async fn an_owner_is_mentioned_once_a_message_in_alerts_and_digests() {
    for destination in [Destination::Channel(CHANNEL.to_owned()), to_incoming()] {
        let world = World::new();
        let ada = world.slack.add_person("Ada", ADA);
        let mut rule = Rule::new("mine", destination);
        rule.style.mention_owner = true;
        let mut monitor = world
            .monitor_with(vec![rule], |config| {
                config.destinations.people.insert("Ada".to_owned(), Person::Email(ADA.to_owned()));
                config.digest_above = 2;
            })
            .await;
        monitor.poll().await;
        world.failed_task("alone");
        monitor.poll().await;
        monitor.deliver_until_all(1, "sent").await;
        assert_eq!(mentioned(&world), [format!("<@{ada}>")]);
        for number in 0..3 {
            world.failed_task(&format!("flood {number}"));
        }
        monitor.poll().await;
        monitor.deliver_until_all(4, "sent").await;
        assert_eq!(mentioned(&world), [format!("<@{ada}>"), format!("<@{ada}>")]);
        world.assert_no_violations();
    }
}

#[tokio::test]
async fn an_owner_whom_slack_cannot_tell_is_named_and_nothing_waits_for_it() {
    let world = World::new();
    let mut rule = Rule::new("mine", Destination::Channel(CHANNEL.to_owned()));
    rule.style.mention_owner = true;
    let mut monitor = world
        .monitor_with(vec![rule], |config| {
            config.destinations.people.insert("Ada".to_owned(), Person::Email(ADA.to_owned()));
        })
        .await;
    monitor.poll().await;
    world.slack.faults().push(FaultRule::next(Fault::html(500)).on("users.lookupByEmail").forever());
    world.failed_task("resnet50");
    monitor.poll().await;
    monitor.deliver_until_all(1, "sent").await;
    let messages = world.slack.messages(CHANNEL);
    let lead = messages[0].blocks[1]["text"]["text"].as_str().unwrap();
    assert!(lead.starts_with("Ada <https://"), "{lead}");
    assert!(mentioned(&world).is_empty());
    world.assert_no_violations();
}
