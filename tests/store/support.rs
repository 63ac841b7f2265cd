//! A database in a temporary directory, and short ways to fill it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clearml_alerts::domain::delivery::{Answer, Receipt, Step};
use clearml_alerts::domain::{AlertRecord, AlertState, Destination, Named, Redactor, Rule, Stamp, Status, Task};
use clearml_alerts::store::{
    Access, Attempt, AttemptResult, Delivery, DeliveryKind, DigestSeries, HistoryFilter, Limits, Method, NewDelivery,
    Order, PageToRecord, Recorded, Store, StoreError, Watching,
};
use tempfile::TempDir;

pub(crate) const CHANNEL: &str = "#ml-alerts";
pub(crate) const CHANNEL_ID: &str = "C0000000001";
pub(crate) const OWN: Access = Access::Own { wait: Duration::ZERO };
/// Patience enough for a test.
pub(crate) const QUICK: Limits =
    Limits { busy_timeout: Duration::from_millis(100), max_pages: None, longest_question: None };

pub(crate) fn at(millis: i64) -> Stamp {
    Stamp::from_millis(millis)
}

/// A directory with, perhaps, a database in it.
pub(crate) struct Place {
    pub(crate) directory: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { directory: TempDir::new().unwrap() }
    }

    /// Where nothing waits for a disk, if there is such a place: for tests of many small writes.
    pub(crate) fn in_memory() -> Self {
        TempDir::new_in("/dev/shm").map_or_else(|_| Self::new(), |directory| Self { directory })
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().canonicalize().unwrap().join("alerts.db")
    }

    pub(crate) fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = self.path().into_os_string();
        name.push(suffix);
        name.into()
    }

    pub(crate) fn open(&self, access: Access) -> Result<Store, StoreError> {
        Store::open_with(&self.path(), access, "test", QUICK)
    }

    pub(crate) fn own(&self) -> Store {
        self.open(OWN).unwrap()
    }

    /// A database with one failed task in it, closed.
    pub(crate) fn with_one_alert() -> Self {
        let place = Self::new();
        place.own().page(&[task("t0", "failed", 1_000)]).unwrap();
        place
    }

    /// A database as a kill leaves it: one alert in the file, twenty in the log only.
    pub(crate) fn killed() -> Self {
        let origin = Self::with_one_alert();
        let store = origin.own();
        store.fail(20);
        let place = Self::new();
        for suffix in ["-wal", ".lock"] {
            std::fs::copy(origin.beside(suffix), place.beside(suffix)).unwrap();
        }
        // Not by this process: it would lose its own locks on the file.
        let copied = std::process::Command::new("cp").args([origin.path(), place.path()]).status().unwrap();
        assert!(copied.success());
        place
    }

    /// What the directory holds, each file by name, length and hash: without locks (which name a process), shared memory,
    /// and what is empty.
    pub(crate) fn bytes(&self) -> Vec<(String, usize, u64)> {
        let mut files: Vec<_> = std::fs::read_dir(self.directory.path())
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
            .filter(|(name, bytes)| !name.contains(".lock") && !name.contains("-shm") && !bytes.is_empty())
            .map(|(name, bytes)| (name, bytes.len(), hash(&bytes)))
            .collect();
        files.sort();
        files
    }
}

/// Short for bytes in a comparison that may fail.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

/// A task of Ada's in project vision/resnet.
pub(crate) fn task(id: &str, status: &str, changed: i64) -> Task {
    Task {
        id: id.to_owned(),
        name: format!("train {id}"),
        kind: Some("training".to_owned()),
        status: Status::parse(status),
        status_changed: at(changed),
        status_reason: None,
        status_message: None,
        started: Some(at(500)),
        completed: None,
        active_duration: Some(1),
        last_update: None,
        last_iteration: 7,
        project: Some(Named { id: "p1".to_owned(), name: Some("vision/resnet".to_owned()) }),
        user: Some(Named { id: "u1".to_owned(), name: Some("Ada".to_owned()) }),
        tags: Vec::new(),
        system_tags: Vec::new(),
        parent: None,
        worker: None,
        queue: None,
        metrics: Vec::new(),
    }
}

/// A rule that alerts failures of everybody.
pub(crate) fn rule() -> Rule {
    rule_to(Rule::DEFAULT_NAME, CHANNEL)
}

/// The same by another name, to another channel.
pub(crate) fn rule_to(name: &str, channel: &str) -> Rule {
    Rule::new(name, Destination::Channel(channel.to_owned()))
}

pub(crate) fn page_of(tasks: &[Task], rules: Vec<Rule>, watching: Watching) -> PageToRecord {
    PageToRecord {
        newest: tasks.iter().map(|task| task.status_changed).max(),
        tasks: tasks.to_vec(),
        rules: Arc::new(rules),
        redactor: Redactor::new(Vec::new()),
        pages: None,
        watching,
        now: at(10_000),
        server_now: None,
    }
}

/// Short ways to ask and fill a store; each blocks until it is done.
pub(crate) trait Short {
    fn page(&self, tasks: &[Task]) -> Result<Recorded, StoreError>;
    fn record(&self, page: PageToRecord) -> Result<Recorded, StoreError>;
    fn fail(&self, many: usize) -> Vec<i64>;
    fn post(&self, alerts: &[i64]) -> i64;
    fn sql<T: rusqlite::types::FromSql>(&self, sql: &str) -> T;
    fn texts(&self, sql: &str) -> Vec<String>;
    fn execute(&self, sql: &str);
    fn delivery(&self, id: i64) -> Delivery;
    fn send(&self, id: i64, answer: Answer, step: Step) -> Result<(), StoreError>;
    fn alert(&self, id: i64) -> AlertRecord;
    fn states(&self) -> Vec<AlertState>;
    fn check(&self);
}

/// Waits for `future` on a runtime of its own.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

pub(crate) fn sent(ts: &str) -> (Answer, Step) {
    let receipt = Receipt { ts: Some(ts.to_owned()), conversation: None };
    (Answer::Sent(receipt.clone()), Step::Sent(receipt))
}

pub(crate) fn message(kind: DeliveryKind, alerts: &[i64]) -> NewDelivery {
    NewDelivery {
        kind,
        method: Method::Post,
        edits: None,
        channel: CHANNEL.to_owned(),
        channel_id: CHANNEL_ID.to_owned(),
        key: format!("key-{alerts:?}"),
        payload: format!("{{\"text\":\"alerts {alerts:?}\"}}"),
        alerts: alerts.to_vec(),
        series: DigestSeries::default(),
        whys: Vec::new(),
        thread: None,
    }
}

impl Short for Store {
    fn page(&self, tasks: &[Task]) -> Result<Recorded, StoreError> {
        self.record(page_of(tasks, vec![rule()], Watching::Outcomes))
    }

    fn record(&self, page: PageToRecord) -> Result<Recorded, StoreError> {
        wait(self.record_page(page))
    }

    /// So many new tasks fail; returns their alerts.
    fn fail(&self, many: usize) -> Vec<i64> {
        let known: i64 = self.sql("SELECT count(*) FROM tasks");
        let tasks: Vec<Task> = (known..).take(many).map(|n| task(&format!("t{n}"), "failed", 1_000 + n)).collect();
        self.page(&tasks).unwrap().alerts.iter().map(|alert| alert.id).collect()
    }

    /// Composes one message for alerts.
    fn post(&self, alerts: &[i64]) -> i64 {
        let kind = if alerts.len() == 1 { DeliveryKind::Alert } else { DeliveryKind::Digest };
        wait(self.enqueue(vec![message(kind, alerts)], at(20_000))).unwrap()[0]
    }

    fn sql<T: rusqlite::types::FromSql>(&self, sql: &str) -> T {
        self.read_now(|connection| connection.query_row(sql, [], |row| row.get(0))).unwrap()
    }

    fn texts(&self, sql: &str) -> Vec<String> {
        self.read_now(|connection| connection.prepare(sql)?.query_map([], |row| row.get(0))?.collect()).unwrap()
    }

    fn execute(&self, sql: &str) {
        self.write_now(|tx| tx.execute_batch(sql)).unwrap();
    }

    fn delivery(&self, id: i64) -> Delivery {
        let sql = "SELECT state FROM deliveries WHERE id = ?1";
        let (kind, channel, state, tries, form): (String, String, String, u32, String) = self
            .read_now(|connection| {
                let sql = sql.replace("state", "kind, channel, state, tries, form");
                connection
                    .query_row(&sql, [id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))
            })
            .unwrap();
        Delivery {
            id,
            kind: if kind == "alert" { DeliveryKind::Alert } else { DeliveryKind::Digest },
            method: Method::Post,
            edits: None,
            follows: None,
            channel,
            channel_id: CHANNEL_ID.to_owned(),
            key: String::new(),
            payload: String::new(),
            form: clearml_alerts::domain::delivery::Form::parse(&form).unwrap(),
            state: clearml_alerts::domain::delivery::DeliveryState::parse(&state).unwrap(),
            due_at: Stamp::EPOCH,
            tries,
            failures: 0,
            first_try_at: None,
            looks: 0,
            message_ts: None,
        }
    }

    /// One attempt from beginning to end.
    fn send(&self, id: i64, answer: Answer, step: Step) -> Result<(), StoreError> {
        let attempt = Attempt { delivery: id, payload_sha256: "00".to_owned(), payload_bytes: 2 };
        wait(async {
            let attempt = self.begin_attempt(attempt, at(30_000), at(30_001)).await?;
            self.check();
            let reason = (!matches!(step, Step::Sent(_))).then(|| "because".to_owned());
            let result = AttemptResult {
                attempt,
                answer,
                http_status: Some(200),
                error: reason.clone(),
                detail: None,
                took_ms: 5,
            };
            self.finish_attempt(self.delivery(id), result, step, reason, None, at(31_000)).await.map(drop)
        })
    }

    fn alert(&self, id: i64) -> AlertRecord {
        let all = self.history(&HistoryFilter { limit: 10_000, ..HistoryFilter::default() }, Order::Newest).unwrap();
        all.into_iter().find(|alert| alert.id == id).unwrap()
    }

    /// Where the alerts stand, by number.
    fn states(&self) -> Vec<AlertState> {
        let filter = HistoryFilter { limit: 10_000, ..HistoryFilter::default() };
        self.history(&filter, Order::RecordedAfter(0)).unwrap().into_iter().map(|alert| alert.state).collect()
    }

    /// What must be true after every call.
    fn check(&self) {
        let tied = "FROM alerts AS a JOIN deliveries AS d ON d.id = a.delivery_id";
        let broken = [
            format!("SELECT 'alert ' || a.id || ' is ' || a.state || ', its message ' || d.state {tied} WHERE a.state <> d.state"),
            format!("SELECT 'alert ' || a.id || ' in another channel' {tied} WHERE a.channel <> d.channel AND d.state <> 'sent'"),
            "SELECT 'sent without ts ' || id FROM deliveries WHERE state = 'sent' AND message_ts IS NULL
             AND channel NOT GLOB '*webhook:*'".to_owned(),
            "SELECT 'alert told by two open messages ' || alert_id FROM tellings AS t JOIN deliveries AS d ON d.id = t.delivery_id
             WHERE d.state NOT IN ('sent', 'dead') GROUP BY alert_id HAVING count(*) > 1".to_owned(),
            "SELECT 'open message that its alert left ' || d.id FROM tellings AS t JOIN deliveries AS d ON d.id = t.delivery_id
             JOIN alerts AS a ON a.id = t.alert_id WHERE d.state <> 'dead' AND a.delivery_id IS NOT d.id".to_owned(),
            "SELECT 'untied alert ' || id FROM alerts WHERE delivery_id IS NULL
             AND state NOT IN ('pending', 'held', 'suppressed')".to_owned(),
            "SELECT 'held where nothing is parked ' || id FROM alerts WHERE (state = 'held') <> EXISTS
             (SELECT 1 FROM channels WHERE name = channel AND parked_at IS NOT NULL) AND state IN ('held', 'pending')".to_owned(),
        ];
        for sql in broken {
            assert_eq!(self.texts(&sql), Vec::<String>::new());
        }
    }
}
