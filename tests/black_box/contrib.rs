//! Files in `contrib/` that no tool can judge are run.

use std::process::Command;

use crate::world::{CHANNEL, Ended, World, finish};

/// The command of the line for cron, run as cron runs it: by `sh`, with a home and a path and nothing else.
fn run_as_cron(world: &World) -> Ended {
    let table =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/contrib/cron/clearml-alerts.cron")).unwrap();
    let line = table.lines().find(|line| !line.starts_with('#') && !line.is_empty()).unwrap();
    let command = line.strip_prefix("* * * * *  ").expect("a line for every minute");
    assert!(!command.contains('%'), "cron makes a line break of it");
    let command = command.replace(" once ", &format!(" once --channel {CHANNEL} --slack-rate 0 --deliver-timeout 1s "));
    let mut shell = Command::new("sh");
    shell.env_clear().env("HOME", world.folder()).env("PATH", "/usr/bin:/bin").args(["-c", &command]);
    finish(&mut shell)
}

/// What the file's own instructions say to put into the home folder.
fn set_up(world: &World) {
    let (access, secret) = world.clearml.credentials();
    let variables = format!(
        "CLEARML_API_HOST={}\nCLEARML_API_ACCESS_KEY={access}\nCLEARML_API_SECRET_KEY={secret}\nSLACK_API_TOKEN={}\n\
         SLACK_API_URL={}\nCLEARML_ALERTS_DB={}\nCLEARML_ALERTS_TEST_WAIT_FACTOR=0.01\n",
        world.clearml.url(),
        world.slack.token(),
        world.slack.url(),
        world.database().display(),
    );
    std::fs::write(world.folder().join(".clearml-alerts.env"), variables).unwrap();
    let bin = world.folder().join(".cargo/bin");
    std::fs::create_dir_all(&bin).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_clearml-alerts"), bin.join("clearml-alerts")).unwrap();
}

#[test]
fn the_line_for_cron_alerts_and_mails_only_what_is_news() {
    let world = World::new();
    set_up(&world);
    assert_eq!(run_as_cron(&world).code, 0);
    world.failed_task("a");
    assert_eq!(run_as_cron(&world).code, 0);
    world.assert_alerts(&["a"]);
    world.slack.set_online(false);
    world.failed_task("b");
    let undelivered = run_as_cron(&world);
    assert_eq!(undelivered.code, 0, "what is left goes out with the next run: {undelivered:?}");
    world.slack.set_online(true);
    assert_eq!(run_as_cron(&world).code, 0);
    world.assert_alerts(&["a", "b"]);
    std::fs::remove_file(world.folder().join(".clearml-alerts.env")).unwrap();
    assert_ne!(run_as_cron(&world).code, 0, "what a person must mend is mailed");
}
