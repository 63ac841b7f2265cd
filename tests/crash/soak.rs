//! A randomised soak: tasks fail, run again and are stamped again, both servers misbehave, the process is killed over and
//! over. What must be in the channel in the end is known from a model.
//!
//! `CLEARML_ALERTS_SOAK_SECONDS` sets how long each soak lasts, `CLEARML_ALERTS_SOAK_SEED` repeats one.

use std::collections::BTreeMap;
use std::process::Child;
use std::time::{Duration, Instant};

use clearml_alerts::domain::{Stamp, Status};
use clearml_alerts::sandbox::clearml::{TaskSeed, Transition};
use clearml_alerts::sandbox::{Fault, FaultRule};
use rusqlite::Connection;
use serde_json::Value;

use crate::verdict::Scope;
use crate::world::{CHANNEL, World, finish, title};

const POINTS: [&str; 10] = [
    "page_received",
    "before_commit",
    "after_commit",
    "payload_stored",
    "attempt_recorded",
    "answer_not_recorded",
    "look_not_recorded",
    "parked",
    "channel_found",
    "join_not_recorded",
];

struct Soak {
    world: World,
    scope: Scope,
    random: fastrand::Rng,
    /// The name of a task follows from its place.
    tasks: Vec<Modelled>,
    kills: u32,
}

/// A task as the model knows it.
struct Modelled {
    id: String,
    failures: u32,
    /// The stamp that was shown when it was last touched: until another one is, what was done to it is still unseen.
    touched_at: Option<Stamp>,
}

fn from_environment<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

fn name_of(task: usize) -> String {
    format!("task {task:05}")
}

#[test]
fn with_the_history_scope_nothing_is_lost_and_nothing_doubled() {
    let mut soak = Soak::begin(Scope::History);
    soak.run();
    soak.assert_told_once();
}

#[test]
fn without_it_nothing_is_lost_and_what_is_doubled_is_marked() {
    let mut soak = Soak::begin(Scope::NoHistory);
    soak.run();
    soak.assert_told_at_least_once_and_marked();
}

impl Soak {
    fn begin(scope: Scope) -> Self {
        let seed = from_environment("CLEARML_ALERTS_SOAK_SEED").unwrap_or_else(|| fastrand::u64(..));
        println!("soak {scope:?}: CLEARML_ALERTS_SOAK_SEED={seed}");
        let world = scope.world();
        assert_eq!(world.once(&[]).code, 0);
        Self { world, scope, random: fastrand::Rng::with_seed(seed), tasks: Vec::new(), kills: 0 }
    }

    fn run(&mut self) {
        let seconds = from_environment("CLEARML_ALERTS_SOAK_SECONDS").unwrap_or(8);
        let end = Instant::now() + Duration::from_secs(seconds);
        while Instant::now() < end {
            self.let_things_happen();
            self.let_things_go_wrong();
            self.start_and_kill();
        }
        self.world.clearml.release_writes();
        self.world.clearml.set_write_delay(Duration::ZERO);
        self.world.clearml.faults().clear();
        self.world.slack.faults().clear();
        self.world.slack.change_channel(CHANNEL, |channel| channel.joined = true);
        self.deliver_the_rest();
        let failures: u32 = self.tasks.iter().map(|task| task.failures).sum();
        println!("{} kills, {} tasks, {failures} failures", self.kills, self.tasks.len());
    }

    fn let_things_happen(&mut self) {
        let delay = self.random.u64(0..30);
        self.world.clearml.set_write_delay(Duration::from_millis(delay));
        for _ in 0..self.random.usize(1..4) {
            match self.random.u8(0..5) {
                0 | 1 => self.some_fail(),
                2 => self.some_fail_with_one_stamp(),
                3 => self.some_run_again(),
                _ => self.some_are_stamped_again(),
            }
        }
    }

    fn new_running_task(&mut self) -> String {
        let name = name_of(self.tasks.len());
        let id = self.world.clearml.add_task(TaskSeed::new(&name).project("vision/resnet").user("Ada"));
        self.world.clearml.start_task(&id).unwrap();
        self.tasks.push(Modelled { id: id.clone(), failures: 1, touched_at: None });
        id
    }

    fn some_fail(&mut self) {
        for _ in 0..self.random.usize(1..9) {
            let id = self.new_running_task();
            self.world.clearml.log(&id, "Epoch 7\nRuntimeError: CUDA out of memory").unwrap();
            self.world.clearml.fail(&id, "RuntimeError: CUDA out of memory", "it failed").unwrap();
        }
    }

    fn some_fail_with_one_stamp(&mut self) {
        let ids: Vec<String> = (0..self.random.usize(2..25)).map(|_| self.new_running_task()).collect();
        let failed = Transition::to(Status::Failed).because("killed", "").at(self.world.clearml.now());
        self.world.clearml.transition_all(&ids, &failed).unwrap();
    }

    /// Only tasks whose end was seen: one that is reset before any poll cannot be alerted.
    fn some_run_again(&mut self) {
        for place in self.some_seen_tasks() {
            let Modelled { id, failures, .. } = &mut self.tasks[place];
            *failures += 1;
            // A reset clears the start, so that the next end is another run's even if no poll sees what lies between.
            self.world.clearml.reset(id).unwrap();
            self.world.clearml.start_task(id).unwrap();
            self.world.clearml.fail(id, "again", "").unwrap();
        }
    }

    fn some_are_stamped_again(&mut self) {
        for place in self.some_seen_tasks() {
            self.world.clearml.fail(&self.tasks[place].id, "worker execution exit code 1", "").unwrap();
        }
    }

    fn some_seen_tasks(&mut self) -> Vec<usize> {
        let database = Connection::open(self.world.database()).unwrap();
        let mut statement = database.prepare("SELECT status_changed FROM tasks WHERE task_id = ?1").unwrap();
        let wanted = self.random.usize(1..6).min(self.tasks.len());
        let mut places = self.random.choose_multiple(0..self.tasks.len(), wanted);
        places.retain(|place| {
            let Modelled { id, touched_at, .. } = &mut self.tasks[*place];
            let recorded: Option<i64> = statement.query_row([&*id], |row| row.get(0)).ok();
            let shown = self.world.clearml.task(id).unwrap();
            let stamp = shown.status_changed;
            let was_seen = shown.status == Status::Failed && Some(stamp.as_millis()) == recorded;
            was_seen && touched_at.replace(stamp) != Some(stamp)
        });
        places
    }

    fn let_things_go_wrong(&mut self) {
        self.world.clearml.faults().clear();
        self.world.slack.faults().clear();
        let clearml = [
            Fault::html(502),
            Fault::cut_json(),
            Fault::cut_body(),
            Fault::reset(),
            Fault::clearml_maintenance(),
            Fault::clearml_expired_token(),
            Fault::hang(),
        ];
        let slack = [
            Fault::apply_then_reset(),
            Fault::reset(),
            Fault::cut_json(),
            Fault::html(500).after_applying(),
            Fault::html(503),
            Fault::slack_error("internal_error"),
            Fault::slack_error("ratelimited"),
            Fault::slack_rate_limited(0),
            Fault::slack_error("invalid_auth"),
            Fault::slack_error("is_archived"),
            Fault::slack_error("invalid_metadata_format"),
            Fault::apply_then_hang(),
        ];
        for _ in 0..self.random.usize(0..3) {
            let fault = self.random.choice(clearml.iter()).unwrap().clone();
            let endpoint = *self.random.choice(&["tasks.get_all_ex", "events.get_task_log", "auth.login"]).unwrap();
            let after = self.random.u32(0..3);
            self.world.clearml.faults().push(FaultRule::next(fault).on(endpoint).after(after));
        }
        for _ in 0..self.random.usize(0..4) {
            let fault = self.random.choice(slack.iter()).unwrap().clone();
            let methods = ["chat.postMessage", "chat.postMessage", "chat.update", "conversations.history"];
            let rule = FaultRule::next(fault).on(self.random.choice(methods.iter()).unwrap());
            self.world.slack.faults().push(rule.after(self.random.u32(0..6)));
        }
        if self.random.u8(0..20) == 0 {
            self.world.slack.change_channel(CHANNEL, |channel| channel.joined = false);
        }
    }

    fn start_and_kill(&mut self) {
        let digest_above = if self.scope == Scope::History && self.random.bool() { "5" } else { "0" };
        let mut command = if self.random.bool() {
            self.world.service_command(&["--digest-above", digest_above])
        } else {
            let usual = ["once", "--channel", CHANNEL, "--slack-rate", "0", "--digest-above", digest_above];
            self.world.command(&[&usual[..], &["--deliver-timeout", "2s"]].concat())
        };
        command.env("CLEARML_ALERTS_TEST_WAIT_FACTOR", "0.001").env("CLEARML_ALERTS_TEST_TIME_LIMIT_SECONDS", "0.3");
        if self.random.bool() {
            let point = self.random.choice(POINTS.iter()).unwrap();
            command.env("CLEARML_ALERTS_TEST_CRASH_AT", format!("{point}:{}", self.random.u8(1..8)));
        }
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let child = command.spawn().unwrap();
        let wait = Duration::from_millis(self.random.u64(20..250));
        self.kill_after(child, wait);
    }

    fn kill_after(&mut self, mut child: Child, wait: Duration) {
        let deadline = Instant::now() + wait;
        while Instant::now() < deadline && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        if child.try_wait().unwrap().is_none() {
            child.kill().unwrap();
        }
        let status = child.wait().unwrap();
        self.kills += u32::from(status.code().is_none());
        // A child of a killed one, just about to kill it at a named point, may hold its lock for a moment longer: exit 5.
        assert!(matches!(status.code(), None | Some(0 | 3..=5)), "{status:?}");
    }

    fn deliver_the_rest(&self) {
        for _ in 0..50 {
            let digest_above = if self.scope == Scope::History { "10" } else { "0" };
            let usual = ["once", "--channel", CHANNEL, "--slack-rate", "0", "--digest-above", digest_above];
            let mut command = self.world.command(&usual);
            let ended = finish(command.env("CLEARML_ALERTS_TEST_WAIT_FACTOR", "0.001"));
            assert!(matches!(ended.code, 0 | 4), "{ended:?}");
            if ended.code == 0 {
                return;
            }
        }
        panic!("alerts are left undelivered");
    }

    /// The rows of history by task name; each failure of the model must have one, sent, whose message is there.
    fn rows(&self) -> BTreeMap<String, Vec<Value>> {
        let messages = self.world.slack.messages(CHANNEL);
        let known: std::collections::HashSet<&str> = messages.iter().map(|message| message.ts.as_str()).collect();
        let mut rows: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for row in self.world.history(&["--limit", "1000000"]) {
            assert_eq!(row["state"], "sent", "{row}");
            // An edit is told under its digest's message.
            assert!(known.contains(row["message_ts"].as_str().unwrap()), "{row}");
            rows.entry(row["task_name"].as_str().unwrap().to_owned()).or_default().push(row);
        }
        for (place, Modelled { failures, .. }) in self.tasks.iter().enumerate() {
            let told = rows.get(&name_of(place)).map_or(0, Vec::len);
            assert_eq!(
                told,
                usize::try_from(*failures).unwrap(),
                "{}: {:?}",
                name_of(place),
                rows.get(&name_of(place))
            );
        }
        assert_eq!(rows.len(), self.tasks.len());
        rows
    }

    /// How often each task has a message of its own, and how many tasks the digests tell together.
    fn shown(&self) -> (BTreeMap<String, usize>, usize) {
        let (mut alone, mut in_digests) = (BTreeMap::new(), 0);
        for message in self.world.slack.messages(CHANNEL) {
            let title = title(&message);
            match title.strip_prefix("Task failed: ") {
                // Without blocks the text goes on after the name.
                Some(rest) => *alone.entry(rest[.."task 00000".len()].to_owned()).or_default() += 1,
                None => in_digests += title.split(' ').next().unwrap().replace(',', "").parse::<usize>().unwrap(),
            }
        }
        (alone, in_digests)
    }

    fn assert_told_once(&self) {
        let (mut alone, in_digests) = self.shown();
        let rows = self.rows();
        for (name, rows) in &rows {
            let expected = rows.iter().filter(|row| row["digest"] == false).count();
            assert_eq!(alone.remove(name).unwrap_or(0), expected, "{name}: {rows:?}");
            assert!(rows.iter().all(|row| row["reason"].is_null()), "{rows:?}");
        }
        assert!(alone.is_empty(), "{alone:?}");
        assert_eq!(in_digests, rows.values().flatten().filter(|row| row["digest"] == true).count());
    }

    fn assert_told_at_least_once_and_marked(&self) {
        let (alone, _) = self.shown();
        for (name, rows) in self.rows() {
            let shown = alone.get(&name).copied().unwrap_or(0);
            let is_marked = rows.iter().any(|row| !row["reason"].is_null());
            assert!(shown >= rows.len(), "{name} is shown {shown} times: {rows:?}");
            assert!(shown == rows.len() || is_marked, "{name} is shown {shown} times: {rows:?}");
        }
    }
}
