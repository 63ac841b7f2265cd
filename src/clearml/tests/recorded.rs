//! Answers recorded from ClearML's own server, read by this room.

use serde_json::Value;

use crate::clearml::ClearmlError;
use crate::clearml::answer::{read, understand};
use crate::clearml::rows::Row;
use crate::clearml::transport::RawAnswer;
use crate::domain::{Named, Stamp, Status};

struct Exchange {
    case: String,
    status: u16,
    answer: Value,
}

impl Exchange {
    fn understood(&self) -> Result<Value, ClearmlError> {
        let body = self.answer.to_string().into_bytes();
        let raw = RawAnswer { status: self.status, date: None, retry_after: None, redirect: None, body };
        understand("api.example.com:443", "service.action", raw).map(|data| read(&data).unwrap())
    }
}

fn exchanges() -> Vec<Exchange> {
    let lines = include_str!("../../../fixtures/clearml/exchanges.jsonl").lines();
    let exchange = |line: &str| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        Exchange {
            case: line["case"].as_str().unwrap().to_owned(),
            status: u16::try_from(line["status"].as_u64().unwrap()).unwrap(),
            answer: line["answer"].take(),
        }
    };
    lines.map(exchange).collect()
}

fn recorded(case: &str) -> Exchange {
    exchanges().into_iter().find(|exchange| exchange.case == case).unwrap_or_else(|| panic!("no exchange `{case}`"))
}

/// The class of the error that this recorded answer stands for, in a word.
fn class_of(case: &str) -> String {
    match recorded(case).understood() {
        Ok(_) => "good".to_owned(),
        Err(ClearmlError::Unauthorized { subcode, .. }) => format!("unauthorized {subcode}"),
        Err(ClearmlError::Forbidden { .. }) => "forbidden".to_owned(),
        Err(ClearmlError::Server { status, .. }) => format!("server {status}"),
        Err(ClearmlError::BadPattern { .. }) => "pattern".to_owned(),
        Err(ClearmlError::Refused { status, subcode, .. }) => format!("refused {status} {subcode}"),
        Err(other) => panic!("{case}: {other}"),
    }
}

#[test]
fn every_recorded_refusal_has_its_class() {
    for (case, class) in [
        ("login bad secret", "unauthorized 22"),
        ("login unknown key", "unauthorized 22"),
        ("no auth", "unauthorized 20"),
        ("unknown scheme", "unauthorized 10"),
        ("garbage token", "unauthorized 30"),
        ("expired token", "unauthorized 30"),
        ("renew using expired token", "unauthorized 30"),
        ("revoked token", "unauthorized 30"),
        ("role forbidden", "forbidden"),
        ("unknown endpoint", "refused 404 0"),
        ("nonexistent task", "refused 400 101"),
        ("only_fields unknown", "refused 400 14"),
        ("json array", "server 500"),
    ] {
        assert_eq!(class_of(case), class, "{case}");
    }
}

#[test]
fn every_recorded_answer_is_good_or_has_a_class() {
    for exchange in exchanges() {
        assert_eq!(exchange.understood().is_ok(), exchange.status == 200, "{}", exchange.case);
    }
}

#[test]
fn a_malformed_pattern_says_where_it_breaks() {
    let malformed = exchanges()
        .into_iter()
        .find(|exchange| {
            exchange.answer.to_string().contains("unclosed")
                || exchange.answer.to_string().contains("Malformed regular expression")
        })
        .unwrap();
    let told = malformed.understood().unwrap_err();
    assert!(matches!(&told, ClearmlError::BadPattern { message } if message.contains("position 0")), "{told}");
}

fn first_row(case: &str) -> Row {
    Row::read(recorded(case).understood().unwrap()["tasks"][0].take())
}

#[test]
fn a_recorded_task_is_read() {
    let row = first_row("get_all_ex no fields keys");
    let stamp = Stamp::parse("2026-11-22T22:27:27.789Z").unwrap();
    assert_eq!(row.stamp, Some(stamp));
    let task = row.task.unwrap();
    assert_eq!((task.id.as_str(), task.name.as_str()), ("e4f097afb9274b898e0767b9ed47125b", "f-plain"));
    assert_eq!((task.status, task.status_changed), (Status::Failed, stamp));
    assert_eq!((task.status_reason, task.status_message), (None, None), "empty text is no reason");
    assert_eq!((task.active_duration, task.last_iteration, task.worker), (Some(0), 0, None));
    assert_eq!(task.project.unwrap().label(), "b0f80e189eb14a5e952b3329ef243c23");
}

#[test]
fn joined_names_are_read_and_a_row_without_a_stamp_is_a_problem() {
    let row = first_row("get_all_ex joins");
    assert_eq!(row.id.as_deref(), Some("e4f097afb9274b898e0767b9ed47125b"));
    assert_eq!(row.task.unwrap_err(), "it has no `status_changed`");
}

#[test]
fn rows_are_read_tolerantly_and_their_problems_named() {
    let read = |json: &str| Row::read(serde_json::from_str(json).unwrap());
    let good = r#""id": "a", "status": "failed", "status_changed": "2026-11-22T22:27:27.789000+00:00""#;
    let task = read(&format!(
        r#"{{{good}, "project": {{"id": "p", "name": "a/b"}}, "user": "u", "parent": {{"id": "x"}}, "tags": null,
            "system_tags": "development", "execution": {{"queue": {{"id": "q", "name": "gpu"}}}}, "last_iteration": "12",
            "active_duration": 3.0, "started": "never", "new_field": [1]}}"#
    ));
    let task = task.task.unwrap();
    assert_eq!(task.project, Some(Named { id: "p".into(), name: Some("a/b".into()) }));
    assert_eq!(task.user, Some(Named { id: "u".into(), name: None }));
    assert_eq!(task.queue.as_ref().unwrap().label(), "gpu");
    assert_eq!((task.parent.as_deref(), task.last_iteration, task.active_duration), (Some("x"), 12, Some(3)));
    assert_eq!((task.name.as_str(), task.started), ("", None));
    assert!(task.has_system_tag("development") && task.tags.is_empty());

    for (json, problem) in [
        (r#"{"status": "failed", "status_changed": "2026-11-22T22:27:27Z"}"#, "it has no `id`"),
        (r#"{"id": "a", "status": null, "status_changed": "2026-11-22T22:27:27Z"}"#, "it has no `status`"),
        (r#"{"id": "a", "status": "failed", "status_changed": 1795386448}"#, "its `status_changed` cannot be read"),
        ("7", "it is no task"),
    ] {
        let problem_told = read(json).task.unwrap_err();
        assert!(problem_told.contains(problem), "{problem_told}");
    }
}
