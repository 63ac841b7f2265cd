//! Walks through every status change since a stamp, a page at a time, while tasks go on changing. Pure: it says what to
//! ask for and takes the rows that came; `changes` does the asking.
//!
//! Pages are asked for by key-set: the next one begins at the last stamp of the one before, and what was handed out at
//! that stamp is dropped. A task that changes meanwhile gets a later stamp, so it moves to the end of the list, and
//! nothing else moves out of sight.
//!
//! When one stamp fills a whole page, the next request would bring the same page again. Then that stamp is walked by page
//! number: up to where the stamp ends, and back down to the first page. Going up, a row can slip past: one that leaves
//! makes all after it move a place down, into a page already read. Going back down none can, since rows only ever move
//! down: a row is on the page being read or on one still to be read.

use std::collections::HashSet;

use super::rows::Row;
use crate::domain::{Stamp, Task};

/// A walk over one stamp ends with an error beyond this many rows: no server has them, and memory is not endless.
const LONGEST_WALK_ROWS: usize = 1_000_000;

/// A page of status changes, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The tasks whose status changed, as they are now; none was handed out with the same stamp before.
    pub tasks: Vec<Task>,
    /// Rows that could not be understood. They are reported again as long as they are asked for.
    pub problems: Vec<RowProblem>,
    /// Everything stamped up to and including this has been handed out once this page is taken; `None` when the page
    /// tells nothing of the kind yet. The watermark may move here and no further.
    pub newest: Option<Stamp>,
    /// Whether another page follows.
    pub more: bool,
}

/// A row that could not be understood.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RowProblem {
    /// The task's ID, where the row had one.
    pub task_id: Option<String>,
    /// What is wrong with the row.
    pub problem: String,
}

/// What to ask for: rows stamped at or after `from`, oldest first, the page of this number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) from: Stamp,
    pub(super) page: usize,
    /// Whether page numbers matter, so that rows of one stamp must come in a fixed order.
    pub(super) by_number: bool,
}

#[derive(Debug)]
pub(super) struct Pager {
    page_size: usize,
    place: Place,
    /// Tasks handed out at the stamp that the next request begins with.
    seen: HashSet<String>,
    newest: Option<Stamp>,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    /// By key-set, from this stamp on.
    From(Stamp),
    /// By page number, over the rows with one stamp.
    Walk(Walk),
    End,
}

#[derive(Debug, Clone, Copy)]
struct Walk {
    stamp: Stamp,
    page: usize,
    direction: Direction,
    /// The earliest stamp seen after the one that is walked.
    next_stamp: Option<Stamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

impl Pager {
    pub(super) fn new(from: Stamp, page_size: usize) -> Self {
        Self { page_size, place: Place::From(from), seen: HashSet::new(), newest: None }
    }

    /// What to ask for next; `None` when everything has been handed out.
    pub(super) fn request(&self) -> Option<Request> {
        match self.place {
            Place::From(from) => Some(Request { from, page: 0, by_number: false }),
            Place::Walk(walk) => Some(Request { from: walk.stamp, page: walk.page, by_number: true }),
            Place::End => None,
        }
    }

    /// Takes the answer to [`Pager::request`]. An answer that no honest server gives is an error and moves nothing.
    pub(super) fn take(&mut self, rows: Vec<Row>) -> Result<Page, String> {
        match self.place {
            Place::From(from) => self.take_by_stamp(from, rows),
            Place::Walk(walk) => self.take_by_number(walk, rows),
            Place::End => Ok(self.page(Vec::new())),
        }
    }

    fn take_by_stamp(&mut self, from: Stamp, rows: Vec<Row>) -> Result<Page, String> {
        check_order(&rows, from)?;
        let full = rows.len() >= self.page_size;
        let last = rows.iter().filter_map(|row| row.stamp).next_back();
        let before_last = rows.iter().filter_map(|row| row.stamp).rfind(|stamp| Some(*stamp) < last);
        let at_last = ids_at(last, &rows);
        let fresh = self.unseen(from, rows);
        match last {
            _ if !full => {
                self.newest = last.or(self.newest);
                self.place = Place::End;
            }
            Some(last) if last > from => {
                self.newest = before_last.or(self.newest);
                self.place = Place::From(last);
                self.seen = at_last;
            }
            _ => {
                self.seen.extend(at_last);
                self.place = Place::Walk(Walk { stamp: from, page: 1, direction: Direction::Up, next_stamp: None });
            }
        }
        Ok(self.page(fresh))
    }

    fn take_by_number(&mut self, mut walk: Walk, rows: Vec<Row>) -> Result<Page, String> {
        check_order(&rows, walk.stamp)?;
        let full = rows.len() >= self.page_size;
        let after = rows.iter().filter_map(|row| row.stamp).find(|stamp| *stamp > walk.stamp);
        walk.next_stamp = [walk.next_stamp, after].into_iter().flatten().min();
        let reached_the_end = !full || after.is_some();
        let at_stamp = ids_at(Some(walk.stamp), &rows);
        let fresh: Vec<Row> =
            self.unseen(walk.stamp, rows).into_iter().filter(|row| row.stamp <= Some(walk.stamp)).collect();
        match walk.direction {
            Direction::Up if reached_the_end => walk.direction = Direction::Down,
            Direction::Up if fresh.is_empty() => return Err("page after page brings the same tasks".to_owned()),
            Direction::Up if (walk.page + 1) * self.page_size > LONGEST_WALK_ROWS => {
                return Err(format!("more than {LONGEST_WALK_ROWS} tasks are stamped {}", walk.stamp));
            }
            Direction::Up | Direction::Down => {}
        }
        self.seen.extend(at_stamp);
        self.place = match (walk.direction, walk.page, walk.next_stamp) {
            (Direction::Up, page, _) => Place::Walk(Walk { page: page + 1, ..walk }),
            (Direction::Down, 1.., _) => Place::Walk(Walk { page: walk.page - 1, ..walk }),
            (Direction::Down, 0, Some(next)) => Place::From(next),
            (Direction::Down, 0, None) => Place::End,
        };
        if !matches!(self.place, Place::Walk(_)) {
            self.newest = Some(walk.stamp);
            self.seen.clear();
        }
        Ok(self.page(fresh))
    }

    /// The rows that were not handed out at `stamp` before.
    fn unseen(&self, stamp: Stamp, rows: Vec<Row>) -> Vec<Row> {
        let is_seen = |row: &Row| {
            row.stamp.is_none_or(|own| own == stamp) && row.id.as_ref().is_some_and(|id| self.seen.contains(id))
        };
        rows.into_iter().filter(|row| !is_seen(row)).collect()
    }

    fn page(&self, rows: Vec<Row>) -> Page {
        let mut page = Page {
            tasks: Vec::with_capacity(rows.len()),
            problems: Vec::new(),
            newest: self.newest,
            more: !matches!(self.place, Place::End),
        };
        for row in rows {
            match row.task {
                Ok(task) => page.tasks.push(task),
                Err(problem) => page.problems.push(RowProblem { task_id: row.id, problem }),
            }
        }
        page
    }
}

/// The tasks at this stamp, and those whose stamp cannot be read, which sort wherever the server puts them.
fn ids_at(stamp: Option<Stamp>, rows: &[Row]) -> HashSet<String> {
    rows.iter().filter(|row| row.stamp.is_none() || row.stamp == stamp).filter_map(|row| row.id.clone()).collect()
}

/// A server that does not understand a bound ignores it in silence and answers with everything, so a good answer has to
/// prove itself: nothing older than asked for, and in order.
fn check_order(rows: &[Row], from: Stamp) -> Result<(), String> {
    let mut previous = from;
    for row in rows {
        let Some(stamp) = row.stamp else { continue };
        if stamp < previous {
            let id = row.id.as_deref().unwrap_or("without ID");
            return Err(format!(
                "task {id} is stamped {stamp}, which does not come at or after {previous}: the server ignored the filter or the order that was asked for"
            ));
        }
        previous = stamp;
    }
    Ok(())
}
