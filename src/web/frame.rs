//! What every page has in common: the frame around it, and how a time, an outcome and a state are shown.

use std::time::Duration;

use maud::{DOCTYPE, Markup, html};

use crate::domain::message::words;
use crate::domain::{AlertState, Outcome, Stamp};

/// Where a page belongs in the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Overview,
    Alerts,
    Elsewhere,
}

/// The frame around a page.
#[derive(Debug)]
pub(super) struct Frame {
    /// What the browser's tab says.
    pub(super) title: String,
    /// Which entry of the navigation is this page.
    pub(super) place: Place,
    /// Refreshed in place every so many seconds, where scripts may run.
    pub(super) refresh: Option<u32>,
}

impl Frame {
    /// The whole page.
    pub(super) fn around(&self, main: &Markup) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) " · clearml-alerts" }
                    link rel="stylesheet" href="/assets/page.css";
                    link rel="icon" href="/favicon.svg" type="image/svg+xml";
                    script src="/assets/page.js" defer {}
                }
                body data-refresh=[self.refresh] {
                    a.skip href="#main" { "Skip to the content" }
                    header {
                        a.brand href="/" { "clearml-alerts" }
                        nav aria-label="Pages" { (self.entry(Place::Overview, "/", "Status")) (self.entry(Place::Alerts, "/alerts", "Alerts")) }
                    }
                    main #main tabindex="-1" { (main) }
                    footer { p { "clearml-alerts " (env!("CARGO_PKG_VERSION")) " · read-only" } }
                }
            }
        }
    }

    fn entry(&self, place: Place, href: &str, label: &str) -> Markup {
        let current = (self.place == place).then_some("page");
        html! { a href=(href) aria-current=[current] { (label) } }
    }
}

/// A moment: in UTC as the server writes it, in the reader's own zone where scripts may run, UTC on hover.
pub(super) fn time(stamp: Stamp) -> Markup {
    let utc = in_utc(stamp);
    html! { time datetime=(stamp) title=(utc) { (utc) } }
}

/// `2026-11-22 22:27:28 UTC`.
pub(super) fn in_utc(stamp: Stamp) -> String {
    stamp.to_timestamp().strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// `12 min ago`, or `in 8 s`.
pub(super) fn distance(stamp: Stamp, now: Stamp) -> String {
    let (ahead, behind) = (stamp.since(now), now.since(stamp));
    if ahead.max(behind) < Duration::from_secs(1) {
        return "just now".to_owned();
    }
    if ahead.is_zero() { format!("{} ago", words::duration(behind)) } else { format!("in {}", words::duration(ahead)) }
}

/// An outcome, in words and in its colour.
pub(super) fn outcome(outcome: Outcome) -> Markup {
    html! { span class={ "badge outcome-" (outcome.as_str()) } { (words::outcome(outcome)) } }
}

/// A state, in words and in its colour.
pub(super) fn state(state: AlertState) -> Markup {
    html! { span class={ "badge state-" (state.as_str()) } { (state.as_str()) } }
}

/// A link into ClearML's web application, where the address is one of the web.
pub(super) fn clearml_link(url: Option<&str>, label: &str) -> Markup {
    match url.filter(|url| url.starts_with("https://") || url.starts_with("http://")) {
        Some(url) => html! { a href=(url) rel="noreferrer noopener" { (label) } },
        None => html! {},
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_says_its_zone_even_without_scripts() {
        let shown = time(Stamp::from_millis(1_795_386_448_021)).into_string();
        assert_eq!(
            shown,
            "<time datetime=\"2026-11-22T22:27:28.021Z\" title=\"2026-11-22 22:27:28 UTC\">2026-11-22 22:27:28 UTC</time>"
        );
    }

    #[test]
    fn only_addresses_of_the_web_become_links() {
        assert_eq!(clearml_link(Some("javascript:alert(1)"), "x").into_string(), "");
        assert!(
            clearml_link(Some("https://app.example.com/\"><script>"), "x").into_string().contains("&quot;&gt;&lt;")
        );
    }

    #[test]
    fn distances_read_both_ways() {
        let at = Stamp::from_millis;
        for (stamp, now, words) in
            [(0, 500, "just now"), (500, 0, "just now"), (0, 61_000, "1 min ago"), (9_000, 1_000, "in 8 s")]
        {
            assert_eq!(distance(at(stamp), at(now)), words);
        }
    }
}
