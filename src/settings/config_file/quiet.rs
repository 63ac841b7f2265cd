//! Quiet hours: `22:00-07:00 Europe/Berlin`. The time zones are built in, so that they are known in a bare container too.

use jiff::civil::Time;
use jiff::tz::TimeZone;

use crate::domain::rule::QuietHours;

/// Reads quiet hours; the error completes "which …".
pub(super) fn parse(text: &str) -> Result<QuietHours, String> {
    let (hours, zone) = text.trim().split_once(char::is_whitespace).ok_or("names no time zone")?;
    let (from, to) = hours.split_once('-').ok_or("has no `-` between two times")?;
    let (from, to) = (time(from)?, time(to)?);
    if from == to {
        return Err("begins when it ends".to_owned());
    }
    let name = zone.trim();
    let zone = TimeZone::get(name).map_err(|_| "names a time zone that is not known".to_owned())?;
    Ok(QuietHours { from, to, zone })
}

fn time(text: &str) -> Result<Time, String> {
    let refuse = || "has a time that is none".to_owned();
    let (hour, minute) = text.trim().split_once(':').ok_or_else(refuse)?;
    let number = |text: &str| {
        let is_plain = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<i8>().ok().filter(|_| is_plain).ok_or_else(refuse)
    };
    Time::new(number(hour)?, number(minute)?, 0, 0).map_err(|_| refuse())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hours_and_a_zone() {
        let quiet = parse("22:00-07:30  Europe/Berlin").unwrap();
        assert_eq!((quiet.from, quiet.to), (Time::constant(22, 0, 0, 0), Time::constant(7, 30, 0, 0)));
        assert_eq!(quiet.zone.iana_name(), Some("Europe/Berlin"));
        assert_eq!(parse("9:00 - 10:00 UTC").unwrap_err(), "has no `-` between two times");
        assert!(parse("0:00-6:00 UTC").is_ok());
    }

    #[test]
    fn what_is_none_is_refused_with_what_is_wrong() {
        for (text, problem) in [
            ("", "names no time zone"),
            ("22:00-07:00", "names no time zone"),
            ("22:00 Europe/Berlin", "has no `-`"),
            ("25:00-07:00 UTC", "a time that is none"),
            ("22-07 UTC", "a time that is none"),
            ("+1:00-07:00 UTC", "a time that is none"),
            ("22:00-22:00 UTC", "begins when it ends"),
            ("22:00-07:00 Europe/Berlim", "time zone that is not known"),
        ] {
            assert!(parse(text).unwrap_err().contains(problem), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in "[0-9: -]{0,12}( [A-Za-z/]{0,14})?|.{0,20}") {
            let _ = parse(&text);
        }
    }
}
