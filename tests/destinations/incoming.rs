//! Slack's incoming webhook: no channel, no ID, nothing to edit and nothing to look for.

use clearml_alerts::domain::Rule;
use clearml_alerts::domain::delivery::OnUnknown;
use clearml_alerts::sandbox::{Fault, FaultRule};

use crate::world::{CHANNEL, World, to_incoming};

#[tokio::test]
async fn an_alert_arrives_with_its_console_in_a_fence() {
    let world = World::new();
    let mut monitor = world.monitor(to_incoming()).await;
    monitor.poll().await;
    world.failed_task("resnet50");
    monitor.poll().await;
    let alerts = monitor.deliver_until_all(1, "sent").await;
    assert_eq!((alerts[0].channel.as_str(), alerts[0].message_ts.as_deref()), ("slack-webhook:team", None));
    let messages = world.slack.messages(CHANNEL);
    assert!(messages.len() == 1 && messages[0].from_webhook && messages[0].metadata.is_none(), "{messages:?}");
    let texts: Vec<&str> = messages[0].blocks.iter().filter_map(|block| block["text"]["text"].as_str()).collect();
    let fenced = texts.iter().find(|text| text.starts_with("```")).unwrap();
    assert!(fenced.contains("RuntimeError: &lt;!channel&gt; &amp; more") && fenced.ends_with("\n```"), "{fenced}");
    assert_eq!(fenced.matches("```").count(), 2, "{fenced}");
    assert!(world.slack.mentions().is_empty());
    assert_eq!(world.slack.requests().count("auth.test"), 0, "no token is needed");
    world.assert_no_violations();
}

#[tokio::test]
async fn a_flood_is_a_digest_and_what_follows_is_a_new_post() {
    let world = World::new();
    let rules = vec![Rule::new("mine", to_incoming())];
    let mut monitor = world.monitor_with(rules, |config| config.digest_above = 2).await;
    monitor.poll().await;
    for wave in 0..2 {
        for number in 0..3 {
            world.failed_task(&format!("flood {wave} {number}"));
        }
        monitor.poll().await;
        monitor.deliver_until_all((wave + 1) * 3, "sent").await;
    }
    let messages = world.slack.messages(CHANNEL);
    assert_eq!(messages.len(), 2);
    assert!(messages.iter().all(|message| message.edits == 0));
    assert_eq!(world.slack.requests().count("chat.update"), 0);
    world.assert_no_violations();
}

#[tokio::test]
async fn a_lost_answer_follows_the_policy() {
    for (policy, shown) in [(OnUnknown::Resend, 2), (OnUnknown::Hold, 1)] {
        let world = World::new();
        let rules = vec![Rule::new("mine", to_incoming())];
        let mut monitor = world.monitor_with(rules, |config| config.on_unknown = policy).await;
        monitor.poll().await;
        world.slack.faults().push(FaultRule::next(Fault::apply_then_reset()).on("webhook"));
        world.failed_task("resnet50");
        monitor.poll().await;
        let state = if policy == OnUnknown::Resend { "sent" } else { "unknown" };
        let alerts = monitor.deliver_until_all(1, state).await;
        if policy == OnUnknown::Resend {
            assert!(alerts[0].reason.as_deref().unwrap().starts_with("possible duplicate"), "{alerts:?}");
        } else {
            monitor.deliver_until(|store| !store_dead(store).is_empty()).await;
        }
        assert_eq!(world.slack.messages(CHANNEL).len(), shown, "{policy:?}");
    }
}

fn store_dead(store: &clearml_alerts::store::Store) -> Vec<i64> {
    let sql = "SELECT id FROM deliveries WHERE kept_at IS NOT NULL";
    store.read_now(|connection| connection.prepare(sql)?.query_map([], |row| row.get(0))?.collect()).unwrap()
}

#[tokio::test]
async fn each_answer_of_slack_leads_where_it_must() {
    for (status, word, state) in [
        (403, "invalid_token", "held"),
        (404, "no_service", "held"),
        (410, "channel_is_archived", "held"),
        (403, "action_prohibited", "held"),
        (400, "invalid_payload", "dead"),
    ] {
        let world = World::new();
        let mut monitor = world.monitor(to_incoming()).await;
        monitor.poll().await;
        world.slack.faults().push(FaultRule::next(Fault::status(status, word)).on("webhook").forever());
        world.failed_task("resnet50");
        monitor.poll().await;
        let alerts = monitor.deliver_until_all(1, state).await;
        let reason = alerts[0].reason.clone().unwrap();
        assert!(reason.starts_with(word) && !reason.contains("sandboxhooksecret"), "{reason}");
        if state == "held" {
            world.slack.faults().clear();
            monitor.deliver_until_all(1, "sent").await;
        } else {
            let forms: Vec<_> =
                world.slack.requests().of("webhook").iter().map(|r| r.body.get("blocks").is_some()).collect();
            assert_eq!(forms, [true, false], "blocks, then text alone, then dead");
        }
    }
}

#[tokio::test]
async fn waits_and_hiccups_are_waited_out() {
    let world = World::new();
    let mut monitor = world.monitor(to_incoming()).await;
    monitor.poll().await;
    let limited = Fault::status(429, "rate_limited").with_header("Retry-After", "1");
    for fault in [limited, Fault::status(500, "rollup_error")] {
        world.slack.faults().push(fault);
    }
    world.failed_task("resnet50");
    monitor.poll().await;
    let alerts = monitor.deliver_until_all(1, "sent").await;
    assert_eq!((alerts[0].reason.as_deref(), world.slack.messages(CHANNEL).len()), (None, 1));
}
