//! What systemd is told of the service, read from the socket that it would give: when the service is ready, how it is,
//! that it moves, that it stops; and nothing while a step does not end.

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clearml_alerts::sandbox::{Fault, FaultRule};

use crate::world::{Running, World};

/// Nothing here takes longer; it bounds tests that hang.
const PATIENCE: Duration = Duration::from_secs(30);

struct Supervisor {
    path: PathBuf,
    socket: UnixDatagram,
}

impl Supervisor {
    fn of(world: &World) -> Self {
        let path = world.folder().join("notify");
        Self { socket: UnixDatagram::bind(&path).unwrap(), path }
    }

    /// The service, with a watchdog of 0.2 seconds.
    fn start(&self, world: &World, more: &[(&str, &str)]) -> Running {
        let mut command = world.service_command(&[]);
        command.env("NOTIFY_SOCKET", &self.path).env("WATCHDOG_USEC", "200000");
        Running::start(command.envs(more.iter().copied()))
    }

    /// The next notification, if one comes in time.
    fn next(&self, within: Duration) -> Option<String> {
        let mut buffer = [0; 4096];
        self.socket.set_read_timeout(Some(within)).unwrap();
        let length = self.socket.recv(&mut buffer).ok()?;
        Some(String::from_utf8(buffer[..length].to_vec()).unwrap())
    }

    /// Reads on until a notification holds this.
    fn wait_for(&self, text: &str) -> String {
        let start = Instant::now();
        loop {
            let told = self.next(PATIENCE).unwrap_or_else(|| panic!("nothing more is told before `{text}`"));
            if told.contains(text) {
                return told;
            }
            assert!(start.elapsed() < PATIENCE, "`{text}` is never told");
        }
    }
}

#[test]
fn ready_well_and_stopping_are_told() {
    let world = World::new();
    let supervisor = Supervisor::of(&world);
    let service = supervisor.start(&world, &[]);
    let ready = supervisor.wait_for("READY=1");
    assert!(ready.contains("STATUS=watching"), "{ready}");
    service.wait_for_log("watching begins");
    world.failed_task("a");
    world.wait_for_messages(1);
    supervisor.wait_for("1 alerts recorded, 1 sent");
    for _ in 0..5 {
        supervisor.wait_for("WATCHDOG=1");
    }
    assert_eq!(service.stop().code, 0);
    supervisor.wait_for("STOPPING=1");
}

#[test]
fn nobody_is_told_that_it_moves_while_a_step_does_not_end() {
    let world = World::new();
    let supervisor = Supervisor::of(&world);
    let service = supervisor.start(&world, &[("CLEARML_ALERTS_TEST_TIME_LIMIT_SECONDS", "4")]);
    supervisor.wait_for("WATCHDOG=1");
    world.clearml.faults().push(FaultRule::next(Fault::hang()).on("tasks.get_all_ex"));
    service.wait_for_log("a step does not end");
    // Its pings so far are read; from here on there is none until the hanging request runs into its time limit.
    while supervisor.next(Duration::from_millis(1)).is_some() {}
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(1) {
        let told = supervisor.next(Duration::from_millis(100)).unwrap_or_default();
        assert!(!told.contains("WATCHDOG=1"), "after {:?}", start.elapsed());
    }
    supervisor.wait_for("WATCHDOG=1");
    assert_eq!(service.stop().code, 0);
}

#[test]
fn a_service_that_waits_for_clearml_is_ready_and_says_so() {
    let world = World::new();
    assert_eq!(world.once(&[]).code, 0);
    world.clearml.set_online(false);
    let supervisor = Supervisor::of(&world);
    let service = supervisor.start(&world, &[]);
    let waiting = supervisor.wait_for("READY=1");
    assert!(waiting.contains("STATUS=waiting for ClearML: "), "{waiting}");
    assert_eq!(waiting.lines().count(), 2, "an error is no instruction: {waiting}");
    supervisor.wait_for("WATCHDOG=1");
    world.clearml.set_online(true);
    supervisor.wait_for("STATUS=watching");
    assert_eq!(service.stop().code, 0);
}

#[test]
fn a_service_that_cannot_start_is_never_ready() {
    let world = World::new();
    let supervisor = Supervisor::of(&world);
    let ended = supervisor.start(&world, &[("SLACK_API_TOKEN", "")]).wait();
    assert_eq!(ended.code, 2, "{ended:?}");
    while let Some(told) = supervisor.next(Duration::from_millis(1)) {
        assert!(!told.contains("READY=1"), "{told}");
    }
}

#[test]
fn a_supervisor_that_does_not_listen_holds_nothing_up() {
    let world = World::new();
    let supervisor = Supervisor::of(&world);
    let service = supervisor.start(&world, &[]);
    service.wait_for_log("watching begins");
    // Nobody reads the socket: it takes some notifications, and then no more.
    for round in 1..=3 {
        world.wait_for_polls(20);
        world.failed_task(&format!("task {round}"));
        world.wait_for_messages(round);
    }
    assert_eq!(service.stop().code, 0);
    drop(supervisor);
}
