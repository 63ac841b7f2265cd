//! Which projects a rule's pattern means. The server matches the pattern, so that it means what it means in ClearML.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::Instant;

use super::error::MonitorError;
use crate::clearml::{ClearmlError, Client};
use crate::domain::{ProjectFilter, Task};

/// How long a look-up is believed. A task of a project never seen before causes a look-up at once.
const BELIEVED: Duration = Duration::from_mins(5);

/// The projects of one pattern.
#[derive(Debug)]
pub(super) struct Projects {
    pattern: String,
    matching: HashSet<String>,
    /// Projects that tasks were seen in and that the last look-up did not bring.
    others: HashSet<String>,
    looked_up: Option<Instant>,
}

impl Projects {
    pub(super) fn new(pattern: String) -> Self {
        Self { pattern, matching: HashSet::new(), others: HashSet::new(), looked_up: None }
    }

    /// The rule's filter, as far as is known now. An empty set matches nothing.
    pub(super) fn filter(&self) -> ProjectFilter {
        ProjectFilter::Matching { pattern: self.pattern.clone(), ids: self.matching.clone() }
    }

    /// Refuses a pattern that matches nothing: a typo must not become silence.
    pub(super) async fn require_match(&mut self, clearml: &Client) -> Result<(), MonitorError> {
        self.look_up(clearml).await?;
        if self.matching.is_empty() {
            let server = clearml.host().to_owned();
            return Err(MonitorError::NoProject { pattern: self.pattern.clone(), server });
        }
        Ok(())
    }

    /// Asks the server where the last answer is too old to be believed, or `tasks` lie in a project that was never
    /// looked up. Returns whether the filter may have changed.
    pub(super) async fn refresh(&mut self, clearml: &Client, tasks: &[Task]) -> Result<bool, MonitorError> {
        let is_stale = self.looked_up.is_none_or(|at| at.elapsed() >= BELIEVED);
        if !is_stale && self.unknown(tasks).next().is_none() {
            return Ok(false);
        }
        self.look_up(clearml).await?;
        let others: Vec<String> = self.unknown(tasks).map(str::to_owned).collect();
        self.others.extend(others);
        Ok(true)
    }

    fn unknown<'a>(&'a self, tasks: &'a [Task]) -> impl Iterator<Item = &'a str> {
        let ids = tasks.iter().filter_map(|task| task.project.as_ref()).map(|project| project.id.as_str());
        ids.filter(|id| !self.matching.contains(*id) && !self.others.contains(*id))
    }

    async fn look_up(&mut self, clearml: &Client) -> Result<(), MonitorError> {
        let found = clearml.projects_matching(&self.pattern, false).await;
        let found = found.map_err(|error| bad_pattern(error, &self.pattern, clearml))?;
        self.matching = found.into_iter().map(|project| project.id).collect();
        self.others.clear();
        self.looked_up = Some(Instant::now());
        Ok(())
    }
}

/// The same error, with the pattern that the server could not read.
pub(super) fn bad_pattern(error: ClearmlError, pattern: &str, clearml: &Client) -> MonitorError {
    match error {
        ClearmlError::BadPattern { message } => {
            MonitorError::BadPattern { pattern: pattern.to_owned(), server: clearml.host().to_owned(), message }
        }
        other => other.into(),
    }
}
