//! The generic webhook: what arrives, and what becomes of it when something goes wrong.

use std::collections::HashSet;
use std::time::Duration;

use clearml_alerts::domain::{Destination, Rule};
use clearml_alerts::monitor::StartRequest;
use clearml_alerts::sandbox::{Fault, FaultRule};

use crate::world::{CHANNEL, World, history, to_webhook, webhook_to};

#[tokio::test]
async fn an_alert_arrives_signed_and_as_the_schema_says() {
    let world = World::new();
    let mut monitor = world.monitor(to_webhook()).await;
    monitor.poll().await;
    let task = world.failed_task("resnet50");
    monitor.poll().await;
    let alerts = monitor.deliver_until_all(1, "sent").await;
    assert_eq!((alerts[0].channel.as_str(), alerts[0].message_ts.as_deref()), ("webhook:ops", None));
    let events = world.receiver.events();
    let event = &events[0];
    assert_eq!((events.len(), event.kind.as_str(), event.repeats), (1, "alert", 0));
    assert_eq!(event.key, format!("test:mine/{task}/1/failed"));
    let told = &event.document["alert"];
    assert_eq!((&told["rule"], &told["outcome"]), (&"mine".into(), &"failed".into()));
    assert_eq!(told["task"]["id"], task);
    assert_eq!(told["task"]["user"]["name"], "Ada");
    assert_eq!(told["cause"], "cuda_out_of_memory");
    assert_eq!(told["console"]["lines"][1], "RuntimeError: <!channel> & more", "nothing is escaped");
    assert!(told["task"]["url"].as_str().unwrap().contains(&task));
    assert!(event.headers["x-clearml-alerts-signature"].starts_with("t="));
    assert!(world.slack.all_messages().is_empty());
    world.assert_no_violations();
}

#[tokio::test]
async fn a_flood_is_one_event_and_the_start_is_a_notice() {
    let world = World::new();
    let rules = vec![Rule::new("mine", to_webhook())];
    let mut monitor = world.monitor_with(rules, |config| config.digest_above = 3).await;
    monitor.poll().await;
    let (channel, watches) = (to_webhook().common_lane(), "failed tasks".to_owned());
    monitor.deliverer.announce(StartRequest { channel, watches, refresh: Duration::from_secs(10), resume: None });
    for number in 0..5 {
        world.failed_task(&format!("flood {number}"));
    }
    monitor.poll().await;
    monitor.deliver_until_all(5, "sent").await;
    world.failed_task("late");
    monitor.poll().await;
    let alerts = monitor.deliver_until_all(6, "sent").await;
    let events = world.receiver.events();
    let kinds: Vec<&str> = events.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["notice", "digest", "alert"], "what cannot be edited is not edited");
    assert!(events[0].document["notice"]["text"].as_str().unwrap().contains("It watches failed tasks."));
    assert_eq!(events[1].document["alerts"].as_array().unwrap().len(), 5);
    assert_eq!(alerts.iter().filter(|alert| alert.digest).count(), 5);
    world.assert_no_violations();
}

#[tokio::test]
async fn whatever_may_not_have_arrived_comes_again_with_its_key_and_is_taken_once() {
    let world = World::new();
    let mut monitor = world.monitor(to_webhook()).await;
    monitor.poll().await;
    world.receiver.faults().script(
        [
            Fault::apply_then_reset(),
            Fault::reset(),
            Fault::status(503, "down"),
            Fault::status(429, "slow down").with_header("Retry-After", "1"),
            Fault::html(502).after_applying(),
            Fault::status(408, ""),
            Fault::status(425, ""),
            Fault::apply_then_hang(),
        ]
        .map(FaultRule::next),
    );
    world.failed_task("resnet50");
    monitor.poll().await;
    let alerts = monitor.deliver_until_all(1, "sent").await;
    let events = world.receiver.events();
    assert_eq!((events.len(), events[0].repeats, alerts[0].attempts, alerts[0].reason.as_deref()), (1, 3, 9, None));
    let requests = world.receiver.requests().all();
    let keys: HashSet<&String> = requests.iter().map(|request| &request.headers["idempotency-key"]).collect();
    let bodies: HashSet<String> = requests.iter().map(|request| request.body.to_string()).collect();
    assert_eq!((requests.len(), keys.len(), bodies.len()), (9, 1, 1));
    world.assert_no_violations();
}

#[tokio::test]
async fn where_a_person_must_act_its_lane_waits_and_goes_on_by_itself() {
    for fault in [Fault::status(401, "who?"), Fault::status(404, ""), Fault::redirect("http://127.0.0.1:1/elsewhere")] {
        let world = World::new();
        let rules = vec![Rule::new("mine", to_webhook()), Rule::new("too", Destination::Channel(CHANNEL.to_owned()))];
        let mut monitor = world.monitor_with(rules, |_| {}).await;
        monitor.poll().await;
        world.receiver.faults().push(FaultRule::next(fault.clone()).times(2));
        world.failed_task("resnet50");
        monitor.poll().await;
        let held = |alert: &clearml_alerts::domain::AlertRecord| alert.state.as_str() == "held";
        monitor.deliver_until(|store| history(store).iter().any(held)).await;
        let alert = history(&monitor.store).into_iter().find(held).unwrap();
        let reason = alert.reason.unwrap();
        assert!(reason.starts_with("HTTP ") && reason.contains("the configuration"), "{reason}");
        assert!(!reason.contains("sandboxhooksecret"), "{reason}");
        assert_eq!(alert.channel, "webhook:ops");
        monitor.deliver_until_all(2, "sent").await;
        assert_eq!(world.receiver.events().len(), 1);
        world.assert_no_violations();
    }
}

#[tokio::test]
async fn a_document_that_is_refused_is_dead_at_once_and_can_be_sent_again() {
    let world = World::new();
    let mut monitor = world.monitor(to_webhook()).await;
    monitor.poll().await;
    let words = format!("no such field; you posted to {}", world.receiver.url());
    world.receiver.faults().push(Fault::status(422, &words));
    world.failed_task("resnet50");
    monitor.poll().await;
    let dead = monitor.deliver_until_all(1, "dead").await;
    let reason = dead[0].reason.clone().unwrap();
    assert!(reason.contains("no such field") && reason.contains("dead retry"), "{reason}");
    assert!(!reason.contains("sandboxhooksecret"), "{reason}");
    let detail = monitor.store.dead_letter(dead[0].id).await.unwrap();
    assert_eq!((detail.form.as_str(), detail.tries.len()), ("body", 1));
    let which = clearml_alerts::store::Which::All;
    monitor.store.retry_dead(which, clearml_alerts::domain::Stamp::EPOCH).await.unwrap();
    monitor.deliver_until_all(1, "sent").await;
    assert_eq!(world.receiver.events().len(), 1);
}

#[tokio::test]
async fn a_webhook_that_left_the_configuration_is_waited_for() {
    let world = World::new();
    let rules = || vec![Rule::new("mine", to_webhook())];
    let mut monitor = world.monitor_with(rules(), |config| config.destinations.webhooks.clear()).await;
    monitor.poll().await;
    world.failed_task("resnet50");
    monitor.poll().await;
    let held = monitor.deliver_until_all(1, "held").await;
    let reason = held[0].reason.clone().unwrap();
    assert!(reason.contains("no webhook `ops`") && reason.contains("[webhooks.ops]"), "{reason}");
    drop(monitor);
    let mut monitor = world.monitor_with(rules(), |_| {}).await;
    monitor.deliver_until_all(1, "sent").await;
    assert_eq!(world.receiver.events().len(), 1);
}

#[tokio::test]
async fn a_webhook_that_hangs_holds_up_no_other_lane() {
    let world = World::new();
    let rules = vec![Rule::new("mine", to_webhook()), Rule::new("too", Destination::Channel(CHANNEL.to_owned()))];
    let slow = webhook_to(&world.receiver.url(), Duration::from_secs(10));
    let mut monitor = world
        .monitor_with(rules, |config| {
            config.destinations.webhooks.insert("ops".to_owned(), slow);
        })
        .await;
    monitor.poll().await;
    world.receiver.faults().push(FaultRule::next(Fault::hang()).forever());
    for number in 0..4 {
        world.failed_task(&format!("task {number}"));
    }
    monitor.poll().await;
    let asked = world.receiver.requests().clone();
    monitor.deliver_until(|_| world.slack.messages(CHANNEL).len() == 4 && asked.total() > 0).await;
    // The one request still hangs, and everything else went past it.
    assert_eq!(asked.total(), 1);
    assert!(monitor.deliverer.is_sending());
    world.receiver.faults().clear();
    monitor.deliver_until_all(8, "sent").await;
    assert_eq!(world.receiver.events().len(), 4);
    world.assert_no_violations();
}

#[tokio::test]
async fn the_database_and_what_people_see_hold_no_secret_of_a_webhook() {
    let world = World::new();
    let mut monitor = world.monitor(to_webhook()).await;
    monitor.poll().await;
    let echo = format!("{} {}", world.receiver.url(), crate::world::KEY);
    world.receiver.faults().push(FaultRule::next(Fault::status(500, &echo)).times(2));
    world.receiver.faults().push(FaultRule::next(Fault::reset_on_connect()));
    world.failed_task("resnet50");
    monitor.poll().await;
    monitor.deliver_until_all(1, "sent").await;
    drop(monitor);
    let details: Vec<String> = {
        let database = world.database();
        let mut statement =
            database.prepare("SELECT coalesce(error, '') || coalesce(detail, '') FROM attempts").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    };
    assert!(details.iter().any(|detail| detail.contains("***")), "{details:?}");
    let bytes = std::fs::read(world.addresses().database).unwrap();
    for secret in ["sandboxhooksecret", crate::world::KEY] {
        let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!found, "{secret}");
    }
}
