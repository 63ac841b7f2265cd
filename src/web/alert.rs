//! One alert: what it is about, its message as Slack shows it, and every attempt to send it.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use super::frame::{self, Frame};
use super::page::{Absent, opened, shown};
use super::site::Site;
use super::{alerts, message};
use crate::domain::message::words;
use crate::domain::{AlertRecord, AlertState, Stamp};
use crate::store::{AlertInFull, AttemptRecord, MOST_ATTEMPTS, MessageInFull};

pub(super) async fn page(State(site): State<Site>, Path(id): Path<String>) -> Result<Response, Absent> {
    const NONE: Absent = Absent::NotFound("There is no alert of this number.");
    let opened = opened(&site)?;
    let id: i64 = id.parse().map_err(|_| NONE)?;
    let _turn = site.turn().await;
    let full = opened.reader.alert_in_full(id).await?.ok_or(NONE)?;
    let alert = &full.alert;
    let title = format!("{} {}", alerts::name_of(alert), words::outcome(alert.status));
    let frame = Frame { title, place: frame::Place::Elsewhere, refresh: None };
    let main = html! {
        h1 { bdi { (alerts::name_of(alert)) } }
        p.badges { (frame::outcome(alert.status)) " " (frame::state(alert.state)) }
        @if let Some(reason) = &alert.reason { p.reason { (reason) } }
        (facts(&full))
        @if let Some(told) = &full.message { (as_in_slack(told)) (attempts(told, site.now())) }
        @else { (not_composed(alert)) }
    };
    Ok(shown(&frame, &main).into_response())
}

fn facts(full: &AlertInFull) -> Markup {
    let AlertInFull { alert, run, .. } = full;
    let late = alert.sent_at.map(|sent| words::duration(sent.since(alert.status_changed)));
    html! {
        dl.facts {
            dt { "Task" }
            dd {
                a href={ "/tasks/" (alert.task_id) } { code { (alert.task_id) } }
                @if alert.url.is_some() { " · " (frame::clearml_link(alert.url.as_deref(), "in ClearML")) }
            }
            dt { "Project" } dd { bdi { (alert.project.as_deref().unwrap_or("–")) } }
            dt { "User" } dd { bdi { (alert.user.as_deref().unwrap_or("–")) } }
            dt { "Status changed" } dd { (frame::time(alert.status_changed)) }
            dt { "Recorded" } dd { (frame::time(alert.created_at)) }
            dt { "In Slack" }
            dd {
                @if let Some(sent) = alert.sent_at {
                    (frame::time(sent)) @if let Some(late) = late { ", after " (late) }
                } @else { "not yet" }
            }
            dt { "Channel" } dd { (alert.channel) @if alert.digest { ", in a digest" } }
            dt { "Rule" } dd { (alert.rule) ", run " (run) }
        }
    }
}

fn as_in_slack(told: &MessageInFull) -> Markup {
    html! {
        section aria-labelledby="message" {
            h2 #message { "Message" }
            @if told.alerts > 1 { p { "One message tells " (words::number(told.alerts as usize)) " alerts." } }
            (message::drawn(&told.payload))
        }
    }
}

fn attempts(told: &MessageInFull, now: Stamp) -> Markup {
    html! {
        section aria-labelledby="attempts" {
            h2 #attempts { "Attempts" }
            @if told.attempts.is_empty() { p.empty { "None yet." } }
            @else {
                @if told.attempts.len() >= MOST_ATTEMPTS { p { "The newest " (MOST_ATTEMPTS) "." } }
                ol.attempts { @for attempt in &told.attempts { li { (attempt_line(attempt)) } } }
            }
            @if let Some(due) = told.due_at.filter(|due| *due > now) {
                p { "Tried again " (frame::distance(due, now)) ", " (frame::time(due)) "." }
            }
        }
    }
}

fn attempt_line(attempt: &AttemptRecord) -> Markup {
    let class = attempt.class.as_deref().unwrap_or("no answer recorded").replace('_', " ");
    let said = [attempt.error.as_deref(), attempt.detail.as_deref()];
    html! {
        (frame::time(attempt.started_at)) " "
        strong { (class) }
        @if let Some(status) = attempt.http_status { " · HTTP " (status) }
        @if let Some(took) = attempt.took_ms { " · " (took) " ms" }
        @for words in said.into_iter().flatten() { " · " (words) }
    }
}

fn not_composed(alert: &AlertRecord) -> Markup {
    html! {
        section aria-labelledby="message" {
            h2 #message { "Message" }
            @if alert.state == AlertState::Suppressed { p { "None: this was recorded, and is not told." } }
            @else { p { "Not composed yet." } }
        }
    }
}
