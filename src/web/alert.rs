//! One alert: what it is about, its message as Slack shows it, and every attempt to send it.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use super::frame::{self, Frame};
use super::page::{Absent, opened, shown};
use super::site::Site;
use super::{alerts, message};
use crate::domain::delivery::Form;
use crate::domain::message::words;
use crate::domain::{AlertRecord, AlertState, Lane};
use crate::store::{AttemptRecord, MessageRecord, VerdictRecord};

/// Attempts shown of one message.
const MOST_ATTEMPTS: usize = 50;

pub(super) async fn page(State(site): State<Site>, Path(id): Path<String>) -> Result<Response, Absent> {
    const NONE: Absent = Absent::NotFound("There is no alert of this number.");
    let opened = opened(&site)?;
    let id: i64 = id.parse().map_err(|_| NONE)?;
    let _turn = site.turn().await;
    let full = opened.reader.verdict(id).await?.ok_or(NONE)?;
    let alert = &full.alert;
    let title = format!("{} {}", alerts::name_of(alert), words::outcome(alert.status));
    let frame = Frame { title, place: frame::Place::Elsewhere, refresh: None };
    let main = html! {
        h1 { bdi { (alerts::name_of(alert)) } }
        p.badges { (frame::outcome(alert.status)) " " (frame::state(alert.state)) }
        @if let Some(reason) = &alert.reason { p.reason { (reason) } }
        (facts(&full))
        @if let Some(told) = &full.message { (as_in_slack(told)) (attempts(&full.tries)) }
        @else { (not_composed(alert)) }
    };
    Ok(shown(&frame, &main).into_response())
}

fn facts(full: &VerdictRecord) -> Markup {
    let VerdictRecord { alert, run, .. } = full;
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
            @if let Some(cause) = alert.cause {
                dt { "Cause" }
                dd {
                    a href={ "/alerts?cause=" (cause) } { (cause.label()) }
                    @if let Some(detail) = &alert.cause_detail { @if !detail.is_empty() { ": " bdi { (detail) } } }
                }
            }
            dt { "Status changed" } dd { (frame::time(alert.status_changed)) }
            dt { "Recorded" } dd { (frame::time(alert.created_at)) }
            dt { (told_at(&alert.channel)) }
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

/// What the moment is called at which an alert was told.
pub(super) fn told_at(lane: &str) -> &'static str {
    if matches!(Lane::of(lane), Lane::Webhook(_)) { "Delivered" } else { "In Slack" }
}

fn as_in_slack(told: &MessageRecord) -> Markup {
    html! {
        section aria-labelledby="message" {
            h2 #message { "Message" }
            @if told.kind == "digest" { p { "A digest: this message stands for several alerts." } }
            @if told.in_thread { p { "A reply in the thread of the first message about this task." } }
            @if told.form == Form::Body.as_str() { (message::document(&told.payload)) }
            @else { (message::drawn(&told.payload)) }
            @if told.possible_duplicate { p { "It may be in the channel twice: an answer was lost, and it was sent again." } }
        }
    }
}

fn attempts(tries: &[AttemptRecord]) -> Markup {
    // A channel that waited for weeks has thousands: the first tells how it began, the last how it stands.
    let left_out = tries.len().saturating_sub(MOST_ATTEMPTS);
    html! {
        section aria-labelledby="attempts" {
            h2 #attempts { "Attempts" }
            @if tries.is_empty() { p.empty { "None yet." } }
            @if left_out > 0 { p { (words::number(left_out)) " earlier ones are left out." } }
            (attempt_list(tries.iter().skip(left_out)))
        }
    }
}

/// Attempts, one a line.
pub(super) fn attempt_list<'a>(attempts: impl Iterator<Item = &'a AttemptRecord>) -> Markup {
    html! { ol.attempts { @for attempt in attempts { li { (attempt_line(attempt)) } } } }
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
