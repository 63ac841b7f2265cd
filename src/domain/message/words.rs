//! Times and numbers in words.

use std::time::Duration;

use crate::domain::rule::Times;
use crate::domain::{Outcome, Stamp};

/// `45 s`, `12 min`, `3 h`, `3 h 5 min`, `2 d 4 h`: the two largest units that matter.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, 0) => format!("{hours} h"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, 0, _) => format!("{days} d"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

/// `1`, `1,200`, `10,000`.
pub fn number(number: usize) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `1 task`, `1,200 tasks`.
pub fn count(count: usize, thing: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {thing}{plural}", number(count))
}

/// What ClearML's pages call the outcome.
pub fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Failed => "failed",
        Outcome::Completed => "completed",
        Outcome::Stopped => "aborted",
        Outcome::Stuck => "stuck",
    }
}

/// A moment as a rule's messages show it.
pub fn moment(stamp: Stamp, times: &Times) -> String {
    match times {
        Times::Reader => slack_date(stamp),
        Times::Zone(zone) => stamp.to_timestamp().to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string(),
    }
}

/// A moment that Slack shows in each reader's own time zone.
pub fn slack_date(stamp: Stamp) -> String {
    let seconds = stamp.as_millis().div_euclid(1_000);
    format!("<!date^{seconds}^{{date_short_pretty}} {{time_secs}}|{stamp}>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_show_what_matters() {
        let cases =
            [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3_600, "1 h"), (11_100, "3 h 5 min"), (187_200, "2 d 4 h")];
        for (seconds, words) in cases {
            assert_eq!(duration(Duration::from_secs(seconds)), words);
        }
    }

    #[test]
    fn moments_are_the_readers_or_of_one_zone() {
        let stamp = Stamp::parse("2026-07-22T22:27:28.021Z").unwrap();
        let zone = |name| Times::Zone(jiff::tz::TimeZone::get(name).unwrap());
        assert_eq!(moment(stamp, &zone("UTC")), "2026-07-22 22:27:28 UTC");
        assert_eq!(moment(stamp, &zone("Europe/Berlin")), "2026-07-23 00:27:28 CEST");
        assert!(moment(stamp, &Times::Reader).starts_with("<!date^1784759248^"));
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (value, words) in [(0, "0 tasks"), (1, "1 task"), (1_200, "1,200 tasks")] {
            assert_eq!(count(value, "task"), words);
        }
        for (value, words) in [(0, "0"), (999, "999"), (1_200, "1,200"), (1_234_567, "1,234,567")] {
            assert_eq!(number(value), words);
        }
    }
}
