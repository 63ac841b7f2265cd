//! Rules that wait to be taken over by a running poller.

use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::Rule;

/// A place where new rules are put for a running poller, which takes them over before its next poll. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct NextRules(Arc<Mutex<Option<Vec<Rule>>>>);

impl NextRules {
    /// Replaces the rules: from its next poll on, the poller asks these, their users resolved. What is recorded keeps its
    /// verdicts, and what waits to be told is told. Rules that were put here before and not yet taken are forgotten.
    pub fn replace(&self, rules: Vec<Rule>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(rules);
    }

    pub(super) fn take(&self) -> Option<Vec<Rule>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
