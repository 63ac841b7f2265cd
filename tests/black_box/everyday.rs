//! What happens every day: tasks fail, alerts arrive, the monitor is stopped and started.

use crate::world::World;

#[test]
fn once_three_times_baseline_alert_nothing() {
    let world = World::new();
    world.failed_task("before we watched");
    let first = world.once(&[]);
    assert_eq!(first.code, 0, "{first:?}");
    world.assert_alerts(&[]);
    world.failed_task("resnet50 baseline");
    let second = world.once(&[]);
    assert_eq!(second.code, 0, "{second:?}");
    world.assert_alerts(&["resnet50 baseline"]);
    let third = world.once(&[]);
    assert_eq!(third.code, 0, "{third:?}");
    world.assert_alerts(&["resnet50 baseline"]);
    let history = world.history(&[]);
    assert_eq!(history.len(), 1);
    assert_eq!((&history[0]["state"], &history[0]["attempts"]), (&"sent".into(), &1.into()));
}

#[test]
fn a_service_alerts_what_fails_while_it_runs_and_while_it_is_down() {
    let world = World::new();
    let service = world.start(&[]);
    world.wait_for_polls(2);
    world.failed_task("while it runs");
    world.wait_for_messages(1);
    let ended = service.stop();
    assert_eq!(ended.code, 0, "{ended:?}");
    world.failed_task("while it is down");
    let service = world.start(&[]);
    world.wait_for_messages(2);
    world.wait_for_polls(2);
    assert_eq!(service.stop().code, 0);
    world.assert_alerts(&["while it runs", "while it is down"]);
}
