//! The status page: at a glance healthy or not and why, what waits, the last week, the newest alerts.

use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use super::frame::{self, Frame};
use super::page::{Absent, opened, shown};
use super::site::{Facts, Site};
use super::{alerts, chart};
use crate::domain::message::words;
use crate::domain::{AlertRecord, Stamp};
use crate::monitor::{Figures, Health, PollResult};
use crate::store::{HistoryFilter, HourCount, Order, Pause, QueueCounts, Store, StoreError};

/// Alerts shown.
const NEWEST: usize = 10;

/// What the database says.
struct Found {
    queue: QueueCounts,
    pauses: Vec<Pause>,
    hours: Vec<HourCount>,
    newest: Vec<AlertRecord>,
    size: u64,
}

pub(super) async fn page(State(site): State<Site>) -> Result<Response, Absent> {
    let opened = opened(&site)?;
    let now = site.now();
    let health = site.health().await.ok_or(Absent::Starting)?;
    let _turn = site.turn().await;
    let found = find(&opened.reader, now).await?;
    let figures = site.figures();
    let verdict = Verdict::of(&health, &found);
    let frame = Frame { title: verdict.headline.to_owned(), place: frame::Place::Overview, refresh: Some(10) };
    let main = html! {
        (headline(&verdict))
        (queue(&found))
        (polling(&figures, now))
        (chart::chart(&found.hours, now))
        section aria-labelledby="newest" {
            h2 #newest { "Newest alerts" }
            (alerts::table(&found.newest))
            p { a href="/alerts" { "All alerts" } }
        }
        (about(&opened.facts, &figures, &found, now))
    };
    Ok(shown(&frame, &main).into_response())
}

async fn find(store: &Store, now: Stamp) -> Result<Found, StoreError> {
    let filter = HistoryFilter { limit: NEWEST, ..HistoryFilter::default() };
    Ok(Found {
        queue: store.queue_counts().await?,
        pauses: store.pauses(now).await?,
        hours: store.alerts_per_hour(chart::first_day(now)).await?,
        newest: store.history_page(filter, Order::Newest).await?,
        size: store.size().await?,
    })
}

/// The state of things in a word, with what is behind it.
struct Verdict {
    class: &'static str,
    headline: &'static str,
    why: Vec<String>,
    /// What is said where nothing is wrong.
    well: String,
}

impl Verdict {
    fn of(health: &Health, found: &Found) -> Self {
        let mut why: Vec<String> = health.problems().map(str::to_owned).collect();
        let attention = health.attention.len() + (found.queue.dead + found.queue.unknown) as usize;
        let (class, headline) = match (why.is_empty(), attention) {
            (false, _) => ("bad", "Not healthy"),
            (true, 0) => ("good", "Healthy"),
            (true, _) => ("attention", "Needs attention"),
        };
        why.extend(health.attention.iter().cloned());
        if found.queue.dead > 0 {
            let alerts = alerts_in_words(found.queue.dead);
            why.push(format!("{alerts} could not be delivered: see `clearml-alerts dead list`."));
        }
        if found.queue.unknown > 0 {
            let alerts = alerts_in_words(found.queue.unknown);
            why.push(format!("Slack's answer to {alerts} was lost: it is being looked for."));
        }
        let well = match found.queue.pending {
            0 => "ClearML is watched, and everything that was to be told has been.".to_owned(),
            pending => format!("ClearML is watched; {} on the way to Slack.", alerts_in_words(pending)),
        };
        Self { class, headline, why, well }
    }
}

fn alerts_in_words(count: u32) -> String {
    if count == 1 { "1 alert".to_owned() } else { format!("{} alerts", words::number(count as usize)) }
}

fn headline(verdict: &Verdict) -> Markup {
    html! {
        div class={ "verdict verdict-" (verdict.class) } role="status" {
            h1 { (verdict.headline) }
            @if verdict.why.is_empty() { p { (verdict.well) } }
            @else { ul { @for why in &verdict.why { li { (why) } } } }
        }
    }
}

fn queue(found: &Found) -> Markup {
    let QueueCounts { pending, by_rule, unknown, held, dead, .. } = found.queue;
    html! {
        section aria-labelledby="waiting" {
            h2 #waiting { "Waiting" }
            ul.tiles {
                (tile("pending", "Pending", pending)) @if by_rule > 0 { (tile("pending", "On hold or quiet", by_rule)) }
                (tile("held", "Held", held))
                (tile("unknown", "Answer lost", unknown)) (tile("dead", "Dead", dead))
            }
            @for pause in &found.pauses {
                p.pause { "Slack asked to wait with " code { (pause.method) } " until " (frame::time(pause.until)) "." }
            }
        }
    }
}

fn tile(state: &str, label: &str, count: u32) -> Markup {
    html! {
        li class=[(count > 0).then_some("some")] {
            a href={ "/alerts?state=" (state) } { strong { (words::number(count as usize)) } " " (label) }
        }
    }
}

fn polling(figures: &Figures, now: Stamp) -> Markup {
    let lag = figures.watermark.map(|watermark| words::duration(figures.clearml_now(now).since(watermark)));
    html! {
        section aria-labelledby="polling" {
            h2 #polling { "Polling" }
            dl.facts {
                dt { "Last good poll" }
                dd {
                    @if let Some(at) = figures.last_good_poll_at {
                        (frame::distance(at, now)) ", " (frame::time(at))
                        @if let Some(took) = figures.last_poll_took { ", took " (took.as_millis()) " ms" }
                    } @else { "none yet" }
                }
                @if figures.failed_polls_in_a_row > 0 {
                    dt { "Failed since" } dd { (figures.failed_polls_in_a_row) " in a row" }
                }
                dt { "Next poll" }
                dd {
                    @match figures.next_poll_at {
                        Some(at) if at.since(now) >= Duration::from_secs(1) => { (frame::distance(at, now)) },
                        Some(_) => "now",
                        None => "soon",
                    }
                    ", every " (words_of_refresh(figures))
                }
                dt { "Recorded up to" }
                dd {
                    @if let (Some(watermark), Some(lag)) = (figures.watermark, lag) {
                        (frame::time(watermark)) ", the newest status change, " (lag) " ago"
                    } @else { "nothing yet" }
                }
            }
        }
    }
}

fn words_of_refresh(figures: &Figures) -> String {
    let seconds = figures.refresh.as_secs_f64();
    if seconds < 60.0 { format!("{seconds} s") } else { words::duration(figures.refresh) }
}

fn about(facts: &Facts, figures: &Figures, found: &Found, now: Stamp) -> Markup {
    let good = figures.polls.get(&PollResult::Good).copied().unwrap_or_default();
    let failed = figures.polls.values().sum::<u64>() - good;
    let now_in_force = figures.rules_now.as_ref();
    let watches = now_in_force.map_or(&facts.watches, |(watches, _)| watches);
    let tells = now_in_force.map_or(&facts.channel, |(_, tells)| tells);
    html! {
        section aria-labelledby="service" {
            h2 #service { "Service" }
            dl.facts {
                dt { "Watches" } dd { (watches) }
                dt { "On" } dd { (facts.server) }
                dt { "Tells" } dd { (tells) }
                dt { "Running since" } dd { (frame::time(figures.started_at)) ", " (words::duration(now.since(figures.started_at))) }
                dt { "Polls since then" } dd { (count(good)) " good, " (count(failed)) " failed" }
                dt { "Database" } dd { (size(found.size)) }
                dt { "For machines" } dd { a href="/metrics" { "metrics" } ", " a href="/healthz" { "alive?" } ", " a href="/readyz" { "ready?" } }
            }
        }
    }
}

fn count(count: u64) -> String {
    words::number(usize::try_from(count).unwrap_or(usize::MAX))
}

/// `12 KiB`, `3.4 MiB`.
fn size(bytes: u64) -> String {
    let (kib, mib) = (1 << 10, 1 << 20);
    match bytes {
        small if small < mib => format!("{} KiB", small / kib),
        large => format!("{}.{} MiB", large / mib, large % mib * 10 / mib),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_at_a_glance() {
        assert_eq!((size(4_096), size(3_670_016)), ("4 KiB".to_owned(), "3.5 MiB".to_owned()));
    }
}
