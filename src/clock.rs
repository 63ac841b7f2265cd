//! The only place that reads the wall clock. Everything else is handed a [`Clock`].

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::time::Instant;

use crate::domain::Stamp;

/// Tells the wall time. It decides nothing about tasks (ClearML's stamps do); it dates what this program did itself:
/// when an alert was recorded, when an attempt was made, when the next try is due.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System {
        offset_millis: i64,
        wall_at_start: Stamp,
        start: Instant,
    },
    Manual(Arc<AtomicI64>),
    /// For tests of a wall clock that jumps: a file says by how many milliseconds it is off.
    #[cfg(debug_assertions)]
    File {
        file: Arc<std::path::PathBuf>,
        wall_at_start: Stamp,
        start: Instant,
    },
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self::system_off_by(0)
    }

    /// The machine's clock, wrong by so many milliseconds: for tests of a monitor whose clock is off.
    pub fn system_off_by(offset_millis: i64) -> Self {
        let wall_at_start = wall(offset_millis);
        Self(Source::System { offset_millis, wall_at_start, start: Instant::now() })
    }

    /// The machine's clock, wrong by as many milliseconds as this file says at the time: for tests of a clock that jumps.
    #[cfg(debug_assertions)]
    pub fn system_off_by_file(file: std::path::PathBuf) -> Self {
        let wall_at_start = wall(offset_in(&file));
        Self(Source::File { file: Arc::new(file), wall_at_start, start: Instant::now() })
    }

    /// A clock that stands still until [`Clock::set`] moves it.
    pub fn manual(start: Stamp) -> Self {
        Self(Source::Manual(Arc::new(AtomicI64::new(start.as_millis()))))
    }

    /// The time now.
    pub fn now(&self) -> Stamp {
        match &self.0 {
            Source::System { offset_millis, .. } => wall(*offset_millis),
            Source::Manual(millis) => Stamp::from_millis(millis.load(Ordering::SeqCst)),
            #[cfg(debug_assertions)]
            Source::File { file, .. } => wall(offset_in(file)),
        }
    }

    /// The wall time at this clock's making plus the time that has passed since, whatever was done to the wall clock
    /// meanwhile: what waits are measured by.
    pub fn steady(&self) -> Stamp {
        match &self.0 {
            Source::System { wall_at_start, start, .. } => wall_at_start.plus(start.elapsed()),
            Source::Manual(_) => self.now(),
            #[cfg(debug_assertions)]
            Source::File { wall_at_start, start, .. } => wall_at_start.plus(start.elapsed()),
        }
    }

    /// Moves a manual clock to `now`, forwards or backwards; a system clock is left alone.
    pub fn set(&self, now: Stamp) {
        if let Source::Manual(millis) = &self.0 {
            millis.store(now.as_millis(), Ordering::SeqCst);
        }
    }
}

#[cfg(debug_assertions)]
fn offset_in(file: &std::path::Path) -> i64 {
    std::fs::read_to_string(file).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

fn wall(offset_millis: i64) -> Stamp {
    #[expect(clippy::disallowed_methods, reason = "the one place that owns the wall clock")]
    let now = Stamp::from_timestamp(jiff::Timestamp::now());
    Stamp::from_millis(now.as_millis().saturating_add(offset_millis))
}
