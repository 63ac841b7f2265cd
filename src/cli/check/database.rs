//! The database: where it is, whose, how large, whether it is sound, and what waits in it. Only looked at.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::item::{Area, Item};
use super::settings::Settled;
use crate::cli::start::Context;
use crate::cli::{assemble, output};
use crate::domain::Stamp;
use crate::domain::message::words;
use crate::settings::Environment;
use crate::store::{MonitorRecord, QueueCounts, Store, StoreError};

/// A watch whose last good poll is older than this is spoken of.
const POLL_IS_OLD: Duration = Duration::from_mins(30);
/// File systems on which SQLite's locks cannot be trusted.
const NETWORK_FILE_SYSTEMS: [&str; 12] = [
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "afs",
    "9p",
    "ceph",
    "glusterfs",
    "lustre",
    "fuse.sshfs",
    "fuse.glusterfs",
];
/// So many old alerts are counted, no more.
const MOST_COUNTED: usize = 100_000;
/// Where Linux tells what is mounted.
const MOUNTS: &str = "/proc/self/mountinfo";

pub(super) async fn look(settled: &Settled, context: &Context, deep: bool) -> Vec<Item> {
    let Some(path) = settled.database.as_ref().map(|database| database.path.clone()) else { return Vec::new() };
    let mut items: Vec<Item> = network_file_system(&path, context.environment()).into_iter().collect();
    if !path.exists() {
        items.push(match Store::open(&path, crate::store::Access::Read, "") {
            Err(error @ StoreError::Orphaned { .. }) => Item::database_error("file", &error),
            _ => not_there(&path),
        });
        return items;
    }
    items.extend(file(&path));
    let store = match Store::open(&path, crate::store::Access::Read, "") {
        Ok(store) => store,
        Err(error) => {
            items.push(Item::database_error("opened", &error));
            return items;
        }
    };
    items.extend(
        contents(&store, settled, context).await.unwrap_or_else(|error| vec![Item::database_error("read", &error)]),
    );
    items.push(integrity(&store, deep).await);
    items
}

pub(super) fn not_there(path: &Path) -> Item {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let found = format!("there is none at {} yet", path.display());
    if directory.is_dir() || !is_given(path, directory) {
        return Item::ok(Area::Database, "file", format!("{found}; the first `once` or `run` makes it"));
    }
    let mend = format!("create its directory (mkdir -p {}), or name another file with --db", directory.display());
    Item::failed(Area::Database, "file", format!("{found}, and its directory does not exist"), mend)
}

/// Whether nobody but the user makes the directory.
fn is_given(path: &Path, directory: &Path) -> bool {
    !(path.ends_with(crate::settings::defaults::DATABASE_BELOW_STATE) && directory.ends_with("clearml-alerts"))
}

fn file(path: &Path) -> Vec<Item> {
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) => {
            let mend = "check who owns the file and its directory, or name another file with --db";
            return vec![Item::failed(Area::Database, "file", format!("{}: {error}", path.display()), mend)];
        }
    };
    let beside = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        std::fs::metadata(PathBuf::from(name)).map_or(0, |metadata| metadata.len())
    };
    let size = format!("{}, {} in its WAL", bytes(metadata.len()), bytes(beside("-wal")));
    let mut items =
        vec![Item::ok(Area::Database, "file", path.display().to_string()), Item::ok(Area::Database, "size", size)];
    items.push(owner(path, &metadata));
    items
}

#[cfg(unix)]
fn owner(path: &Path, metadata: &std::fs::Metadata) -> Item {
    use std::os::unix::fs::MetadataExt;
    let ours = std::fs::metadata("/proc/self").map(|process| process.uid()).ok();
    let (uid, mode) = (metadata.uid(), metadata.mode() & 0o777);
    let found = format!("user {uid}, mode {mode:o}");
    if ours.is_some_and(|ours| ours != uid) {
        let mend = "run the monitor as the file's owner, or give the file to the monitor's user (chown)";
        return Item::warning(
            Area::Database,
            "owner",
            format!("{found}, and this is user {}", ours.unwrap_or(0)),
            mend,
        );
    }
    if mode & 0o077 != 0 {
        let mend = format!("chmod 600 {}", path.display());
        return Item::warning(
            Area::Database,
            "owner",
            format!("{found}: others can read names and console lines"),
            mend,
        );
    }
    Item::ok(Area::Database, "owner", found)
}

#[cfg(not(unix))]
fn owner(_path: &Path, _metadata: &std::fs::Metadata) -> Item {
    Item::ok(Area::Database, "owner", "not known on this system")
}

pub(super) fn bytes(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} bytes"),
        10_000..10_000_000 => format!("{} kB", bytes / 1_000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

pub(super) fn network_file_system(path: &Path, environment: &dyn Environment) -> Option<Item> {
    let mounts = environment.read_file(Path::new(MOUNTS)).ok()?;
    let directory = path.parent().and_then(|parent| parent.canonicalize().ok()).unwrap_or_else(|| path.to_owned());
    let kind = file_system_of(&directory, &mounts)?;
    let mend = "put it on a local disk with --db: on such file systems locks fail, and a database can be damaged";
    NETWORK_FILE_SYSTEMS
        .contains(&kind)
        .then(|| Item::warning(Area::Database, "file_system", format!("{kind}, which is a network file system"), mend))
}

/// The type of the file system that `path` lies on: that of the longest mount point that leads to it, the last one
/// where several are mounted over each other.
fn file_system_of<'m>(path: &Path, mounts: &'m str) -> Option<&'m str> {
    let mount = |line: &'m str| {
        let (before, after) = line.split_once(" - ")?;
        let point = before.split(' ').nth(4)?.replace("\\040", " ");
        path.starts_with(&point).then_some((point.len(), after.split(' ').next()?))
    };
    mounts.lines().filter_map(mount).max_by_key(|(length, _)| *length).map(|(_, kind)| kind)
}

async fn contents(store: &Store, settled: &Settled, context: &Context) -> Result<Vec<Item>, StoreError> {
    let record = store.monitor().await?;
    let mut items = vec![version()];
    let server = settled.clearml.as_ref().map(assemble::server_name);
    items.push(belongs_to(&record, server.as_deref(), store.path()));
    items.push(last_poll(&record, context.clock.now()));
    items.extend(queue(store.queue_counts().await?));
    items.push(kept(store, &record, settled.service.as_ref().and_then(|service| service.keep), context).await?);
    let silences = store.silences(false, context.clock.now()).await?;
    let named = silences.iter().map(|silence| format!("{} ({})", silence.id, silence.covers)).collect::<Vec<_>>();
    let found = if named.is_empty() { "none in force".to_owned() } else { format!("in force: {}", named.join("; ")) };
    items.push(Item::ok(Area::Database, "silences", found));
    for name in &settled.channels {
        let channel = store.channel(name).await?;
        if let (Some(at), Some(reason)) = (channel.parked_at, channel.parked_reason) {
            let found = format!("alerts to {name} are held since {at}: {reason}");
            let mend = "do what it says; they go out by themselves within a minute";
            items.push(Item::warning(Area::Database, "held_channel", found, mend));
        }
    }
    Ok(items)
}

/// Of a database that could be opened; another version's is an error on opening it.
pub(super) fn version() -> Item {
    let schema = crate::store::SCHEMA_VERSION;
    Item::ok(Area::Database, "version", format!("schema {schema}, as this program writes it"))
}

pub(super) fn belongs_to(record: &MonitorRecord, server: Option<&str>, path: &Path) -> Item {
    match (record.server.as_deref(), server) {
        (None, _) => Item::ok(Area::Database, "server", "no ClearML server yet"),
        (Some(recorded), Some(server)) if recorded != server => {
            let found = format!("{} belongs to {recorded}, and the settings name {server}", path.display());
            Item::failed(Area::Database, "server", found, "name another file with --db, or the other server")
        }
        (Some(recorded), _) => Item::ok(Area::Database, "server", recorded),
    }
}

pub(super) fn last_poll(record: &MonitorRecord, now: Stamp) -> Item {
    let Some(watermark) = record.watermark else {
        return Item::ok(Area::Database, "last_poll", "the watch has not begun");
    };
    let recorded = format!("everything up to {watermark} is recorded");
    match record.last_poll_at {
        Some(at) if now.since(at) > POLL_IS_OLD => {
            let found = format!("the last good poll was {} ago; {recorded}", words::duration(now.since(at)));
            let mend = "see whether the service runs (or the timer of `once`), and what its log says; nothing is lost, \
                        the next poll catches up";
            Item::warning(Area::Database, "last_poll", found, mend)
        }
        Some(at) => Item::ok(Area::Database, "last_poll", format!("{at}; {recorded}")),
        None => Item::ok(Area::Database, "last_poll", format!("none noted yet; {recorded}")),
    }
}

/// How long alerts are kept, and how many are older than that.
async fn kept(
    store: &Store,
    record: &MonitorRecord,
    keep: Option<Duration>,
    context: &Context,
) -> Result<Item, StoreError> {
    let Some(keep) = keep else {
        let gone = record.kept_from.map(output::removed);
        let found = gone.map_or_else(|| "everything".to_owned(), |gone| format!("everything from now on; {gone}"));
        return Ok(Item::ok(Area::Database, "kept", found));
    };
    let older = store.alerts_stamped_before(context.clock.now().minus(keep), MOST_COUNTED).await?;
    let more = if older == MOST_COUNTED { " or more" } else { "" };
    let older = words::count(older, "alert");
    let keep = crate::settings::time::format_duration(keep);
    let found = format!("{keep}; {older}{more} older than that, which go once they are told or dropped");
    Ok(Item::ok(Area::Database, "kept", found))
}

pub(super) fn queue(counts: QueueCounts) -> Vec<Item> {
    let mut items = Vec::new();
    let mut waiting = format!("{} pending, {} unknown, {} held", counts.pending, counts.unknown, counts.held);
    if counts.by_rule > 0 {
        waiting.push_str(&format!(", {} by their rules (hold, quiet hours)", counts.by_rule));
    }
    items.push(match counts.held + counts.unknown {
        0 => Item::ok(Area::Database, "waiting_alerts", waiting),
        _ => {
            let mend = "see why: clearml-alerts history --state held,unknown";
            Item::warning(Area::Database, "waiting_alerts", waiting, mend)
        }
    });
    items.push(match counts.dead {
        0 => Item::ok(Area::Database, "dead_alerts", "none"),
        dead => {
            let found = format!("{dead} could not be delivered");
            Item::warning(Area::Database, "dead_alerts", found, "see them with `clearml-alerts dead list`")
        }
    });
    items
}

async fn integrity(store: &Store, deep: bool) -> Item {
    if !deep {
        return Item::ok(Area::Database, "integrity", "header and schema are sound; --deep reads every page");
    }
    match store.check_deep().await {
        Ok(()) => Item::ok(Area::Database, "integrity", "every page was read, and all is sound"),
        Err(error) => Item::database_error("integrity", &error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::MapEnvironment;

    #[test]
    fn the_longest_mount_point_tells_the_file_system() {
        let mounts = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
                      30 22 0:40 / /mnt/my\\040share rw,relatime shared:1 - nfs4 server:/x rw\n\
                      31 30 0:41 / /mnt/my\\040share/local rw - xfs /dev/sdb rw\n";
        for (path, kind) in
            [("/var/lib/a.db", "ext4"), ("/mnt/my share/a.db", "nfs4"), ("/mnt/my share/local/a.db", "xfs")]
        {
            assert_eq!(file_system_of(Path::new(path), mounts), Some(kind), "{path}");
        }
        let environment = MapEnvironment::new().with_file(MOUNTS, mounts);
        let told = network_file_system(Path::new("/mnt/my share/a.db"), &environment).unwrap();
        assert!(told.found.contains("nfs4"), "{told:?}");
        assert_eq!(network_file_system(Path::new("/var/lib/a.db"), &environment), None);
    }

    #[test]
    fn sizes_are_read_at_a_glance() {
        assert_eq!([12, 123_456, 12_345_678].map(bytes), ["12 bytes", "123 kB", "12 MB"]);
    }
}
