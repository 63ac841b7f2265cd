//! What the file says reaches the settings; what is wrong with it is told with its line.

use std::time::Duration;

use proptest::prelude::*;
use secrecy::ExposeSecret;

use super::*;
use crate::domain::rule::{Field, MetricCondition, MetricValue, Operator, Stuck, TagFilter, Times};
use crate::domain::{Destination, Outcome, Rule, UserFilter};
use crate::settings::environment::MapEnvironment;

const EXAMPLE: &str = include_str!("../../../fixtures/config/example.toml");
const PATH: &str = "/etc/alerts/config.toml";

fn parse(text: &str) -> Parsed {
    ConfigFile::parse(text, Path::new(PATH), &MapEnvironment::new())
}

/// What is wrong with a text, as it is printed.
fn refused(text: &str) -> String {
    let parsed = parse(text);
    assert!(!parsed.problems.is_empty(), "nothing is wrong with {text}");
    ConfigErrors::new(PATH.into(), parsed.problems).to_string()
}

/// The only rule of a file that says this of it.
fn rule(lines: &str) -> Rule {
    let parsed = parse(&format!(
        "[slack]\nchannel = '#all'\n[slack.webhooks.hook]\nurl = 'https://example.com/x'\n[webhooks.any]\nurl = 'https://example.com/y'\n[[rule]]\nname = 'r'\n{lines}"
    ));
    assert_eq!(parsed.problems, [], "{lines}");
    parsed.file.rules()[0].settled(Some("#all")).unwrap()
}

#[test]
fn the_example_is_right_and_says_what_it_says() {
    let parsed = parse(EXAMPLE);
    assert_eq!(parsed.problems, []);
    assert_eq!(parsed.file.warnings(), [""; 0]);
    let names: Vec<&str> = parsed.file.rules().iter().map(|rule| rule.rule.name.as_str()).collect();
    assert_eq!(names, ["vision", "owners", "research", "tracker"]);
    let vision = &parsed.file.rules()[0].rule;
    assert_eq!(vision.conditions.min_run_time, Duration::from_mins(5));
    assert_eq!(
        vision.stuck,
        Some(Stuck { silent: Some(Duration::from_hours(1)), iteration: Some(Duration::from_hours(3)) })
    );
    assert_eq!(vision.style.fields.as_deref(), Some(&Field::ALL[..]));
    assert_eq!(parsed.file.users().0["grace"], crate::settings::SlackUser::Email("grace@example.com".to_owned()));
}

#[test]
fn the_example_shows_every_key() {
    let words: BTreeSet<&str> =
        EXAMPLE.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').collect();
    let parsed = parse(EXAMPLE);
    assert!(parsed.known.len() > 90, "{:?}", parsed.known);
    for path in parsed.known {
        let key = path.rsplit('.').next().unwrap();
        assert!(key == "*" || words.contains(key), "{path} is not in the example");
    }
}

#[test]
fn a_rule_without_words_is_the_default_rule_for_the_common_channel() {
    assert_eq!(rule(""), Rule::new("r", Destination::Channel("#all".to_owned())));
}

#[test]
fn conditions() {
    let asked = |lines: &str| rule(lines).conditions;
    let all = asked("statuses = ['failed', 'completed', 'stopped']").outcomes;
    assert!(Outcome::ENDS.into_iter().all(|outcome| all.contains(outcome)));
    assert!(!asked("statuses = ['completed']").outcomes.contains(Outcome::Failed));
    assert!(asked("task_name = '^a\\d$'").name.unwrap().matches("a1"));
    assert!(asked("types = ['Training']").kinds.contains("training"));
    let tags = TagFilter { any: vec!["a".to_owned()], all: vec!["b".to_owned()], not: vec!["c".to_owned()] };
    assert_eq!(asked("tags = { any = ['a'], all = ['b'], not = ['c'] }").tags, tags);
    assert_eq!(asked("system_tags = { not = ['c'] }").system_tags.not, ["c"]);
    assert_eq!(asked("users = ['Ada', 'u2']").users, UserFilter::Only(["Ada".to_owned(), "u2".to_owned()].into()));
    assert_eq!(asked("exclude_users = ['Ada']").users, UserFilter::Except(["Ada".to_owned()].into()));
    assert_eq!(asked("exclude_users = []").users, UserFilter::Everyone);
    assert!(asked("queues = ['gpu']").queues.contains("gpu"));
    assert!(asked("workers = ['^gpu', 'cpu']").workers[1].matches("a-cpu"));
    assert_eq!(asked("min_iterations = 1_000").min_iterations, 1_000);
    assert_eq!(asked("min_run_time = '1h30m'").min_run_time, Duration::from_mins(90));
    assert!(asked("include_manual = true").include_manual);
    assert!(asked("include_archived = true").include_archived);
    assert!(asked("include_hidden = true").include_hidden);
    assert!(asked("causes = ['crash']").causes.contains("crash"));
    let metric = MetricCondition {
        title: "loss".to_owned(),
        series: "val".to_owned(),
        value: MetricValue::Min,
        operator: Operator::AtMost,
        threshold: 2.0,
    };
    let line = "metric = { title = 'loss', series = 'val', value = 'min', operator = '<=', threshold = 2 }";
    assert_eq!(asked(line).metric, Some(metric));
}

#[test]
fn destinations() {
    let to = |lines: &str| rule(lines).destination;
    assert_eq!(to("channel = 'C0123456789'"), Destination::Channel("C0123456789".to_owned()));
    assert_eq!(to("slack_webhook = 'hook'"), Destination::SlackWebhook("hook".to_owned()));
    assert_eq!(to("webhook = 'any'"), Destination::Webhook("any".to_owned()));
    assert_eq!(to("owner = true\nchannel = '#a'"), Destination::Owner { fallback: "#a".to_owned() });
    assert_eq!(to("owner = true"), Destination::Owner { fallback: "#all".to_owned() });
    assert_eq!(to("owner = false"), Destination::Channel("#all".to_owned()));
}

#[test]
fn timing_and_style() {
    let timing =
        rule("hold = '2m'\nthread = true\nurgent = true\ndigest_above = 0\nquiet = '22:00-07:00 Asia/Tokyo'").timing;
    assert_eq!((timing.hold, timing.thread, timing.urgent), (Some(Duration::from_mins(2)), true, true));
    assert_eq!((timing.digest_above, timing.quiet.unwrap().zone.iana_name()), (Some(0), Some("Asia/Tokyo")));
    assert_eq!(rule("hold = '0s'").timing.hold, None);
    assert!(!rule("continue = false").continues);
    let style =
        rule("message = { prefix = 'Hey', mention_owner = true, console_lines = 0, fields = ['when', 'user'], times = 'utc' }")
            .style;
    assert_eq!((style.prefix.as_deref(), style.mention_owner, style.console_lines), (Some("Hey"), true, 0));
    assert_eq!(style.fields, Some(vec![Field::When, Field::User]));
    assert_eq!(style.times, Times::Zone(jiff::tz::TimeZone::UTC));
    let zone = jiff::tz::TimeZone::get("Asia/Tokyo").unwrap();
    assert_eq!(rule("message.times = 'Asia/Tokyo'").style.times, Times::Zone(zone));
    assert_eq!(rule("message.times = 'reader'").style.times, Times::Reader);
    assert_eq!(
        rule("stuck = { silent = '2h' }").stuck,
        Some(Stuck { silent: Some(Duration::from_hours(2)), iteration: None })
    );
}

#[test]
fn secrets_come_from_where_the_file_says() {
    let environment = MapEnvironment::new()
        .with("TOKEN", "xoxb-by-variable")
        .with_file("/etc/alerts/secret", "by-file\n")
        .with_file("/etc/alerts/empty", "\n");
    let fetch = |line: &str, environment: &MapEnvironment| {
        let parsed = ConfigFile::parse(&format!("[slack]\n{line}"), Path::new(PATH), environment);
        assert_eq!(parsed.problems, []);
        let fetched = parsed.file.secret("slack.token", environment);
        fetched.map(|found| found.unwrap().0.expose_secret().to_owned()).map_err(|error| error.to_string())
    };
    assert_eq!(fetch("token_env = 'TOKEN'", &environment).unwrap(), "xoxb-by-variable");
    assert_eq!(fetch("token_file = 'secret'", &environment).unwrap(), "by-file");
    assert_eq!(fetch("token_file = '/etc/alerts/secret'", &environment).unwrap(), "by-file");
    assert_eq!(fetch("token = 'written'", &environment).unwrap(), "written");
    for (line, told) in [
        (
            "token_env = 'OTHER'",
            "/etc/alerts/config.toml:2: slack.token_env names the environment variable OTHER, which is not set",
        ),
        ("token_file = 'gone'", "cannot read /etc/alerts/gone (/etc/alerts/config.toml:2: slack.token_file)"),
        ("token_file = 'empty'", "slack.token_file holds a value that names an empty file"),
    ] {
        let error = fetch(line, &environment).unwrap_err();
        assert!(error.contains(told), "{error}");
    }
}

#[test]
fn secrets_that_others_can_read_are_warned_about_and_never_shown() {
    let text = "[slack]\ntoken = 'hunter2'\n[webhooks.x]\nurl = 'https://example.com/hunter2'\nsecret_file = 'key'\nheaders = { A = 'hunter2' }\n";
    let open = MapEnvironment::new().with_open_file(PATH, text).with_open_file("/etc/alerts/key", "hunter2");
    let parsed = ConfigFile::parse(text, Path::new(PATH), &open);
    let told = parsed.file.warnings().join("\n");
    assert!(told.contains("/etc/alerts/config.toml: it holds secrets (slack.token)"), "{told}");
    assert!(told.contains("/etc/alerts/key: it holds a secret"), "{told}");
    assert!(parsed.file.holds_secrets());
    assert!(!format!("{parsed:?}{told}").contains("hunter2"));
    let closed = ConfigFile::parse(text, Path::new(PATH), &MapEnvironment::new());
    assert_eq!(closed.file.warnings(), [""; 0]);
    let named = ConfigFile::parse("[slack]\ntoken_env = 'X'\n", Path::new(PATH), &open.with_open_file(PATH, ""));
    assert_eq!((named.file.warnings().len(), named.file.holds_secrets()), (0, false));
}

/// Every way to be wrong, as a person reads it.
#[test]
fn every_refusal_names_line_key_and_way_out() {
    let cases = include_str!("../../../fixtures/config/refused.toml").split("#---\n");
    let told: Vec<String> = cases.map(|case| format!("{}{}\n", case, refused(case))).collect();
    assert!(told.len() > 30);
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn everything_wrong_is_told_at_once() {
    let told = refused("[slak]\n[[rule]]\nname = ''\nhold = 'long'\nprojekts = ['a']\n");
    assert_eq!(told.lines().count(), 4, "{told}");
}

fn no_secret(told: &str) -> bool {
    !told.contains("hunter2")
}

/// The example with secrets written into it.
fn example_with_secrets() -> String {
    let mut text = EXAMPLE.to_owned();
    for (named, written) in [
        ("token_env = \"SLACK_BOT_TOKEN\" ", "token = \"xoxb-000000000000-hunter2hunter2\" "),
        ("access_key_env = \"CLEARML_KEY\" ", "access_key = \"hunter2\" "),
        ("url_env = \"RESEARCH_WEBHOOK\" ", "url = \"https://hooks.slack.com/services/T0/B0/hunter2\" "),
        ("secret_env = \"TRACKER_SECRET\" ", "secret = \"hunter2\" "),
    ] {
        assert!(text.contains(named), "{named}");
        text = text.replace(named, written);
    }
    text
}

/// What happens to a file in an editor, and worse.
#[derive(Debug, Clone)]
enum Damage {
    DropLine(prop::sample::Index),
    DoubleLine(prop::sample::Index),
    SwapLines(prop::sample::Index, prop::sample::Index),
    Value(prop::sample::Index, String),
    Key(prop::sample::Index, String),
    Cut(prop::sample::Index, u8),
    Insert(prop::sample::Index, String),
}

fn damage() -> impl Strategy<Value = Damage> {
    let value = prop_oneof![
        Just("true".to_owned()),
        Just("-1".to_owned()),
        Just("1e400".to_owned()),
        Just("[]".to_owned()),
        Just("[[[1]]]".to_owned()),
        Just("{}".to_owned()),
        Just("\"\"".to_owned()),
        Just("1979-05-27".to_owned()),
        Just("99999999999999999999".to_owned()),
        Just("\"re:(\"".to_owned()),
        Just("\"(?:a{999}){999}\"".to_owned()),
        "\"[ -!#-~]{0,12}\"",
        "\\PC{0,12}",
    ];
    let at = any::<prop::sample::Index>;
    prop_oneof![
        at().prop_map(Damage::DropLine),
        at().prop_map(Damage::DoubleLine),
        (at(), at()).prop_map(|(one, two)| Damage::SwapLines(one, two)),
        (at(), value).prop_map(|(line, value)| Damage::Value(line, value)),
        (at(), "[a-z_]{1,12}").prop_map(|(line, key)| Damage::Key(line, key)),
        (at(), any::<u8>()).prop_map(|(from, length)| Damage::Cut(from, length)),
        (at(), "[\\[\\]{}=\"'#\\n.,\\x00-\\x1f\\PC]{1,4}").prop_map(|(place, text)| Damage::Insert(place, text)),
    ]
}

fn damaged(text: &str, damage: &[Damage]) -> String {
    let mut text = text.to_owned();
    for each in damage {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        if lines.is_empty() {
            return text;
        }
        let place = |index: &prop::sample::Index, text: &str| {
            let near = index.index(text.len() + 1);
            (0..=near).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
        };
        match each {
            Damage::DropLine(line) => drop(lines.remove(line.index(lines.len()))),
            Damage::DoubleLine(line) => {
                let at = line.index(lines.len());
                lines.insert(at, lines[at].clone());
            }
            Damage::SwapLines(one, two) => {
                let (one, two) = (one.index(lines.len()), two.index(lines.len()));
                lines.swap(one, two);
            }
            Damage::Value(line, value) => {
                let line = &mut lines[line.index(text.lines().count())];
                if let Some((key, _)) = line.split_once(" = ") {
                    *line = format!("{key} = {value}");
                }
            }
            Damage::Key(line, key) => {
                let line = &mut lines[line.index(text.lines().count())];
                if let Some((_, value)) = line.split_once(" = ") {
                    *line = format!("{key} = {value}");
                }
            }
            Damage::Cut(from, length) => {
                let from = place(from, &text);
                let to = (from + usize::from(*length)).min(text.len());
                let to = (from..=to).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(from);
                text.replace_range(from..to, "");
                continue;
            }
            Damage::Insert(at, inserted) => {
                let at = place(at, &text);
                text.insert_str(at, inserted);
                continue;
            }
        }
        text = lines.join("\n");
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(3000) })]

    #[test]
    fn no_damage_makes_it_panic_talk_without_end_or_tell_a_secret(damage in prop::collection::vec(damage(), 1..6)) {
        let text = damaged(&example_with_secrets(), &damage);
        let parsed = parse(&text);
        let debug = format!("{:?}", parsed.file);
        let lines = text.lines().count().max(1) + 1;
        prop_assert!(parsed.problems.iter().all(|problem| (1..=lines).contains(&problem.line)));
        let errors = ConfigErrors::new(PATH.into(), parsed.problems);
        let told = errors.to_string();
        prop_assert!(told.len() < 20_000, "{}", told.len());
        // A cut from one value into another makes the rest of a secret the value of a key that has none.
        let is_cut = damage.iter().any(|each| matches!(each, Damage::Cut(..)));
        prop_assert!(is_cut || no_secret(&told), "{told}");
        let is_in_place = damage.iter().all(|each| matches!(each, Damage::Value(..) | Damage::DoubleLine(..)));
        prop_assert!(!is_in_place || no_secret(&debug), "{debug}");
    }

    #[test]
    fn no_text_is_too_strange(text in "([a-z_.\\[\\]]{0,10} ?=? ?[\"'\\[{]?\\PC{0,8}[\"'\\]}]?\\n?){0,12}") {
        let parsed = parse(&text);
        prop_assert!(ConfigErrors::new(PATH.into(), parsed.problems).to_string().len() < 20_000);
    }
}
