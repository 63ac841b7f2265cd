//! Alerts per hour by outcome over a week, drawn on the server as SVG. A table says the same to who cannot see it.

use maud::{Markup, html};

use crate::domain::message::words;
use crate::domain::{Outcome, Stamp};
use crate::store::HourCount;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
/// Days shown, today included.
const DAYS: i64 = 7;
/// Width of an hour and height of the chart, in the drawing's own units.
const HOUR_WIDTH: i64 = 6;
const HEIGHT: u32 = 120;

/// The beginning of the first day shown, UTC.
pub(super) fn first_day(now: Stamp) -> Stamp {
    Stamp::from_millis((now.as_millis().div_euclid(DAY) - DAYS + 1) * DAY)
}

/// The chart of `counts`, which begin with [`first_day`].
pub(super) fn chart(counts: &[HourCount], now: Stamp) -> Markup {
    let first = first_day(now);
    let most = most_in_an_hour(counts);
    let total: usize = counts.iter().map(|count| count.alerts as usize).sum();
    let label = format!("Alerts per hour, last {DAYS} days: {} in all, at most {most} an hour", words::number(total));
    html! {
        figure.chart aria-labelledby="chart-title" {
            figcaption #chart-title { "Alerts per hour, last " (DAYS) " days (UTC)" }
            div.scale aria-hidden="true" { span { (most) } }
            svg role="img" aria-label=(label) viewBox={ "0 0 " (DAYS * 24 * HOUR_WIDTH) " " (HEIGHT) } preserveAspectRatio="none" {
                @for day in 1..DAYS {
                    @let x = day * 24 * HOUR_WIDTH;
                    line.day x1=(x) x2=(x) y1="0" y2=(HEIGHT) {}
                }
                @for bar in bars(counts, first, most) { (bar) }
                line.ground x1="0" x2=(DAYS * 24 * HOUR_WIDTH) y1=(HEIGHT) y2=(HEIGHT) {}
            }
            div.days aria-hidden="true" { @for day in 0..DAYS { span { (day_name(first, day)) } } }
            ul.legend {
                @for outcome in Outcome::ALL { li { span class={ "swatch fill-" (outcome.as_str()) } {} (words::outcome(outcome)) } }
            }
            (as_table(counts, first))
        }
    }
}

fn most_in_an_hour(counts: &[HourCount]) -> u32 {
    let in_hour = |hour: Stamp| counts.iter().filter(|count| count.hour == hour).map(|count| count.alerts).sum::<u32>();
    let mut most = 0;
    let mut last = None;
    for count in counts {
        // The outcomes of an hour are neighbours.
        if last != Some(count.hour) {
            most = most.max(in_hour(count.hour));
            last = Some(count.hour);
        }
    }
    most
}

fn bars(counts: &[HourCount], first: Stamp, most: u32) -> Vec<Markup> {
    let mut bars = Vec::with_capacity(counts.len());
    let (mut hour, mut ground) = (None, 0);
    for count in counts {
        if hour != Some(count.hour) {
            (hour, ground) = (Some(count.hour), 0);
        }
        let (bottom, top) = (scaled(ground, most), scaled(ground + count.alerts, most));
        ground += count.alerts;
        let x = (count.hour.as_millis() - first.as_millis()) / HOUR * HOUR_WIDTH;
        bars.push(html! {
            rect class={ "fill-" (count.outcome.as_str()) } x=(x) y=(HEIGHT - top) width=(HOUR_WIDTH - 1) height=(top - bottom) {
                title { (hour_name(count.hour)) ": " (count.alerts) " " (words::outcome(count.outcome)) }
            }
        });
    }
    bars
}

/// A count as a height; one that is there is seen.
fn scaled(count: u32, most: u32) -> u32 {
    if count == 0 {
        return 0;
    }
    let height = u64::from(count) * u64::from(HEIGHT) / u64::from(most.max(1));
    u32::try_from(height).unwrap_or(HEIGHT).max(2)
}

fn as_table(counts: &[HourCount], first: Stamp) -> Markup {
    let of = |day: i64, outcome: Outcome| {
        let begin = first.as_millis() + day * DAY;
        let of_day = counts.iter().filter(|count| (begin..begin + DAY).contains(&count.hour.as_millis()));
        of_day.filter(|count| count.outcome == outcome).map(|count| count.alerts as usize).sum::<usize>()
    };
    html! {
        details {
            summary { "As a table, per day" }
            table {
                thead { tr { th scope="col" { "Day (UTC)" } @for outcome in Outcome::ALL { th scope="col" { (words::outcome(outcome)) } } } }
                tbody {
                    @for day in (0..DAYS).rev() {
                        tr {
                            th scope="row" { (day_name(first, day)) }
                            @for outcome in Outcome::ALL { td { (words::number(of(day, outcome))) } }
                        }
                    }
                }
            }
        }
    }
}

/// `Sun 22`.
fn day_name(first: Stamp, day: i64) -> String {
    Stamp::from_millis(first.as_millis() + day * DAY).to_timestamp().strftime("%a %d").to_string()
}

/// `Sun 22, 14:00 UTC`.
fn hour_name(hour: Stamp) -> String {
    hour.to_timestamp().strftime("%a %d, %H:%M UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Stamp = Stamp::from_millis(1_795_386_448_000);

    fn count(hours: i64, outcome: Outcome, alerts: u32) -> HourCount {
        HourCount { hour: Stamp::from_millis(first_day(NOW).as_millis() + hours * HOUR), outcome, alerts }
    }

    #[test]
    fn outcomes_of_an_hour_stand_on_each_other() {
        let counts = [count(0, Outcome::Completed, 1), count(0, Outcome::Failed, 3), count(167, Outcome::Failed, 2)];
        let drawn: String = bars(&counts, first_day(NOW), most_in_an_hour(&counts))
            .into_iter()
            .map(maud::PreEscaped::into_string)
            .collect();
        assert!(
            drawn.contains("<rect class=\"fill-completed\" x=\"0\" y=\"90\" width=\"5\" height=\"30\">"),
            "{drawn}"
        );
        assert!(drawn.contains("<rect class=\"fill-failed\" x=\"0\" y=\"0\" width=\"5\" height=\"90\">"), "{drawn}");
        assert!(
            drawn.contains("<rect class=\"fill-failed\" x=\"1002\" y=\"60\" width=\"5\" height=\"60\">"),
            "{drawn}"
        );
        assert!(drawn.contains("<title>Mon 16, 00:00 UTC: 3 failed</title>"), "{drawn}");
    }

    #[test]
    fn a_week_without_alerts_is_a_chart_too() {
        let drawn = chart(&[], NOW).into_string();
        assert!(drawn.contains("0 in all") && drawn.contains("Sun 22") && drawn.contains("Mon 16"), "{drawn}");
    }

    #[test]
    fn a_lonely_alert_beside_thousands_is_seen() {
        assert_eq!((scaled(1, 100_000), scaled(0, 100_000), scaled(100_000, 100_000)), (2, 0, HEIGHT));
    }
}
