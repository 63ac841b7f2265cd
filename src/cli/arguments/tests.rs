//! Tests of the command line: every flag of the original in both spellings, what is refused, and the help's width.

use clap::CommandFactory;
use secrecy::ExposeSecret;

use super::*;
use crate::settings::{Announce, OnUnknown, RuleFlags, Since};

fn read(line: &[&str]) -> Result<Arguments, clap::Error> {
    Arguments::read(std::iter::once("clearml-alerts").chain(line.iter().copied()).map(OsString::from))
}

fn run_flags(line: &[&str]) -> AllFlags {
    let line = [&["run"], line].concat();
    match read(&line).unwrap_or_else(|error| panic!("{error}")).command {
        Command::Run(run) => run.flags,
        other => panic!("{other:?}"),
    }
}

fn refused(line: &[&str]) -> String {
    let error = read(line).err().unwrap_or_else(|| panic!("was read: {line:?}"));
    assert_eq!(error.exit_code(), 2, "{error}");
    error.to_string()
}

fn history(line: &[&str]) -> HistoryArguments {
    match read(&[&["history"], line].concat()).unwrap_or_else(|error| panic!("{error}")).command {
        Command::History(history) => *history,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_command_line_is_sound() {
    Arguments::command().debug_assert();
}

/// The flags of the original with a value each, in its own spelling.
const ORIGINAL: [&str; 28] = [
    "--channel",
    "#ml_alerts",
    "--slack_api",
    "xoxb-fake_token",
    "--message_prefix",
    "Hey <!here>, a_b",
    "--min_num_iterations",
    "5",
    "--project",
    "my_project",
    "--include_manual_experiments",
    "True",
    "--include_completed_experiments",
    "True",
    "--include_archived",
    "False",
    "--refresh_rate",
    "2.5",
    "--service_queue",
    "my_services",
    "--include_users",
    "alice_b",
    "--exclude_users",
    "bob",
    "--local",
    "True",
    "--verbose",
    "True",
];

#[test]
fn every_flag_of_the_original_is_read_in_both_spellings_and_with_either_separator() {
    let (names, values): (Vec<_>, Vec<_>) = ORIGINAL.chunks(2).map(|pair| (pair[0], pair[1])).unzip();
    for dashes in [false, true] {
        let spell = |name: &str| if dashes { name.replace('_', "-") } else { name.to_owned() };
        let apart: Vec<String> =
            names.iter().zip(&values).flat_map(|(name, value)| [spell(name), (*value).to_owned()]).collect();
        let joined: Vec<String> =
            names.iter().zip(&values).map(|(name, value)| format!("{}={value}", spell(name))).collect();
        for line in [apart, joined] {
            let flags = run_flags(&line.iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!(flags.slack.channel.as_deref(), Some("#ml_alerts"));
            assert_eq!(flags.slack.slack_api.as_ref().unwrap().expose_secret(), "xoxb-fake_token");
            assert_original_rule(&flags.rule);
            assert_eq!(flags.service.refresh_rate.as_deref(), Some("2.5"));
            assert_eq!(flags.service.service_queue.as_deref(), Some("my_services"));
            assert_eq!((flags.service.local, flags.service.verbosity()), (Some(true), 1));
        }
    }
}

fn assert_original_rule(rule: &RuleFlags) {
    assert_eq!(rule.message_prefix.as_deref(), Some("Hey <!here>, a_b"));
    assert_eq!(rule.min_num_iterations.as_deref(), Some("5"));
    assert_eq!(rule.project.as_deref(), Some("my_project"));
    assert_eq!(rule.include_manual_experiments, Some(true));
    assert_eq!(rule.include_completed_experiments, Some(true));
    assert_eq!(rule.include_archived, Some(false));
    assert_eq!((&rule.include_users[..], &rule.exclude_users[..]), (&["alice_b".into()][..], &["bob".into()][..]));
}

#[test]
fn switches_are_bare_or_have_a_value() {
    for (line, meant) in [
        (&["--local"][..], Some(true)),
        (&["--local", "--channel", "c"], Some(true)),
        (&["--local=false"], Some(false)),
        (&["--local", "0"], Some(false)),
        (&["--local", "YES"], Some(true)),
        (&["--local", "--local=no"], Some(false)),
        (&[], None),
    ] {
        assert_eq!(run_flags(line).service.local, meant, "{line:?}");
    }
    assert!(refused(&["run", "--local", "maybe"]).contains("write true or false"));
    assert!(refused(&["run", "--local="]).contains("--local"));
}

#[test]
fn aborted_tasks_are_asked_for_in_either_word() {
    for flag in ["--include-aborted-experiments", "--include_stopped_experiments"] {
        assert_eq!(run_flags(&[flag]).rule.include_aborted_experiments, Some(true));
    }
}

#[test]
fn users_are_several_values_repetitions_or_both() {
    let flags = run_flags(&["--include-users", "alice", "Doe, John", "--local", "--include_users=bob"]);
    assert_eq!(flags.rule.include_users, ["alice", "Doe, John", "bob"]);
    assert!(refused(&["run", "--include-users"]).contains("--include-users"));
}

#[test]
fn verbosity_adds_up() {
    for (line, meant) in [
        (&["--verbose"][..], 1),
        (&["--verbose", "--verbose"], 2),
        (&["--verbose", "False"], 0),
        (&["--verbose=2"], 2),
        (&["-v"], 1),
        (&["-vvv"], 2),
        (&["-v", "--verbose"], 2),
        (&[], 0),
    ] {
        assert_eq!(run_flags(line).service.verbosity(), meant, "{line:?}");
    }
}

#[test]
fn numbers_are_taken_as_written_and_judged_later() {
    for number in ["-1", "0", "NaN", "inf", "1e9", "-0.5"] {
        assert_eq!(run_flags(&["--refresh-rate", number]).service.refresh_rate.as_deref(), Some(number));
        assert_eq!(run_flags(&["--min-num-iterations", number]).rule.min_num_iterations.as_deref(), Some(number));
    }
}

#[test]
fn our_own_flags_are_read() {
    let flags = run_flags(&[
        "--announce",
        "none",
        "--since",
        "24h",
        "--wait-lock",
        "30s",
        "--redact",
        "a_b",
        "--redact",
        "c",
        "--slack-rate",
        "0",
        "--slack-api-url",
        "http://127.0.0.1:1",
        "--digest-above",
        "0",
        "--on-unknown",
        "hold",
        "--db",
        "x_y.db",
    ]);
    assert_eq!(flags.service.announce, Some(Announce::None));
    assert_eq!((flags.service.since.as_deref(), flags.service.wait_lock.as_deref()), (Some("24h"), Some("30s")));
    assert_eq!(flags.service.redact, ["a_b", "c"]);
    assert_eq!((flags.slack.slack_rate.as_deref(), flags.slack.digest_above.as_deref()), (Some("0"), Some("0")));
    assert_eq!(flags.slack.on_unknown, Some(OnUnknown::Hold));
    assert_eq!(flags.database.db, Some(PathBuf::from("x_y.db")));
}

#[test]
fn once_takes_the_flags_of_run_and_its_own() {
    let once = |line: &[&str]| match read(line).unwrap().command {
        Command::Once(once) => once,
        other => panic!("{other:?}"),
    };
    let given = once(&["once", "--channel", "c", "--dry_run", "--deliver-timeout", "2m", "-v"]);
    assert!(given.dry_run);
    assert_eq!((given.deliver_timeout, given.flags.service.verbosity()), (Duration::from_mins(2), 1));
    let plain = once(&["once"]);
    assert_eq!((plain.dry_run, plain.deliver_timeout), (false, Duration::from_mins(1)));
    assert!(refused(&["run", "--dry-run"]).contains("--dry-run"));
    assert!(refused(&["once", "--deliver-timeout", "60"]).contains("write a number with its unit"));
}

#[test]
fn history_has_filters_that_repeat() {
    let given =
        history(&["--status", "aborted", "--status", "Failed", "--state", "dead", "--limit", "7", "--since", "2d"]);
    assert_eq!(given.status, [Outcome::Stopped, Outcome::Failed]);
    assert_eq!((given.state, given.limit), (vec!["dead".to_owned()], 7));
    assert_eq!(given.since, Some(Since::Ago(Duration::from_hours(48))));
    let plain = history(&[]);
    assert_eq!((plain.limit, plain.format, plain.follow), (50, Format::Table, false));
}

#[test]
fn what_cannot_be_meant_is_refused_by_name() {
    for (line, named) in [
        (&["history", "--status", "running"][..], "write failed, completed, stopped or stuck"),
        (&["history", "--state", "lost"], "pending, sending, unknown, held, sent, dead, suppressed"),
        (&["history", "--since", "soon"], "yesterday"),
        (&["history", "--limit", "0"], "--limit"),
        (&["history", "--limit", "-1"], "-1"),
        (&["history", "--follow", "--until", "today"], "cannot be used with"),
        (&["history", "--format", "xml"], "table, json, jsonl, csv"),
        (&["dead", "retry"], "--all"),
        (&["dead", "retry", "5", "--all"], "cannot be used with"),
        (&["dead", "drop", "5"], "--reason"),
        (&["dead", "drop", "5", "--reason", ""], "--reason"),
        (&["dead"], "Usage"),
        (&["backup"], "PATH"),
        (&["run", "--chanel", "c"], "'--channel'"),
        (&["run", "--slack_apii", "xoxb-fake"], "--slack-apii"),
        (&["run", "local"], "local"),
        (&["walk"], "walk"),
        (&[], "Usage"),
    ] {
        let told = refused(line);
        assert!(told.contains(named), "{line:?}: {told}");
        assert!(!told.contains("xoxb-fake"), "{told}");
    }
}

#[test]
fn help_and_version_are_no_errors() {
    for line in [&["--help"][..], &["-h"], &["--version"], &["run", "--help"], &["help", "history"]] {
        assert_eq!(read(line).unwrap_err().exit_code(), 0, "{line:?}");
    }
}

/// Every command's name, and its help at 80 columns.
fn helps() -> Vec<(String, String)> {
    let mut command = Arguments::command().term_width(80);
    command.build();
    let mut helps = Vec::new();
    let mut rest = vec![command];
    while let Some(mut command) = rest.pop() {
        rest.extend(command.get_subcommands().cloned());
        helps.push((command.get_name().to_owned(), command.render_help().to_string()));
    }
    helps
}

#[test]
fn the_help_fits_80_columns_and_explains_every_flag() {
    let helps = helps();
    assert!(helps.len() > 15);
    for (name, help) in helps {
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "{name}: {line}");
        }
    }
    let mut rest = vec![Arguments::command()];
    while let Some(command) = rest.pop() {
        for argument in command.get_arguments() {
            assert!(argument.get_help().is_some(), "{} {}", command.get_name(), argument.get_id());
        }
        rest.extend(command.get_subcommands().cloned());
    }
}

#[test]
fn the_help_tells_every_default_and_no_value_of_the_environment() {
    let mut command = Arguments::command();
    let run = command.find_subcommand_mut("run").unwrap().render_help().to_string();
    let words = run.split_whitespace().collect::<Vec<_>>().join(" ");
    for told in ["[default: 10.0]", "[default: services]", "[default: 1]", "[env: SLACK_API_TOKEN]", "[default: 10]"] {
        assert!(words.contains(told), "{told}: {run}");
    }
}

#[test]
fn the_examples_in_the_help_are_read() {
    for text in [AFTER_HELP, RUN_EXAMPLES, ONCE_EXAMPLES, HISTORY_EXAMPLES, DEAD_EXAMPLES] {
        let joined = text.replace("\\\n", " ");
        let examples: Vec<&str> =
            joined.lines().filter_map(|line| line.split_once("clearml-alerts ")).map(|it| it.1).collect();
        assert!(examples.len() >= 2, "{text}");
        for example in examples {
            let words = unquoted_words(example);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            assert!(read(&words).is_ok(), "{example}: {}", read(&words).unwrap_err());
        }
    }
}

/// Splits as a shell would, as far as the examples go: blanks, and single quotes.
fn unquoted_words(line: &str) -> Vec<String> {
    let pieces = line.split('\'').enumerate();
    pieces
        .flat_map(|(at, piece)| match at % 2 {
            1 => vec![piece.to_owned()],
            _ => piece.split_whitespace().map(str::to_owned).collect(),
        })
        .collect()
}
