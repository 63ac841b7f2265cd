//! Durations and moments as people write them: `90s`, `1h30m`, `2 hours ago`, `yesterday`, `2026-11-22`.
//! Nothing here reads a clock: a relative moment becomes a stamp when it is told what time it is.

use std::fmt;
use std::time::Duration;

use crate::domain::Stamp;

/// No duration is longer: a century, so that sums never overflow.
const LONGEST: Duration = Duration::from_secs(100 * 366 * DAY_SECONDS);
const DAY_SECONDS: u64 = 86_400;

/// A moment in the past, as `--since` and `--until` take it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// So long before now.
    Ago(Duration),
    /// The beginning of the current day, UTC.
    Today,
    /// The beginning of the day before, UTC.
    Yesterday,
    /// That moment.
    At(Stamp),
}

impl Since {
    /// The moment that is meant, given what time it is.
    pub fn resolve(self, now: Stamp) -> Stamp {
        match self {
            Self::Ago(duration) => now.minus(duration),
            Self::Today => start_of_day(now),
            Self::Yesterday => start_of_day(now).minus(Duration::from_secs(DAY_SECONDS)),
            Self::At(stamp) => stamp,
        }
    }
}

fn start_of_day(now: Stamp) -> Stamp {
    let into_the_day = now.as_millis().rem_euclid(1000 * DAY_SECONDS.cast_signed());
    Stamp::from_millis(now.as_millis().saturating_sub(into_the_day))
}

/// As it can be written on the command line again.
impl fmt::Display for Since {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ago(duration) => write!(formatter, "{} ago", format_duration(*duration)),
            Self::Today => formatter.write_str("today"),
            Self::Yesterday => formatter.write_str("yesterday"),
            Self::At(stamp) => stamp.fmt(formatter),
        }
    }
}

/// The text is no moment this program knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "write 24h, 1h30m, 30d, \"2 hours ago\", today, yesterday, a date (2026-11-22) or a time (2026-11-22T22:27:28Z)"
)]
pub struct NotAMoment;

/// The text is no duration this program knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("write a number with its unit, like 500ms, 30s, 15m, 24h, 30d, 2w or 1h30m")]
pub struct NotADuration;

/// Reads a moment: a duration before now (`24h`, `2 hours ago`), `now`, `today`, `yesterday`, a date (its beginning,
/// UTC), or a time (UTC where it names no offset).
pub fn parse_since(text: &str) -> Result<Since, NotAMoment> {
    let lower = text.trim().to_ascii_lowercase();
    match lower.as_str() {
        "now" => return Ok(Since::Ago(Duration::ZERO)),
        "today" => return Ok(Since::Today),
        "yesterday" => return Ok(Since::Yesterday),
        _ => {}
    }
    let duration = lower.strip_suffix(" ago").unwrap_or(&lower);
    if let Ok(duration) = parse_duration(duration) {
        return Ok(Since::Ago(duration));
    }
    parse_stamp(text.trim()).map(Since::At).ok_or(NotAMoment)
}

/// A date or a time. `Stamp` reads times; a date alone is its first moment in UTC.
fn parse_stamp(text: &str) -> Option<Stamp> {
    if let Ok(date) = text.parse::<jiff::civil::Date>()
        && text.len() == "2026-11-22".len()
    {
        let midnight = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        return Some(Stamp::from_timestamp(midnight.timestamp()));
    }
    Stamp::parse(text).ok()
}

/// Reads a duration: numbers with units, added up (`30s`, `15m`, `1h30m`, `2 days`). The units: `ms`, `s`, `m`
/// (minutes), `h`, `d`, `w`, and their English names. A number without a unit is refused, zero included.
pub fn parse_duration(text: &str) -> Result<Duration, NotADuration> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(NotADuration);
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let (count, after) = split_where(rest, |character| !character.is_ascii_digit());
        let (unit, after) = split_where(after.trim_start(), |character| !character.is_ascii_alphabetic());
        let count: u64 = count.parse().map_err(|_| NotADuration)?;
        let millis = unit_millis(unit).and_then(|millis| millis.checked_mul(count)).ok_or(NotADuration)?;
        total = total.saturating_add(Duration::from_millis(millis));
        rest = after.trim_start();
    }
    if total > LONGEST { Err(NotADuration) } else { Ok(total) }
}

fn split_where(text: &str, ends: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(ends).unwrap_or(text.len()))
}

fn unit_millis(unit: &str) -> Option<u64> {
    let seconds = match unit.to_ascii_lowercase().as_str() {
        "ms" | "millisecond" | "milliseconds" => return Some(1),
        "s" | "sec" | "secs" | "second" | "seconds" => 1,
        "m" | "min" | "mins" | "minute" | "minutes" => 60,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3600,
        "d" | "day" | "days" => DAY_SECONDS,
        "w" | "week" | "weeks" => 7 * DAY_SECONDS,
        _ => return None,
    };
    Some(1000 * seconds)
}

/// A duration as [`parse_duration`] reads it: `1h30m`, `2d`, `0s`.
pub fn format_duration(duration: Duration) -> String {
    let units = [("d", 1000 * DAY_SECONDS), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, millis) in units {
        if rest >= millis {
            text.push_str(&(rest / millis).to_string());
            text.push_str(unit);
            rest %= millis;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seconds(text: &str) -> u64 {
        parse_duration(text).unwrap_or_else(|_| panic!("{text}")).as_secs()
    }

    #[test]
    fn durations_add_up() {
        for (text, meant) in [
            ("30s", 30),
            ("15m", 900),
            ("24h", 86_400),
            ("30d", 2_592_000),
            ("2w", 1_209_600),
            ("1h30m", 5400),
            ("1 h 30 min", 5400),
            ("2 Hours", 7200),
            ("0s", 0),
            ("1500ms", 1),
        ] {
            assert_eq!(seconds(text), meant, "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in [
            "",
            " ",
            "24",
            "h",
            "1.5h",
            "-1h",
            "1y",
            "1h30",
            "1h -3m",
            "1h,2m",
            "99999999999999999999h",
            "200000d",
            "٣h",
        ] {
            assert_eq!(parse_duration(text), Err(NotADuration), "{text}");
        }
    }

    #[test]
    fn moments_are_read_relative_to_a_now_that_is_given() {
        let now = Stamp::parse("2026-11-22T15:30:00Z").unwrap();
        for (text, meant) in [
            ("now", "2026-11-22T15:30:00.000Z"),
            ("2 hours ago", "2026-11-22T13:30:00.000Z"),
            ("90m", "2026-11-22T14:00:00.000Z"),
            ("1h30m ago", "2026-11-22T14:00:00.000Z"),
            ("Today", "2026-11-22T00:00:00.000Z"),
            ("yesterday", "2026-11-21T00:00:00.000Z"),
            ("2026-11-20", "2026-11-20T00:00:00.000Z"),
            ("2026-11-20T10:00", "2026-11-20T10:00:00.000Z"),
            ("2026-11-20 10:00:00", "2026-11-20T10:00:00.000Z"),
            ("2026-11-20T10:00:00+02:00", "2026-11-20T08:00:00.000Z"),
            ("2026-11-20T10:00:00.1239Z", "2026-11-20T10:00:00.123Z"),
        ] {
            let since = parse_since(text).unwrap_or_else(|_| panic!("{text}"));
            assert_eq!(since.resolve(now).to_string(), meant, "{text}");
        }
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in ["", "ago", "soon", "tomorrow", "1795386448", "2026-13-01", "2026", "24", "-24h", "25:00"] {
            assert_eq!(parse_since(text), Err(NotAMoment), "{text}");
        }
    }

    #[test]
    fn a_moment_is_shown_as_it_can_be_written() {
        for text in ["1h30m ago", "today", "yesterday", "2026-11-20T08:00:00.000Z", "0s ago"] {
            assert_eq!(parse_since(text).unwrap().to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn a_duration_survives_being_written_and_read(millis in 0_u64..3_000_000_000_000) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }

        #[test]
        fn no_text_is_too_strange(text in "[0-9a-z :.+-]{0,16}|.{0,16}") {
            let _ = parse_duration(&text);
            if let Ok(since) = parse_since(&text) {
                let _ = since.resolve(Stamp::from_millis(i64::MAX));
                let _ = since.resolve(Stamp::EPOCH);
            }
        }
    }
}
