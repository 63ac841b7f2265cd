//! A moment as the ClearML server stamps it: milliseconds since 1970, UTC.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A moment in milliseconds since the Unix epoch, UTC. `ClearML` stores its stamps with this precision and cuts the
/// bounds of a query to it, so comparing two of these is comparing what the server compares.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp(i64);

/// The text is not a time that this program or `ClearML` would write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time like 2026-11-22T22:27:28.021000+00:00")]
pub struct NotAStamp(pub String);

impl Stamp {
    /// 1970-01-01T00:00:00Z: before everything a server can have stamped.
    pub const EPOCH: Self = Self(0);

    /// From milliseconds since the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Reads a stamp as ClearML writes it (`2026-11-22T22:27:27.789000+00:00`); a missing offset means UTC, as it does
    /// there, and digits below the millisecond are cut off, as the server cuts them.
    pub fn parse(text: &str) -> Result<Self, NotAStamp> {
        let not_a_stamp = || NotAStamp(text.chars().take(60).collect());
        let trimmed = text.trim();
        if let Ok(timestamp) = trimmed.parse::<jiff::Timestamp>() {
            return Ok(Self::from_timestamp(timestamp));
        }
        let civil: jiff::civil::DateTime = trimmed.parse().map_err(|_| not_a_stamp())?;
        let zoned = civil.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| not_a_stamp())?;
        Ok(Self::from_timestamp(zoned.timestamp()))
    }

    /// From a `jiff` timestamp, cut to milliseconds.
    pub fn from_timestamp(timestamp: jiff::Timestamp) -> Self {
        Self(timestamp.as_millisecond())
    }

    /// As a `jiff` timestamp; moments beyond year 9999 become its limits.
    pub fn to_timestamp(self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.0).unwrap_or(if self.0 < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        })
    }

    /// This moment less a duration, not before the epoch.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration_millis(duration)).max(0))
    }

    /// This moment plus a duration.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration_millis(duration)))
    }

    /// How much later this moment is than `earlier`; zero if it is not later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

fn duration_millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// RFC 3339 in UTC with milliseconds: `2026-11-22T22:27:27.789Z`.
impl fmt::Display for Stamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:.3}", self.to_timestamp())
    }
}

impl fmt::Debug for Stamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Stamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_clearml_writes_and_cuts_below_the_millisecond() {
        for text in [
            "2026-11-22T22:27:28.021000+00:00",
            "2026-11-22 22:27:28.021400",
            "2026-11-22T22:27:28.021Z",
            "2026-11-23T00:27:28.021999+02:00",
        ] {
            assert_eq!(Stamp::parse(text).unwrap().to_string(), "2026-11-22T22:27:28.021Z", "{text}");
        }
    }

    #[test]
    fn refuses_what_the_server_would_ignore_in_silence() {
        for text in ["", "garbage", "1795386448", ">2026"] {
            assert!(Stamp::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn arithmetic_stops_at_its_ends() {
        assert_eq!(Stamp::from_millis(5).minus(Duration::from_secs(1)), Stamp::EPOCH);
        assert_eq!(Stamp::from_millis(5).since(Stamp::from_millis(9)), Duration::ZERO);
        assert_eq!(Stamp::from_millis(i64::MAX).plus(Duration::from_secs(1)).as_millis(), i64::MAX);
    }
}
