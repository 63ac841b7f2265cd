//! Floods: thousands of failures go out as a handful of digests, or one by one and in order where digests are off.

use std::time::Duration;

use clearml_alerts::domain::Status;
use clearml_alerts::sandbox::clearml::{TaskSeed, Transition};
use clearml_alerts::sandbox::slack::RateLimit;
use clearml_alerts::sandbox::{Fault, FaultRule};

use crate::world::{CHANNEL, World, title};

fn flood(world: &World, name: &str, count: usize) -> Vec<String> {
    let seeds = (0..count).map(|number| {
        TaskSeed::new(&format!("{name} {number:05}")).project(["vision/resnet", "nlp/bert"][number % 2]).user("Ada")
    });
    let ids = world.clearml.add_tasks(seeds);
    for id in &ids {
        world.clearml.start_task(id).unwrap();
    }
    ids
}

/// Tasks fail, each a millisecond after the one before.
fn fail_one_after_another(world: &World, ids: &[String]) {
    let now = world.clearml.now();
    let first = now.minus(Duration::from_millis(ids.len() as u64));
    for (number, id) in ids.iter().enumerate() {
        let at = first.plus(Duration::from_millis(number as u64));
        world.clearml.transition(id, Transition::to(Status::Failed).because("OOM", "it failed").at(at)).unwrap();
    }
}

fn told_in_digests(world: &World) -> usize {
    let count = |title: String| title.split(' ').next().unwrap().replace(',', "").parse::<usize>().unwrap();
    world.slack.messages(CHANNEL).iter().map(|message| count(title(message))).sum()
}

#[test]
fn ten_thousand_failures_are_a_handful_of_messages() {
    let world = World::new();
    assert_eq!(world.once(&[]).code, 0);
    world.slack.set_rate_limit(Some(RateLimit::DOCUMENTED));
    let ids = flood(&world, "flood", 10_000);
    fail_one_after_another(&world, &ids);
    let service = world.start(&[]);
    crate::world::wait_until("all to be sent", || world.sent() == ids.len());
    assert_eq!(service.stop().code, 0);
    let history = world.history(&["--limit", "20000"]);
    assert_eq!(history.len(), ids.len());
    assert!(history.iter().all(|row| row["state"] == "sent" && row["digest"] == true));
    let messages = world.slack.messages(CHANNEL);
    assert!(messages.len() <= 5, "{}", messages.len());
    assert_eq!(told_in_digests(&world), ids.len());
    world.assert_no_violations();
}

#[test]
fn without_digests_the_order_holds_and_the_backlog_is_told() {
    let world = World::new();
    assert_eq!(world.once(&[]).code, 0);
    let ids = flood(&world, "flood", 150);
    fail_one_after_another(&world, &ids);
    world.slack.faults().script([
        FaultRule::next(Fault::slack_error("ratelimited")).on("chat.postMessage").after(20),
        FaultRule::next(Fault::apply_then_reset()).on("chat.postMessage").after(20),
        FaultRule::next(Fault::reset()).on("chat.postMessage").after(20),
        FaultRule::next(Fault::slack_error("invalid_blocks")).on("chat.postMessage").after(20),
    ]);
    let service = world.start(&["--digest-above", "0", "--slack-rate", "40"]);
    world.wait_for_messages(10);
    let meanwhile = world.history(&["--limit", "1000"]);
    assert_eq!(meanwhile.len(), ids.len());
    assert!(meanwhile.iter().any(|row| row["state"] == "pending"));
    crate::world::wait_until("all to be sent", || world.sent() == ids.len());
    let ended = service.stop();
    assert!(ended.stderr.contains(" alerts wait, about "), "{}", ended.stderr);
    let shown: Vec<String> =
        world.slack.messages(CHANNEL).iter().map(|message| title(message)[..24].to_owned()).collect();
    let expected: Vec<String> = (0..ids.len()).map(|number| format!("Task failed: flood {number:05}")).collect();
    assert_eq!(shown, expected);
}

#[test]
fn a_digest_is_edited_while_the_flood_lasts_and_begun_anew_where_it_was_deleted() {
    let world = World::new();
    assert_eq!(world.once(&[]).code, 0);
    let wave = |name: &str, count| fail_one_after_another(&world, &flood(&world, name, count));
    wave("first", 30);
    assert_eq!(world.once(&[]).code, 0);
    wave("second", 3);
    assert_eq!(world.once(&[]).code, 0);
    let messages = world.slack.messages(CHANNEL);
    assert_eq!((messages.len(), messages[0].edits), (1, 1));
    assert_eq!(title(&messages[0]), "33 tasks failed in 2 projects");
    world.slack.delete_message(&messages[0].ts);
    wave("third", 4);
    assert_eq!(world.once(&[]).code, 0);
    // The waves that were shown and deleted are not told again; the third is.
    let messages = world.slack.messages(CHANNEL);
    let titles: Vec<String> = messages.iter().map(title).collect();
    assert_eq!(titles.len(), 4, "{titles:?}");
    assert!(titles.iter().all(|title| title.starts_with("Task failed: third")), "{titles:?}");
    // A minute without news ends the flood: one failure is one alert.
    wave("fourth", 20);
    assert_eq!(world.once(&[]).code, 0);
    world.sql("UPDATE deliveries SET sent_at = sent_at - 61000 WHERE sent_at IS NOT NULL");
    wave("later", 1);
    assert_eq!(world.once(&[]).code, 0);
    let messages = world.slack.messages(CHANNEL);
    assert_eq!(title(&messages[4]), "20 tasks failed in 2 projects");
    assert_eq!(title(&messages[5]), "Task failed: later 00000");
    assert!(world.history(&["--limit", "100"]).iter().all(|row| row["state"] == "sent"));
    world.assert_no_violations();
}

#[test]
fn an_edit_that_slack_will_not_make_becomes_a_message() {
    for code in ["cant_update_message", "edit_window_closed", "message_not_found", "invented_yesterday"] {
        let world = World::new();
        assert_eq!(world.once(&[]).code, 0);
        let wave = |name: &str, count| fail_one_after_another(&world, &flood(&world, name, count));
        wave("first", 12);
        assert_eq!(world.once(&[]).code, 0);
        world.slack.faults().push(FaultRule::next(Fault::slack_error(code)).on("chat.update").forever());
        wave("second", 12);
        let ended = world.once(&["--deliver-timeout", "20s"]);
        assert_eq!(ended.code, 0, "{code}: {ended:?}");
        let titles: Vec<String> = world.slack.messages(CHANNEL).iter().map(title).collect();
        assert_eq!(titles, ["12 tasks failed in 2 projects"; 2], "{code}");
        assert!(world.history(&["--limit", "100"]).iter().all(|row| row["state"] == "sent" && row["reason"].is_null()));
    }
}
