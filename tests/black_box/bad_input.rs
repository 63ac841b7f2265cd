//! Bad input: an error that names the thing, the value and the way out, the right exit code, and nothing changed.

use clearml_alerts::sandbox::SimulatedClearml;
use clearml_alerts::sandbox::slack::Channel;

use crate::world::{CHANNEL, Ended, World, finish};

/// Variables with their values; `None` is one that is not set.
type Variables<'a> = &'a [(&'a str, Option<&'a str>)];

/// Runs `once` with these flags and variables, on a fresh database; checks the exit code and that the message names each
/// of `named`, on one line, and that nothing was changed.
fn refused(world: &World, flags: &[&str], variables: Variables, code: i32, named: &[&str]) -> Ended {
    let mut command = world.command(&[&["once"], flags].concat());
    for (name, value) in variables {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let ended = finish(&mut command);
    assert_eq!(ended.code, code, "{flags:?}: {ended:?}");
    let error = ended.stderr.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
    for name in named {
        assert!(error.contains(name), "{flags:?}: {name} is not in: {}", ended.stderr);
    }
    assert_eq!(ended.stdout, "", "{flags:?}");
    assert_nothing_changed(world);
    ended
}

fn assert_nothing_changed(world: &World) {
    assert!(!world.database().exists());
    assert_eq!(world.slack.all_messages().len(), 0);
    assert_eq!(world.slack.requests().count("conversations.join"), 0);
}

#[test]
fn a_missing_channel_token_or_key_is_told_with_every_place_for_it() {
    let world = World::new();
    let channel = ["--channel", CHANNEL];
    refused(&world, &[], &[], 2, &["the Slack channel is not set", "--channel", "'#ml-alerts'", "ID"]);
    let token = ["the Slack token is not set", "SLACK_API_TOKEN", "--slack-api", "xoxb-"];
    refused(&world, &channel, &[("SLACK_API_TOKEN", None)], 2, &token);
    let keys = [("CLEARML_API_ACCESS_KEY", None), ("CLEARML_API_SECRET_KEY", None)];
    let way_out = ["CLEARML_API_ACCESS_KEY", "CLEARML_API_SECRET_KEY", "clearml-init", "~/clearml.conf"];
    refused(&world, &channel, &keys, 2, &way_out);
    refused(&world, &channel, &[("CLEARML_API_SECRET_KEY", None)], 2, &["the secret key"]);
    assert_eq!(world.clearml.requests().total() + world.slack.requests().total(), 0);
}

#[test]
fn values_that_cannot_be_meant_are_told_with_their_range() {
    let world = World::new();
    let cases: [(&[&str], &[&str]); 18] = [
        (&["--refresh-rate", "0"], &["--refresh-rate is `0`", "from 0.1 to 86400"]),
        (&["--refresh_rate", "-1"], &["--refresh-rate is `-1`", "out of range"]),
        (&["--refresh-rate", "nan"], &["--refresh-rate is `nan`"]),
        (&["--refresh-rate=1e9"], &["--refresh-rate is `1e9`", "out of range"]),
        (&["--refresh-rate", "10s"], &["--refresh-rate is `10s`", "is no number of seconds"]),
        (&["--min-num-iterations", "-3"], &["--min-num-iterations is `-3`"]),
        (&["--min_num_iterations", "many"], &["--min-num-iterations is `many`"]),
        (&["--slack-rate", "-1"], &["--slack-rate is `-1`", "from 0 to 1000"]),
        (&["--digest-above", "-1"], &["--digest-above is `-1`"]),
        (&["--since", "last monday"], &["--since is `last monday`", "24h"]),
        (&["--keep", "23h"], &["--keep is `23h`", "1d or more"]),
        (&["--wait-lock", "30"], &["--wait-lock is `30`", "30s"]),
        (&["--include-users", "a", "--exclude_users", "b"], &["--include-users and --exclude-users are both given"]),
        (&["--include-users", " "], &["--include-users is ` `"]),
        (&["--channel", "two words"], &["--channel is `two words`", "has blanks in it"]),
        (&["--channel", ""], &["--channel is ``"]),
        (&["--service_queue", ""], &["--service-queue is ``"]),
        (&["--redact", "("], &["--redact is `(`"]),
    ];
    for (flags, named) in cases {
        let line = [&["--channel", CHANNEL], flags].concat();
        refused(&world, &line, &[], 2, named);
    }
    assert_eq!(world.clearml.requests().total() + world.slack.requests().total(), 0);
}

#[test]
fn unknown_flags_and_words_are_refused_with_the_nearest_known_one() {
    let world = World::new();
    for (line, named) in [
        (&["once", "--chanel", "x"][..], "'--channel'"),
        (&["once", "--includearchived"], "--include-archived"),
        (&["run", "--local", "maybe"], "write true or false"),
        (&["run", "--announce", "some"], "all, none"),
        (&["once", "--on-unknown", "ask"], "resend, hold"),
        (&["once", "--deliver-timeout", "60"], "write a number with its unit"),
        (&["history", "--state", "lost"], "suppressed"),
        (&["history", "--limit", "0"], "--limit"),
        (&["histroy"], "'history'"),
    ] {
        let ended = world.run(line);
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{line:?}: {ended:?}");
        assert!(ended.stderr.starts_with("error: ") && ended.stderr.contains(named), "{line:?}: {}", ended.stderr);
    }
    assert_nothing_changed(&world);
}

#[test]
fn what_clearml_refuses() {
    let world = World::new();
    let channel = ["--channel", CHANNEL];
    let wrong_key = [("CLEARML_API_SECRET_KEY", Some("wrong-SECRET"))];
    let ended = refused(&world, &channel, &wrong_key, 3, &["ClearML refused the login", "CLEARML_API_SECRET_KEY"]);
    assert!(!ended.stderr.contains("wrong-SECRET"), "{ended:?}");
    let token = [("CLEARML_AUTH_TOKEN", Some("stale-SECRET"))];
    let ended = refused(&world, &channel, &token, 3, &["ClearML refused the login", "CLEARML_AUTH_TOKEN"]);
    assert!(!ended.stderr.contains("stale-SECRET"), "{ended:?}");
    let slack = world.slack.url();
    let slack = [("CLEARML_API_HOST", Some(slack.as_str()))];
    refused(&world, &channel, &slack, 3, &["auth.login"]);
}

#[test]
fn clearml_down_and_no_such_host() {
    let world = World::new();
    let channel = ["--channel", CHANNEL];
    world.clearml.set_online(false);
    let address = world.clearml.url().replace("http://", "");
    refused(&world, &channel, &[], 3, &[&address, "cannot be reached", "CLEARML_API_HOST"]);
    let nowhere = [("CLEARML_API_HOST", Some("http://clearml.invalid:8008"))];
    refused(&world, &channel, &nowhere, 3, &["clearml.invalid:8008", "cannot be reached"]);
    let no_address = [("CLEARML_API_HOST", Some("clearml.example.com"))];
    let named = ["environment variable CLEARML_API_HOST is `clearml.example.com`", "http://"];
    refused(&world, &channel, &no_address, 2, &named);
}

#[test]
fn what_slack_refuses_on_a_fresh_database() {
    let world = World::new();
    let wrong = [("SLACK_API_TOKEN", Some("xoxb-wrong-SECRET"))];
    let ended = refused(&world, &["--channel", CHANNEL], &wrong, 4, &["invalid_auth", "SLACK_API_TOKEN"]);
    assert!(!ended.stderr.contains("wrong-SECRET"), "{ended:?}");
    world.slack.add_channel(Channel::private("secret").with_id("C0SECRET00").not_joined());
    world.slack.add_channel(Channel::public("old").with_id("C0OLD00000").archived());
    for (channel, named) in [
        ("#no-such-channel", "`#no-such-channel`"),
        ("C0NOSUCH00", "`C0NOSUCH00`"),
        ("secret", "given by its ID"),
        ("C0SECRET00", "must be invited"),
        ("old", "`old` is archived"),
        ("C0OLD00000", "is archived"),
    ] {
        refused(&world, &["--channel", channel], &[], 4, &[named]);
    }
    world.slack.set_scopes(&["chat:write"]);
    refused(&world, &["--channel", "ml-alerts"], &[], 4, &["missing_scope", "channels:read"]);
}

#[test]
fn a_slack_that_is_away_is_no_reason_not_to_watch() {
    let world = World::new();
    world.slack.set_online(false);
    let ended = world.once(&[]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stderr.contains("Slack cannot be asked now"), "{ended:?}");
    assert!(world.database().exists());
}

#[test]
fn a_malformed_clearml_conf_is_told_with_its_line() {
    let world = World::new();
    let conf = world.folder().join("clearml.conf");
    std::fs::write(&conf, "api {\n  api_server: http://localhost:8008\n  credentials {\n").unwrap();
    let channel = ["--channel", CHANNEL];
    refused(&world, &channel, &[], 2, &[&format!("{}, line ", conf.display())]);
    std::fs::remove_file(&conf).unwrap();
    let missing = world.folder().join("missing.conf");
    let named = [("CLEARML_CONFIG_FILE", Some(missing.to_str().unwrap()))];
    refused(&world, &channel, &named, 2, &[missing.to_str().unwrap(), "CLEARML_CONFIG_FILE"]);
}

#[test]
fn clearml_conf_is_enough() {
    let world = World::new();
    let (key, secret) = world.clearml.credentials();
    let conf = format!(
        "# ClearML SDK configuration file\napi {{\n  api_server: {}\n  web_server: https://app.example.com\n  \
         credentials {{\"access_key\": \"{key}\", \"secret_key\": \"{secret}\"}}\n}}\n",
        world.clearml.url()
    );
    std::fs::write(world.folder().join("clearml.conf"), conf).unwrap();
    let once = || {
        let mut command = world.command(&["once", "--channel", CHANNEL]);
        for name in ["CLEARML_API_HOST", "CLEARML_WEB_HOST", "CLEARML_API_ACCESS_KEY", "CLEARML_API_SECRET_KEY"] {
            command.env_remove(name);
        }
        finish(&mut command)
    };
    assert_eq!(once().code, 0);
    world.failed_task("from the file");
    assert_eq!(once().code, 0);
    world.assert_alerts(&["from the file"]);
}

#[test]
fn the_database_of_another_server_is_refused_by_name() {
    let world = World::new();
    assert_eq!(world.once(&[]).code, 0);
    let other = SimulatedClearml::start(clearml_alerts::sandbox::ClearmlOptions::default()).unwrap();
    let before = std::fs::read(world.database()).unwrap();
    let mut command = world.command(&["once", "--channel", CHANNEL]);
    let ended = finish(command.env("CLEARML_API_HOST", other.url()));
    assert_eq!(ended.code, 6, "{ended:?}");
    for name in [&world.clearml.url(), &other.url(), "--db"] {
        assert!(ended.stderr.contains(name), "{ended:?}");
    }
    assert_eq!(other.requests().total(), 0);
    assert_eq!(std::fs::read(world.database()).unwrap(), before);
}

#[test]
fn reading_commands_want_a_database_that_is_there() {
    let world = World::new();
    for line in [&["history"][..], &["history", "--follow"]] {
        let ended = world.run(line);
        assert_eq!((ended.code, ended.stdout.as_str()), (6, ""), "{line:?}: {ended:?}");
        let path = world.database();
        assert!(ended.stderr.contains(&format!("there is no database at {}", path.display())), "{ended:?}");
        assert!(ended.stderr.contains("--db"), "{ended:?}");
    }
    assert_nothing_changed(&world);
}

#[test]
fn a_database_that_is_none_is_refused_and_left_as_it_is() {
    let world = World::new();
    std::fs::write(world.database(), "my diary, not a database").unwrap();
    let ended = world.once(&[]);
    assert_eq!(ended.code, 6, "{ended:?}");
    assert!(ended.stderr.contains("is not a database of clearml-alerts"), "{ended:?}");
    assert_eq!(std::fs::read_to_string(world.database()).unwrap(), "my diary, not a database");
    let elsewhere = world.folder().join("no/such/folder/alerts.db");
    let ended = world.once(&["--db", elsewhere.to_str().unwrap()]);
    assert_eq!(ended.code, 6, "{ended:?}");
    assert!(ended.stderr.contains("mkdir -p"), "{ended:?}");
    assert!(!world.folder().join("no").exists());
}

#[test]
fn help_and_version_are_answers() {
    let world = World::new();
    for line in [&["--help"][..], &["run", "--help"], &["help", "history"], &["--version"]] {
        let ended = world.run(line);
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{line:?}: {ended:?}");
        assert!(ended.stdout.contains("clearml-alerts"), "{line:?}: {ended:?}");
    }
    let nothing = world.run(&[]);
    assert_eq!(nothing.code, 2);
    assert!(nothing.stderr.contains("Usage"), "{nothing:?}");
}
