use clap::CommandFactory;

use super::shown::IN_THE_FILE;
use super::*;
use crate::settings::{ConfigFile, ServiceFlags};

fn applied(arguments: &[(&str, &str)]) -> Result<AllFlags, SettingsError> {
    let mut flags = AllFlags::default();
    let arguments: Vec<_> = arguments.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    apply_parameters(&mut flags, &arguments).map(|_| flags)
}

fn refused(name: &str, value: &str) -> String {
    applied(&[(name, value)]).unwrap_err().to_string()
}

#[test]
fn every_setting_of_run_is_a_parameter() {
    let command = crate::cli::arguments::Arguments::command();
    let run = command.find_subcommand("run").unwrap();
    let not_settings_of_a_task = [
        "help",
        "log_format",
        "wait_lock",
        "v",
        "service_task",
        "docker_image",
        "create_queue",
        "service_script",
        "binary_url",
        "binary_sha256",
        "upload_binary",
        "store_token",
        "no_clearml_task",
        // The file says it where the file is.
        "watch_config",
        // Of the machine that it runs on, and partly secret: the agent's environment tells them.
        "listen",
        "listen_token",
        "listen_unprotected",
        "heartbeat_url",
        "slack_api_file",
    ];
    for argument in run.get_arguments() {
        let Some(long) = argument.get_long() else { continue };
        let name = long.replace('-', "_");
        let is_parameter = PARAMETERS.iter().any(|parameter| parameter.name == name);
        let is_left_out = not_settings_of_a_task.contains(&name.as_str());
        assert!(is_parameter != is_left_out, "{name}: either a parameter of the task or left out on purpose");
    }
}

#[test]
fn pythons_spellings_are_understood() {
    let flags = applied(&[
        ("channel", "#ml-alerts"),
        ("include_archived", "True"),
        ("include_manual_experiments", "False"),
        ("include_users", "['alice', 'bob']"),
        ("exclude_users", "None"),
        ("project", "None"),
        ("refresh_rate", "2.5"),
        ("min_num_iterations", ""),
        ("verbose", "True"),
        ("on_unknown", "hold"),
        ("message_prefix", "Hey <!here>,"),
    ])
    .unwrap();
    assert_eq!(flags.slack.channel.as_deref(), Some("#ml-alerts"));
    assert_eq!((flags.rule.include_archived, flags.rule.include_manual_experiments), (Some(true), None));
    assert_eq!((flags.rule.include_users.len(), flags.rule.exclude_users.len()), (2, 0));
    assert_eq!((flags.rule.project, flags.rule.min_num_iterations), (None, None));
    assert_eq!((flags.service.refresh_rate.as_deref(), flags.service.verbosity()), (Some("2.5"), 1));
    assert_eq!(flags.slack.on_unknown, Some(OnUnknown::Hold));
    assert_eq!(flags.rule.message_prefix.as_deref(), Some("Hey <!here>,"));
}

#[test]
fn users_are_split_at_commas_and_patterns_are_not() {
    let flags = applied(&[("exclude_users", "alice, Ada Lovelace"), ("redact", r"\d{1,3}")]).unwrap();
    assert_eq!(flags.rule.exclude_users, ["alice", "Ada Lovelace"]);
    assert_eq!(flags.service.redact, [r"\d{1,3}"]);
}

#[test]
fn an_empty_list_is_nobody_for_a_list_and_nothing_else_for_the_rest() {
    let flags = applied(&[("exclude_users", "[]"), ("project", "[]"), ("message_prefix", "()")]).unwrap();
    assert!(flags.rule.exclude_users.is_empty());
    assert_eq!(flags.rule.project.as_deref(), Some("[]"), "a pattern that cannot be read never means every project");
    assert_eq!(flags.rule.message_prefix.as_deref(), Some("()"));
    assert!(refused("include_archived", "[]").contains("Args/include_archived"));
}

#[test]
fn a_parameter_wins_over_what_was_typed_and_an_empty_one_takes_it_back() {
    let mut flags = AllFlags::default();
    flags.rule.project = Some("typed".to_owned());
    flags.slack.channel = Some("#typed".to_owned());
    let arguments = [("project".to_owned(), "edited".to_owned()), ("channel".to_owned(), String::new())];
    apply_parameters(&mut flags, &arguments).unwrap();
    assert_eq!((flags.rule.project.as_deref(), flags.slack.channel), (Some("edited"), None));
}

#[test]
fn what_cannot_be_read_is_refused_by_its_name() {
    for (name, value) in [
        ("include_archived", "perhaps"),
        ("include_users", "['alice'"),
        ("verbose", "loud"),
        ("on_unknown", "pray"),
        ("announce", "some"),
    ] {
        let told = refused(name, value);
        assert!(told.starts_with(&format!("the task's parameter Args/{name} is `{value}`")), "{told}");
    }
    let told = refused("chanel", "#ml");
    assert!(told.contains("Args/chanel") && told.contains("channel, slack_api"), "{told}");
}

#[test]
fn flags_survive_the_way_through_a_task() {
    let mut flags =
        applied(&[("exclude_users", "['a', \"b'c\"]"), ("include_archived", "yes"), ("db", "/state/")]).unwrap();
    flags.slack.slack_rate = Some("0.5".to_owned());
    let arguments: Vec<_> = parameters_of(&flags, NotGiven::Shown(&ConfigFile::default()), false)
        .into_iter()
        .map(|each| (each.name.to_owned(), each.value))
        .collect();
    let mut again = AllFlags::default();
    apply_parameters(&mut again, &arguments).unwrap();
    assert_eq!(again.rule.exclude_users, ["a", "b'c"]);
    assert_eq!(again.rule.include_archived, Some(true));
    assert_eq!(again.slack.slack_rate.as_deref(), Some("0.5"));
    assert_eq!(again.database.db, flags.database.db);
    assert_eq!(again.service.refresh_rate, None, "a default is nobody's choice");
}

/// A config file with this text.
fn file(text: &str) -> ConfigFile {
    let environment = crate::settings::MapEnvironment::new();
    ConfigFile::parse(text, std::path::Path::new("config.toml"), &environment).file
}

#[test]
fn a_parameter_at_its_default_leaves_the_say_to_the_config_file() {
    let defaults = parameters_of(&AllFlags::default(), NotGiven::Shown(&ConfigFile::default()), false);
    let arguments: Vec<_> = defaults.into_iter().map(|each| (each.name.to_owned(), each.value)).collect();
    let mut flags = AllFlags::default();
    flags.rule.include_archived = Some(true);
    apply_parameters(&mut flags, &arguments).unwrap();
    let flags = AllFlags { service: ServiceFlags { service_queue: None, ..flags.service }, ..flags };
    assert_eq!(format!("{flags:?}"), format!("{:?}", AllFlags::default()), "as if nothing had been given");
    assert_eq!(applied(&[("slack_rate", "1.0")]).unwrap().slack.slack_rate, None);
    assert_eq!(applied(&[("slack_rate", "2")]).unwrap().slack.slack_rate.as_deref(), Some("2"));
}

#[test]
fn what_the_config_file_says_is_shown_or_left_to_it() {
    let file = file(
        "[slack]\nchannel = '#of-the-file'\nrate = 2\n[service]\nrefresh_rate = 3\nannounce = 'none'\nredact = ['x']\n",
    );
    let mut flags = AllFlags::default();
    flags.slack.slack_rate = Some("5".to_owned());
    let value = |not_given: NotGiven<'_>, name: &str| {
        let all = parameters_of(&flags, not_given, false);
        all.into_iter().find(|each| each.name == name).unwrap().value
    };
    for (name, shown, left) in [
        ("channel", "#of-the-file", ""),
        ("slack_rate", "5", "5"),
        ("refresh_rate", "3", ""),
        ("announce", "none", ""),
        ("redact", "['x']", ""),
        ("include_archived", "False", ""),
        ("digest_above", "10", ""),
    ] {
        assert_eq!(value(NotGiven::Shown(&file), name), shown, "{name}");
        assert_eq!(value(NotGiven::Empty, name), left, "{name}");
    }
}

#[test]
fn every_key_that_is_filled_in_is_one_of_the_file() {
    let example =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/config/example.toml")).unwrap();
    let file = file(&example);
    for (name, key) in IN_THE_FILE {
        assert!(file.value(key).is_some(), "{key} of {name}");
        assert!(PARAMETERS.iter().any(|parameter| parameter.name == name), "{name}");
    }
}

#[test]
fn the_token_is_a_parameter_only_when_asked_for() {
    let flags = AllFlags {
        slack: super::super::SlackFlags { slack_api: Some(SecretString::from("xoxb-fake")), ..Default::default() },
        ..AllFlags::default()
    };
    assert!(
        parameters_of(&flags, NotGiven::Shown(&ConfigFile::default()), false)
            .iter()
            .all(|each| each.name != "slack_api" && each.value != "xoxb-fake")
    );
    let stored = parameters_of(&flags, NotGiven::Shown(&ConfigFile::default()), true);
    let token = stored.iter().find(|each| each.name == "slack_api").unwrap();
    assert_eq!((token.value.as_str(), token.kind), ("xoxb-fake", "password"));
}
