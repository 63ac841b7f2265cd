//! Composing one alert: its console tidied and searched for secrets and causes, and the message.

use clearml_alerts::domain::{Diagnosis, Redactor, console};
use divan::{Bencher, black_box};
use serde_json::Value;

use crate::shared;

#[divan::bench]
fn console_redacted_and_diagnosed(bencher: Bencher<'_, '_>) {
    let (redactor, alert) = (Redactor::new(Vec::new()), shared::alert(1));
    bencher.bench_local(|| {
        let text = console::tail(shared::CONSOLE, 20_000, 256 * 1024).lines.join("\n");
        let text = redactor.redact(&text);
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        black_box(Diagnosis::of_row(&alert.task, &redactor).map(|diagnosis| diagnosis.refined(&lines).why()));
        black_box(console::tail(&text, 20, 2_400))
    });
}

#[divan::bench]
fn message(bencher: Bencher<'_, '_>) {
    let (alert, tail) = (shared::alert(1), console::tail(shared::CONSOLE, 20, 2_400));
    bencher.bench_local(|| shared::message(&alert, Some(&tail), None));
}

#[divan::bench]
fn floor_the_message_as_json_alone(bencher: Bencher<'_, '_>) {
    let tail = console::tail(shared::CONSOLE, 20, 2_400);
    let message: Value = serde_json::from_str(&shared::message(&shared::alert(1), Some(&tail), None)).unwrap();
    bencher.bench_local(|| message.clone().to_string());
}
