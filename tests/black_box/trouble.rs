//! ClearML in trouble: a failed poll moves nothing, and the next good one catches up.

use clearml_alerts::sandbox::{Fault, FaultRule};
use serde_json::json;

use crate::world::World;

fn watermark(world: &World) -> Option<i64> {
    let database = rusqlite::Connection::open(world.database()).unwrap();
    database.query_row("SELECT watermark FROM monitor", [], |row| row.get(0)).unwrap()
}

#[test]
fn whatever_goes_wrong_with_a_poll_moves_nothing_and_is_caught_up() {
    let not_found = Fault::clearml_error(400, 14, "unknown field");
    let faults = [
        ("expired", Fault::clearml_expired_token()),
        ("forbidden", Fault::clearml_error(403, 20, "Forbidden")),
        ("refused", not_found),
        ("maintenance", Fault::clearml_maintenance()),
        ("a proxy's page", Fault::html(502)),
        ("a login page", Fault::html(200)),
        ("not JSON", Fault::not_json()),
        ("cut JSON", Fault::cut_json()),
        ("cut body", Fault::cut_body()),
        ("reset", Fault::reset()),
        ("no data", Fault::json(200, &json!({"meta": {"result_code": 200}, "data": {}}))),
        ("tasks are no list", Fault::json(200, &json!({"meta": {"result_code": 200}, "data": {"tasks": 7}}))),
        ("too large", Fault::oversized(70 * 1024 * 1024)),
        ("redirect", Fault::redirect("https://login.example.com/")),
    ];
    let world = World::new();
    world.once(&[]);
    for (name, fault) in &faults {
        world.failed_task(name);
        let before = watermark(&world);
        world.clearml.faults().push(FaultRule::next(fault.clone()).on("tasks.get_all_ex").forever());
        let ended = world.once(&[]);
        assert_eq!(ended.code, 3, "{name}: {ended:?}");
        assert!(ended.stderr.contains("error: "), "{name}: {ended:?}");
        assert_eq!(watermark(&world), before, "{name}");
        assert!(world.history(&["--task", name]).is_empty(), "{name}");
        world.clearml.faults().clear();
        let ended = world.once(&[]);
        assert_eq!(ended.code, 0, "{name}: {ended:?}");
    }
    world.assert_alerts(&faults.iter().map(|(name, _)| *name).collect::<Vec<_>>());
}

#[test]
fn a_service_says_it_once_and_catches_up() {
    let world = World::new();
    let service = world.start(&[]);
    world.wait_for_polls(2);
    world.clearml.faults().push(FaultRule::next(Fault::clearml_maintenance()).on("tasks.get_all_ex").forever());
    world.failed_task("one");
    world.failed_task("two");
    world.wait_for_polls(12);
    world.clearml.faults().clear();
    world.wait_for_messages(2);
    service.wait_for_log("ClearML answers again");
    let ended = service.stop();
    assert_eq!(ended.stderr.matches("the poll failed and moved nothing").count(), 1, "{}", ended.stderr);
    world.assert_alerts(&["one", "two"]);
}

#[test]
fn an_outage_in_the_middle_of_a_poll_keeps_what_was_recorded() {
    let world = World::new();
    world.once(&[]);
    let seed = |number: usize| {
        clearml_alerts::sandbox::TaskSeed::new(&format!("task {number}"))
            .status(&clearml_alerts::domain::Status::Failed)
    };
    world.clearml.add_tasks((0..700).map(seed));
    let fault = Fault::clearml_error(403, 20, "Forbidden");
    world.clearml.faults().push(FaultRule::next(fault).on("tasks.get_all_ex").after(1));
    let ended = world.once(&["--digest-above", "10"]);
    assert_eq!(ended.code, 3, "{ended:?}");
    let recorded = world.history(&["--limit", "1000"]).len();
    assert!((1..700).contains(&recorded), "{recorded}");
    assert_eq!(world.once(&[]).code, 0);
    let rows = world.history(&["--limit", "1000"]);
    assert_eq!(rows.len(), 700);
    assert!(rows.iter().all(|row| row["state"] == "sent"));
    world.assert_no_violations();
}

#[test]
fn a_row_that_cannot_be_understood_is_reported_and_holds_nobody_up() {
    let world = World::new();
    world.once(&[]);
    let stamp = |ahead: u64| world.clearml.now().plus(std::time::Duration::from_millis(ahead)).to_string();
    let row = |id: &str, name: &str, stamp: &str| json!({"id": id, "name": name, "status": "failed", "status_changed": stamp, "last_iteration": 1});
    let mut odd = row("b".repeat(32).as_str(), "odd", &stamp(0));
    odd["status"] = json!({"not": "a status"});
    let good = row("a".repeat(32).as_str(), "good", &stamp(0));
    let answer = json!({"meta": {"result_code": 200}, "data": {"tasks": [odd, good]}});
    world.clearml.faults().push(FaultRule::next(Fault::json(200, &answer)).on("tasks.get_all_ex"));
    let ended = world.once(&[]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stderr.contains("a task could not be read") && ended.stderr.contains(&"b".repeat(32)), "{ended:?}");
    world.assert_alerts(&["good"]);
    // Inside the overlap it is read again, and alerted once it can be understood.
    let mended = row("b".repeat(32).as_str(), "odd", &stamp(0));
    let answer = json!({"meta": {"result_code": 200}, "data": {"tasks": [mended]}});
    world.clearml.faults().push(FaultRule::next(Fault::json(200, &answer)).on("tasks.get_all_ex"));
    assert_eq!(world.once(&[]).code, 0);
    world.assert_alerts(&["good", "odd"]);
}

#[test]
fn a_console_that_cannot_be_had_costs_the_alert_its_console_only() {
    let world = World::new();
    world.once(&[]);
    let id = world.running_task("without console");
    world.clearml.log(&id, "Traceback").unwrap();
    world.clearml.fail(&id, "reason", "").unwrap();
    world.clearml.set_events_down(true);
    assert_eq!(world.once(&[]).code, 0);
    world.assert_alerts(&["without console"]);
    let plain = world.slack.messages("ml-alerts")[0].plain();
    assert!(plain.contains("console not available"), "{plain}");
}

#[test]
fn a_token_that_was_revoked_is_renewed() {
    let world = World::new();
    let service = world.start(&[]);
    world.wait_for_polls(2);
    world.clearml.revoke_tokens();
    world.failed_task("after the revocation");
    world.wait_for_messages(1);
    let ended = service.stop();
    assert_eq!(ended.code, 0);
    assert!(!ended.stderr.contains("the poll failed"), "{}", ended.stderr);
    world.assert_alerts(&["after the revocation"]);
}
