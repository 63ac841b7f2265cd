//! Secrets that stand in files, as systemd, Kubernetes and Docker hand them over.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use crate::world::{CHANNEL, World, finish};

/// A file in the world's folder.
fn file(world: &World, name: &str, text: &str, mode: u32) -> PathBuf {
    let path = world.folder().join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    path
}

/// A command that finds no secret in its environment but the paths of files that hold them.
fn with_files(world: &World, arguments: &[&str], mode: u32) -> Command {
    let (access, secret) = world.clearml.credentials();
    let mut command = world.command(arguments);
    for (variable, text) in [
        ("SLACK_API_TOKEN", world.slack.token()),
        ("CLEARML_API_ACCESS_KEY", access),
        ("CLEARML_API_SECRET_KEY", secret),
    ] {
        command.env_remove(variable);
        command.env(format!("{variable}_FILE"), file(world, variable, &format!("{text}\n"), mode));
    }
    command
}

#[test]
fn all_of_them_can_stand_in_files() {
    let world = World::new();
    let once = ["once", "--channel", CHANNEL, "--slack-rate", "0"];
    let began = finish(&mut with_files(&world, &once, 0o600));
    assert_eq!(began.code, 0, "{began:?}");
    assert!(!began.stderr.contains("every user of this machine"), "{}", began.stderr);
    world.failed_task("a");
    let ended = finish(&mut with_files(&world, &once, 0o644));
    assert_eq!(ended.code, 0, "{ended:?}");
    world.assert_alerts(&["a"]);
    let token = world.folder().join("SLACK_API_TOKEN");
    let warning = format!(
        "file {0} (SLACK_API_TOKEN_FILE) can be read by every user of this machine: chmod o= {0}",
        token.display()
    );
    assert!(ended.stderr.contains(&warning), "{}", ended.stderr);
    let by_flag = ["once", "--channel", CHANNEL, "--slack-api-file", token.to_str().unwrap()];
    let mut command = with_files(&world, &by_flag, 0o600);
    let ended = finish(command.env("SLACK_API_TOKEN_FILE", "/nowhere"));
    assert_eq!(ended.code, 0, "a flag beats the variable: {ended:?}");
}

#[test]
fn check_tells_which_file_and_who_can_read_it() {
    let world = World::new();
    let ended = finish(&mut with_files(&world, &["check", "--channel", CHANNEL], 0o644));
    let token = world.folder().join("SLACK_API_TOKEN");
    for told in [
        format!("slack_token: *** (file {} (SLACK_API_TOKEN_FILE))", token.display()),
        "secret_key: *** (file ".to_owned(),
        format!("chmod o= {}", token.display()),
    ] {
        assert!(ended.stdout.contains(&told), "{told}: {}", ended.stdout);
    }
    assert!(!ended.stdout.contains(&world.slack.token()));
}

#[test]
fn what_cannot_be_meant_ends_with_2_and_names_the_file() {
    let world = World::new();
    let empty = file(&world, "empty", "\n", 0o600);
    let huge = file(&world, "huge", &"x".repeat(20_000), 0o600);
    let binary = world.folder().join("binary");
    std::fs::write(&binary, [0xff, 0xfe, 0x00]).unwrap();
    let missing = world.folder().join("missing");
    for (path, problem) in [
        (&empty, "is empty"),
        (&huge, "longer than 16 KiB"),
        (&binary, "UTF-8"),
        (&missing, "No such file"),
        (&world.folder().to_owned(), "not a file"),
    ] {
        let mut command = with_files(&world, &["once", "--channel", CHANNEL], 0o600);
        let ended = finish(command.env("SLACK_API_TOKEN_FILE", path));
        assert_eq!(ended.code, 2, "{ended:?}");
        let told = ended.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        let names_it = told.contains(path.to_str().unwrap()) && told.contains("SLACK_API_TOKEN_FILE");
        assert!(names_it && told.contains(problem), "{told}");
    }
    let mut command = with_files(&world, &["once", "--channel", CHANNEL], 0o600);
    let both = finish(command.env("CLEARML_API_SECRET_KEY", "also"));
    assert_eq!(both.code, 2, "{both:?}");
    assert!(both.stderr.contains("CLEARML_API_SECRET_KEY_FILE are both given"), "{}", both.stderr);
    assert!(!world.database().exists(), "nothing was begun");
}

#[test]
fn a_file_of_this_machine_is_of_no_use_to_an_agent() {
    let world = World::new();
    let token = file(&world, "token", &world.slack.token(), 0o600);
    let ended = world.run(&["run", "--channel", CHANNEL, "--slack-api-file", token.to_str().unwrap()]);
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.stderr.contains("SLACK_API_TOKEN_FILE"), "{}", ended.stderr);
}
