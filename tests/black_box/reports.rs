//! Lines of `check` and `explain` as they stand there, for snapshots: what differs from run to run has a name.

use regex::Regex;

use crate::world::{Ended, World};

/// What differs, and its name.
const NAMES: [(&str, &str); 10] = [
    (r"(https?://)?127\.0\.0\.1:\d+", "[server]"),
    (r"\b20\d\d-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?", "[time]"),
    (r"\b[0-9a-f]{32}\b", "[id]"),
    (r"\b\d+ ms\b", "[n] ms"),
    (r"\([^()]+ after the status changed\)", "([how long] after the status changed)"),
    (r"/p\d{16}\b", "/p[ts]"),
    (r"\buser \d+, mode", "user [uid], mode"),
    (r"size: .* in its WAL", "size: [size], [size] in its WAL"),
    (r"\bon day \d+\b", "on day [n]"),
    (
        r"is damaged: (Tree|\*\*\* in database|database disk image).*?\. Nothing more",
        "is damaged: [what SQLite found]. Nothing more",
    ),
];

/// The lines of `check` about these: each an area, or an area and the beginning of an item.
pub fn about(world: &World, ended: &Ended, wanted: &[&str]) -> String {
    let is_about = |line: &&str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let about = words.get(1..).unwrap_or_default().join(" ");
        wanted.iter().any(|wanted| about.starts_with(wanted))
    };
    plain(world, &ended.stdout.lines().filter(is_about).collect::<Vec<_>>().join("\n"))
}

/// A report with names for what differs from run to run.
pub fn plain(world: &World, told: &str) -> String {
    let folder = world.folder().canonicalize().unwrap();
    let told = told.replace(folder.to_str().unwrap(), "[folder]");
    NAMES.iter().fold(told, |told, (pattern, name)| Regex::new(pattern).unwrap().replace_all(&told, *name).into_owned())
}
