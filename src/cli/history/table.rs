//! Past alerts as a table that fits the terminal: names give way, times and words of ours stay whole.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use crate::domain::message::words;
use crate::domain::{AlertRecord, Stamp, text};

/// From so many columns on there is room for the project.
const ROOM_FOR_PROJECT: u16 = 72;
/// From so many columns on there is room for the user, and for why an alert stands where it does.
const ROOM_FOR_REASON: u16 = 100;
/// Between two columns.
const GAP: usize = 2;

/// The table, line by line. `width` is the terminal's; `None`: everything, and whole values, whatever their length.
pub(super) fn lines(alerts: &[AlertRecord], width: Option<u16>) -> Vec<String> {
    let kinds = ColumnKind::shown(width);
    let mut rows: Vec<Vec<String>> = vec![kinds.iter().map(|kind| kind.title().to_owned()).collect()];
    rows.extend(alerts.iter().map(|alert| kinds.iter().map(|kind| kind.cell(alert, width)).collect()));
    let weights: Vec<usize> = kinds.iter().map(|kind| kind.weight()).collect();
    fit(&rows, &weights, width)
}

/// Rows of cells as lines that fit: columns of weight 0 stay whole, the others share what is left by their weight.
pub(in crate::cli) fn fit(rows: &[Vec<String>], weights: &[usize], width: Option<u16>) -> Vec<String> {
    let widest = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width()).max();
    let natural: Vec<usize> = (0..weights.len()).map(|column| widest(column).unwrap_or(0)).collect();
    let gaps = GAP * weights.len().saturating_sub(1);
    let room = width.map_or(usize::MAX, |width| usize::from(width).saturating_sub(gaps));
    let widths = distribute(&natural, weights, room);
    rows.iter().map(|row| line(row, &widths)).collect()
}

/// Widths that fit into `room` together. A column of weight 0 has what it needs; of the others, those that need less than
/// their share have it too, and what they leave is shared by the rest.
fn distribute(natural: &[usize], weights: &[usize], room: usize) -> Vec<usize> {
    let mut widths = natural.to_vec();
    let mut narrowed: Vec<usize> = (0..natural.len()).filter(|column| weights[*column] > 0).collect();
    loop {
        let settled: usize = (0..natural.len()).filter(|column| !narrowed.contains(column)).map(|c| widths[c]).sum();
        let left = room.saturating_sub(settled);
        let parts: usize = narrowed.iter().map(|column| weights[*column]).sum();
        let share = |column: usize| left.saturating_mul(weights[column]) / parts.max(1);
        let before = narrowed.len();
        narrowed.retain(|column| natural[*column] > share(*column));
        if narrowed.len() == before {
            for column in narrowed {
                widths[column] = share(column);
            }
            return widths;
        }
    }
}

fn line(row: &[String], widths: &[usize]) -> String {
    let mut line = String::new();
    for (cell, width) in row.iter().zip(widths) {
        let cell = cut(cell, *width);
        line.push_str(&cell);
        line.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.width()) + GAP));
    }
    line.truncate(line.trim_end().len());
    line
}

/// As much of a text as fits, with a sign that there is more.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut cut = String::new();
    for character in text.graphemes(true) {
        if cut.width() + character.width() >= width {
            break;
        }
        cut.push_str(character);
    }
    cut.push('…');
    cut
}

/// `2026-11-22 22:27:28`.
pub(super) fn second(stamp: Stamp) -> String {
    stamp.to_timestamp().strftime("%Y-%m-%d %H:%M:%S").to_string()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ColumnKind {
    Id,
    Time,
    Status,
    State,
    Task,
    Project,
    User,
    Why,
}

impl ColumnKind {
    /// The columns that there is room for.
    fn shown(width: Option<u16>) -> Vec<Self> {
        let room_for = |columns: u16| width.is_none_or(|width| width >= columns);
        let mut shown = vec![Self::Id, Self::Time, Self::Status, Self::State, Self::Task];
        if room_for(ROOM_FOR_PROJECT) {
            shown.push(Self::Project);
        }
        if room_for(ROOM_FOR_REASON) {
            shown.extend([Self::User, Self::Why]);
        }
        shown
    }

    fn title(self) -> &'static str {
        match self {
            Self::Id => "ID",
            Self::Time => "TIME (UTC)",
            Self::Status => "STATUS",
            Self::State => "STATE",
            Self::Task => "TASK",
            Self::Project => "PROJECT",
            Self::User => "USER",
            Self::Why => "WHY",
        }
    }

    fn cell(self, alert: &AlertRecord, width: Option<u16>) -> String {
        let or_dash = |value: &Option<String>| value.as_deref().map_or_else(|| "-".to_owned(), text::single_line);
        match self {
            Self::Id => alert.id.to_string(),
            Self::Time => time(alert.status_changed, width),
            Self::Status => words::outcome(alert.status).to_owned(),
            Self::State => alert.state.to_string(),
            Self::Task => text::single_line(&alert.task_name),
            Self::Project => or_dash(&alert.project),
            Self::User => or_dash(&alert.user),
            Self::Why => {
                alert.reason.as_deref().or_else(|| alert.why()).map_or_else(|| "-".to_owned(), text::single_line)
            }
        }
    }

    /// How much of the room that is left it gets; 0 for what is never cut.
    fn weight(self) -> usize {
        match self {
            Self::Id | Self::Time | Self::Status | Self::State => 0,
            Self::Task => 5,
            Self::Why => 4,
            Self::Project | Self::User => 3,
        }
    }
}

/// As much of the time as there is room for: the newest come first, so seconds and the year can be missed.
fn time(stamp: Stamp, width: Option<u16>) -> String {
    let shape = match width {
        None => return second(stamp),
        Some(width) if width < ROOM_FOR_REASON => "%m-%d %H:%M",
        Some(_) => "%Y-%m-%d %H:%M",
    };
    stamp.to_timestamp().strftime(shape).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_left_whole_and_what_does_not_shares_what_is_left() {
        assert_eq!(distribute(&[10, 5, 20], &[0, 1, 1], 100), [10, 5, 20]);
        assert_eq!(distribute(&[10, 5, 90], &[0, 1, 1], 60), [10, 5, 45]);
        assert_eq!(distribute(&[10, 90, 90], &[0, 3, 1], 50), [10, 30, 10]);
        assert_eq!(distribute(&[10, 90], &[0, 1], 5), [10, 0]);
    }

    #[test]
    fn a_cut_counts_columns_and_keeps_characters_whole() {
        assert_eq!(cut("baseline", 8), "baseline");
        assert_eq!(cut("baseline", 7), "baseli…");
        assert_eq!(cut("実験の名前", 6), "実験…");
        assert_eq!(cut("e\u{301}e\u{301}e\u{301}", 2), "e\u{301}…");
        assert_eq!(cut("long", 0), "…");
    }
}
