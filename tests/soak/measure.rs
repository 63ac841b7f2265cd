//! What is measured of the running service, and what must not grow.

use std::fmt;
use std::path::Path;

use rusqlite::Connection;

/// The log is cut back to this once it is checkpointed, and a transaction more may stand in it.
const LONGEST_WAL: u64 = 24 * 1024 * 1024;
/// What a task may leave for ever: its row and its entry in the key, with the room that pages leave.
const BYTES_A_TASK: u64 = 450;
/// What a file may grow by for other reasons: half-filled pages.
const SLACK_BYTES: u64 = 1024 * 1024;
/// An alert and its step in the log: three lines.
const LOG_BYTES_AN_ALERT: u64 = 1_000;
/// Lines that polls write where something changed, and that a round of pruning writes.
const LOG_BYTES_A_STEP: u64 = 4_000;

/// One moment of the service.
#[derive(Debug, Clone)]
pub struct Measure {
    pub ends: u64,
    pub tasks: u64,
    pub alerts: u64,
    pub memory_kib: u64,
    pub descriptors: usize,
    pub file: u64,
    pub wal: u64,
    pub free_pages: u64,
    pub log: u64,
    pub told: u64,
    pub steps: u64,
}

impl Measure {
    pub const TITLE: &str =
        "     ends    tasks   alerts  memory KiB  descriptors    file KiB  WAL KiB  free pages  log KiB    told";

    /// What can be read from outside.
    pub fn of(process: u32, database: &Path, connection: &Connection) -> Self {
        let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap().cast_unsigned();
        let length = |suffix: &str| {
            let mut name = database.as_os_str().to_owned();
            name.push(suffix);
            std::fs::metadata(name).map_or(0, |metadata| metadata.len())
        };
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        Self {
            ends: number("SELECT seq FROM sqlite_sequence WHERE name = 'alerts'"),
            tasks: number("SELECT count(*) FROM tasks"),
            alerts: number("SELECT count(*) FROM alerts"),
            memory_kib: memory.trim().trim_end_matches(" kB").parse().unwrap(),
            descriptors: std::fs::read_dir(format!("/proc/{process}/fd")).unwrap().count(),
            file: length(""),
            wal: length("-wal"),
            free_pages: number("PRAGMA freelist_count"),
            log: 0,
            told: 0,
            steps: 0,
        }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{:9} {:8} {:8} {:11} {:12} {:11} {:8} {:11} {:8} {:7}",
            self.ends,
            self.tasks,
            self.alerts,
            self.memory_kib,
            self.descriptors,
            self.file / 1024,
            self.wal / 1024,
            self.free_pages,
            self.log / 1024,
            self.told,
        )
    }
}

/// From the third month on as much goes as comes: only the rows of tasks may add up.
pub fn assert_flat(measured: &[Measure]) {
    let (steady, last) = (&measured[2], &measured[measured.len() - 1]);
    let tasks = last.tasks - steady.tasks;
    let grown = last.file.saturating_sub(steady.file);
    assert!(grown <= tasks * BYTES_A_TASK + SLACK_BYTES, "the file grew by {grown} bytes for {tasks} tasks");
    assert!(last.alerts <= steady.alerts + steady.alerts / 5, "{} alerts, then {}", steady.alerts, last.alerts);
    assert!(
        last.memory_kib <= steady.memory_kib * 5 / 4 + 4_096,
        "{} KiB, then {}",
        steady.memory_kib,
        last.memory_kib
    );
    assert!(last.descriptors <= steady.descriptors + 2, "{} files, then {}", steady.descriptors, last.descriptors);
    for measure in measured {
        assert!(measure.wal <= LONGEST_WAL, "{measure:?}");
        let most = measure.told * LOG_BYTES_AN_ALERT + measure.steps * LOG_BYTES_A_STEP;
        assert!(measure.log <= most + 64 * 1024, "{measure:?}: at most {most} bytes of log");
    }
}
