//! When is it the same run? From the server's stamps to the channel.

use std::time::Duration;

use clearml_alerts::domain::Status;
use clearml_alerts::sandbox::{TaskSeed, Transition};

use crate::world::{Running, World, title};

fn polled(world: &World) {
    let ended = world.once(&["--include-aborted-experiments", "--include-completed-experiments"]);
    assert_eq!(ended.code, 0, "{ended:?}");
}

fn titles(world: &World) -> Vec<String> {
    world.slack.messages("ml-alerts").iter().map(title).collect()
}

#[test]
fn the_last_lines_that_an_agent_still_holds_are_waited_for() {
    let world = World::new();
    // Half of the wait in the field: 3 seconds.
    let service = Running::start(world.service_command(&[]).env("CLEARML_ALERTS_TEST_WAIT_FACTOR", "0.5"));
    world.wait_for_polls(2);
    let task = world.running_task("told its end itself");
    world.clearml.log(&task, "epoch 7 loss 0.143\n").unwrap();
    world.clearml.fail(&task, "Exception CUDA out of memory", "").unwrap();
    service.wait_for_log("alert recorded");
    let ended = world.running_task("ended by its agent");
    world.clearml.fail(&ended, "worker execution exit code 1", "Changed by clearml-agent host:0").unwrap();
    let first = world.wait_for_messages(1);
    assert_eq!(title(&first[0]), "Task failed: ended by its agent", "nothing more comes, so it does not wait");
    world.clearml.log(&task, "Traceback (most recent call last):\nRuntimeError: the last line\n").unwrap();
    let both = world.wait_for_messages(2);
    let shown = both[1].plain();
    assert!(shown.contains("epoch 7") && shown.contains("RuntimeError: the last line"), "{shown}");
    assert_eq!(service.stop().code, 0);
    world.assert_alerts(&["told its end itself", "ended by its agent"]);
}

#[test]
fn the_agents_second_stamp_is_no_second_alert_and_the_first_reason_stays() {
    let world = World::new();
    polled(&world);
    let id = world.running_task("stamped twice");
    world.clearml.fail(&id, "RuntimeError: CUDA out of memory", "by the SDK").unwrap();
    polled(&world);
    world.clearml.fail(&id, "worker execution exit code 1", "Changed by clearml-agent gpu-1").unwrap();
    polled(&world);
    assert_eq!(titles(&world), ["Task failed: stamped twice"]);
    let message = &world.slack.messages("ml-alerts")[0];
    assert!(message.text.contains("CUDA out of memory"), "{}", message.text);
    assert_eq!(world.history(&[]).len(), 1);
}

#[test]
fn stamped_again_between_recording_and_sending_the_first_reason_is_told() {
    let world = World::new();
    polled(&world);
    let id = world.running_task("slow Slack");
    world.clearml.fail(&id, "ValueError: the reason", "by the SDK").unwrap();
    world.slack.set_online(false);
    assert_eq!(world.once(&["--deliver-timeout", "50ms"]).code, 4);
    world.clearml.fail(&id, "worker execution exit code 1", "by the agent").unwrap();
    world.slack.set_online(true);
    polled(&world);
    assert_eq!(titles(&world), ["Task failed: slow Slack"]);
    let text = world.slack.messages("ml-alerts")[0].text.clone();
    assert!(text.contains("ValueError: the reason"), "{text}");
}

#[test]
fn reset_and_failed_again_is_another_run_even_when_no_poll_saw_the_reset() {
    let world = World::new();
    polled(&world);
    let id = world.failed_task("tried again");
    polled(&world);
    world.clearml.reset(&id).unwrap();
    world.clearml.start_task(&id).unwrap();
    world.clearml.fail(&id, "again", "").unwrap();
    polled(&world);
    assert_eq!(titles(&world), ["Task failed: tried again"; 2]);
}

#[test]
fn continued_without_a_reset_is_another_run_seen_in_progress_or_not() {
    let world = World::new();
    polled(&world);
    let start = world.clearml.now();
    let at = |seconds: u64| start.plus(Duration::from_secs(seconds));
    world.clearml.set_time(start);
    let id = world.clearml.add_task(TaskSeed::new("continued"));
    world.clearml.start_task(&id).unwrap();
    world.clearml.set_time(at(2));
    world.clearml.log(&id, "working").unwrap();
    world.clearml.fail(&id, "first", "").unwrap();
    polled(&world);
    // Seen in progress.
    world.clearml.set_time(at(10));
    world.clearml.start_task(&id).unwrap();
    polled(&world);
    world.clearml.set_time(at(20));
    world.clearml.log(&id, "working").unwrap();
    world.clearml.fail(&id, "second", "").unwrap();
    polled(&world);
    // Not seen: only its active time tells.
    world.clearml.set_time(at(30));
    world.clearml.start_task(&id).unwrap();
    world.clearml.set_time(at(40));
    world.clearml.log(&id, "working").unwrap();
    world.clearml.fail(&id, "third", "").unwrap();
    polled(&world);
    assert_eq!(titles(&world), ["Task failed: continued"; 3]);
}

#[test]
fn failed_enqueued_and_failed_within_one_overlap() {
    let world = World::new();
    let service = world.start(&[]);
    world.wait_for_polls(2);
    let id = world.failed_task("queued again");
    world.wait_for_messages(1);
    world.clearml.enqueue(&id, "default").unwrap();
    world.wait_for_polls(2);
    world.clearml.start_task(&id).unwrap();
    world.clearml.fail(&id, "again", "").unwrap();
    world.wait_for_messages(2);
    world.wait_for_polls(3);
    assert_eq!(service.stop().code, 0);
    world.assert_alerts(&["queued again", "queued again"]);
}

#[test]
fn archived_and_unarchived_it_is_not_alerted_again() {
    let world = World::new();
    polled(&world);
    let id = world.failed_task("put away");
    polled(&world);
    world.clearml.archive(&id).unwrap();
    polled(&world);
    world.clearml.unarchive(&id).unwrap();
    polled(&world);
    assert_eq!(titles(&world), ["Task failed: put away"]);
}

#[test]
fn aborted_in_two_steps_is_one_outcome() {
    let world = World::new();
    polled(&world);
    let id = world.running_task("aborted");
    let stopping = Transition::to(Status::InProgress).because("", "stopping");
    world.clearml.transition(&id, stopping).unwrap();
    polled(&world);
    world.clearml.stop(&id).unwrap();
    polled(&world);
    let by_agent = Transition::to(Status::Stopped).because("task was stopped by tasks.stop", "");
    world.clearml.transition(&id, by_agent).unwrap();
    polled(&world);
    assert_eq!(titles(&world), ["Task aborted: aborted"]);
}

#[test]
fn what_the_watchdog_stamps_late_is_found_by_the_sweep() {
    let world = World::new();
    polled(&world);
    let id = world.running_task("silent");
    world.failed_task("newer");
    polled(&world);
    let hour_ago = world.clearml.now().minus(Duration::from_hours(1));
    world.clearml.stop_by_watchdog(&[id], hour_ago).unwrap();
    polled(&world);
    assert_eq!(titles(&world), ["Task failed: newer", "Task aborted: silent"]);
}

#[test]
fn what_was_stamped_before_and_written_after_a_poll_is_alerted() {
    let world = World::new();
    let service = world.start(&[]);
    world.wait_for_polls(2);
    world.clearml.hold_writes();
    world.failed_task("written late");
    world.wait_for_polls(2);
    world.clearml.release_writes();
    world.wait_for_messages(1);
    world.wait_for_polls(2);
    assert_eq!(service.stop().code, 0);
    world.assert_alerts(&["written late"]);
}
