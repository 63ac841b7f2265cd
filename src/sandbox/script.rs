//! Which requests go wrong, in which order: rules, and the queue that hands them out.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::fault::{Effect, Fault};

/// A fault with the requests it strikes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultRule {
    /// What goes wrong.
    #[serde(flatten)]
    pub fault: Fault,
    /// Only requests of this endpoint (`tasks.get_all_ex`) or method (`chat.postMessage`); every one if absent.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// So many matching requests pass unharmed first.
    #[serde(default)]
    pub after: u32,
    /// How many requests it strikes.
    #[serde(default = "once")]
    pub times: u32,
}

fn once() -> u32 {
    1
}

impl FaultRule {
    /// Strikes the next request, whatever it is.
    pub fn next(fault: Fault) -> Self {
        Self { fault, endpoint: None, after: 0, times: 1 }
    }

    /// Only requests of this endpoint or method.
    #[must_use]
    pub fn on(mut self, endpoint: &str) -> Self {
        self.endpoint = Some(endpoint.to_owned());
        self
    }

    /// Only after so many matching requests.
    #[must_use]
    pub fn after(mut self, requests: u32) -> Self {
        self.after = requests;
        self
    }

    /// So many requests in a row.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    /// Every matching request until the queue is cleared.
    #[must_use]
    pub fn forever(self) -> Self {
        self.times(u32::MAX)
    }

    fn matches(&self, endpoint: &str) -> bool {
        self.fault.effect != Effect::ResetOnConnect && self.endpoint.as_deref().is_none_or(|own| own == endpoint)
    }
}

impl From<Fault> for FaultRule {
    fn from(fault: Fault) -> Self {
        Self::next(fault)
    }
}

/// The faults still to come, in order. The first rule that matches a request decides it: either the request is one of
/// those that pass first, or the rule strikes.
#[derive(Debug, Default)]
pub struct FaultQueue(Mutex<VecDeque<FaultRule>>);

impl FaultQueue {
    /// Adds one at the end.
    pub fn push(&self, rule: impl Into<FaultRule>) {
        self.rules().push_back(rule.into());
    }

    /// Adds several at the end.
    pub fn script(&self, rules: impl IntoIterator<Item = FaultRule>) {
        self.rules().extend(rules);
    }

    /// Forgets all of them.
    pub fn clear(&self) {
        self.rules().clear();
    }

    /// What is still to come.
    pub fn remaining(&self) -> Vec<FaultRule> {
        self.rules().iter().cloned().collect()
    }

    /// The fault for a request of this endpoint, if one is due.
    pub(crate) fn take(&self, endpoint: &str) -> Option<Fault> {
        self.take_first(|rule| rule.matches(endpoint))
    }

    /// Whether the connection just accepted is to be reset.
    pub(crate) fn take_connection_reset(&self) -> bool {
        self.take_first(|rule| rule.fault.effect == Effect::ResetOnConnect).is_some()
    }

    fn take_first(&self, matches: impl Fn(&FaultRule) -> bool) -> Option<Fault> {
        let mut rules = self.rules();
        let index = rules.iter().position(matches)?;
        let rule = rules.get_mut(index)?;
        if rule.after > 0 {
            rule.after -= 1;
            return None;
        }
        let fault = rule.fault.clone();
        if rule.times != u32::MAX {
            rule.times = rule.times.saturating_sub(1);
        }
        if rule.times == 0 {
            rules.remove(index);
        }
        Some(fault)
    }

    fn rules(&self) -> std::sync::MutexGuard<'_, VecDeque<FaultRule>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_followed_in_order() {
        let queue = FaultQueue::default();
        queue.script([
            FaultRule::next(Fault::reset()).times(2),
            FaultRule::next(Fault::status(500, "boom")).on("a"),
            FaultRule::next(Fault::apply_then_reset()),
        ]);
        assert_eq!(queue.take("b"), Some(Fault::reset()));
        assert_eq!(queue.take("a"), Some(Fault::reset()));
        assert_eq!(queue.take("b"), Some(Fault::apply_then_reset()));
        assert_eq!(queue.take("b"), None);
        assert_eq!(queue.take("a"), Some(Fault::status(500, "boom")));
        assert_eq!(queue.take("a"), None);
    }

    #[test]
    fn some_requests_pass_first() {
        let queue = FaultQueue::default();
        queue.push(FaultRule::next(Fault::hang()).on("a").after(2).times(1));
        assert_eq!(queue.take("a"), None);
        assert_eq!(queue.take("b"), None);
        assert_eq!(queue.take("a"), None);
        assert_eq!(queue.take("a"), Some(Fault::hang()));
        assert!(queue.remaining().is_empty());
    }

    #[test]
    fn a_connection_reset_waits_for_a_connection() {
        let queue = FaultQueue::default();
        queue.push(FaultRule::next(Fault::reset_on_connect()).forever());
        assert_eq!(queue.take("a"), None);
        assert!(queue.take_connection_reset());
        assert!(queue.take_connection_reset());
        queue.clear();
        assert!(!queue.take_connection_reset());
    }

    #[test]
    fn rules_read_from_json_need_only_what_matters() {
        let rule: FaultRule =
            serde_json::from_str(r#"{"effect": "answer", "status": 503, "endpoint": "tasks.get_all_ex", "times": 3}"#)
                .unwrap();
        assert_eq!(rule, FaultRule::next(Fault::status(503, "")).on("tasks.get_all_ex").times(3));
        let rule: FaultRule = serde_json::from_str(r#"{"effect": "reset", "applies": true}"#).unwrap();
        assert_eq!(rule, FaultRule::next(Fault::apply_then_reset()));
    }
}
