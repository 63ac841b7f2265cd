//! Where alerts go: `--channel`, `--slack-api`, `--message-prefix`, `--slack-rate`, and who may mention whom.

use std::time::Duration;

use clearml_alerts::domain::Status;
use clearml_alerts::sandbox::TaskSeed;
use clearml_alerts::sandbox::slack::Channel;

use crate::cast::{as_flags, spellings};
use crate::world::{World, title};

#[test]
fn a_channel_by_name_with_or_without_its_sign_or_by_id() {
    let world = World::new();
    let id = world.slack.add_channel(Channel::public("gpu-alerts").with_id("C0GPUALERT"));
    world.run(&["once", "--channel", "gpu-alerts"]);
    for (number, channel) in ["gpu-alerts", "#gpu-alerts", &id, "GPU-Alerts"].into_iter().enumerate() {
        for line in [["--channel".to_owned(), channel.to_owned()].to_vec(), vec![format!("--channel={channel}")]] {
            let before = world.slack.messages(&id).len();
            world.failed_task(&format!("{number} for {channel}"));
            let ended = world.run(&[&["once", "--slack-rate", "0"], &as_flags(&line)[..]].concat());
            assert_eq!(ended.code, 0, "{channel}: {ended:?}");
            assert_eq!(world.slack.messages(&id).len(), before + 1, "{channel}");
        }
    }
    world.assert_no_violations();
}

#[test]
fn a_private_channel_by_id_with_no_scope_but_the_one_to_write() {
    let world = World::new();
    world.slack.add_channel(Channel::private("secret").with_id("C0SECRET00"));
    world.slack.set_scopes(&["chat:write"]);
    let once = || world.run(&["once", "--channel", "C0SECRET00"]);
    assert_eq!(once().code, 0);
    world.failed_task("in private");
    assert_eq!(once().code, 0);
    assert_eq!(world.slack.messages("C0SECRET00").len(), 1);
}

#[test]
fn a_public_channel_is_joined_when_that_is_all_it_takes() {
    let world = World::new();
    let id = world.slack.add_channel(Channel::public("lobby").not_joined());
    let once = || world.run(&["once", "--channel", "lobby", "--slack-rate", "0"]);
    assert_eq!(once().code, 0);
    world.failed_task("first");
    assert_eq!(once().code, 0);
    assert_eq!(world.slack.messages(&id).len(), 1);
}

#[test]
fn the_token_in_a_flag_beats_the_variable_in_every_spelling() {
    let world = World::new();
    world.once(&[]);
    let token = world.slack.token();
    for (number, line) in spellings("slack-api", &token).into_iter().enumerate() {
        world.failed_task(&format!("number {number}"));
        let line = [&["once", "--channel", "ml-alerts", "--slack-rate", "0"], &as_flags(&line)[..]].concat();
        let ended = crate::world::finish(world.command(&line).env("SLACK_API_TOKEN", "xoxb-of-another"));
        assert_eq!(ended.code, 0, "{ended:?}");
        let ended = crate::world::finish(world.command(&line).env_remove("SLACK_API_TOKEN"));
        assert_eq!(ended.code, 0, "{ended:?}");
    }
    world.assert_alerts(&["number 0", "number 1", "number 2", "number 3"]);
}

#[test]
fn the_prefix_mentions_people_and_nothing_else_can() {
    let world = World::new();
    world.once(&[]);
    for (number, line) in spellings("message-prefix", "Hey <!here>, dear *team*:").into_iter().enumerate() {
        let id = world.running_task(&format!("<!channel> {number}"));
        world.clearml.fail(&id, "<@U0BOSS> did it", "<!everyone>").unwrap();
        assert_eq!(world.once(&as_flags(&line)).code, 0);
    }
    let messages = world.slack.messages("ml-alerts");
    assert_eq!(messages.len(), 4);
    for message in &messages {
        let told = serde_json::to_string(&message.blocks).unwrap();
        assert!(told.contains("Hey <!here>, dear *team*:"), "{told}");
    }
    let mentions = world.slack.mentions();
    assert!(mentions.iter().all(|mention| mention.entity == "<!here>"), "{mentions:?}");
    assert_eq!(mentions.len(), 4);
}

#[test]
fn our_pace_leaves_the_rest_for_the_next_run() {
    let world = World::new();
    world.once(&[]);
    let now = world.clearml.now();
    for number in 0..8 {
        let seed = TaskSeed::new(&format!("number {number}")).status(&Status::Failed);
        world.clearml.add_task(seed.status_changed(now.minus(Duration::from_millis(100 - number))));
    }
    let slow = ["once", "--channel", "ml-alerts", "--slack-rate", "0.001", "--digest-above", "0"];
    let ended = world.run(&[&slow[..], &["--deliver-timeout", "1s"]].concat());
    assert_eq!(ended.code, 4, "{ended:?}");
    let burst = world.slack.messages("ml-alerts").len();
    assert!((1..8).contains(&burst), "{burst}");
    assert!(ended.stdout.contains(&format!("{burst} sent, {} still to be sent", 8 - burst)), "{ended:?}");
    let titles: Vec<String> = world.slack.messages("ml-alerts").iter().map(title).collect();
    let oldest: Vec<String> = (0..burst).map(|number| format!("Task failed: number {number}")).collect();
    assert_eq!(titles, oldest);
    assert_eq!(world.once(&[]).code, 0);
    let names: Vec<String> = (0..8).map(|number| format!("number {number}")).collect();
    world.assert_alerts(&names.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn alerts_that_waited_for_another_channel_go_where_the_channel_is_now() {
    let world = World::new();
    let id = world.slack.add_channel(Channel::public("new-home"));
    world.once(&[]);
    world.failed_task("moved");
    world.slack.change_channel("ml-alerts", |channel| channel.archived = true);
    let held = world.once(&["--deliver-timeout", "2s"]);
    assert_eq!(held.code, 4, "{held:?}");
    assert_eq!(world.history(&[])[0]["state"], "held");
    let ended = world.run(&["once", "--channel", "#new-home"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(world.slack.messages(&id).len(), 1);
    world.assert_alerts(&[]);
}
