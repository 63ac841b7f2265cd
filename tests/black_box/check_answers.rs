//! `check` about settings, ClearML and Slack: answers as they stand there, made for real and mended as they advise. Those
//! that no world is needed for are in the tests of `src/cli/check/`.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use clearml_alerts::sandbox::{Channel, Fault, FaultRule};

use crate::reports::about;
use crate::world::{CHANNEL, Ended, World, finish};

/// The command by a file with this text after the channel of `[slack]`.
fn by_file(world: &World, text: &str) -> Command {
    let config = world.config(&format!("[slack]\nchannel = '{CHANNEL}'\n{text}"));
    world.command(&["check", "--local", "--config", config.to_str().unwrap()])
}

fn check(world: &World, more: &[&str]) -> Ended {
    world.run(&[&["check", "--local", "--channel", CHANNEL], more].concat())
}

/// The exit code, and what failed in this area.
fn complaint(world: &World, area: &str, ended: &Ended) -> String {
    let told = about(world, ended, &[area]);
    let failed: Vec<&str> = told.lines().filter(|line| line.starts_with("failed")).collect();
    format!("{} {}", ended.code, failed.join("\n"))
}

fn assert_well(ended: &Ended) {
    assert!(ended.code == 0 && ended.stdout.ends_with("\nAll is well.\n"), "{ended:?}");
}

/// Runs the command that an advice consists of.
fn follow(told: &str, world: &World) {
    let (_, command) = told.lines().next().unwrap().split_once(" -> ").unwrap();
    let command = command.replace("[folder]", world.folder().to_str().unwrap());
    assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success(), "{command}");
}

fn open_to_all(path: &Path) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
}

#[test]
fn a_config_file_with_mistakes_and_one_that_is_not_there() {
    let world = World::new();
    let ended = finish(&mut by_file(&world, "chanel = 'x'\n[service]\nrefresh = 5\n"));
    assert_eq!(ended.code, 2, "{ended:?}");
    insta::assert_snapshot!(about(&world, &ended, &["settings config_file"]), @r"
    failed   settings  config_file: [folder]/config.toml:3: slack.chanel is not known -> did you mean `channel`?
    failed   settings  config_file: [folder]/config.toml:5: service.refresh is not known -> known are db, local, service_queue, clearml_task, refresh_rate, announce, since, keep, wait_lock, watch_config, listen, listen_unprotected, listen_token, listen_token_env, listen_token_file, heartbeat_url, heartbeat_url_env, heartbeat_url_file, redact
    ");
    let ended = finish(&mut by_file(&world, "rate 1\n"));
    assert_eq!(ended.code, 2, "{ended:?}");
    insta::assert_snapshot!(about(&world, &ended, &["settings config_file"]), @"failed   settings  config_file: [folder]/config.toml:3: this is no TOML (key with no value, expected `=`) -> correct the line");
    let ended = check(&world, &["--config", "nowhere.toml"]);
    assert_eq!(ended.code, 2, "{ended:?}");
    insta::assert_snapshot!(about(&world, &ended, &["settings config_file"]), @"failed   settings  config_file: cannot read nowhere.toml (--config): No such file or directory (os error 2) -> correct the path or the file's permissions");
    let ended = finish(&mut by_file(&world, "rate = 1\n[service]\nrefresh_rate = 5\n[[rule]]\nname = 'a'\n"));
    assert_well(&ended);
    insta::assert_snapshot!(about(&world, &ended, &["settings config_file", "settings rule"]), @r"
    ok       settings  config_file: [folder]/config.toml (1 rule)
    ok       settings  rule: a: failed tasks of every project -> ml-alerts ([folder]/config.toml:6: rule `a`)
    ");
}

#[test]
fn secrets_that_others_can_read() {
    let world = World::new();
    let text = format!("token = '{}'\n[[rule]]\nname = 'a'\n", world.slack.token());
    let mut command = by_file(&world, &text);
    command.env_remove("SLACK_API_TOKEN");
    open_to_all(&world.folder().join("config.toml"));
    let told = about(&world, &finish(&mut command), &["settings config_file", "settings slack_token"]);
    insta::assert_snapshot!(told, @r"
    ok       settings  config_file: [folder]/config.toml (1 rule)
    warning  settings  config_file: [folder]/config.toml: it holds secrets (slack.token) and others on this machine can read it -> chmod 600 it, or name a variable (…_env) or a file (…_file) in it instead
    ok       settings  slack_token: *** ([folder]/config.toml:3: slack.token)
    ");
    let token = world.folder().join("token");
    std::fs::write(&token, world.slack.token()).unwrap();
    open_to_all(&token);
    let mut command = world.command(&["check", "--local", "--channel", CHANNEL]);
    command.env_remove("SLACK_API_TOKEN").env("SLACK_API_TOKEN_FILE", &token);
    let told = about(&world, &finish(&mut command), &["settings slack_token"]);
    insta::assert_snapshot!(told, @r"
    ok       settings  slack_token: *** (file [folder]/token (SLACK_API_TOKEN_FILE))
    warning  settings  slack_token: file [folder]/token (SLACK_API_TOKEN_FILE) can be read by every user of this machine -> chmod o= [folder]/token
    ");
    follow(told.lines().nth(1).unwrap(), &world);
    assert_well(&finish(&mut command));
}

#[test]
fn a_variable_that_is_not_set_and_a_rule_that_tells_nowhere() {
    let world = World::new();
    let hook = "[slack.webhooks.team]\nurl_env = 'TEAM_HOOK'\n[[rule]]\nname = 'a'\nslack_webhook = 'team'\n";
    let ended = finish(&mut by_file(&world, hook));
    assert_eq!(ended.code, 2, "{ended:?}");
    insta::assert_snapshot!(about(&world, &ended, &["settings destinations"]), @"failed   settings  destinations: [folder]/config.toml:4: slack.webhooks.team.url_env names the environment variable TEAM_HOOK, which is not set -> set it, or name another one");
    assert_well(&finish(by_file(&world, hook).env("TEAM_HOOK", world.slack.add_webhook(CHANNEL))));
    let without = world.config("[[rule]]\nname = 'a'\n");
    let nowhere = ["check", "--local", "--config", without.to_str().unwrap()];
    let ended = world.run(&nowhere);
    assert_eq!(ended.code, 2, "{ended:?}");
    insta::assert_snapshot!(about(&world, &ended, &["settings channel"]), @"failed   settings  channel: [folder]/config.toml:1: rule `a` says not where its alerts go -> give it channel, slack_webhook or webhook, or set channel in [slack] for all rules that name none");
    world.config(&format!("[[rule]]\nname = 'a'\nchannel = '{CHANNEL}'\n"));
    assert_well(&world.run(&nowhere));
}

#[test]
fn a_clearml_that_answers_and_what_is_watched() {
    let world = World::new();
    world.running_task("resnet50");
    let ended = check(&world, &[]);
    assert_well(&ended);
    insta::assert_snapshot!(about(&world, &ended, &["clearml"]), @r"
    ok       clearml   reachable: [server] answers
    ok       clearml   login: as sandbox of clearml
    ok       clearml   server_version: 2.0.0, API 2.31
    ok       clearml   clock: within 5 s of the server's
    ok       clearml   projects: no pattern: every project is watched
    ");
    let rules =
        "[[rule]]\nname = 'a'\nprojects = ['vision/**', 'visoin/**', 're:(']\nexclude_users = ['Ada', 'Adda']\n";
    let ended = finish(&mut by_file(&world, rules));
    assert_eq!(ended.code, 2, "{ended:?}");
    insta::assert_snapshot!(about(&world, &ended, &["clearml projects", "clearml users"]), @r"
    ok       clearml   projects: rule `a`: `vision/**` matches 2: vision, vision/resnet
    failed   clearml   projects: rule `a`: `visoin/**` matches none -> patterns are compared with full project names, case-sensitive: correct it, or delete it from the rule
    failed   clearml   projects: the server cannot read rule `a`: `re:(`: Malformed regular expression: err=missing ), unterminated subpattern at position 0, extra_info=None -> write a regular expression of Python's after `re:`, or escape it with `\`
    ok       clearml   users: rule `a`: exclude_users `Ada` is known
    warning  clearml   users: rule `a`: exclude_users `Adda`: the server knows no user of this name or ID -> write the name as ClearML's pages show it; until then it matches nobody
    ");
    let mended = "[[rule]]\nname = 'a'\nprojects = ['vision/**', 're:resnet$']\nexclude_users = ['Ada']\n";
    assert_well(&finish(&mut by_file(&world, mended)));
}

#[test]
fn a_clearml_that_fails_while_it_is_asked() {
    let world = World::new();
    world.running_task("resnet50");
    let asked = ["--project", "vision", "--include-users", "Ada"];
    let mut told = Vec::new();
    for call in ["debug.ping", "auth.login", "projects.get_all", "users.get_all"] {
        let fault = Fault::clearml_error(500, 0, "General data error");
        world.clearml.faults().push(FaultRule::next(fault).on(call).forever());
        let ended = check(&world, &asked);
        told.push(complaint(&world, "clearml", &ended));
        world.clearml.faults().clear();
    }
    insta::assert_snapshot!(told.join("\n"), @r"
    3 failed   clearml   reachable: ClearML at [server] failed with 500: General data error -> if it lasts, its server log says more
    3 failed   clearml   login: ClearML at [server] failed with 500: General data error -> if it lasts, its server log says more
    3 failed   clearml   projects: ClearML at [server] failed with 500: General data error -> if it lasts, its server log says more
    3 failed   clearml   users: ClearML at [server] failed with 500: General data error -> if it lasts, its server log says more
    ");
    assert_well(&check(&world, &asked));
}

#[test]
fn a_test_message_that_arrives_and_one_that_is_refused() {
    let world = World::new();
    let items = ["slack token", "slack bot", "slack channel", "slack test_message"];
    let ended = check(&world, &["--send-test"]);
    assert_well(&ended);
    insta::assert_snapshot!(about(&world, &ended, &items), @r"
    ok       slack     token: accepted in the workspace Sandbox (https://sandbox.slack.example.com/)
    ok       slack     bot: @clearml_alerts (U0SANDBOX)
    ok       slack     channel: #ml-alerts (C0MLALERTS, public), the bot is in it
    ok       slack     test_message: posted: https://sandbox.slack.example.com/archives/C0MLALERTS/p[ts]
    ");
    let restricted = Fault::slack_error("restricted_action");
    world.slack.faults().push(FaultRule::next(restricted).on("chat.postMessage").forever());
    let ended = check(&world, &["--send-test"]);
    assert_eq!(ended.code, 4, "{ended:?}");
    insta::assert_snapshot!(about(&world, &ended, &items), @r"
    ok       slack     token: accepted in the workspace Sandbox (https://sandbox.slack.example.com/)
    ok       slack     bot: @clearml_alerts (U0SANDBOX)
    ok       slack     channel: #ml-alerts (C0MLALERTS, public), the bot is in it
    failed   slack     test_message: not posted: restricted_action -> who may post in this channel is restricted: allow the app in the channel's posting permissions, or choose another channel
    ");
    world.slack.faults().clear();
    assert_well(&check(&world, &["--send-test"]));
    assert_eq!(world.slack.messages(CHANNEL).len(), 2);
}

#[test]
fn a_slack_that_refuses_or_fails_while_it_is_asked() {
    let world = World::new();
    world.slack.add_channel(Channel::private("secret").with_id("C0SECRET001").not_joined());
    let mut told = vec![about(&world, &check(&world, &["--channel", "C0SECRET001"]), &["slack channel"])];
    for (call, fault) in [
        ("auth.test", Fault::slack_error("token_revoked")),
        ("auth.test", Fault::status(503, "down")),
        ("auth.test", Fault::hang()),
        ("conversations.list", Fault::slack_error("fatal_error")),
        ("conversations.list", Fault::status(500, "down")),
    ] {
        world.slack.faults().push(FaultRule::next(fault).on(call).forever());
        let mut command = world.command(&["check", "--local", "--channel", CHANNEL]);
        let ended = finish(command.env("CLEARML_ALERTS_TEST_TIME_LIMIT_SECONDS", "2"));
        told.push(complaint(&world, "slack", &ended));
        world.slack.faults().clear();
    }
    insta::assert_snapshot!(told.join("\n"), @r"
    failed   slack     channel C0SECRET001: Slack answered conversations.info with `channel_not_found` -> there is no such channel, or it is private and the bot is not in it: check the name, give a private channel by its ID (C…), and type /invite @the-bot in it
    4 failed   slack     token: Slack answered auth.test with `token_revoked` -> Slack does not accept the token: set SLACK_API_TOKEN, or --slack-api, to the whole bot token (xoxb-…) of the Slack app; if it worked before, reinstall the app to the workspace
    4 failed   slack     token: Slack's auth.test failed: HTTP 503 -> nothing to do at once: the outcome is unknown, so it is looked for before anything is sent again; if it persists, see https://slack-status.com
    4 failed   slack     token: Slack's auth.test failed: no answer from [server]: timed out -> nothing to do at once: the outcome is unknown, so it is looked for before anything is sent again; if it persists, see https://slack-status.com
    4 failed   slack     channel ml-alerts: Slack answered conversations.list with `fatal_error` -> nothing to do at once: the outcome is unknown, so it is looked for before anything is sent again; if it persists, see https://slack-status.com
    4 failed   slack     channel ml-alerts: Slack's conversations.list failed: HTTP 500 -> nothing to do at once: the outcome is unknown, so it is looked for before anything is sent again; if it persists, see https://slack-status.com
    ");
    assert_well(&check(&world, &[]));
}

#[test]
fn what_else_an_address_of_clearml_can_answer() {
    let world = World::new();
    let elsewhere = "http://elsewhere.example.com/login";
    let faults = [
        Fault::clearml_maintenance(),
        Fault::clearml_error(403, 0, "not for you"),
        Fault::clearml_error(400, 12, "no such thing"),
        Fault::status(429, "slow down"),
        Fault::redirect(elsewhere),
        Fault::not_json(),
        Fault::html(502),
        Fault::hang(),
    ];
    let told = faults.map(|fault| {
        world.clearml.faults().push(FaultRule::next(fault).on("debug.ping").forever());
        let mut command = world.command(&["check", "--local", "--channel", CHANNEL]);
        let ended = finish(command.env("CLEARML_ALERTS_TEST_TIME_LIMIT_SECONDS", "2"));
        world.clearml.faults().clear();
        complaint(&world, "clearml", &ended)
    });
    insta::assert_snapshot!(told.join("\n"), @r"
    3 failed   clearml   reachable: ClearML at [server] is under maintenance (503): Service Unavailable (server is in maintenance mode) -> it will be tried again
    3 failed   clearml   reachable: ClearML does not allow debug.ping for these credentials: not for you -> use credentials of a user who may
    3 failed   clearml   reachable: ClearML refused debug.ping: no such thing (400, subcode 12) -> see the documentation of this setting in README.md
    3 failed   clearml   reachable: ClearML at [server] asks to slow down (429) -> a longer --refresh-rate helps if it lasts
    3 failed   clearml   reachable: [server] redirects to http://elsewhere.example.com -> if that is your ClearML, set it as the API address (CLEARML_API_HOST, api_server)
    3 failed   clearml   reachable: the answer to debug.ping is not what ClearML promises: it is a web page -> check that the API address is ClearML's API server (often port 8008), not its web server or a proxy
    3 failed   clearml   reachable: ClearML at [server] failed with 502: it is a web page; check that the API address is ClearML's API server (often port 8008), not its web server or a proxy -> if it lasts, its server log says more
    3 failed   clearml   reachable: ClearML at [server] took longer than 2 s to answer -> it may be overloaded, or something between swallows the connection
    ");
    assert_well(&check(&world, &[]));
}

#[test]
fn a_machine_without_certificate_authorities() {
    let world = World::new();
    let (none, folder) = (world.folder().join("none.pem"), world.folder().join("none"));
    std::fs::write(&none, "").unwrap();
    std::fs::create_dir(&folder).unwrap();
    let mut command = world.command(&["check", "--local", "--channel", CHANNEL]);
    command.env("SSL_CERT_FILE", &none).env("SSL_CERT_DIR", &folder);
    command.env("CLEARML_API_HOST", world.clearml.url().replace("http:", "https:"));
    let ended = finish(&mut command);
    let told = ["clearml", "slack"].map(|area| complaint(&world, area, &ended));
    insta::assert_snapshot!(told.join("\n"), @r"
    3 failed   clearml   client: no certificate authorities are installed here (builder error: unexpected error: No CA certificates were loaded from the system); install the package `ca-certificates`, or point SSL_CERT_FILE to a bundle -> correct the address, or install the certificate authorities (package ca-certificates)
    3 failed   slack     client: the Slack client cannot be set up: HTTPS cannot be set up -> install the system's certificate authorities (the package ca-certificates)
    ");
    assert_well(&check(&world, &[]));
}

#[test]
fn what_cannot_be_read_in_the_environment_and_in_clearml_conf() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let world = World::new();
    let mut command = world.command(&["check", "--local", "--channel", CHANNEL]);
    let ended = finish(command.env("CLEARML_API_HOST", OsStr::from_bytes(b"http://\xff")));
    assert_eq!(ended.code, 2, "{ended:?}");
    insta::assert_snapshot!(about(&world, &ended, &["settings ClearML"]), @"failed   settings  ClearML: the environment variable CLEARML_API_HOST is not valid UTF-8 -> set it again, or unset it");
    let ended = finish(command.env("CLEARML_API_HOST", "http://[::1"));
    assert_eq!(ended.code, 2, "{ended:?}");
    insta::assert_snapshot!(about(&world, &ended, &["settings ClearML"]), @"failed   settings  ClearML: environment variable CLEARML_API_HOST is `http://[::1`, which is not a web address (invalid IPv6 address) -> write an address like https://host.example.com:8008");
    let file = world.folder().join("clearml.conf");
    std::fs::write(&file, "include \"missing.conf\"\napi { web_server: https://app.example.com }\n").unwrap();
    let ended = check(&world, &[]);
    assert_eq!(ended.code, 0, "{ended:?}");
    insta::assert_snapshot!(about(&world, &ended, &["settings clearml.conf"]), @"warning  settings  clearml.conf: [folder]/clearml.conf, line 1: the included file [folder]/missing.conf cannot be read (No such file or directory (os error 2)) and is left out -> correct the file; the rest of it is used");
    std::fs::write(&file, "api { web_server: https://app.example.com }\n").unwrap();
    assert_well(&check(&world, &[]));
}
