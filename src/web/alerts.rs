//! The list of alerts: the filters of `history` in the address, so that a link can be shared, page by page.

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use super::address::{self, Asked, Begin};
use super::counts;
use super::frame::{self, Frame};
use super::page::{Absent, opened, shown};
use super::site::Site;
use crate::domain::message::words;
use crate::domain::{AlertRecord, AlertState, Cause, Filter, Outcome};
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
    let found = match asked.group_by {
        Some(by) => {
            opened.reader.groups_page(asked.filter.clone(), by).await.map(|groups| counts::table(&asked, by, &groups))
        }
        None => read(&opened.reader, &asked).await.map(|page| html! { (table(&page.alerts)) (pager(&asked, &page)) }),
    };
    let (status, found) = match found {
        Err(error @ StoreError::TookTooLong { .. }) => (StatusCode::SERVICE_UNAVAILABLE, too_much(&error)),
        found => (StatusCode::OK, found?),
    };
    let frame = Frame { title: "Alerts".to_owned(), place: frame::Place::Alerts, refresh: Some(30) };
    let main = html! { h1 { "Alerts" } (form(&asked)) (found) };
    Ok((status, shown(&frame, &main)).into_response())
}

fn too_much(error: &StoreError) -> Markup {
    html! {
        p.problem role="alert" {
            "Not answered: " (error.to_string()) ". Narrow it: give a time in “Since”, a project, a user, or at least three "
            "letters of a task's name. `clearml-alerts history` takes the same filters and all the time it needs."
        }
    }
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
    let causes = Cause::ALL.map(|cause| (cause.as_str(), cause.label()));
    let states = AlertState::ALL.map(|state| (state.as_str(), state.as_str()));
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
            (further(asked))
            @for name in ["limit", "silence"] {
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

/// What is asked for less often, out of the way until it is used.
fn further(asked: &Asked) -> Markup {
    let names = ["rule", "channel", "reason", "filter", "not", "group-by"];
    let is_used = names.iter().any(|name| asked.text_of(name).is_some());
    let filters = Filter::ALL.map(|filter| (filter.as_str(), filter.as_str()));
    let fields = address::FIELDS.map(|(_, name)| (name, name));
    html! {
        details.further open[is_used] {
            summary { "More filters, and counts" }
            div {
                (choice_or(asked, "group-by", "Count by", "list alerts", &fields))
                (field(asked, "not", "Leave out", "user=bob"))
                (field(asked, "reason", "Reason", "part of it"))
                (choice(asked, "filter", "Kept quiet by", &filters))
                (field(asked, "rule", "Rule", "its name"))
                (field(asked, "channel", "Channel", "its name"))
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
    choice_or(asked, name, label, "any", options)
}

fn choice_or(asked: &Asked, name: &str, label: &str, none: &str, options: &[(&str, &str)]) -> Markup {
    let chosen = asked.text_of(name);
    html! {
        label {
            span { (label) }
            select name=(name) {
                option value="" { (none) }
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::Clock;
    use crate::monitor::Status;
    use crate::settings::Readers;
    use crate::store::{Access, Limits};
    use crate::web::{Facts, Opened};

    const MANY_ALERTS: &str = include_str!("../../benches/many_alerts.sql");

    /// The pages of a database with 2,000 alerts, each question with so much time.
    fn site(directory: &tempfile::TempDir, time: Duration) -> Site {
        let path = directory.path().join("alerts.db");
        let own = Store::open(&path, Access::Own { wait: Duration::ZERO }, "i").unwrap();
        own.write_now(|tx| tx.execute_batch(&MANY_ALERTS.replace("{rows}", "2000"))).unwrap();
        let limits = Limits { longest_question: Some(time), ..Limits::default() };
        let reader = Store::open_with(&path, Access::Read, "", limits).unwrap();
        let clock = Clock::system();
        let status = Status::new(clock.now(), Duration::from_secs(10));
        let site = Site::new(&Readers::ThisMachine, status, clock);
        let facts = Facts { server: String::new(), watches: String::new(), channel: String::new() };
        site.open(Opened { own, reader, facts });
        site
    }

    async fn asked(site: &Site, query: &str) -> (StatusCode, String) {
        let answer = page(State(site.clone()), RawQuery(Some(query.to_owned()))).await.unwrap();
        let status = answer.status();
        let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_question_that_takes_too_long_is_broken_off_and_says_what_to_narrow() {
        let directory = tempfile::tempdir().unwrap();
        let site = site(&directory, Duration::ZERO);
        for query in ["task=zz", "group-by=project"] {
            let (status, body) = asked(&site, query).await;
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{query}");
            assert!(body.contains("role=\"alert\"") && body.contains("Narrow it"), "{body}");
        }
        let (_, form) = asked(&site, "task=zz").await;
        assert!(form.contains("name=\"task\" value=\"zz\""), "what was typed can be changed: {form}");
    }

    #[tokio::test]
    async fn counts_lead_to_their_alerts_and_what_is_left_out_stays_out() {
        let directory = tempfile::tempdir().unwrap();
        let site = site(&directory, Duration::from_mins(1));
        let (status, counts) = asked(&site, "group-by=status&not=status%3Dcompleted").await;
        assert_eq!(status, StatusCode::OK);
        assert!(counts.contains("href=\"/alerts?not=status%3Dcompleted&amp;status=failed\""), "{counts}");
        assert!(
            counts.contains("1,400") && counts.contains("stopped") && !counts.contains("&amp;status=completed\""),
            "{counts}"
        );
        assert!(counts.contains("<details class=\"further\" open"), "{counts}");
        let (_, list) = asked(&site, "not=status%3Dcompleted&not=status%3Dfailed").await;
        assert!(list.contains("outcome-stopped") && !list.contains("outcome-failed"), "{list}");
    }
}
