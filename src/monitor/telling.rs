//! How each rule tells, looked up by its name when a message is composed.

use std::collections::HashMap;

use crate::domain::Rule;
use crate::domain::rule::{MetricCondition, Style};

/// How rules tell, by their names. A rule that is gone leaves alerts behind: they are told in the usual way.
#[derive(Debug, Clone, Default)]
pub struct Tellings {
    rules: HashMap<String, Telling>,
    usual: Box<Telling>,
}

/// How one rule tells.
#[derive(Debug, Clone, Default)]
pub(super) struct Telling {
    /// What its messages look like.
    pub(super) style: Style,
    /// The metric it asks about.
    pub(super) metric: Option<MetricCondition>,
    /// It has digests of its own, of more alerts than this; 0 never. `None`: it shares those of its lane.
    pub(super) digest_above: Option<u32>,
}

impl Tellings {
    /// How these rules tell.
    pub fn of(rules: &[Rule]) -> Self {
        let telling = |rule: &Rule| Telling {
            style: rule.style.clone(),
            metric: rule.conditions.metric.clone(),
            digest_above: rule.timing.digest_above,
        };
        let rules = rules.iter().map(|rule| (rule.name.clone(), telling(rule))).collect();
        Self { rules, usual: Box::default() }
    }

    /// How the rule of this name tells.
    pub(super) fn of_rule(&self, name: &str) -> &Telling {
        self.rules.get(name).unwrap_or(&self.usual)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Destination;

    #[test]
    fn a_rule_that_is_gone_tells_in_the_usual_way() {
        let mut rule = Rule::new("a", Destination::Channel("#a".to_owned()));
        rule.style.console_lines = 3;
        let tellings = Tellings::of(&[rule]);
        assert_eq!(tellings.of_rule("a").style.console_lines, 3);
        assert_eq!(tellings.of_rule("gone").style, Style::default());
    }
}
