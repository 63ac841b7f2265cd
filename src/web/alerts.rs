//! The list of alerts: the filters of `history` in the address, so that a link can be shared, page by page.

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use super::address::{self, Asked, Begin};
use super::frame::{self, Frame};
use super::page::{Absent, opened, shown};
use super::site::Site;
use crate::domain::message::words;
use crate::domain::{AlertRecord, AlertState, Cause, Outcome};
use crate::store::{HistoryFilter, Place, Store, StoreError};

/// One page of the list.
struct Page {
    /// Newest first.
    alerts: Vec<AlertRecord>,
    has_newer: bool,
    has_older: bool,
}

pub(super) async fn page(State(site): State<Site>, RawQuery(query): RawQuery) -> Result<Response, Absent> {
    let opened = opened(&site)?;
    let asked = match address::read(query.as_deref().unwrap_or_default(), site.now()) {
        Ok(asked) => asked,
        Err(problem) => return Ok((StatusCode::BAD_REQUEST, refused(&problem)).into_response()),
    };
    let _turn = site.turn().await;
    let page = read(&opened.reader, &asked).await?;
    let frame = Frame { title: "Alerts".to_owned(), place: frame::Place::Alerts, refresh: Some(30) };
    let main = html! {
        h1 { "Alerts" }
        (form(&asked))
        (table(&page.alerts))
        (pager(&asked, &page))
    };
    Ok(shown(&frame, &main).into_response())
}

fn refused(problem: &str) -> impl IntoResponse {
    let frame = Frame { title: "Alerts".to_owned(), place: frame::Place::Alerts, refresh: None };
    shown(
        &frame,
        &html! { h1 { "Alerts" } p.problem role="alert" { (problem) } p { a href="/alerts" { "All alerts" } } },
    )
}

async fn read(store: &Store, asked: &Asked) -> Result<Page, StoreError> {
    let limit = asked.filter.limit;
    // One more than is shown tells whether there are more.
    let filter = HistoryFilter { limit: limit + 1, ..asked.filter.clone() };
    let mut alerts = store.history_page(filter, asked.begin.order()).await?;
    let more = alerts.len() > limit;
    alerts.truncate(limit);
    if asked.begin.is_upwards() {
        alerts.reverse();
    }
    let (has_newer, has_older) = match asked.begin {
        Begin::Newest => (false, more),
        Begin::Before(_) => (true, more),
        Begin::After(_) => (more, true),
        Begin::Oldest => (more, false),
    };
    Ok(Page { alerts, has_newer, has_older })
}

/// Alerts as a table, newest first.
pub(super) fn table(alerts: &[AlertRecord]) -> Markup {
    if alerts.is_empty() {
        return html! { p.empty { "No alerts match." } };
    }
    // The roles are written out because a narrow screen shows rows as blocks, which would take them away.
    html! {
        table.alerts role="table" {
            caption.unseen { "Alerts, newest first" }
            thead role="rowgroup" {
                tr role="row" {
                    @for column in ["When", "Task", "Outcome", "State", "Project", "User"] {
                        th scope="col" role="columnheader" { (column) }
                    }
                }
            }
            tbody role="rowgroup" { @for alert in alerts { (row(alert)) } }
        }
    }
}

fn row(alert: &AlertRecord) -> Markup {
    let why = alert.reason.as_deref().filter(|_| alert.state != AlertState::Sent).or_else(|| alert.why());
    html! {
        tr role="row" {
            td.when role="cell" { (frame::time(alert.status_changed)) }
            th.task scope="row" role="rowheader" {
                a href={ "/alerts/" (alert.id) } { bdi { (name_of(alert)) } }
                @if let Some(why) = why { span.why { (why) } }
            }
            td role="cell" { (frame::outcome(alert.status)) }
            td role="cell" { (frame::state(alert.state)) }
            td.project role="cell" { bdi { (alert.project.as_deref().unwrap_or("–")) } }
            td.user role="cell" { bdi { (alert.user.as_deref().unwrap_or("–")) } }
        }
    }
}

/// The task's name, or its ID where it has none that can be seen.
pub(super) fn name_of(alert: &AlertRecord) -> &str {
    if alert.task_name.trim().is_empty() { &alert.task_id } else { &alert.task_name }
}

fn form(asked: &Asked) -> Markup {
    let outcomes = Outcome::ALL.map(|outcome| (outcome.as_str(), words::outcome(outcome)));
    let states = AlertState::ALL.map(|state| (state.as_str(), state.as_str()));
    let causes = Cause::ALL.map(|cause| (cause.as_str(), cause.label()));
    html! {
        form.filters method="get" action="/alerts" role="search" aria-label="Filter alerts" {
            (field(asked, "task", "Task", "name or ID"))
            (field(asked, "project", "Project", "part of name"))
            (field(asked, "user", "User", "part of name"))
            (choice(asked, "status", "Outcome", &outcomes))
            (choice(asked, "state", "State", &states))
            (choice(asked, "cause", "Cause", &causes))
            (field(asked, "since", "Since", "24h, today, date"))
            (field(asked, "until", "Until", "today, date"))
            @for name in ["rule", "channel", "limit"] {
                @for text in asked.text_of(name).into_iter().chain(asked.further_texts_of(name)) {
                    input type="hidden" name=(name) value=(text);
                }
            }
            div.buttons {
                button type="submit" { "Filter" }
                @if !asked.typed.is_empty() { " " a href="/alerts" { "Clear" } }
            }
        }
    }
}

fn field(asked: &Asked, name: &str, label: &str, hint: &str) -> Markup {
    html! {
        label { span { (label) } input name=(name) value=[asked.text_of(name)] placeholder=(hint) autocomplete="off"; }
        @for text in asked.further_texts_of(name) { input type="hidden" name=(name) value=(text); }
    }
}

fn choice(asked: &Asked, name: &str, label: &str, options: &[(&str, &str)]) -> Markup {
    let chosen = asked.text_of(name);
    html! {
        label {
            span { (label) }
            select name=(name) {
                option value="" { "any" }
                @for (value, shown) in options {
                    option value=(value) selected[chosen == Some(*value)] { (shown) }
                }
            }
        }
        @for text in asked.further_texts_of(name) { input type="hidden" name=(name) value=(text); }
    }
}

fn pager(asked: &Asked, page: &Page) -> Markup {
    let place = |alert: &AlertRecord| Place { status_changed: alert.status_changed, id: alert.id };
    let newer = page.alerts.first().filter(|_| page.has_newer).map(|first| Begin::After(place(first)));
    let older = page.alerts.last().filter(|_| page.has_older).map(|last| Begin::Before(place(last)));
    html! {
        nav.pager aria-label="Pages of alerts" {
            (turn(asked, page.has_newer.then_some(Begin::Newest), "Newest"))
            (turn(asked, newer, "Newer"))
            (turn(asked, older, "Older"))
            (turn(asked, page.has_older.then_some(Begin::Oldest), "Oldest"))
        }
    }
}

fn turn(asked: &Asked, begin: Option<Begin>, label: &str) -> Markup {
    match begin {
        Some(begin) => html! { a href=(asked.href(begin)) { (label) } },
        None => html! { span aria-hidden="true" { (label) } },
    }
}
