//! Composing one alert: its console tidied and searched for secrets and causes, and the message.

use std::time::Duration;

use clearml_alerts::domain::message::{AlertMessage, compose_alert};
use clearml_alerts::domain::{Diagnosis, Redactor, console};
use divan::{Bencher, black_box};

use crate::shared::{CONSOLE, alert};

#[divan::bench]
fn console_redacted_and_diagnosed(bencher: Bencher<'_, '_>) {
    let (redactor, alert) = (Redactor::new(Vec::new()), alert(1));
    bencher.bench_local(|| {
        let text = console::tail(CONSOLE, 20_000, 256 * 1024).lines.join("\n");
        let text = redactor.redact(&text);
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        black_box(Diagnosis::of_row(&alert.task, &redactor).map(|diagnosis| diagnosis.refined(&lines).why()));
        black_box(console::tail(&text, 20, 2_400))
    });
}

#[divan::bench]
fn message(bencher: Bencher<'_, '_>) {
    let (alert, tail) = (alert(1), console::tail(CONSOLE, 20, 2_400));
    bencher.bench_local(|| {
        compose_alert(&AlertMessage {
            alert: &alert,
            channel_id: "C0123456789",
            instance: "0123456789abcdef",
            prefix: None,
            project_url: Some("https://app.example.com/projects/p"),
            server: "api.example.com",
            console: Some(&tail),
            why: None,
            age: Duration::from_secs(4),
        })
    });
}

#[divan::bench]
fn floor_the_message_as_json_alone(bencher: Bencher<'_, '_>) {
    let (alert, tail) = (alert(1), console::tail(CONSOLE, 20, 2_400));
    let message = AlertMessage {
        alert: &alert,
        channel_id: "C0123456789",
        instance: "0123456789abcdef",
        prefix: None,
        project_url: Some("https://app.example.com/projects/p"),
        server: "api.example.com",
        console: Some(&tail),
        why: None,
        age: Duration::from_secs(4),
    };
    let document: serde_json::Value = serde_json::from_str(&compose_alert(&message).0).unwrap();
    bencher.bench_local(|| document.clone().to_string());
}
