//! Settings from the command line and an injected environment, through the public interface alone: who beats whom, and
//! every refusal word by word, since these are what a person reads when nothing works yet.

use std::ffi::OsString;

use clearml_alerts::cli::arguments::{Arguments, Command};
use clearml_alerts::settings::{MapEnvironment, Settings, SettingsError};

/// An environment in which `run --channel '#a'` is complete.
fn complete() -> MapEnvironment {
    MapEnvironment::new()
        .with_home("/home/me")
        .with("SLACK_API_TOKEN", "xoxb-fake")
        .with("CLEARML_API_ACCESS_KEY", "FAKEKEY")
        .with("CLEARML_API_SECRET_KEY", "fake-secret")
}

#[expect(clippy::panic, reason = "a line of these tests that is not read is a mistake in the test")]
fn settings(line: &[&str], environment: &MapEnvironment) -> Result<Settings, SettingsError> {
    let words = ["clearml-alerts", "run"].iter().chain(line).map(OsString::from);
    match Arguments::read(words).unwrap_or_else(|error| panic!("{error}")).command {
        Command::Run(run) => Settings::resolve(&run.flags, environment),
        other => panic!("{other:?}"),
    }
}

fn origins(settings: &Settings) -> String {
    let line = |origin: &clearml_alerts::settings::Origin| {
        format!("{} = {} ({})", origin.setting, origin.shown, origin.source)
    };
    settings.origins().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn with_nothing_but_the_necessary_everything_else_is_the_default() {
    let settings = settings(&["--channel", "#a"], &complete()).unwrap();
    insta::assert_snapshot!(origins(&settings), @r#"
    api_server = https://api.clear.ml/ (default)
    web_server = https://app.clear.ml/ (derived from api_server)
    verify_certificate = true (default)
    access_key = *** (environment variable CLEARML_API_ACCESS_KEY)
    secret_key = *** (environment variable CLEARML_API_SECRET_KEY)
    channel = #a (--channel)
    slack_token = *** (environment variable SLACK_API_TOKEN)
    slack_api_url = https://slack.com/api/ (default)
    slack_rate = 1 (default)
    digest_above = 10 (default)
    on_unknown = resend (default)
    message_prefix = (none) (default)
    project = (none) (default)
    min_num_iterations = 0 (default)
    include_manual_experiments = false (default)
    include_completed_experiments = false (default)
    include_aborted_experiments = false (default)
    include_archived = false (default)
    include_users = everyone (default)
    refresh_rate = 10 (default)
    service_queue = services (default)
    local = false (default)
    announce = all (default)
    since = now (default)
    keep = all (default)
    wait_lock = 0s (default)
    watch_config = false (default)
    clearml_task = true (default)
    redact = built-in and 0 more (default)
    verbose = 0 (default)
    database = /home/me/.local/state/clearml-alerts/alerts.db (default)
    "#);
}

#[test]
fn flags_beat_the_environment_which_beats_the_file() {
    let environment = complete()
        .with("SLACK_API_URL", "http://127.0.0.1:9/")
        .with("CLEARML_WEB_HOST", "https://web.example.com")
        .with("CLEARML_ALERTS_DB", "/var/lib/alerts.db")
        .with("XDG_STATE_HOME", "/state")
        .with_file(
            "/home/me/clearml.conf",
            "api { api_server: https://api.example.com, web_server: https://other.example.com }",
        );
    let line =
        ["--channel", "C0123456789", "--slack_api=xoxb-flag", "--refresh_rate", "2", "--local", "--since", "24h"];
    let settings = settings(&line, &environment).unwrap();
    insta::assert_snapshot!(origins(&settings), @r#"
    api_server = https://api.example.com/ (api.api_server in /home/me/clearml.conf)
    web_server = https://web.example.com/ (environment variable CLEARML_WEB_HOST)
    verify_certificate = true (default)
    access_key = *** (environment variable CLEARML_API_ACCESS_KEY)
    secret_key = *** (environment variable CLEARML_API_SECRET_KEY)
    channel = C0123456789 (--channel)
    slack_token = *** (--slack-api)
    slack_api_url = http://127.0.0.1:9/ (environment variable SLACK_API_URL)
    slack_rate = 1 (default)
    digest_above = 10 (default)
    on_unknown = resend (default)
    message_prefix = (none) (default)
    project = (none) (default)
    min_num_iterations = 0 (default)
    include_manual_experiments = false (default)
    include_completed_experiments = false (default)
    include_aborted_experiments = false (default)
    include_archived = false (default)
    include_users = everyone (default)
    refresh_rate = 2 (--refresh-rate)
    service_queue = services (default)
    local = true (--local)
    announce = all (default)
    since = 1d ago (--since)
    keep = all (default)
    wait_lock = 0s (default)
    watch_config = false (default)
    clearml_task = true (default)
    redact = built-in and 0 more (default)
    verbose = 0 (default)
    database = /var/lib/alerts.db (environment variable CLEARML_ALERTS_DB)
    "#);
}

#[test]
fn every_refusal_names_the_thing_the_value_and_the_way_out() {
    let refusals = [
        (&["--channel", "two words"][..], complete()),
        (&[], complete()),
        (&["--channel", "a"], MapEnvironment::new()),
        (&["--channel", "a", "--slack-api", ""], complete()),
        (&["--channel", "a", "--slack-api-url", "slack.com"], complete()),
        (&["--channel", "a", "--slack-rate", "-1"], complete()),
        (&["--channel", "a", "--digest-above", "few"], complete()),
        (&["--channel", "a", "--refresh-rate", "0"], complete()),
        (&["--channel", "a", "--refresh-rate", "NaN"], complete()),
        (&["--channel", "a", "--min-num-iterations", "-5"], complete()),
        (&["--channel", "a", "--include-users", "x", "--exclude-users", "y"], complete()),
        (&["--channel", "a", "--exclude-users", ""], complete()),
        (&["--channel", "a", "--service-queue", ""], complete()),
        (&["--channel", "a", "--since", "soon"], complete()),
        (&["--channel", "a", "--keep", "23h"], complete()),
        (&["--channel", "a", "--wait-lock", "30"], complete()),
        (&["--channel", "a", "--redact", "("], complete()),
        (&["--channel", "a"], MapEnvironment::new().with("SLACK_API_TOKEN", "xoxb-fake")),
        (&["--channel", "a"], MapEnvironment::new().with("SLACK_API_TOKEN", "xoxb-fake").with_home("/home/me")),
        (&["--channel", "a"], complete().with("CLEARML_API_HOST", "https://me:hush@api.example.com")),
        (&["--channel", "a"], complete().with("CLEARML_API_SECRET_KEY", "two words")),
        (&["--channel", "a"], complete().with("CLEARML_API_HOST_VERIFY_CERT", "maybe")),
        (&["--channel", "a"], complete().with("CLEARML_CONFIG_FILE", "/etc/clearml.conf")),
        (&["--channel", "a"], complete().with_file("/home/me/clearml.conf", "api {\n  credentials {")),
        (&["--channel", "a"], complete().with_file("/home/me/clearml.conf", "api.api_server = ${CLEARML_HOST}")),
    ];
    let told: Vec<String> = refusals
        .iter()
        .map(|(line, environment)| match settings(line, environment) {
            Err(error) => error.to_string(),
            Ok(settings) => panic!("{line:?} was taken: {settings:?}"),
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
    --channel is `two words`, which has blanks in it: give --channel a name like '#ml-alerts', or the channel's ID (in Slack: the channel's details)
    the Slack channel is not set: give --channel a name like '#ml-alerts', or the channel's ID (in Slack: the channel's details)
    the Slack token is not set: set SLACK_API_TOKEN, or give --slack-api, to the bot token of your Slack app (it begins with xoxb-; in Slack: the app's page, OAuth & Permissions), or SLACK_API_TOKEN_FILE to a file that holds it
    --slack-api holds a value that is empty: copy it again from where it was issued
    --slack-api-url is `slack.com`, which does not begin with http:// or https://: write an address like https://host.example.com:8008
    --slack-rate is `-1`, which is out of range: write a number of messages a second from 0 to 1000
    --digest-above is `few`, which is no whole number: write a whole number from 0 to 1000000
    --refresh-rate is `0`, which is out of range: write a number of seconds from 0.1 to 86400
    --refresh-rate is `NaN`, which is out of range: write a number of seconds from 0.1 to 86400
    --min-num-iterations is `-5`, which is out of range: write a whole number from 0 to 1000000000000
    --include-users and --exclude-users are both given: name the users to watch, or the users to leave out, not both
    --exclude-users is ``, which names nobody: give a user's name or ID, or leave the flag out
    --service-queue is ``, which names no queue: give a queue's name, or leave the flag out for `services`
    --since is `soon`, which is no moment: write 24h, 1h30m, 30d, "2 hours ago", today, yesterday, a date (2026-11-22) or a time (2026-11-22T22:27:28Z)
    --keep is `23h`, which is too short: write 1d or more, like 400d, or all
    --wait-lock is `30`, which is no duration: write a number with its unit, like 500ms, 30s, 15m, 24h, 30d, 2w or 1h30m
    --redact is `(`, which is no regular expression (unclosed group): write a regular expression of Rust's regex crate, like 'password=\S+'
    the place of the database (there is no home directory) is not set: give --db a file, or set CLEARML_ALERTS_DB to one
    a key to log in to ClearML is not set: set CLEARML_API_ACCESS_KEY and CLEARML_API_SECRET_KEY (or CLEARML_AUTH_TOKEN; or each with _FILE, to a file that holds it), or run `clearml-init`, which writes api.credentials to ~/clearml.conf; new keys are made in ClearML's web application, Settings, Workspace
    environment variable CLEARML_API_HOST is `https://***@api.example.com`, which contains a user name or password: write an address like https://host.example.com:8008
    environment variable CLEARML_API_SECRET_KEY holds a value that has blanks or special characters in it: copy it again from where it was issued
    environment variable CLEARML_API_HOST_VERIFY_CERT is `maybe`, which is neither yes nor no: write true or false
    cannot read /etc/clearml.conf (environment variable CLEARML_CONFIG_FILE): entity not found; correct the path or the file's permissions
    /home/me/clearml.conf, line 2: a `{` is not closed
    /home/me/clearml.conf, line 1: `${CLEARML_HOST}` is defined neither in this file nor in the environment; set CLEARML_HOST, or write `${?CLEARML_HOST}`
    "#);
}

#[test]
fn nothing_secret_is_in_what_can_be_printed() {
    let environment = complete().with("SLACK_API_TOKEN", "xoxb-hush").with("CLEARML_API_SECRET_KEY", "hush");
    let settings = settings(&["--channel", "a", "--slack-api", "hush-too"], &environment).unwrap();
    for printed in [format!("{settings:?}"), format!("{settings:#?}"), origins(&settings), format!("{environment:?}")] {
        assert!(!printed.contains("hush") && !printed.contains("FAKEKEY"), "{printed}");
    }
}
