//! Killed at every named point with lanes that are no channels, and started again: 0 lost, and 0 doubled where a receiver
//! knows repeats by their key. This test program starts itself again, with the one test below and what it needs to know.

use std::process::{Command, ExitStatus};

use clearml_alerts::domain::{Destination, Rule};
use clearml_alerts::monitor::Person;
use clearml_alerts::sandbox::{Fault, FaultRule};
use tokio_util::sync::CancellationToken;

use crate::world::{Addresses, CHANNEL, Monitor, World, history, to_incoming, to_owner, to_webhook};

/// Which lane the process is to serve, and where everything is.
const PART: &str = "CLEARML_ALERTS_TEST_DESTINATION_PART";
const NAMES: [&str; 3] = ["resnet50", "bert base", "gpt nano"];
/// More failures than this become a digest.
const DIGEST_ABOVE: u32 = 3;

fn destination(word: &str) -> Destination {
    match word {
        "webhook" => to_webhook(),
        "incoming" => to_incoming(),
        "owner" => to_owner(),
        other => panic!("{other}"),
    }
}

/// What a process of its own does: one poll, and deliveries until nothing is left.
#[tokio::test]
async fn part_of_another_process() {
    let Ok(part) = std::env::var(PART) else { return };
    let [lane, clearml, access, secret, slack, token, receiver, incoming, database, crash] =
        part.split('|').map(str::to_owned).collect::<Vec<_>>().try_into().unwrap();
    let database = database.into();
    let at = Addresses { clearml, access, secret, slack, token, receiver, incoming, database };
    if !crash.is_empty() {
        clearml_alerts::crash::arm(&crash);
    }
    serve(&at, &lane).await;
}

async fn monitor(at: &Addresses, lane: &str) -> Monitor {
    Monitor::start(at, vec![Rule::new("mine", destination(lane))], |config| {
        config.digest_above = DIGEST_ABOVE;
        config.destinations.people.insert("Ada".to_owned(), Person::Email("ada@example.com".to_owned()));
    })
    .await
}

async fn serve(at: &Addresses, lane: &str) {
    let mut monitor = monitor(at, lane).await;
    monitor.poll().await;
    monitor.deliver_until(|store| history(store).iter().all(|alert| alert.state.as_str() == "sent")).await;
    monitor.deliverer.settle().await.unwrap();
    monitor.deliverer.deliver_due(&CancellationToken::new()).await.unwrap();
}

/// Runs the part in a process of its own, with this crash point armed.
fn in_a_process(world: &World, lane: &str, crash: &str) -> ExitStatus {
    let at = world.addresses();
    let database = at.database.display().to_string();
    let words =
        [lane, &at.clearml, &at.access, &at.secret, &at.slack, &at.token, &at.receiver, &at.incoming, &database, crash];
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crashes::part_of_another_process", "--nocapture", "--quiet"])
        .env(PART, words.join("|"))
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap()
}

/// Dies at `point`, the first time and later ones, while it tells of failures. Answers how often it died.
fn dies_at(point: &str, lane: &str, failures: usize, faults: &[FaultRule], check: impl Fn(&World, usize)) -> usize {
    for pass in 1..=4 {
        let world = World::new();
        world.slack.add_person("Ada", "ada@example.com");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { monitor(&world.addresses(), lane).await.poll().await });
        for number in 0..failures {
            world.failed_task(NAMES.get(number).copied().unwrap_or(&format!("task {number}")));
        }
        world.receiver.faults().script(faults.iter().cloned());
        world.slack.faults().script(faults.iter().cloned());
        let died = in_a_process(&world, lane, &format!("{point}:{pass}"));
        world.receiver.faults().clear();
        world.slack.faults().clear();
        runtime.block_on(serve(&world.addresses(), lane));
        check(&world, failures);
        if died.code().is_some() {
            assert!(died.success(), "{died:?}");
            return pass - 1;
        }
    }
    4
}

fn lost_answers() -> Vec<FaultRule> {
    vec![FaultRule::next(Fault::apply_then_reset()), FaultRule::next(Fault::reset())]
}

/// Every alert is recorded as sent, unmarked, and its task is in exactly one event.
fn told_once_by_webhook(world: &World, failures: usize) {
    let events = world.receiver.events();
    let mut told: Vec<String> = Vec::new();
    for event in &events {
        let alerts = event.document["alerts"].as_array().cloned();
        let alerts = alerts.unwrap_or_else(|| vec![event.document["alert"].clone()]);
        told.extend(alerts.iter().map(|alert| alert["task"]["name"].as_str().unwrap().to_owned()));
    }
    let count = told.len();
    told.sort();
    told.dedup();
    assert_eq!((count, told.len()), (failures, failures), "{told:?}");
    let marked: i64 = world
        .database()
        .query_row("SELECT count(*) FROM deliveries WHERE possible_duplicate = 1", [], |row| row.get(0))
        .unwrap();
    assert_eq!(marked, 0);
    world.assert_no_violations();
}

#[test]
fn a_webhook_is_told_once_wherever_the_program_dies() {
    for point in ["before_commit", "payload_stored", "attempt_recorded", "answer_not_recorded"] {
        assert!(dies_at(point, "webhook", 3, &[], told_once_by_webhook) > 0, "{point} was never reached");
    }
    assert!(dies_at("answer_not_recorded", "webhook", 3, &lost_answers(), told_once_by_webhook) > 0);
}

#[test]
fn a_digest_to_a_webhook_is_told_once_wherever_the_program_dies() {
    for point in ["payload_stored", "attempt_recorded", "answer_not_recorded"] {
        assert!(dies_at(point, "webhook", 5, &[], told_once_by_webhook) > 0, "{point} was never reached");
    }
}

#[test]
fn killed_again_while_it_recovers_a_webhook_is_still_told_once() {
    let world = World::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { monitor(&world.addresses(), "webhook").await.poll().await });
    world.failed_task(NAMES[0]);
    for point in ["answer_not_recorded:1", "look_not_recorded:1", "answer_not_recorded:1", "attempt_recorded:1"] {
        assert_eq!(in_a_process(&world, "webhook", point).code(), None, "{point} was never reached");
    }
    runtime.block_on(serve(&world.addresses(), "webhook"));
    told_once_by_webhook(&world, 1);
    assert_eq!(world.receiver.events()[0].repeats, 2);
}

/// Nothing is lost; what may be there twice is marked in the history.
fn told_by_incoming(world: &World, failures: usize) {
    let messages = world.slack.messages(CHANNEL).len();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = runtime.block_on(monitor(&world.addresses(), "incoming")).store;
    let marked = history(&store).iter().filter(|alert| alert.reason.is_some()).count();
    assert_eq!(history(&store).len(), failures);
    assert!((failures..=failures + marked).contains(&messages), "{messages} messages, {marked} marked");
    world.assert_no_violations();
}

#[test]
fn an_incoming_webhook_loses_nothing_and_marks_what_may_be_there_twice() {
    for point in ["payload_stored", "attempt_recorded", "answer_not_recorded"] {
        assert!(dies_at(point, "incoming", 3, &[], told_by_incoming) > 0, "{point} was never reached");
    }
}

/// Everything is in the owner's conversation once, and history knows where.
fn told_once_to_the_owner(world: &World, failures: usize) {
    let messages: Vec<_> = world.slack.all_messages();
    assert_eq!(messages.len(), failures, "{messages:?}");
    assert!(messages.iter().all(|message| message.channel.starts_with('D')));
    world.assert_no_violations();
}

#[test]
fn an_owner_is_told_once_wherever_the_program_dies() {
    for point in ["person_found", "payload_stored", "attempt_recorded", "answer_not_recorded"] {
        assert!(dies_at(point, "owner", 3, &[], told_once_to_the_owner) > 0, "{point} was never reached");
    }
}
