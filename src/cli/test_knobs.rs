//! What tests may turn in a debug build: a clock that is wrong or jumps, waits and time limits that are short, a point to
//! die at. A release build heeds none of it.

use std::sync::OnceLock;
use std::time::Duration;

use super::logging::Log;
use super::patience::Patience;
use super::start::Context;
use crate::clock::Clock;
use crate::settings::{Environment, ProcessEnvironment};

/// Instead of the clients' own time limits, where a test says so. Set once, by the first context.
static TIME_LIMIT: OnceLock<Duration> = OnceLock::new();

/// The clients' time limit, where a test set one.
pub(super) fn time_limit() -> Option<Duration> {
    TIME_LIMIT.get().copied()
}

/// What every command is handed from outside.
pub(super) fn context(environment: ProcessEnvironment, log: Log) -> Context {
    let host = gethostname::gethostname().to_string_lossy().into_owned();
    let (clock, patience) = knobs(&environment);
    Context { environment: Box::new(environment), clock, patience, host, log }
}

#[cfg(debug_assertions)]
fn knobs(environment: &dyn Environment) -> (Clock, Patience) {
    let knob = |name: &str| environment.variable(name).and_then(|value| value.into_string().ok());
    if let Some(point) = knob(crate::crash::VARIABLE) {
        crate::crash::arm(&point);
    }
    let offset = knob("CLEARML_ALERTS_TEST_CLOCK_OFF_BY_MS").and_then(|value| value.parse().ok());
    let clock = match (offset, knob("CLEARML_ALERTS_TEST_CLOCK_FILE")) {
        (_, Some(file)) => Clock::system_off_by_file(file.into()),
        (Some(offset), None) => Clock::system_off_by(offset),
        (None, None) => Clock::system(),
    };
    let limit = knob("CLEARML_ALERTS_TEST_TIME_LIMIT_SECONDS").and_then(|value| value.parse().ok());
    if let Some(limit) = limit.and_then(|limit| Duration::try_from_secs_f64(limit).ok()) {
        let _ = TIME_LIMIT.set(limit);
    }
    let factor = knob("CLEARML_ALERTS_TEST_WAIT_FACTOR").and_then(|value| value.parse().ok());
    let patience = Patience::standard();
    (clock, factor.map_or(patience, |factor| patience.scaled(factor)))
}

#[cfg(not(debug_assertions))]
fn knobs(_environment: &dyn Environment) -> (Clock, Patience) {
    (Clock::system(), Patience::standard())
}
