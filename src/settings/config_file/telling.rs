//! How and when a rule tells: the keys of `[[rule]]` about timing, messages, and stuck tasks.

use std::time::Duration;

use jiff::tz::TimeZone;

use super::nearest::nearest;
use super::quiet;
use super::table::Table;
use crate::domain::rule::{Field, Stuck, Style, Times, Timing};
use crate::settings::defaults;
use crate::settings::time::format_duration;

/// Longer, and nobody would call it an alert.
const LONGEST_HOLD: Duration = Duration::from_hours(7 * 24);
/// A task that reports nothing for so short a time may only be busy.
const SHORTEST_STUCK: Duration = Duration::from_mins(1);
/// More lines of console than this do not fit a message.
const CONSOLE_LINES: std::ops::RangeInclusive<i64> = 0..=100;

pub(super) fn timing(table: &Table<'_>) -> Timing {
    let hold = table.duration("hold");
    if let Some(at) = hold.as_ref().filter(|at| at.value > LONGEST_HOLD) {
        table.refuse::<_, ()>(at, &format_duration(at.value), "is out of range", "write at most 7d");
    }
    let quiet = table.text("quiet").and_then(|at| match quiet::parse(&at.value) {
        Ok(quiet) => Some(quiet),
        Err(problem) => {
            let remedy = "write two times and a time zone, like \"22:00-07:00 Europe/Berlin\"";
            table.refuse(&at, &at.value, &problem, remedy)
        }
    });
    let digests = i64::from(*defaults::DIGEST_RANGE.start())..=i64::from(*defaults::DIGEST_RANGE.end());
    Timing {
        hold: hold.map(|at| at.value).filter(|hold| !hold.is_zero()),
        quiet,
        urgent: table.switch("urgent").is_some_and(|at| at.value),
        digest_above: table.whole("digest_above", &digests).and_then(|at| u32::try_from(at.value).ok()),
        thread: table.switch("thread").is_some_and(|at| at.value),
    }
}

pub(super) fn style(table: &Table<'_>) -> Style {
    let Some(message) = table.table("message") else { return Style::default() };
    let prefix = message.text("prefix");
    let longest = defaults::PREFIX_CHARACTERS;
    if let Some(at) = prefix.as_ref().filter(|at| at.value.encode_utf16().count() > longest) {
        message.refuse::<_, ()>(at, &at.value, &format!("is longer than {longest} characters"), "shorten it");
    }
    let lines = message.whole("console_lines", &CONSOLE_LINES);
    let style = Style {
        prefix: prefix.map(|at| at.value).filter(|prefix| !prefix.is_empty()),
        mention_owner: message.switch("mention_owner").is_some_and(|at| at.value),
        console_lines: lines.and_then(|at| usize::try_from(at.value).ok()).unwrap_or(Style::CONSOLE_LINES),
        fields: fields(&message),
        times: times(&message).unwrap_or_default(),
    };
    message.finish();
    style
}

fn times(message: &Table<'_>) -> Option<Times> {
    let at = message.text("times")?;
    match at.value.trim() {
        "reader" => Some(Times::Reader),
        "utc" => Some(Times::Zone(TimeZone::UTC)),
        zone => match TimeZone::get(zone) {
            Ok(zone) => Some(Times::Zone(zone)),
            Err(_) => {
                let remedy = "write \"reader\", \"utc\", or a zone like \"Europe/Berlin\"";
                message.refuse(&at, &at.value, "is no time zone that is known", remedy)
            }
        },
    }
}

fn fields(message: &Table<'_>) -> Option<Vec<Field>> {
    let texts = message.texts("fields")?;
    let mut fields = Vec::new();
    for at in &texts.value {
        let word = at.value.trim();
        match Field::ALL.into_iter().find(|field| field.as_str() == word) {
            Some(field) if fields.contains(&field) => {
                message.refuse::<_, ()>(at, word, "is there twice", "name each field once");
            }
            Some(field) => fields.push(field),
            None => {
                let known = Field::ALL.map(Field::as_str);
                let remedy = nearest(word, known).map_or_else(
                    || format!("known are {}", known.join(", ")),
                    |meant| format!("did you mean `{meant}`?"),
                );
                message.refuse::<_, ()>(at, &at.value, "is no field of a message", &remedy);
            }
        }
    }
    Some(fields)
}

pub(super) fn stuck(table: &Table<'_>) -> Option<Stuck> {
    let stuck = table.table("stuck")?;
    let time = |key| {
        let at = stuck.duration(key)?;
        if at.value < SHORTEST_STUCK {
            stuck.refuse::<_, ()>(&at, &format_duration(at.value), "is out of range", "write at least 1m");
        }
        Some(at.value)
    };
    let (silent, iteration) = (time("silent"), time("iteration"));
    let is_asked = stuck.has("silent") || stuck.has("iteration");
    stuck.finish();
    if !is_asked {
        let told = format!("{} asks nothing: give silent = \"1h\", iteration = \"3h\", or both", table.place("stuck"));
        stuck.reading.problem(stuck.line, told);
    }
    Some(Stuck { silent, iteration })
}
