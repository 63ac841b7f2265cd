//! The months: what happens in ClearML, and what of it must be told.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use clearml_alerts::clock::Clock;
use clearml_alerts::domain::{Stamp, Status};
use clearml_alerts::sandbox::clearml::TaskSeed;
use rusqlite::Connection;

use crate::measure::Measure;
use crate::world::{CHANNEL, Running, World, title};

const MONTH: Duration = Duration::from_hours(24 * 30);
/// What the service is told to keep.
const KEEP: Duration = Duration::from_hours(24 * 30);
/// Old tasks that come back now and then; ClearML has forgotten all others after some steps.
const REVENANTS: usize = 60;
/// Steps that ClearML remembers every task for.
const REMEMBERED_STEPS: usize = 3;
/// Between two stamps of one task.
const MOMENT: Duration = Duration::from_millis(10);
/// No step takes longer.
const PATIENCE: Duration = Duration::from_mins(2);

pub struct Months {
    world: World,
    service: Option<Running>,
    database: Option<Connection>,
    random: fastrand::Rng,
    now: Stamp,
    step: Duration,
    steps_a_month: usize,
    tasks_a_step: usize,
    steps: u64,
    made: usize,
    /// Ends that were put to the rule: each leaves one row.
    ends: u64,
    /// By task name: how often it must be told.
    expected: BTreeMap<String, u32>,
    told: BTreeMap<String, u32>,
    recent: VecDeque<Vec<String>>,
    old: VecDeque<(String, String)>,
}

impl Months {
    pub fn begin(seed: u64, tasks_a_step: usize, steps_a_month: usize) -> Self {
        let world = World::new();
        let step = MONTH / u32::try_from(steps_a_month).unwrap();
        let mut months = Self {
            now: Clock::system().now(),
            world,
            service: None,
            database: None,
            random: fastrand::Rng::with_seed(seed),
            step,
            steps_a_month,
            tasks_a_step,
            steps: 0,
            made: 0,
            ends: 0,
            expected: BTreeMap::new(),
            told: BTreeMap::new(),
            recent: VecDeque::new(),
            old: VecDeque::new(),
        };
        months.set_clocks();
        months.start();
        months.service.as_ref().unwrap().wait_for_log("watching begins");
        let database = Connection::open(months.world.database()).unwrap();
        database.busy_timeout(Duration::from_secs(30)).unwrap();
        months.database = Some(database);
        months
    }

    fn start(&mut self) {
        let clock = self.world.folder().join("clock");
        let mut command = self.world.service_command(&["--keep", "30d", "--digest-above", "0"]);
        self.service = Some(Running::start(command.env("CLEARML_ALERTS_TEST_CLOCK_FILE", clock)));
    }

    /// Everybody's clock shows the simulated time.
    fn set_clocks(&self) {
        self.world.clearml.set_time(self.now);
        self.world.slack.set_clock(Clock::manual(self.now));
        let off_by = self.now.as_millis() - Clock::system().now().as_millis();
        // Moved into place whole: the service reads it at any moment.
        let draft = self.world.folder().join("clock.draft");
        std::fs::write(&draft, off_by.to_string()).unwrap();
        std::fs::rename(draft, self.world.folder().join("clock")).unwrap();
    }

    /// A month.
    pub fn pass(&mut self) {
        for _ in 0..self.steps_a_month {
            // Before the clocks move: whatever is stamped afterwards is later than this.
            self.an_old_one_comes_back();
            self.now = self.now.plus(self.step);
            self.set_clocks();
            self.tasks_end();
            self.wait_until_told();
            // Not before: what is deleted before a poll has seen it cannot be told.
            self.clearml_forgets();
            self.steps += 1;
        }
        self.wait_until_pruned();
        self.count_messages();
        self.world.clearml.requests().clear();
        self.world.slack.requests().clear();
    }

    fn tasks_end(&mut self) {
        let first = self.made;
        let apart = self.step / u32::try_from(self.tasks_a_step + 1).unwrap();
        let begin = self.now.minus(self.step);
        let mut seeds = Vec::new();
        for place in 0..self.tasks_a_step {
            let name = format!("train {:07}", first + place);
            let status = match self.random.u8(0..20) {
                0 => Status::Failed,
                1 => Status::Stopped,
                _ => Status::Completed,
            };
            let stamp = begin.plus(apart * u32::try_from(place + 1).unwrap());
            if status == Status::Failed {
                self.expected.insert(name.clone(), 1);
            }
            let seed = TaskSeed::new(&name).project("vision/resnet").user("Ada").iterations(7).status(&status);
            seeds.push(seed.started(stamp.minus(Duration::from_mins(5))).status_changed(stamp));
        }
        self.made += self.tasks_a_step;
        self.ends += u64::try_from(self.tasks_a_step).unwrap();
        let names: Vec<String> = (first..self.made).map(|number| format!("train {number:07}")).collect();
        let ids = self.world.clearml.add_tasks(seeds);
        // One of each step may come back when its alert is long gone.
        let chosen = self.random.usize(0..ids.len());
        self.old.push_back((ids[chosen].clone(), names[chosen].clone()));
        self.recent.push_back(ids);
    }

    /// Stamped again, taken out of the archive, published, or run again: only the last is news.
    fn an_old_one_comes_back(&mut self) {
        self.world.clearml.advance(MOMENT);
        if self.old.is_empty() {
            return;
        }
        let (id, name) = self.old[self.random.usize(0..self.old.len())].clone();
        let clearml = &self.world.clearml;
        match self.random.u8(0..4) {
            0 => clearml.restamp(&id, clearml.now()).unwrap(),
            1 => {
                clearml.archive(&id).unwrap();
                clearml.unarchive(&id).unwrap();
                clearml.restamp(&id, clearml.now()).unwrap();
            }
            2 if clearml.task(&id).unwrap().status == Status::Completed => clearml.publish(&id).unwrap(),
            2 => {}
            _ => {
                // A poll may come between any two of them, and no server stamps all three with one millisecond.
                clearml.reset(&id).unwrap();
                clearml.advance(MOMENT);
                clearml.start_task(&id).unwrap();
                clearml.advance(MOMENT);
                clearml.fail(&id, "RuntimeError: again", "again").unwrap();
                *self.expected.entry(name).or_default() += 1;
                self.ends += 1;
            }
        }
    }

    fn clearml_forgets(&mut self) {
        if self.recent.len() > REMEMBERED_STEPS {
            let kept: Vec<&String> = self.old.iter().map(|(id, _)| id).collect();
            let gone = self.recent.pop_front().unwrap();
            for id in gone.iter().filter(|id| !kept.contains(id)) {
                self.world.clearml.delete(id).unwrap();
            }
        }
        if self.old.len() > REVENANTS {
            let (id, _) = self.old.pop_front().unwrap();
            if self.recent.iter().all(|step| !step.contains(&id)) {
                self.world.clearml.delete(&id).unwrap();
            }
        }
    }

    fn number(&self, sql: &str) -> u64 {
        self.database.as_ref().unwrap().query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap().cast_unsigned()
    }

    fn wait_until(&self, what: &str, is_so: impl Fn() -> bool) {
        let start = Instant::now();
        while !is_so() {
            if start.elapsed() >= PATIENCE {
                let log = self.service.as_ref().unwrap().log();
                let lines: Vec<&str> = log.lines().rev().take(20).collect();
                panic!(
                    "waited too long for {what} ({} ends happened); the log's end, newest first:\n{}",
                    self.ends,
                    lines.join("\n")
                );
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn wait_until_told(&self) {
        let recorded = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'alerts'";
        self.wait_until("every end to be recorded", || self.number(recorded) >= self.ends);
        assert_eq!(self.number(recorded), self.ends, "an end more than happened");
        let waiting = "SELECT count(*) FROM alerts WHERE state IN ('pending', 'sending', 'unknown', 'held')";
        self.wait_until("every alert to be told", || self.number(waiting) == 0);
    }

    /// What is older than it is kept is gone, but for what became old within the last step.
    fn wait_until_pruned(&self) {
        let cut = self.now.minus(KEEP).minus(self.step).as_millis();
        let old = format!("SELECT count(*) FROM (SELECT 1 FROM alerts WHERE status_changed < {cut} LIMIT 1)");
        self.wait_until("old alerts to be removed", || self.number(&old) == 0);
    }

    /// Takes what Slack has been told out of it.
    fn count_messages(&mut self) {
        for message in self.world.slack.messages(CHANNEL) {
            let title = title(&message);
            let name = title.strip_prefix("Task failed: ").unwrap_or_else(|| panic!("{title}"));
            *self.told.entry(name.to_owned()).or_default() += 1;
            assert!(self.world.slack.delete_message(&message.ts));
        }
    }

    pub fn measure(&self) -> Measure {
        let service = self.service.as_ref().unwrap();
        let (log, told) = (service.log().len() as u64, u64::from(self.told.values().sum::<u32>()));
        let measure = Measure::of(service.process(), &self.world.database(), self.database.as_ref().unwrap());
        Measure { log, told, steps: self.steps, ..measure }
    }

    pub fn end(mut self) {
        let ended = self.service.take().unwrap().stop();
        assert_eq!(ended.code, 0, "{ended:?}");
        assert_eq!(self.told, self.expected, "told, and what must have been told");
        self.world.assert_no_violations();
        assert_eq!(self.number("SELECT count(*) FROM pragma_foreign_key_check"), 0);
        let sound: String =
            self.database.as_ref().unwrap().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(sound, "ok");
        let checked = "INSERT INTO alert_names (alert_names) VALUES ('integrity-check')";
        self.database.as_ref().unwrap().execute_batch(checked).unwrap();
    }
}
