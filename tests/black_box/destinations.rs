//! Every kind of destination by the config file, through the real binary.

use std::time::Duration;

use clearml_alerts::sandbox::{Fault, FaultRule, ReceiverOptions, SimulatedReceiver};

use crate::world::{CHANNEL, World};

const KEY: &str = "sandbox-key";

/// A receiver that wants a signature and a header.
fn receiver() -> SimulatedReceiver {
    let required_header = Some(("authorization".to_owned(), "Bearer sandbox-token".to_owned()));
    SimulatedReceiver::start(ReceiverOptions { port: 0, secret: Some(KEY.to_owned()), required_header }).unwrap()
}

/// A file with a rule for each kind; `users` stands in `[slack.users]`.
fn file(world: &World, receiver: &SimulatedReceiver, users: &str) -> String {
    format!(
        "[slack]\nchannel = '{CHANNEL}'\nrate = 0\ndigest_above = 0\n[slack.users]\n{users}\n\
         [slack.webhooks.team]\nurl = '{}'\n\
         [webhooks.ops]\nurl = '{}'\nsecret = '{KEY}'\nheaders = {{ Authorization = 'Bearer sandbox-token' }}\ntimeout = '5s'\n\
         [[rule]]\nname = 'told'\nchannel = '{CHANNEL}'\nmessage = {{ mention_owner = true }}\n\
         [[rule]]\nname = 'hooked'\nslack_webhook = 'team'\n\
         [[rule]]\nname = 'fed'\nwebhook = 'ops'\n\
         [[rule]]\nname = 'mine'\nowner = true\nchannel = '{CHANNEL}'\n",
        world.slack.add_webhook(CHANNEL),
        receiver.url(),
    )
}

fn secrets_in(text: &str) -> Vec<&'static str> {
    let secrets = ["sandboxhooksecret", KEY, "sandbox-token"];
    secrets.into_iter().filter(|secret| text.contains(secret)).collect()
}

#[test]
fn one_failure_goes_everywhere_and_no_secret_is_told() {
    let (world, receiver) = (World::new(), receiver());
    let ada = world.slack.add_person("Ada", "ada@example.com");
    let config = world.config(&file(&world, &receiver, "Ada = 'ada@example.com'"));
    let config = config.to_str().unwrap();
    assert_eq!(world.run(&["once", "--config", config]).code, 0);
    world.failed_task("resnet50");
    receiver.faults().push(Fault::status(503, &receiver.url()));
    let ended = world.run(&["once", "--config", config, "--verbose"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let mut lanes: Vec<String> =
        world.history(&[]).iter().map(|row| row["channel"].as_str().unwrap().to_owned()).collect();
    lanes.sort();
    assert!(lanes[1].starts_with("owner:"), "{lanes:?}");
    assert_eq!([&lanes[0], &lanes[2], &lanes[3]], [CHANNEL, "slack-webhook:team", "webhook:ops"]);
    assert!(world.history(&[]).iter().all(|row| row["state"] == "sent" && row["reason"].is_null()));
    let posted = world.slack.messages(CHANNEL);
    assert_eq!((posted.len(), posted.iter().filter(|message| message.from_webhook).count()), (2, 1));
    assert_eq!(world.slack.direct_messages(&ada).len(), 1);
    let mentions: Vec<String> = world.slack.mentions().into_iter().map(|mention| mention.entity).collect();
    assert_eq!(mentions, [format!("<@{ada}>")]);
    let events = receiver.events();
    assert_eq!((events.len(), events[0].document["alert"]["rule"].as_str()), (1, Some("fed")));
    let fed = world.history(&["--rule", "fed"])[0]["id"].to_string();
    let shown = world.run(&["history", "--show", &fed]).stdout;
    for part in [", delivered 20", "\n  \"alert\": {\n", "\"rule\": \"fed\""] {
        assert!(shown.contains(part), "the document is shown as it was sent: {part} in {shown}");
    }
    let task = world.history(&[])[0]["task_id"].as_str().unwrap().to_owned();
    let explained = world.run(&["explain", &task, "--config", config]);
    let checked = world.run(&["check", "--config", config]);
    assert_eq!(checked.code, 0, "{checked:?}");
    assert!(checked.stdout.contains("users: 1 of 1 lead to a person"), "{checked:?}");
    for told in [&ended.stderr, &ended.stdout, &explained.stdout, &checked.stdout, &checked.stderr] {
        assert_eq!(secrets_in(told), Vec::<&str>::new(), "{told}");
    }
    assert_eq!(secrets_in(&String::from_utf8_lossy(&std::fs::read(world.database()).unwrap())), Vec::<&str>::new());
    assert!(receiver.violations().is_empty(), "{:?}", receiver.violations());
    world.assert_no_violations();
}

#[test]
fn check_names_the_missing_scope_and_who_is_not_found() {
    let (world, receiver) = (World::new(), receiver());
    let config = world.config(&file(&world, &receiver, "Ada = 'ada@example.com'"));
    let config = config.to_str().unwrap();
    let told = world.run(&["check", "--config", config]).stdout;
    assert!(told.contains("`Ada`: nobody in the workspace has the address ada@example.com"), "{told}");
    world.slack.set_scopes(&["chat:write", "channels:read", "channels:join", "channels:history"]);
    let checked = world.run(&["check", "--config", config]);
    assert!(checked.stdout.contains("scope users:read.email: missing: owners given by e-mail"), "{checked:?}");
    assert_ne!(checked.code, 0, "direct messages cannot work like this");
}

#[test]
fn a_service_feeds_a_webhook_that_hangs_and_tells_everybody_else_meanwhile() {
    let (world, receiver) = (World::new(), receiver());
    let config = world.config(&file(&world, &receiver, ""));
    receiver.faults().push(FaultRule::next(Fault::hang()));
    let mut command = world.command(&["run", "--local", "--config", config.to_str().unwrap()]);
    command.args(["--refresh-rate", "0.1", "--announce", "none", "--no-clearml-task"]);
    let service = crate::world::Running::start(&mut command);
    service.wait_for_log("watching begins");
    world.failed_task("resnet50");
    // Told, hooked, and, since nobody knows the owner, mine.
    world.wait_for_messages(3);
    assert!(receiver.wait_for_events(1, Duration::from_secs(30)), "{}", service.log());
    crate::world::wait_until("all sent", || world.sent() == 4);
    assert_eq!(service.stop().code, 0);
    let mine = world.history(&["--rule", "mine"]);
    assert_eq!(
        (mine[0]["channel"].as_str(), mine[0]["reason"].as_str()),
        (Some(CHANNEL), Some("owner Ada is not known at Slack"))
    );
    world.assert_no_violations();
}
