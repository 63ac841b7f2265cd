//! Past alerts as a table, JSON, JSON lines or CSV.

use std::io::{self, Write};

use super::table;
use crate::cli::arguments::Format;
use crate::domain::message::words;
use crate::domain::{AlertRecord, text};

/// The names of the columns, in the order of the contract.
const COLUMNS: [&str; 19] = [
    "id",
    "rule",
    "task_id",
    "task_name",
    "project",
    "user",
    "status",
    "status_changed",
    "state",
    "reason",
    "created_at",
    "sent_at",
    "attempts",
    "channel",
    "message_ts",
    "digest",
    "url",
    "cause",
    "cause_detail",
];

/// Writes alerts. `width` is the terminal's; `None`: whole values, whatever their length.
pub(super) fn render(
    out: &mut dyn Write,
    alerts: &[AlertRecord],
    format: Format,
    width: Option<u16>,
) -> io::Result<()> {
    match format {
        Format::Table => table::lines(alerts, width).iter().try_for_each(|line| writeln!(out, "{line}")),
        Format::Json => {
            serde_json::to_writer_pretty(&mut *out, alerts)?;
            writeln!(out)
        }
        Format::Jsonl => alerts.iter().try_for_each(|alert| json_line(out, alert)),
        Format::Csv => csv_rows(out, alerts, true),
    }
}

/// Writes alerts one after the other, as `--follow` tells them: an array that never ends is no use to anybody, so JSON is
/// one object a line here too.
pub(super) fn append(out: &mut dyn Write, alerts: &[AlertRecord], format: Format, header: bool) -> io::Result<()> {
    match format {
        Format::Table => {
            for alert in alerts {
                let (time, outcome) = (table::second(alert.status_changed), words::outcome(alert.status));
                let (name, project) =
                    (text::single_line(&alert.task_name), text::single_line(alert.project.as_deref().unwrap_or("-")));
                writeln!(out, "{time}  {outcome:<9}  {:<10}  {name}  {project}", alert.state.as_str())?;
            }
            Ok(())
        }
        Format::Json | Format::Jsonl => alerts.iter().try_for_each(|alert| json_line(out, alert)),
        Format::Csv => csv_rows(out, alerts, header),
    }
}

/// The pages of the tasks, one a line; alerts without one are left out.
pub(super) fn addresses(out: &mut dyn Write, alerts: &[AlertRecord]) -> io::Result<()> {
    alerts.iter().filter_map(|alert| alert.url.as_ref()).try_for_each(|url| writeln!(out, "{url}"))
}

fn json_line(out: &mut dyn Write, alert: &AlertRecord) -> io::Result<()> {
    serde_json::to_writer(&mut *out, alert)?;
    writeln!(out)
}

fn csv_rows(out: &mut dyn Write, alerts: &[AlertRecord], header: bool) -> io::Result<()> {
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(out);
    if header {
        writer.write_record(COLUMNS).map_err(into_io)?;
    }
    for alert in alerts {
        writer.serialize(alert).map_err(into_io)?;
    }
    writer.flush()
}

pub(super) fn into_io(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}
