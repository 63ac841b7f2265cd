//! What every message must be, whatever ClearML says: within Slack's limits, and without markup from outside.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::domain::console::{self, ConsoleTail};
use crate::domain::decide::tests::task;
use crate::domain::rule::{Field, MetricCondition, MetricValue, Operator, Style, Times};
use crate::domain::{
    Cause, Diagnosis, LastMetric, Named, Outcome, PendingAlert, Redactor, Stamp, Status, Task, TaskState,
};

fn alert_of(task: Task) -> PendingAlert {
    PendingAlert {
        id: 7,
        rule: "default".to_owned(),
        run: 1,
        outcome: Outcome::Failed,
        episode: 0,
        channel: "#ml-alerts".to_owned(),
        url: Some("https://app.example.com/projects/p1/tasks/0123456789abcdef0123456789abcdef/output/log".to_owned()),
        why: Diagnosis::of_row(&task, &Redactor::new(Vec::new())).map(|diagnosis| diagnosis.why()),
        waited: None,
        task,
    }
}

fn compose(alert: &PendingAlert, console: Option<&ConsoleTail>, age: Duration, prefix: Option<&str>) -> Value {
    compose_in_style(alert, console, age, prefix, &Style::default(), None)
}

fn compose_in_style(
    alert: &PendingAlert,
    console: Option<&ConsoleTail>,
    age: Duration,
    prefix: Option<&str>,
    style: &Style,
    metric: Option<&MetricCondition>,
) -> Value {
    let (payload, key) = compose_alert(&AlertMessage {
        alert,
        channel_id: "C0123456789",
        instance: "i-1",
        prefix,
        project_url: Some("https://app.example.com/projects/p1"),
        server: "api.example.com",
        console,
        why: alert.why.as_ref(),
        age,
        style,
        metric,
    });
    let payload: Value = serde_json::from_str(&payload).unwrap();
    assert_eq!(payload["metadata"]["event_payload"]["key"], Value::String(key));
    payload
}

fn failed_task() -> Task {
    Task {
        name: "resnet50 baseline".to_owned(),
        status_reason: Some("RuntimeError: CUDA out of memory".to_owned()),
        status_message: Some("Traceback (most recent call last)\nmore".to_owned()),
        worker: Some("gpu-01:0".to_owned()),
        queue: Some(Named { id: "q1".to_owned(), name: Some("default".to_owned()) }),
        active_duration: Some(4_980),
        last_iteration: 1_200,
        status_changed: Stamp::parse("2026-11-22T22:27:28.021Z").unwrap(),
        ..task(Status::Failed)
    }
}

#[test]
fn an_alert_as_a_person_gets_it() {
    let console = console::tail("epoch 3\nRuntimeError: CUDA out of memory\n", 20, 2_400);
    let payload = compose(&alert_of(failed_task()), Some(&console), Duration::from_hours(3), Some("Hey <!here>,"));
    insta::assert_json_snapshot!(payload);
}

#[test]
fn only_what_is_known_is_shown() {
    let bare = Task {
        name: String::new(),
        project: None,
        user: None,
        started: None,
        active_duration: None,
        last_iteration: 0,
        ..task(Status::Failed)
    };
    let payload = compose(&PendingAlert { url: None, ..alert_of(bare) }, None, Duration::ZERO, None);
    insta::assert_json_snapshot!(payload);
}

fn loss() -> MetricCondition {
    let (title, series) = ("loss".to_owned(), "val".to_owned());
    MetricCondition { title, series, value: MetricValue::Last, operator: Operator::Greater, threshold: 0.5 }
}

fn measured_task() -> Task {
    let number = crate::domain::Finite::new;
    let loss = LastMetric {
        title: "loss".to_owned(),
        series: "val".to_owned(),
        last: number(0.7),
        min: number(0.1),
        max: number(0.9),
    };
    Task { metrics: vec![loss], tags: vec!["nightly".to_owned(), "<!here>".to_owned()], ..failed_task() }
}

fn fields_of(payload: &Value) -> Vec<String> {
    let blocks = payload["blocks"].as_array().unwrap().iter();
    let fields = blocks.filter_map(|block| block["fields"].as_array()).flatten();
    fields.map(|field| field["text"].as_str().unwrap().replace('\n', " ")).collect()
}

#[test]
fn a_rule_says_which_fields_are_shown_and_in_which_order() {
    let alert = alert_of(measured_task());
    let told = |fields, times| {
        let style = Style { fields, times, ..Style::default() };
        fields_of(&compose_in_style(&alert, None, Duration::ZERO, None, &style, Some(&loss())))
    };
    let utc = || Times::Zone(jiff::tz::TimeZone::UTC);
    let wanted = vec![Field::Metric, Field::When, Field::Tags, Field::Status];
    assert_eq!(
        told(Some(wanted), utc()),
        [
            "*Metric* last loss/val 0.7",
            "*When* 2026-11-22 22:27:28 UTC",
            "*Tags* nightly, &lt;!here&gt;",
            "*Status* failed",
            "*Cause* CUDA out of memory",
        ]
    );
    assert_eq!(told(Some(Vec::new()), utc()), Vec::<String>::new());
    let usual = told(None, Times::Reader);
    assert!(usual.iter().any(|field| field.starts_with("*Metric*")), "{usual:?}");
    assert!(!usual.iter().any(|field| field.starts_with("*Tags*")), "{usual:?}");
}

#[test]
fn a_console_that_nobody_wants_is_not_missed() {
    let style = Style { console_lines: 0, ..Style::default() };
    let alert = alert_of(failed_task());
    let context = |style: &Style| {
        let payload = compose_in_style(&alert, None, Duration::ZERO, None, style, None);
        payload["blocks"].as_array().unwrap().last().unwrap()["elements"][0]["text"].as_str().unwrap().to_owned()
    };
    assert!(context(&Style::default()).ends_with("console not available"));
    assert!(context(&style).ends_with("api.example.com"), "{}", context(&style));
}

#[test]
fn plainer_forms_drop_what_slack_refused() {
    let payload = compose(&alert_of(failed_task()), None, Duration::ZERO, None).to_string();
    let parsed = |form| serde_json::from_str::<Value>(&degrade(&payload, form)).unwrap();
    let without_metadata = parsed(Form::WithoutMetadata);
    assert!(without_metadata.get("metadata").is_none() && without_metadata.get("blocks").is_some());
    let text_only = parsed(Form::TextOnly);
    assert!(text_only.get("metadata").is_none() && text_only.get("blocks").is_none());
    assert!(text_only["text"].as_str().unwrap().contains("0123456789abcdef0123456789abcdef"));
    assert_eq!(text_only["channel"], "C0123456789");
}

fn item(number: usize, project: Option<&str>) -> DigestItem {
    DigestItem {
        task_name: format!("trial {number}"),
        project: project.map(str::to_owned),
        user: Some("Ada".to_owned()),
        outcome: Outcome::Failed,
        status_changed: Stamp::from_millis(1_795_000_000_000 + i64::try_from(number).unwrap() * 1_000),
        iteration: 3,
        cause: Some(Cause::ExitCode),
        reason: Some("worker execution exit code 1".to_owned()),
        url: Some(format!("https://app.example.com/projects/p/tasks/{number}/output/log")),
    }
}

fn digest(items: &[DigestItem]) -> Value {
    let message =
        DigestMessage { items, prefix: None, instance: "i-1", id: "d-1", times: &Times::Reader, kept_quiet: false };
    let (payload, _) = compose_digest(&Place::New { channel: "C0123456789".to_owned() }, &message);
    serde_json::from_str(&payload).unwrap()
}

#[test]
fn a_digest_of_one_project() {
    let items: Vec<DigestItem> = (0..27).map(|number| item(number, Some("vision/resnet"))).collect();
    insta::assert_json_snapshot!(digest(&items));
}

#[test]
fn a_digest_shares_its_ten_lines_among_projects() {
    let projects = ["a", "b", "c", "d", "e", "f", "g"];
    let items: Vec<DigestItem> = (0..70).map(|number| item(number, Some(projects[number % 7]))).collect();
    let payload = digest(&items);
    let text = payload["blocks"].to_string();
    assert_eq!(payload["blocks"][0]["text"]["text"], "70 tasks failed in 7 projects");
    assert_eq!(text.matches('•').count(), 10);
    assert!(text.contains("60 more"), "{text}");
    check_limits(&payload);
}

#[test]
fn a_digest_of_what_ended_and_what_is_stuck_says_so() {
    let stuck = |number| DigestItem { outcome: Outcome::Stuck, ..item(number, Some("a")) };
    let title = |items: &[DigestItem]| digest(items)["blocks"][0]["text"]["text"].as_str().unwrap().to_owned();
    assert_eq!(title(&[stuck(1), stuck(2)]), "2 tasks stuck in a");
    assert_eq!(title(&[stuck(1), item(2, Some("a"))]), "2 tasks ended or are stuck in a");
}

/// Text from outside that would do harm if it were markup.
fn hostile() -> impl Strategy<Value = String> {
    let pieces = prop_oneof![
        Just("<!channel>".to_owned()),
        Just("<@U012AB3CD>".to_owned()),
        Just("<https://evil.example.com|click>".to_owned()),
        Just("```".to_owned()),
        Just("&amp;<>".to_owned()),
        Just("\u{1b}[31mred\u{1b}[0m".to_owned()),
        Just("\0\u{202e}\u{2066}".to_owned()),
        Just("\r\n\t".to_owned()),
        Just("👩‍👩‍👧‍👦🇩🇪é".to_owned()),
        Just("x".repeat(5_000)),
        Just("&".repeat(3_000)),
        any::<String>(),
    ];
    prop::collection::vec(pieces, 0..6).prop_map(|pieces| pieces.concat())
}

fn texts(value: &Value, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            let kind = fields.get("type").and_then(Value::as_str).unwrap_or_default();
            if let Some(Value::String(text)) = fields.get("text") {
                found.push((kind.to_owned(), text.clone()));
            }
            fields.values().for_each(|field| texts(field, found));
        }
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        _ => {}
    }
}

/// The limits of Slack that a payload must keep, counted after escaping.
fn check_limits(payload: &Value) {
    let text = payload["text"].as_str().unwrap();
    assert!(!text.is_empty() && text::units(text) <= FALLBACK_CHARACTERS, "text of {}", text::units(text));
    let blocks = payload["blocks"].as_array().unwrap();
    assert!(blocks.len() <= 50);
    let mut found = Vec::new();
    texts(&payload["blocks"], &mut found);
    let all: usize = found.iter().map(|(_, text)| text::units(text)).sum();
    assert!(all <= 8_000, "all text together: {all}");
    for (kind, text) in &found {
        let units = text::units(text);
        let limit = if kind == "plain_text" { 150 } else { 3_000 };
        assert!((1..=limit).contains(&units), "{kind} of {units}");
    }
    for block in blocks {
        for field in block["fields"].as_array().into_iter().flatten() {
            assert!(text::units(field["text"].as_str().unwrap()) <= 2_000);
        }
        assert!(block["fields"].as_array().is_none_or(|fields| fields.len() <= 10));
    }
}

/// Every `<…>` in mrkdwn must be a link to our own pages, a date, or the configured prefix.
fn check_markup(payload: &Value) {
    let mut found = vec![("mrkdwn".to_owned(), payload["text"].as_str().unwrap().to_owned())];
    texts(&payload["blocks"], &mut found);
    for (kind, text) in found.iter().filter(|(kind, _)| kind == "mrkdwn" || kind == "plain_text") {
        for entity in text.split('<').skip(1) {
            let own = ["https://app.example.com/", "!date^", "!here>"].iter().any(|start| entity.starts_with(start));
            assert!(own && entity.contains('>'), "live markup in {kind}: <{entity}");
        }
        assert!(!text.chars().any(|letter| letter == '\0' || ('\u{202a}'..='\u{202e}').contains(&letter)), "{text:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn nothing_from_outside_is_markup_or_breaks_a_limit(
        (name, project, user, reason, message, raw_console) in
            (hostile(), hostile(), hostile(), hostile(), hostile(), hostile()),
        (worker, queue, id, tag) in (hostile(), hostile(), hostile(), hostile()),
        wanted in prop::sample::subsequence(Field::ALL.to_vec(), 0..=Field::ALL.len()).prop_shuffle(),
        iteration in any::<i64>(), changed in 0..4_000_000_000_000_i64, active in prop::option::of(any::<i64>()),
    ) {
        let hostile_task = Task {
            id, name,
            project: Some(Named { id: "p1".to_owned(), name: Some(project) }),
            user: Some(Named { id: "u1".to_owned(), name: Some(user) }),
            status_reason: Some(reason), status_message: Some(message), worker: Some(worker),
            queue: Some(Named { id: "q".to_owned(), name: Some(queue) }),
            last_iteration: iteration, status_changed: Stamp::from_millis(changed), active_duration: active,
            tags: vec![tag], ..measured_task()
        };
        let console = console::tail(&raw_console, 20, 2_400);
        let style = Style { fields: Some(wanted), ..Style::default() };
        let (age, prefix) = (Duration::from_secs(9_999), Some("Hey <!here>,"));
        let payload = compose_in_style(&alert_of(hostile_task), Some(&console), age, prefix, &style, Some(&loss()));
        check_limits(&payload);
        check_markup(&payload);
        let told = TaskState { run: 1, status: Status::Failed, since: Stamp::EPOCH, stuck: false };
        let strange = TaskState { run: u32::MAX, status: Status::Other(raw_console), since: Stamp::EPOCH, stuck: true };
        let (marked, plain) = strange.lines(&told, &Times::Reader);
        let edit = with_state(&payload.to_string(), "C0123456789", "1.5", (&marked, &plain));
        let mut edit: Value = serde_json::from_str(&edit).unwrap();
        check_markup(&edit);
        prop_assert!(text::units(edit["text"].as_str().unwrap()) < 4_000);
        edit["text"] = payload["text"].clone();
        check_limits(&edit);
    }

    #[test]
    fn a_digest_of_anything_keeps_the_limits(rows in prop::collection::vec((hostile(), hostile(), hostile(), hostile()), 1..30)) {
        let items: Vec<DigestItem> = rows.into_iter().enumerate().map(|(number, (name, project, user, reason))| DigestItem {
            task_name: name, project: Some(project), user: Some(user), reason: Some(reason), ..item(number, None)
        }).collect();
        let payload = digest(&items);
        check_limits(&payload);
        check_markup(&payload);
    }
}
