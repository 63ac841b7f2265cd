//! The last values of a task's metrics, as ClearML keeps them with the task (`last_metrics`).

use std::fmt;

use serde::{Deserialize, Serialize};

/// The values of one metric that ClearML keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastMetric {
    /// The metric's title: the plot.
    pub title: String,
    /// The series: the line in the plot.
    pub series: String,
    /// The newest value; `None` where there is none that is a number.
    pub last: Option<Finite>,
    /// The lowest, likewise.
    pub min: Option<Finite>,
    /// The highest, likewise.
    pub max: Option<Finite>,
}

/// A number that is neither infinite nor "not a number".
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Finite(f64);

/// Finite numbers are equal to themselves.
impl Eq for Finite {}

impl Finite {
    /// The number, if it is one.
    pub fn new(number: f64) -> Option<Self> {
        number.is_finite().then_some(Self(number))
    }

    /// As the plain number.
    pub fn get(self) -> f64 {
        self.0
    }
}

/// It is infinite, or not a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotFinite;

impl fmt::Display for NotFinite {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("not a finite number")
    }
}

impl TryFrom<f64> for Finite {
    type Error = NotFinite;

    fn try_from(number: f64) -> Result<Self, NotFinite> {
        Self::new(number).ok_or(NotFinite)
    }
}

impl From<Finite> for f64 {
    fn from(number: Finite) -> Self {
        number.0
    }
}

impl fmt::Display for Finite {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}
