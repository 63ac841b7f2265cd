//! What tests may turn in a debug build: a clock that is wrong or jumps, waits and time limits that are short, a point to
//! die at. A release build heeds none of it.

use std::sync::OnceLock;
use std::time::Duration;

use super::start::Context;
use crate::clock::Clock;
use crate::domain::delivery::Waits;
use crate::settings::{Environment, ProcessEnvironment};

/// How patient the clients are, where a test says so.
#[derive(Debug, Clone, Copy)]
pub(super) struct Network {
    /// Instead of the clients' own time limits.
    pub time_limit: Option<Duration>,
    /// Times every wait between two tries.
    pub wait_factor: f64,
}

impl Network {
    /// What a release build does.
    const USUAL: Self = Self { time_limit: None, wait_factor: 1.0 };
}

/// Set once, by the first context: clients are made in many places, and none of them is the tests' business.
static NETWORK: OnceLock<Network> = OnceLock::new();

/// How patient the clients are.
pub(super) fn network() -> Network {
    NETWORK.get().copied().unwrap_or(Network::USUAL)
}

/// What every command is handed from outside.
pub(super) fn context(environment: ProcessEnvironment) -> Context {
    let host = gethostname::gethostname().to_string_lossy().into_owned();
    let (clock, waits) = knobs(&environment);
    Context { environment: Box::new(environment), clock, waits, host }
}

#[cfg(debug_assertions)]
fn knobs(environment: &dyn Environment) -> (Clock, Waits) {
    let knob = |name: &str| environment.variable(name).and_then(|value| value.into_string().ok());
    if let Some(point) = knob(crate::crash::VARIABLE) {
        crate::crash::arm(&point);
    }
    let number = |name: &str| knob(name).and_then(|value| value.parse::<f64>().ok());
    let wait_factor = number("CLEARML_ALERTS_TEST_WAIT_FACTOR").unwrap_or(1.0);
    let time_limit =
        number("CLEARML_ALERTS_TEST_TIME_LIMIT_SECONDS").and_then(|limit| Duration::try_from_secs_f64(limit).ok());
    let _ = NETWORK.set(Network { time_limit, wait_factor });
    let offset = knob("CLEARML_ALERTS_TEST_CLOCK_OFF_BY_MS").and_then(|value| value.parse().ok());
    let clock = match (offset, knob("CLEARML_ALERTS_TEST_CLOCK_FILE")) {
        (_, Some(file)) => Clock::system_off_by_file(file.into()),
        (Some(offset), None) => Clock::system_off_by(offset),
        (None, None) => Clock::system(),
    };
    (clock, Waits::STANDARD.scaled(wait_factor))
}

#[cfg(not(debug_assertions))]
fn knobs(_environment: &dyn Environment) -> (Clock, Waits) {
    (Clock::system(), Waits::STANDARD)
}
