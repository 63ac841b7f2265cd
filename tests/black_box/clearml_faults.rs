//! Whatever goes wrong with ClearML: a failed poll moves nothing, and the next good one catches up everything.

use clearml_alerts::sandbox::{Fault, FaultRule};
use serde_json::json;

use crate::world::{CHANNEL, Ended, Running, World, finish};

const TASKS: &str = "tasks.get_all_ex";

fn once(world: &World) -> Ended {
    let mut command = world.command(&["once", "--channel", CHANNEL, "--slack-rate", "0"]);
    finish(command.env("CLEARML_ALERTS_TEST_TIME_LIMIT_SECONDS", "0.5"))
}

fn envelope(data: &serde_json::Value) -> Fault {
    let meta = json!({"result_code": 200, "result_subcode": 0, "result_msg": "OK", "error_stack": null});
    Fault::json(200, &json!({"meta": meta, "data": data}))
}

/// Under each fault the poll fails with exit 3 and these words, and moves nothing; without it, everything is alerted.
fn each_fails_and_moves_nothing(cases: &[(&str, &str, Fault, &str)]) {
    let world = World::new();
    assert_eq!(once(&world).code, 0);
    let mut expected = Vec::new();
    for (name, endpoint, fault, says) in cases {
        let before = world.watermark();
        world.failed_task(name);
        world.clearml.faults().push(FaultRule::next(fault.clone()).on(endpoint).forever());
        let failed = once(&world);
        assert_eq!(failed.code, 3, "{name}: {failed:?}");
        assert!(failed.stderr.contains(says), "{name}: {}", failed.stderr);
        assert_eq!(world.watermark(), before, "{name}");
        world.clearml.faults().clear();
        let good = once(&world);
        assert_eq!(good.code, 0, "{name}: {good:?}");
        expected.push(*name);
        world.assert_alerts(&expected);
    }
}

#[test]
fn refusals_and_servers_in_trouble() {
    each_fails_and_moves_nothing(&[
        ("expired token", TASKS, Fault::clearml_expired_token(), "401, subcode 30"),
        ("wrong keys", "auth.login", Fault::clearml_error(401, 22, "invalid credentials"), "CLEARML_API_SECRET_KEY"),
        ("forbidden", TASKS, Fault::clearml_error(403, 20, "not allowed for role"), "not allowed for role"),
        ("server error", TASKS, Fault::clearml_error(500, 0, "boom"), "failed with 500: boom"),
        ("bad gateway", TASKS, Fault::html(502), "502"),
        ("maintenance", TASKS, Fault::clearml_maintenance(), "maintenance"),
        ("maintenance at login", "auth.login", Fault::clearml_maintenance(), "maintenance"),
        ("rate limited", TASKS, Fault::status(429, ""), "slow down"),
        ("redirected", TASKS, Fault::redirect("http://elsewhere.example.com/login"), "http://elsewhere.example.com"),
    ]);
}

#[test]
fn answers_that_are_none() {
    let backwards = json!({"tasks": [
        {"id": "b", "name": "b", "status": "failed", "status_changed": "2999-01-02T00:00:00.000000+00:00"},
        {"id": "a", "name": "a", "status": "failed", "status_changed": "2999-01-01T00:00:00.000000+00:00"},
    ]});
    let unfiltered = json!({"tasks": [
        {"id": "a", "name": "a", "status": "failed", "status_changed": "2001-01-01T00:00:00.000000+00:00"},
    ]});
    each_fails_and_moves_nothing(&[
        ("a proxy's page", TASKS, Fault::html(200), "not what ClearML promises"),
        ("a login page", "auth.login", Fault::html(200), "not what ClearML promises"),
        ("not JSON", TASKS, Fault::not_json(), "not what ClearML promises"),
        ("cut JSON", TASKS, Fault::cut_json(), "not what ClearML promises"),
        ("no tasks", TASKS, envelope(&json!({})), "not what ClearML promises"),
        ("tasks that are none", TASKS, envelope(&json!({"tasks": 7})), "not what ClearML promises"),
        ("the order ignored", TASKS, envelope(&backwards), "ignored the filter or the order"),
        ("the filter ignored", TASKS, envelope(&unfiltered), "ignored the filter or the order"),
        ("too large", TASKS, Fault::oversized(65 * 1024 * 1024), "larger than 67108864 bytes"),
    ]);
}

#[test]
fn connections_that_break_or_hang() {
    each_fails_and_moves_nothing(&[
        ("reset", TASKS, Fault::reset(), "cannot be reached"),
        ("cut off", TASKS, Fault::cut_body(), "the connection broke"),
        ("hang", TASKS, Fault::hang(), "took longer than 0.5 s to answer"),
        ("hang in the answer", TASKS, Fault::hang_in_body(), "took longer than 0.5 s to finish its answer"),
        ("hang at login", "auth.login", Fault::hang(), "took longer than 0.5 s to answer"),
    ]);
}

#[test]
fn nobody_there() {
    let world = World::new();
    assert_eq!(once(&world).code, 0);
    world.failed_task("refused");
    world.clearml.set_online(false);
    let refused = once(&world);
    assert_eq!(refused.code, 3, "{refused:?}");
    assert!(refused.stderr.contains("cannot be reached"), "{}", refused.stderr);
    world.clearml.set_online(true);
    assert_eq!(once(&world).code, 0);
    world.assert_alerts(&["refused"]);

    let nowhere = World::new();
    let mut command = nowhere.command(&["once", "--channel", CHANNEL]);
    let unknown = finish(command.env("CLEARML_API_HOST", "http://clearml.invalid:8008"));
    assert_eq!(unknown.code, 3, "{unknown:?}");
    assert!(unknown.stderr.contains("clearml.invalid:8008 cannot be reached"), "{}", unknown.stderr);
    assert!(!nowhere.database().exists());
}

#[test]
fn a_failure_in_the_middle_of_many_pages_keeps_what_was_recorded() {
    let world = World::new();
    assert_eq!(once(&world).code, 0);
    let names: Vec<String> = (0..1_200).map(|number| format!("task {number}")).collect();
    for name in &names {
        world.failed_task(name);
    }
    world.clearml.faults().push(FaultRule::next(Fault::html(502)).on(TASKS).after(1).forever());
    let failed = once(&world);
    assert_eq!(failed.code, 3, "{failed:?}");
    world.clearml.faults().clear();
    assert_eq!(once(&world).code, 0);
    let history = world.history(&["--limit", "5000"]);
    assert_eq!(history.len(), names.len());
    assert!(history.iter().all(|row| row["state"] == "sent"));
}

#[test]
fn a_service_says_it_once_then_counts_and_catches_up() {
    let world = World::new();
    let service = world.start(&[]);
    world.wait_for_polls(1);
    world.clearml.faults().push(FaultRule::next(Fault::clearml_error(500, 0, "boom")).on(TASKS).forever());
    world.failed_task("while it fails");
    world.wait_for_polls(40);
    world.assert_alerts(&[]);
    world.clearml.faults().clear();
    world.wait_for_messages(1);
    world.wait_for_polls(2);
    // A token that is revoked meanwhile costs one request, and nobody has to know.
    world.clearml.revoke_tokens();
    world.failed_task("with a revoked token");
    world.wait_for_messages(2);
    let ended = service.stop();
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(ended.stderr.matches("the poll failed and moved nothing").count(), 1, "{}", ended.stderr);
    assert_eq!(ended.stderr.matches("ClearML answers again").count(), 1, "{}", ended.stderr);
    world.assert_alerts(&["while it fails", "with a revoked token"]);
}

#[test]
fn a_service_that_has_watched_before_waits_for_clearml_at_its_start() {
    let world = World::new();
    assert_eq!(once(&world).code, 0);
    world.failed_task("while both were away");
    world.clearml.set_online(false);
    let service = Running::start(&mut world.service_command(&[]));
    service.wait_for_log("ClearML is away");
    world.clearml.set_online(true);
    world.wait_for_messages(1);
    assert_eq!(service.stop().code, 0);
    world.assert_alerts(&["while both were away"]);
}
