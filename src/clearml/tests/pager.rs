//! The pager against a model of the server whose tasks change while it reads.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;
use serde_json::json;

use crate::clearml::pager::{Page, Pager, Request};
use crate::clearml::rows::Row;
use crate::domain::Stamp;

/// Tasks and their stamps in milliseconds, answered as ClearML does: filtered, in order of stamp and ID, paged.
struct Server {
    tasks: HashMap<String, i64>,
    page_size: usize,
    clock: i64,
}

impl Server {
    fn answer(&self, request: Request) -> Vec<Row> {
        let mut found: Vec<_> = self.tasks.iter().filter(|(_, stamp)| **stamp >= request.from.as_millis()).collect();
        found.sort_by_key(|(id, stamp)| (**stamp, (*id).clone()));
        found
            .into_iter()
            .skip(request.page * self.page_size)
            .take(self.page_size)
            .map(|(id, stamp)| row(id, *stamp))
            .collect()
    }

    /// A task's status changes now, or the task is deleted.
    fn disturb(&mut self, nth: usize, deleted: bool) {
        let mut ids: Vec<_> = self.tasks.keys().cloned().collect();
        ids.sort();
        let Some(id) = ids.get(nth % ids.len().max(1)) else { return };
        self.clock += 1;
        if deleted {
            self.tasks.remove(id);
        } else {
            self.tasks.insert(id.clone(), self.clock);
        }
    }
}

fn row(id: &str, stamp: i64) -> Row {
    let stamp = Stamp::from_millis(stamp).to_string();
    Row::read(json!({"id": id, "name": id, "status": "failed", "status_changed": stamp}))
}

fn server(stamps: &[i64], page_size: usize) -> Server {
    let tasks = stamps.iter().enumerate().map(|(number, stamp)| (format!("task{number:04}"), *stamp)).collect();
    Server { tasks, page_size, clock: 1_000_000 }
}

/// Reads everything from `from` on; `between` is called before every request but the first.
fn read_all(server: &mut Server, from: i64, mut between: impl FnMut(&mut Server)) -> Vec<Page> {
    let mut reader = Pager::new(Stamp::from_millis(from), server.page_size);
    let mut pages: Vec<Page> = Vec::new();
    while let Some(request) = reader.request() {
        let taken = reader.take(server.answer(request)).unwrap();
        assert_eq!(taken.more, reader.request().is_some());
        pages.push(taken);
        assert!(pages.len() < 5_000, "the pager does not come to an end");
        check_watermark(server, from, &pages);
        between(server);
    }
    pages
}

fn handed_out(pages: &[Page]) -> Vec<(String, i64)> {
    pages.iter().flat_map(|page| &page.tasks).map(|task| (task.id.clone(), task.status_changed.as_millis())).collect()
}

/// What the newest page promises: nothing at or before its watermark is missing.
fn check_watermark(server: &Server, from: i64, pages: &[Page]) {
    let Some(newest) = pages.last().and_then(|page| page.newest) else { return };
    let seen: HashSet<_> = handed_out(pages).into_iter().collect();
    for (id, stamp) in &server.tasks {
        if (from..=newest.as_millis()).contains(stamp) {
            assert!(seen.contains(&(id.clone(), *stamp)), "{id} at {stamp} is missing, and the watermark is {newest}");
        }
    }
}

fn sizes(pages: &[Page]) -> Vec<usize> {
    pages.iter().map(|page| page.tasks.len()).collect()
}

#[test]
fn a_quiet_server_is_read_once_in_order() {
    let pages = read_all(&mut server(&[10, 20, 20, 30, 40], 2), 15, |_| {});
    let stamps: Vec<_> = handed_out(&pages).into_iter().map(|(_, stamp)| stamp).collect();
    assert_eq!(stamps, [20, 20, 30, 40]);
    assert_eq!(pages.last().unwrap().newest, Some(Stamp::from_millis(40)));
}

#[test]
fn nothing_new_is_one_request_and_no_watermark() {
    let pages = read_all(&mut server(&[10], 2), 15, |_| {});
    assert_eq!((sizes(&pages), pages[0].newest, pages[0].more), (vec![0], None, false));
}

#[test]
fn the_watermark_stays_before_a_stamp_that_may_go_on() {
    let pages = read_all(&mut server(&[10, 20, 20, 30], 2), 0, |_| {});
    let millis = |page: &Page| page.newest.map(Stamp::as_millis);
    assert_eq!((millis(&pages[0]), millis(&pages[1])), (Some(10), Some(10)));
    assert_eq!(millis(pages.last().unwrap()), Some(30));
}

#[test]
fn six_hundred_of_one_millisecond_cost_a_few_requests() {
    let stamps: Vec<i64> = (0..300).chain([300; 600]).chain(301..600).collect();
    let pages = read_all(&mut server(&stamps, 500), 0, |_| {});
    assert_eq!(handed_out(&pages).len(), 1199);
    assert!(pages.len() <= 6, "{:?}", sizes(&pages));
}

#[test]
fn a_row_that_slips_past_on_the_way_up_is_met_on_the_way_down() {
    let mut server = server(&[5; 9], 3);
    let mut requests = 0;
    let pages = read_all(&mut server, 0, |server| {
        requests += 1;
        // Page 1 of the walk was read just now: a row of it leaves, and the first of page 2 slips into it.
        if requests == 3 {
            server.disturb(4, false);
        }
    });
    let out: Vec<_> = handed_out(&pages).into_iter().filter(|(_, stamp)| *stamp == 5).collect();
    assert_eq!(out.len(), 9, "{out:?}");
}

#[test]
fn unreadable_rows_are_reported_and_hold_nothing_up() {
    let mut rows = vec![
        row("a", 10),
        Row::read(json!({"id": "b", "status_changed": "1970-01-01T00:00:00.020Z"})),
        Row::read(json!(5)),
    ];
    rows.push(row("c", 30));
    let mut pager = Pager::new(Stamp::EPOCH, 4);
    let page = pager.take(rows).unwrap();
    assert_eq!(page.tasks.len(), 2);
    assert_eq!(page.problems.iter().map(|problem| problem.task_id.as_deref()).collect::<Vec<_>>(), [Some("b"), None]);
    assert_eq!(pager.request().unwrap().from, Stamp::from_millis(30));
}

#[test]
fn pages_of_nothing_but_unreadable_rows_are_stepped_over() {
    let unreadable = |count: usize| (0..count).map(|_| Row::read(json!({"status": "failed"}))).collect::<Vec<_>>();
    let mut listed = unreadable(7);
    listed.extend([row("a", 10), row("b", 10), row("c", 20)]);
    let mut pager = Pager::new(Stamp::from_millis(1), 3);
    let mut names = Vec::new();
    for _ in 0..60 {
        let Some(request) = pager.request() else { break };
        let readable_from = |row: &Row| row.stamp.is_none_or(|stamp| stamp >= request.from);
        let rows = listed.iter().filter(|row| readable_from(row)).skip(request.page * 3).take(3).cloned().collect();
        names.extend(pager.take(rows).unwrap().tasks.into_iter().map(|task| task.name));
    }
    assert_eq!(pager.request(), None);
    assert_eq!(names, ["a", "b", "c"]);
}

#[test]
fn a_server_that_ignores_the_filter_or_the_order_is_found_out() {
    for rows in [vec![row("a", 10)], vec![row("a", 60), row("b", 55)]] {
        let mut pager = Pager::new(Stamp::from_millis(50), 2);
        assert!(pager.take(rows).unwrap_err().contains("ignored"));
        assert_eq!(pager.request().unwrap().from, Stamp::from_millis(50), "nothing moved");
    }
}

#[test]
fn a_server_that_ignores_page_numbers_is_found_out() {
    let mut pager = Pager::new(Stamp::from_millis(5), 2);
    let same = || vec![row("a", 5), row("b", 5)];
    pager.take(same()).unwrap();
    assert!(pager.take(same()).unwrap_err().contains("the same tasks"));
}

proptest! {
    #[test]
    fn whatever_moves_meanwhile_nothing_is_missed_and_nothing_comes_twice(
        // Few stamps among many tasks, so that most are ties and some fill several pages.
        stamps in prop::collection::vec((0i64..6).prop_map(|stamp| stamp * 10), 0..60),
        page_size in 1usize..8,
        from in 0i64..40,
        moves in prop::collection::vec(prop::collection::vec((any::<usize>(), prop::bool::weighted(0.3)), 0..4), 0..40),
    ) {
        let mut server = server(&stamps, page_size);
        let before = server.tasks.clone();
        let mut moves = moves.into_iter();
        let pages = read_all(&mut server, from, |server| {
            for (nth, deleted) in moves.next().unwrap_or_default() {
                server.disturb(nth, deleted);
            }
        });
        let out = handed_out(&pages);
        let distinct: HashSet<_> = out.iter().cloned().collect();
        prop_assert_eq!(distinct.len(), out.len(), "something was handed out twice");
        for (id, stamp) in before {
            let stayed = server.tasks.get(&id) == Some(&stamp);
            prop_assert!(!stayed || stamp < from || distinct.contains(&(id.clone(), stamp)), "{} at {} was missed", id, stamp);
        }
    }
}
