//! Named points at which a debug build kills itself, so that tests can prove that no step is a bad one to die at. A
//! release build has none of it.

#[cfg(debug_assertions)]
use std::sync::{
    OnceLock,
    atomic::{AtomicU32, Ordering},
};

/// The variable that arms a point: `NAME`, or `NAME:3` for the third time it is reached.
pub const VARIABLE: &str = "CLEARML_ALERTS_TEST_CRASH_AT";

#[cfg(debug_assertions)]
struct Armed {
    point: String,
    passes_left: AtomicU32,
}

#[cfg(debug_assertions)]
static ARMED: OnceLock<Armed> = OnceLock::new();

/// Arms a point. Only the first call counts.
#[cfg(debug_assertions)]
pub fn arm(setting: &str) {
    let (point, pass) = setting.split_once(':').unwrap_or((setting, "1"));
    let passes_left = AtomicU32::new(pass.parse().unwrap_or(1));
    let _ = ARMED.set(Armed { point: point.to_owned(), passes_left });
}

/// A release build has no points.
#[cfg(not(debug_assertions))]
pub fn arm(_setting: &str) {}

/// Dies here, as if by `kill -9`, if this point is armed and its time has come.
#[cfg(debug_assertions)]
pub fn point(name: &str) {
    let Some(armed) = ARMED.get().filter(|armed| armed.point == name) else {
        return;
    };
    if armed.passes_left.fetch_sub(1, Ordering::SeqCst) == 1 {
        let process = std::process::id().to_string();
        let _ = std::process::Command::new("kill").args(["-KILL", &process]).status();
        loop {
            std::thread::park();
        }
    }
}

/// A release build passes every point.
#[cfg(not(debug_assertions))]
#[inline]
pub fn point(_name: &str) {}
