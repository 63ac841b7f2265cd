//! `history --group-by` and `--stats`: counts instead of alerts.

use std::io::{self, Write};

use serde::Serialize;

use super::table::fit;
use crate::cli::arguments::{Format, GroupField};
use crate::domain::message::words;
use crate::domain::text::single_line;
use crate::store::{Group, GroupBy, Statistics};

/// What the store calls a field.
pub(super) fn group_by(field: GroupField) -> GroupBy {
    match field {
        GroupField::Project => GroupBy::Project,
        GroupField::User => GroupBy::User,
        GroupField::Status => GroupBy::Status,
        GroupField::Rule => GroupBy::Rule,
        GroupField::State => GroupBy::State,
        GroupField::Cause => GroupBy::Cause,
        GroupField::Day => GroupBy::Day,
    }
}

pub(super) fn groups(
    out: &mut dyn Write,
    field: GroupField,
    groups: &[Group],
    format: Format,
    width: Option<u16>,
) -> io::Result<()> {
    match format {
        Format::Table if groups.is_empty() => writeln!(out, "No alerts match."),
        Format::Table => table(field, groups, width).iter().try_for_each(|line| writeln!(out, "{line}")),
        Format::Json => pretty(out, groups),
        Format::Jsonl => groups.iter().try_for_each(|group| line(out, group)),
        Format::Csv => csv(out, groups),
    }
}

fn table(field: GroupField, groups: &[Group], width: Option<u16>) -> Vec<String> {
    let mut rows = vec![vec![format!("{field:?}").to_uppercase()]];
    rows[0].extend(["ALERTS", "SENT", "WAITING", "DEAD", "SUPPRESSED"].map(str::to_owned));
    for group in groups {
        let mut row = vec![group.name.as_deref().map_or_else(|| "-".to_owned(), single_line)];
        let numbers = [group.alerts, group.sent, group.waiting, group.dead, group.suppressed];
        row.extend(numbers.map(|number| words::number(number as usize)));
        rows.push(row);
    }
    align_right(&mut rows);
    fit(&rows, &[1, 0, 0, 0, 0, 0], width)
}

/// Numbers stand below each other by their last digit.
fn align_right(rows: &mut [Vec<String>]) {
    let columns = rows.first().map_or(0, Vec::len);
    for column in 1..columns {
        let width = rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
        for row in rows.iter_mut() {
            row[column] = format!("{:>width$}", row[column]);
        }
    }
}

pub(super) fn statistics(out: &mut dyn Write, statistics: &Statistics, format: Format) -> io::Result<()> {
    match format {
        Format::Table => in_words(out, statistics),
        Format::Json => pretty(out, statistics),
        Format::Jsonl => line(out, statistics),
        Format::Csv => csv(out, std::slice::from_ref(statistics)),
    }
}

fn in_words(out: &mut dyn Write, statistics: &Statistics) -> io::Result<()> {
    let Statistics { alerts, sent, median_seconds, p95_seconds, longest_seconds } = statistics;
    writeln!(out, "{} alerts, {} of them in Slack", words::number(*alerts as usize), words::number(*sent as usize))?;
    let late = [("median", median_seconds), ("95 % within", p95_seconds), ("longest", longest_seconds)];
    for (what, seconds) in late {
        if let Some(seconds) = seconds {
            writeln!(out, "{what:<12} {} from status change to Slack", in_units(*seconds))?;
        }
    }
    Ok(())
}

/// To a tenth of a second below a minute, in words above.
fn in_units(seconds: f64) -> String {
    if seconds < 60.0 {
        return format!("{seconds:.1} s");
    }
    words::duration(std::time::Duration::from_secs_f64(seconds))
}

fn pretty<T: Serialize + ?Sized>(out: &mut dyn Write, value: &T) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)
}

fn line<T: Serialize>(out: &mut dyn Write, value: &T) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    writeln!(out)
}

fn csv<T: Serialize>(out: &mut dyn Write, rows: &[T]) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    for row in rows {
        writer.serialize(row).map_err(super::render::into_io)?;
    }
    writer.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(statistics: &Statistics, format: Format) -> String {
        let mut out = Vec::new();
        super::statistics(&mut out, statistics, format).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn statistics_for_people_and_for_machines() {
        let some = Statistics {
            alerts: 1_200,
            sent: 3,
            median_seconds: Some(2.345),
            p95_seconds: Some(75.0),
            longest_seconds: Some(11_100.0),
        };
        let text = "1,200 alerts, 3 of them in Slack\nmedian       2.3 s from status change to Slack\n\
                    95 % within  1 min from status change to Slack\nlongest      3 h 5 min from status change to Slack\n";
        assert_eq!(shown(&some, Format::Table), text);
        let csv = "alerts,sent,median_seconds,p95_seconds,longest_seconds\n1200,3,2.345,75.0,11100.0\n";
        assert_eq!(shown(&some, Format::Csv), csv);
        let none = Statistics { alerts: 0, sent: 0, median_seconds: None, p95_seconds: None, longest_seconds: None };
        assert_eq!(shown(&none, Format::Table), "0 alerts, 0 of them in Slack\n");
    }

    #[test]
    fn groups_keep_hostile_names_on_their_line() {
        let group = |name: Option<&str>, alerts| Group {
            name: name.map(str::to_owned),
            alerts,
            sent: alerts,
            waiting: 0,
            dead: 0,
            suppressed: 0,
        };
        let mut out = Vec::new();
        let all = [group(Some("vision\n\u{1b}[31m/resnet"), 12_345), group(None, 1)];
        groups(&mut out, GroupField::Project, &all, Format::Table, Some(80)).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.contains("vision [31m/resnet") && text.contains("12,345") && !text.contains('\u{1b}'), "{text}");
    }
}
