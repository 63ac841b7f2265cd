//! The world of a test: a simulated ClearML, a simulated Slack, a database in a temporary folder, and the binary.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use clearml_alerts::sandbox::clearml::{ClearmlOptions, SimulatedClearml, TaskSeed};
use clearml_alerts::sandbox::slack::{Message, SimulatedSlack, SlackOptions};
use serde_json::Value;

/// Nothing here takes longer; it bounds tests that hang.
const PATIENCE: Duration = Duration::from_secs(30);
/// No command that ends by itself takes longer.
const LONGEST_COMMAND: Duration = Duration::from_mins(2);

/// The channel that alerts go to unless a test says otherwise.
pub const CHANNEL: &str = "ml-alerts";

/// Everything a test needs.
pub struct World {
    pub clearml: SimulatedClearml,
    pub slack: SimulatedSlack,
    folder: tempfile::TempDir,
}

/// A command that has ended.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// A command that runs until it is stopped.
pub struct Running {
    child: Child,
    stdout: Reader,
    stderr: Reader,
}

impl World {
    pub fn new() -> Self {
        Self::with(ClearmlOptions::default(), SlackOptions::default())
    }

    pub fn with(clearml: ClearmlOptions, slack: SlackOptions) -> Self {
        Self {
            clearml: SimulatedClearml::start(clearml).unwrap(),
            slack: SimulatedSlack::start(slack).unwrap(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn database(&self) -> PathBuf {
        self.folder().join("alerts.db")
    }

    /// The binary with this world's servers and database, and nothing else of this machine's environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let (key, secret) = self.clearml.credentials();
        let mut command = Command::new(env!("CARGO_BIN_EXE_clearml-alerts"));
        command.env_clear().current_dir(self.folder()).args(arguments).stdin(Stdio::null());
        command
            .env("HOME", self.folder())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("CLEARML_API_HOST", self.clearml.url())
            .env("CLEARML_WEB_HOST", "https://app.example.com")
            .env("CLEARML_API_ACCESS_KEY", key)
            .env("CLEARML_API_SECRET_KEY", secret)
            .env("SLACK_API_TOKEN", self.slack.token())
            .env("SLACK_API_URL", self.slack.url())
            .env("CLEARML_ALERTS_DB", self.database())
            .env("CLEARML_ALERTS_TEST_WAIT_FACTOR", "0.01");
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        finish(&mut self.command(arguments))
    }

    /// `once` with the usual channel, without our own pace.
    pub fn once(&self, more: &[&str]) -> Ended {
        self.run(&[&["once", "--channel", CHANNEL, "--slack-rate", "0"], more].concat())
    }

    /// Starts the service with the usual channel, a short refresh, no start message, and no task of its own in ClearML.
    pub fn start(&self, more: &[&str]) -> Running {
        Running::start(&mut self.service_command(more))
    }

    /// The service's command: the usual channel, a short refresh, and no start message.
    pub fn service_command(&self, more: &[&str]) -> Command {
        let usual = [
            "run",
            "--local",
            "--channel",
            CHANNEL,
            "--slack-rate",
            "0",
            "--refresh-rate",
            "0.1",
            "--announce",
            "none",
            "--no-clearml-task",
        ];
        self.command(&[&usual, more].concat())
    }

    /// Waits until the newest alert of the task of this name is in this state.
    pub fn wait_for_state(&self, task_name: &str, state: &str) {
        let database = rusqlite::Connection::open(self.database()).unwrap();
        database.busy_timeout(PATIENCE).unwrap();
        let sql = "SELECT state FROM alerts WHERE task_name = ?1 ORDER BY id DESC LIMIT 1";
        wait_until(&format!("{task_name} to be {state}"), || {
            database.query_row(sql, [task_name], |row| row.get::<_, String>(0)).is_ok_and(|found| found == state)
        });
    }

    /// How many alerts were sent.
    pub fn sent(&self) -> usize {
        let database = rusqlite::Connection::open(self.database()).unwrap();
        database.busy_timeout(PATIENCE).unwrap();
        database.query_row("SELECT count(*) FROM alerts WHERE state = 'sent'", [], |row| row.get::<_, u32>(0)).unwrap()
            as usize
    }

    /// Up to where everything is recorded, in milliseconds.
    pub fn watermark(&self) -> i64 {
        let database = rusqlite::Connection::open(self.database()).unwrap();
        database.query_row("SELECT watermark FROM monitor", [], |row| row.get(0)).unwrap()
    }

    /// Changes the database behind the program's back.
    pub fn sql(&self, statements: &str) {
        rusqlite::Connection::open(self.database()).unwrap().execute_batch(statements).unwrap();
    }

    /// What `history --format json` tells.
    pub fn history(&self, more: &[&str]) -> Vec<Value> {
        let ended = self.run(&[&["history", "--format", "json"], more].concat());
        assert_eq!(ended.code, 0, "{ended:?}");
        serde_json::from_str(&ended.stdout).unwrap()
    }

    /// A task that started and failed.
    pub fn failed_task(&self, name: &str) -> String {
        let id = self.running_task(name);
        self.clearml.fail(&id, "RuntimeError: CUDA out of memory", "it failed").unwrap();
        id
    }

    /// A task that runs.
    pub fn running_task(&self, name: &str) -> String {
        let id = self.clearml.add_task(TaskSeed::new(name).project("vision/resnet").user("Ada").iterations(7));
        self.clearml.start_task(&id).unwrap();
        id
    }

    /// A call of ClearML's API, as a person's browser makes it; answers its `data`.
    pub fn call(&self, endpoint: &str, body: &Value) -> Value {
        let (key, secret) = self.clearml.credentials();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let address = format!("{}/{endpoint}", self.clearml.url());
            let request =
                clearml_alerts::http::client().build().unwrap().post(address).basic_auth(key, Some(secret)).json(body);
            let answer: Value = request.send().await.unwrap().json().await.unwrap();
            assert_eq!(answer["meta"]["result_code"], 200, "{answer}");
            answer["data"].clone()
        })
    }

    /// The newest task of the monitor's own.
    pub fn own_task(&self) -> String {
        let is_own = |id: &String| self.clearml.document(id).is_some_and(|task| task["type"] == "monitor");
        self.clearml.task_ids().into_iter().rfind(is_own).unwrap()
    }

    /// Sets an argument of a task, as a person does in the web pages.
    pub fn edit_argument(&self, task: &str, name: &str, value: &str) {
        let item = serde_json::json!({"section": "Args", "name": name, "value": value, "type": "str"});
        self.call("tasks.edit_hyper_params", &serde_json::json!({"task": task, "hyperparams": [item]}));
    }

    /// A draft with a task's inputs.
    pub fn clone_task(&self, task: &str) -> String {
        let made = self.call("tasks.clone", &serde_json::json!({"task": task}));
        made["id"].as_str().unwrap().to_owned()
    }

    /// Waits until so many messages are in the usual channel.
    pub fn wait_for_messages(&self, count: usize) -> Vec<Message> {
        self.slack.wait_for_messages(count, PATIENCE).unwrap_or_else(|late| panic!("{late}"))
    }

    /// Waits until the running service has polled so many times more.
    pub fn wait_for_polls(&self, count: u64) {
        let before = self.clearml.requests().count("tasks.get_all_ex");
        wait_until("polls", || self.clearml.requests().count("tasks.get_all_ex") >= before + count);
    }

    /// The titles of the messages in the usual channel, oldest first: each alert must be there once and nothing else.
    pub fn assert_alerts(&self, expected: &[&str]) {
        let mut titles: Vec<String> = self.slack.messages(CHANNEL).iter().map(title).collect();
        let mut expected: Vec<String> = expected.iter().map(|name| format!("Task failed: {name}")).collect();
        titles.sort();
        expected.sort();
        assert_eq!(titles, expected);
        self.assert_no_violations();
    }

    /// Slack had nothing to object to.
    pub fn assert_no_violations(&self) {
        let violations = self.slack.violations();
        assert!(violations.is_empty(), "{violations:?}");
    }
}

/// The header of a message, or its text; without why the task ended.
pub fn title(message: &Message) -> String {
    let header = message.blocks.first().and_then(|block| block.get("text")?.get("text")?.as_str());
    let title = header.map_or_else(|| message.text.clone(), str::to_owned);
    title.split_once(" – ").map_or(title.clone(), |(title, _)| title.to_owned())
}

/// Runs a command to its end.
pub fn finish(command: &mut Command) -> Ended {
    Running::start(command).wait()
}

/// Looks again until `is_so`, for a bounded time.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

impl Running {
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = Reader::start(child.stdout.take().unwrap());
        let stderr = Reader::start(child.stderr.take().unwrap());
        Self { child, stdout, stderr }
    }

    /// Its process's number.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to stop (SIGTERM) and waits for its end.
    pub fn stop(self) -> Ended {
        self.signal("TERM");
        self.wait()
    }

    /// Kills it (SIGKILL).
    pub fn kill(self) -> Ended {
        self.signal("KILL");
        self.wait()
    }

    pub fn signal(&self, signal: &str) {
        let process = self.process().to_string();
        assert!(Command::new("kill").args([&format!("-{signal}"), &process]).status().unwrap().success());
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Ended {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if start.elapsed() > LONGEST_COMMAND {
                self.child.kill().unwrap();
                panic!("it does not end: {}{}", self.stdout.so_far(), self.stderr.so_far());
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        Ended { code: status.code().unwrap_or(-1), stdout: self.stdout.finish(), stderr: self.stderr.finish() }
    }

    /// Waits until this stands in its log.
    pub fn wait_for_log(&self, text: &str) {
        wait_until(text, || self.stderr.so_far().contains(text));
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.stderr.so_far()
    }

    /// Whether this stands in its results.
    pub fn has_output(&self, text: &str) -> bool {
        self.stdout.so_far().contains(text)
    }

    /// Waits until this stands in its results.
    pub fn wait_for_output(&self, text: &str) {
        self.wait_until(|told| told.contains(text));
    }

    /// Waits until its results are so.
    pub fn wait_until(&self, is_so: impl Fn(&str) -> bool) {
        wait_until("results", || is_so(&self.stdout.so_far()));
    }
}

/// What a command wrote, read as it comes: a full pipe must not hold the command up.
struct Reader {
    text: Arc<Mutex<Vec<u8>>>,
    thread: JoinHandle<()>,
}

impl Reader {
    fn start(mut pipe: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&text);
        let thread = std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(read @ 1..) = pipe.read(&mut chunk) {
                shared.lock().unwrap().extend_from_slice(&chunk[..read]);
            }
        });
        Self { text, thread }
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().unwrap()).into_owned()
    }

    fn finish(self) -> String {
        self.thread.join().unwrap();
        String::from_utf8(self.text.lock().unwrap().clone()).unwrap()
    }
}
