//! How long an alert waits because its rule says so: for a grace period, and for the end of quiet hours. All of it by
//! ClearML's clock.

use std::time::Duration;

use jiff::Zoned;
use jiff::civil::Date;
use jiff::tz::Disambiguation;

use super::telling::{QuietHours, Timing};
use crate::domain::stamp::Stamp;

/// No wait is longer: a hold of at most 7 days, and quiet hours of less than one, by a clock that shifts.
pub const LONGEST_WAIT: Duration = Duration::from_hours(8 * 24 + 12);

/// A wait by a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// The alert may be told once a whole poll has gone through at this moment, by the server's clock.
    pub until: Stamp,
    /// Until a poll has gone through at this moment the alert is dropped where its task is queued or started again.
    pub hold_until: Option<Stamp>,
    /// Whether it is quiet hours that make it wait in the end.
    pub is_quiet: bool,
}

impl Wait {
    /// Why it waits, for a person.
    pub fn reason(&self) -> String {
        let until = self.until.to_timestamp().strftime("%Y-%m-%d %H:%M:%S UTC");
        format!("waits until {until} ({})", if self.is_quiet { "quiet hours" } else { "hold" })
    }
}

impl Timing {
    /// How long it waits what is found at `now` of a task that runs: nothing of it can be held, since nothing has ended.
    pub fn quiet_wait(&self, now: Stamp) -> Option<Wait> {
        Self { hold: None, ..self.clone() }.wait(now, now)
    }

    /// How long an outcome waits that was stamped `ended` and is recorded `now`; `None`: not at all. A stamp from a clock
    /// that ran ahead makes nothing wait for longer.
    pub fn wait(&self, ended: Stamp, now: Stamp) -> Option<Wait> {
        let hold_until = self.hold.map(|hold| ended.min(now).plus(hold));
        let ready = hold_until.map_or(now, |until| until.max(now));
        let quiet = self.quiet.as_ref().filter(|_| !self.urgent);
        if let Some(until) = quiet.and_then(|quiet| quiet.end_after(ready)) {
            return Some(Wait { until, hold_until, is_quiet: true });
        }
        hold_until.map(|until| Wait { until, hold_until, is_quiet: false })
    }
}

impl QuietHours {
    /// When the quiet hours end that `moment` lies in; `None` where it lies in none. They begin with the first time that a
    /// wall clock shows their beginning, and end with the last time that it shows their end, so that a clock that is set
    /// back does not break them in two; a time that a clock skips is as long after the leap as it would have been.
    pub fn end_after(&self, moment: Stamp) -> Option<Stamp> {
        let today = moment.to_timestamp().to_zoned(self.zone.clone()).date();
        let days = [today.yesterday().ok(), Some(today)].into_iter().flatten();
        let around = days.filter_map(|day| self.of_day(day)).filter(|(from, to)| (*from..*to).contains(&moment));
        around.map(|(_, to)| to).max()
    }

    /// Those that begin on this day.
    fn of_day(&self, day: Date) -> Option<(Stamp, Stamp)> {
        let last_day = if self.to > self.from { day } else { day.tomorrow().ok()? };
        let from = self.zone.to_ambiguous_zoned(day.to_datetime(self.from)).compatible().ok()?;
        let to = self.zone.to_ambiguous_zoned(last_day.to_datetime(self.to));
        let to = to.disambiguate(Disambiguation::Later).ok()?;
        let stamp = |moment: Zoned| Stamp::from_timestamp(moment.timestamp());
        Some((stamp(from), stamp(to)))
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::Time;
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    use super::*;

    fn quiet(from: (i8, i8), to: (i8, i8), zone: &str) -> QuietHours {
        let zone = TimeZone::get(zone).unwrap();
        QuietHours { from: Time::constant(from.0, from.1, 0, 0), to: Time::constant(to.0, to.1, 0, 0), zone }
    }

    fn at(text: &str) -> Stamp {
        Stamp::parse(text).unwrap()
    }

    fn ends(quiet: &QuietHours, moment: &str) -> Option<String> {
        quiet.end_after(at(moment)).map(|end| end.to_timestamp().to_string())
    }

    #[test]
    fn over_midnight_and_within_a_day() {
        let night = quiet((22, 0), (7, 0), "Europe/Berlin");
        // Berlin is one hour ahead in winter.
        for (moment, end) in [
            ("2026-11-22T20:59:59.999Z", None),
            ("2026-11-22T21:00:00Z", Some("2026-11-23T06:00:00Z")),
            ("2026-11-22T23:30:00Z", Some("2026-11-23T06:00:00Z")),
            ("2026-11-23T05:59:59.999Z", Some("2026-11-23T06:00:00Z")),
            ("2026-11-23T06:00:00Z", None),
            ("2026-11-23T12:00:00Z", None),
        ] {
            assert_eq!(ends(&night, moment).as_deref(), end, "{moment}");
        }
        let noon = quiet((12, 0), (13, 30), "UTC");
        assert_eq!(ends(&noon, "2026-11-22T13:29:59Z").as_deref(), Some("2026-11-22T13:30:00Z"));
        assert_eq!(ends(&noon, "2026-11-22T11:59:59Z"), None);
        let nearly_always = quiet((7, 0), (6, 59), "UTC");
        assert_eq!(ends(&nearly_always, "2026-11-22T06:59:30Z"), None);
        assert_eq!(ends(&nearly_always, "2026-11-22T07:00:00Z").as_deref(), Some("2026-11-23T06:59:00Z"));
    }

    #[test]
    fn a_night_in_which_clocks_are_changed_is_as_long_as_it_is() {
        let night = quiet((22, 0), (7, 0), "Europe/Berlin");
        // 2026-03-29 01:00Z: from 02:00 to 03:00; 2026-10-25 01:00Z: from 03:00 back to 02:00.
        assert_eq!(ends(&night, "2026-03-28T22:00:00Z").as_deref(), Some("2026-03-29T05:00:00Z"));
        assert_eq!(ends(&night, "2026-10-24T22:00:00Z").as_deref(), Some("2026-10-25T06:00:00Z"));
    }

    #[test]
    fn an_end_that_a_clock_skips_or_shows_twice() {
        let short = quiet((22, 0), (2, 30), "Europe/Berlin");
        assert_eq!(ends(&short, "2026-03-29T00:59:00Z").as_deref(), Some("2026-03-29T01:30:00Z"), "as if at 03:30");
        // 02:30 comes twice; in between, when it is 02:45, they have not ended for good.
        for moment in ["2026-10-25T00:29:00Z", "2026-10-25T00:45:00Z", "2026-10-25T01:29:00Z"] {
            assert_eq!(ends(&short, moment).as_deref(), Some("2026-10-25T01:30:00Z"), "{moment}");
        }
        assert_eq!(ends(&short, "2026-10-25T01:30:00Z"), None);
        let from_twice = quiet((2, 30), (7, 0), "Europe/Berlin");
        assert_eq!(ends(&from_twice, "2026-10-25T00:30:00Z").as_deref(), Some("2026-10-25T06:00:00Z"), "at the first");
        assert_eq!(ends(&from_twice, "2026-10-25T01:10:00Z").as_deref(), Some("2026-10-25T06:00:00Z"), "02:10 again");
    }

    fn timing(hold_seconds: Option<u64>, quiet: Option<QuietHours>, urgent: bool) -> Timing {
        Timing { hold: hold_seconds.map(Duration::from_secs), quiet, urgent, ..Timing::default() }
    }

    #[test]
    fn hold_and_quiet_hours_combine() {
        let night = || Some(quiet((22, 0), (7, 0), "UTC"));
        let (noon, evening) = (at("2026-11-22T12:00:00Z"), at("2026-11-22T21:59:00Z"));
        assert_eq!(timing(None, night(), false).wait(noon, noon), None);
        assert_eq!(timing(None, None, false).wait(evening, evening), None);
        let until = noon.plus(Duration::from_mins(2));
        let held = Wait { until, hold_until: Some(until), is_quiet: false };
        assert_eq!(timing(Some(120), night(), false).wait(noon, noon), Some(held));
        assert_eq!(
            timing(Some(120), night(), false).wait(noon, noon.plus(Duration::from_mins(9))),
            Some(held),
            "found late"
        );
        let into_the_night = timing(Some(120), night(), false).wait(evening, evening).unwrap();
        assert_eq!((into_the_night.until, into_the_night.is_quiet), (at("2026-11-23T07:00:00Z"), true));
        assert_eq!(into_the_night.hold_until, Some(at("2026-11-22T22:01:00Z")));
        let urgent = timing(Some(120), night(), true).wait(evening, evening).unwrap();
        assert_eq!((urgent.until, urgent.is_quiet), (at("2026-11-22T22:01:00Z"), false));
    }

    #[test]
    fn quiet_is_when_it_could_be_told_and_not_when_it_ended() {
        let night = timing(None, Some(quiet((22, 0), (7, 0), "UTC")), false);
        let (evening, midnight, morning) = ("2026-11-22T21:00:00Z", "2026-11-23T00:00:00Z", "2026-11-23T08:00:00Z");
        assert!(night.wait(at(evening), at(midnight)).is_some(), "found late at night");
        assert_eq!(night.wait(at(midnight), at(morning)), None, "found in the morning");
    }

    #[test]
    fn a_stamp_from_the_future_makes_nothing_wait_longer() {
        let now = at("2026-11-22T12:00:00Z");
        let wait = timing(Some(120), None, false).wait(at("2027-11-22T12:00:00Z"), now).unwrap();
        assert_eq!(wait.until, now.plus(Duration::from_mins(2)));
    }

    #[test]
    fn the_reason_names_the_end_and_what_makes_it_wait() {
        let wait = Wait { until: at("2026-11-23T06:00:00Z"), hold_until: None, is_quiet: true };
        assert_eq!(wait.reason(), "waits until 2026-11-23 06:00:00 UTC (quiet hours)");
        assert!(Wait { is_quiet: false, ..wait }.reason().ends_with("(hold)"));
    }

    proptest! {
        /// Whatever the zone does: quiet hours end after the moment, within a day and an hour of shift, a moment before the
        /// end lies in the same ones, and the wall clock says quiet unless it was just set.
        #[test]
        fn quiet_hours_are_contiguous_and_end(
            (from_hour, from_minute, to_hour, to_minute) in (0..24_i8, 0..60_i8, 0..24_i8, 0..60_i8),
            zone in prop::sample::select(vec!["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe",
                "Pacific/Apia", "America/St_Johns", "Africa/Casablanca"]),
            seconds in 1_262_304_000_i64..2_208_988_800,
        ) {
            prop_assume!((from_hour, from_minute) != (to_hour, to_minute));
            let quiet = quiet((from_hour, from_minute), (to_hour, to_minute), zone);
            let moment = Stamp::from_millis(seconds * 1_000);
            let wall = moment.to_timestamp().to_zoned(quiet.zone.clone()).time();
            let by_wall = if quiet.from < quiet.to { quiet.from <= wall && wall < quiet.to } else { wall >= quiet.from || wall < quiet.to };
            let end = quiet.end_after(moment);
            if let Some(end) = end {
                prop_assert!(end > moment && end.since(moment) <= Duration::from_hours(49), "{end}");
                prop_assert_eq!(quiet.end_after(Stamp::from_millis(end.as_millis() - 1)).max(Some(end)), quiet.end_after(Stamp::from_millis(end.as_millis() - 1)));
            }
            let offset = |stamp: Stamp| quiet.zone.to_offset(stamp.to_timestamp());
            let is_steady = offset(moment.minus(Duration::from_hours(26))) == offset(moment.plus(Duration::from_hours(26)));
            if is_steady {
                prop_assert_eq!(end.is_some(), by_wall, "{}", moment);
            }
        }

        #[test]
        fn no_wait_is_longer_than_the_longest(
            hold in prop::option::of(0..=604_800_u64), (from, to) in (0..24_i8, 0..24_i8), ended in 0..4_000_000_000_000_i64,
            late in 0..10_000_000_i64,
        ) {
            prop_assume!(from != to);
            let timing = timing(hold, Some(quiet((from, 0), (to, 0), "Europe/Berlin")), false);
            let (ended, now) = (Stamp::from_millis(ended), Stamp::from_millis(ended + late));
            if let Some(wait) = timing.wait(ended, now) {
                prop_assert!(wait.until.since(now) <= LONGEST_WAIT);
                prop_assert!(wait.hold_until.is_none_or(|hold| hold <= wait.until || hold <= now));
            }
        }
    }
}
