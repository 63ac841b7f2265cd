//! Past alerts as a table, JSON, JSON lines or CSV.

use std::io::{self, Write};

use comfy_table::{Cell, ColumnConstraint, ContentArrangement, Row, Table, presets};

use crate::cli::arguments::Format;
use crate::domain::message::words;
use crate::domain::{AlertRecord, Stamp, text};

/// The names of the columns, in the order of the contract.
const COLUMNS: [&str; 17] = [
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
];

/// Writes alerts. `width` is the terminal's; `None`: whole values, whatever their length.
pub(super) fn render(
    out: &mut dyn Write,
    alerts: &[AlertRecord],
    format: Format,
    width: Option<u16>,
) -> io::Result<()> {
    match format {
        Format::Table => writeln!(out, "{}", table(alerts, width)),
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
                let cells =
                    [minute(alert.status_changed), words::outcome(alert.status).to_owned(), alert.state.to_string()];
                let project = alert.project.as_deref().unwrap_or("-");
                writeln!(
                    out,
                    "{}  {}  {}",
                    cells.join("  "),
                    text::single_line(&alert.task_name),
                    text::single_line(project)
                )?;
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

fn table(alerts: &[AlertRecord], width: Option<u16>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_truncation_indicator("…");
    match width {
        Some(width) => table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width),
        None => table.set_content_arrangement(ContentArrangement::Disabled),
    };
    let wide = width.is_none_or(|width| width >= 100);
    table.set_header(header(wide));
    for alert in alerts {
        let mut row = Row::from(cells(alert, wide));
        if width.is_some() {
            row.max_height(1);
        }
        table.add_row(row);
    }
    for (position, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        // Times and words of ours stay whole; names give way.
        if position < 3 {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    table
}

fn header(wide: bool) -> Vec<Cell> {
    let narrow = ["TIME (UTC)", "STATUS", "STATE", "TASK", "PROJECT"];
    let more = ["USER", "WHY"];
    narrow.into_iter().chain(more.into_iter().filter(|_| wide)).map(Cell::new).collect()
}

fn cells(alert: &AlertRecord, wide: bool) -> Vec<Cell> {
    let dash = |value: &Option<String>| value.as_deref().map_or_else(|| "-".to_owned(), text::single_line);
    let mut cells = vec![
        minute(alert.status_changed),
        words::outcome(alert.status).to_owned(),
        alert.state.to_string(),
        text::single_line(&alert.task_name),
        dash(&alert.project),
    ];
    if wide {
        cells.extend([dash(&alert.user), dash(&alert.reason)]);
    }
    cells.into_iter().map(Cell::new).collect()
}

/// `2026-11-22 22:27:28`.
fn minute(stamp: Stamp) -> String {
    stamp.to_timestamp().strftime("%Y-%m-%d %H:%M:%S").to_string()
}
