//! One task: every status change as polls saw it, every rule's verdict, every alert with its attempts. What ClearML says
//! now is asked by `explain`: a page that is looked at asks no server.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use super::alert::{attempt_list, told_at};
use super::frame::{self, Frame};
use super::page::{Absent, opened, shown};
use super::site::Site;
use crate::domain::message::words;
use crate::domain::{AlertState, console};
use crate::store::{TaskRecord, TaskStory, TransitionRecord, VerdictRecord};

/// Status changes and verdicts shown, the newest.
const MOST: usize = 200;
/// As much is shown of a reason or a message: the end, where an exception names itself.
const LINES_OF_REASON: usize = 30;
const CHARACTERS_OF_REASON: usize = 4_000;

pub(super) async fn page(State(site): State<Site>, Path(id): Path<String>) -> Result<Response, Absent> {
    const NONE: Absent = Absent::NotFound(
        "No poll has seen this task: it may belong to another server, be older than the watch, be hidden, or have failed \
         and been reset between two polls. `clearml-alerts explain` asks ClearML about it.",
    );
    let opened = opened(&site)?;
    let _turn = site.turn().await;
    let story = opened.reader.task_story(&id).await?.ok_or(NONE)?;
    let frame = Frame { title: name_of(&story.task).to_owned(), place: frame::Place::Elsewhere, refresh: None };
    let url = story.verdicts.iter().rev().find_map(|verdict| verdict.alert.url.as_deref());
    let main = html! {
        h1 { bdi { (name_of(&story.task)) } }
        (facts(&story.task, url))
        (verdicts(&story))
        (transitions(&story))
        p { "What ClearML says now, and what a poll would make of it: " code { "clearml-alerts explain " (story.task.id) } }
    };
    Ok(shown(&frame, &main).into_response())
}

fn name_of(task: &TaskRecord) -> &str {
    if task.name.trim().is_empty() { &task.id } else { &task.name }
}

fn facts(task: &TaskRecord, url: Option<&str>) -> Markup {
    html! {
        dl.facts {
            dt { "Task" }
            dd { code { (task.id) } @if url.is_some() { " · " (frame::clearml_link(url, "in ClearML")) } }
            dt { "Project" } dd { bdi { (task.project.as_deref().unwrap_or("–")) } }
            dt { "User" } dd { bdi { (task.user.as_deref().unwrap_or("–")) } }
            dt { "Type" } dd { (task.kind.as_deref().unwrap_or("–")) }
            dt { "Status" } dd { (task.status) ", since " (frame::time(task.status_changed)) }
            dt { "Run" } dd { (task.run) }
            dt { "First seen" } dd { (frame::time(task.first_seen_at)) }
        }
    }
}

fn verdicts(story: &TaskStory) -> Markup {
    html! {
        section aria-labelledby="verdicts" {
            h2 #verdicts { "Alerts and verdicts" }
            @if story.verdicts.is_empty() { p.empty { "No rule was asked: no end was seen since the watch began." } }
            (left_out(story.verdicts.len()))
            @for verdict in story.verdicts.iter().rev().take(MOST) { (verdict_card(verdict)) }
        }
    }
}

fn verdict_card(verdict: &VerdictRecord) -> Markup {
    let alert = &verdict.alert;
    let why = alert.reason.as_deref();
    html! {
        article.card {
            p {
                (frame::outcome(alert.status)) " " (frame::state(alert.state)) " "
                a href={ "/alerts/" (alert.id) } { "Alert " (alert.id) } ", rule " (alert.rule) ", run " (verdict.run)
            }
            @if let Some(why) = alert.why() { p.said { bdi { (why) } } }
            @if alert.state == AlertState::Suppressed { p { "Not alerted, because of " (why.unwrap_or("a filter")) "." } }
            @else {
                p {
                    @if let Some(sent) = alert.sent_at {
                        (told_at(&alert.channel)) " " (frame::time(sent)) ", " (words::duration(sent.since(alert.status_changed)))
                        " after the status changed, in " (alert.channel) @if alert.digest { ", in a digest" } "."
                    } @else { "For " (alert.channel) "." }
                    @if let Some(why) = why { " " (why) }
                }
                @if verdict.message.is_some() { (attempt_list(verdict.tries.iter().rev().take(5).rev())) }
            }
        }
    }
}

fn transitions(story: &TaskStory) -> Markup {
    html! {
        section aria-labelledby="changes" {
            h2 #changes { "Status changes, newest first" }
            (left_out(story.transitions.len()))
            ol.changes { @for transition in story.transitions.iter().rev().take(MOST) { li { (change(transition)) } } }
        }
    }
}

fn change(transition: &TransitionRecord) -> Markup {
    let meaning = match transition.change.as_str() {
        "baseline" => " (was so when the watch began: not alerted)",
        "restamp" => " (the same again: not alerted)",
        _ => "",
    };
    let said = [&transition.reason, &transition.message].map(|words| words.as_deref().map(as_seen).unwrap_or_default());
    html! {
        (frame::time(transition.status_changed)) " "
        strong { (transition.status) } (meaning) ", run " (transition.run) ", seen " (frame::time(transition.seen_at))
        @for words in said.iter().filter(|words| !words.is_empty()) { p.said { bdi { (words) } } }
    }
}

/// What a terminal would have shown: a reason may be a line of a console, with its colours.
fn as_seen(words: &str) -> String {
    console::tail(words, LINES_OF_REASON, CHARACTERS_OF_REASON).lines.join("\n")
}

fn left_out(count: usize) -> Markup {
    match count.checked_sub(MOST + 1) {
        Some(more) => html! { p { "The newest " (MOST) "; " (words::number(more + 1)) " earlier ones are left out." } },
        None => html! {},
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_read_without_the_colours_of_its_console() {
        assert_eq!(as_seen("Error: \u{1b}[31mred\u{1b}[0m\nmore"), "Error: red\nmore");
        assert_eq!(as_seen(" \n"), "");
    }
}
