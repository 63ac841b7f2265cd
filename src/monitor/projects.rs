//! Which projects the rules' patterns mean. The server matches regular expressions, so that they mean what they mean in
//! ClearML; each is asked about once for all rules.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::error::MonitorError;
use crate::clearml::{ClearmlError, Client};
use crate::domain::{ProjectPattern, ProjectRegex, Rule, Task};

/// How long a look-up is believed. A task of a project never seen before causes a look-up at once.
const BELIEVED: Duration = Duration::from_mins(5);
/// So many names are asked after in one request.
const NAMES_AT_ONCE: usize = 50;

/// What is asked of the server: a regular expression, and whether it may match hidden projects.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Question {
    pattern: String,
    hidden: bool,
}

/// The projects that the rules' regular expressions match, as the server last said.
#[derive(Debug, Default)]
pub struct Projects {
    /// `None` where the server was not asked yet.
    answers: BTreeMap<Question, Option<Arc<HashSet<String>>>>,
    /// Projects that were known to be there before the last look-up.
    known: HashSet<String>,
    looked_up: Option<Instant>,
}

impl Projects {
    /// The patterns of these rules, nothing of them looked up.
    pub fn of(rules: &[Rule]) -> Self {
        let mut projects = Self::default();
        projects.follow(rules);
        projects
    }

    /// From now on these rules' patterns; what is known of those that stay is kept.
    pub fn follow(&mut self, rules: &[Rule]) {
        let mut before = std::mem::take(&mut self.answers);
        for (_, question) in rules.iter().flat_map(questions) {
            let answer = before.remove(&question).flatten();
            self.answers.entry(question).or_insert(answer);
        }
        if self.answers.values().any(Option::is_none) {
            self.looked_up = None;
        }
    }

    /// Gives the rules what is known of their patterns.
    pub fn fill(&self, rules: &mut [Rule]) {
        for rule in rules {
            let hidden = rule.conditions.include_hidden;
            let filter = &mut rule.conditions.projects;
            let only = filter.only.iter_mut().map(|pattern| (pattern, hidden));
            for (pattern, hidden) in only.chain(filter.except.iter_mut().map(|pattern| (pattern, true))) {
                if let ProjectPattern::Regex(regex) = pattern {
                    let question = Question { pattern: regex.pattern.clone(), hidden };
                    regex.found = self.answers.get(&question).cloned().flatten();
                }
            }
        }
    }

    /// Asks the server what every pattern matches, and gives the answers to the rules; nothing is no error.
    pub async fn resolve(&mut self, rules: &mut [Rule], clearml: &Client) -> Result<(), MonitorError> {
        self.look_up(clearml).await.map_err(|error| name_the_rule(error, rules))?;
        self.fill(rules);
        Ok(())
    }

    /// Refuses a pattern that matches nothing, and names the rule: a typo must not become silence.
    pub async fn require_match(&mut self, rules: &[Rule], clearml: &Client) -> Result<(), MonitorError> {
        self.look_up(clearml).await.map_err(|error| name_the_rule(error, rules))?;
        let existing = existing(rules, clearml).await?;
        for rule in rules {
            let is_empty =
                |question: &Question| !matches!(self.answers.get(question), Some(Some(found)) if !found.is_empty());
            let empty_regex = questions(rule).find(|(_, question)| is_empty(question)).map(|(pattern, _)| pattern);
            let is_missing = |pattern: &&ProjectPattern| name_of(pattern).is_some_and(|name| !existing.contains(name));
            let missing = rule.conditions.projects.patterns().find(is_missing);
            if let Some(pattern) = empty_regex.or(missing) {
                let (rule, server) = (named(rule, rules), clearml.host().to_owned());
                return Err(MonitorError::NoProject { rule, pattern: plain(pattern), server });
            }
        }
        Ok(())
    }

    /// Asks the server where the last answer is too old to be believed, or `tasks` lie in a project that was never
    /// looked up. Returns whether anything may have changed.
    pub(super) async fn refresh(&mut self, clearml: &Client, tasks: &[Task]) -> Result<bool, MonitorError> {
        let is_stale = self.looked_up.is_none_or(|at| at.elapsed() >= BELIEVED);
        let projects = tasks.iter().filter_map(|task| task.project.as_ref());
        let news: Vec<&String> = projects.map(|project| &project.id).filter(|id| !self.known.contains(*id)).collect();
        if self.answers.is_empty() || !is_stale && news.is_empty() {
            return Ok(false);
        }
        self.look_up(clearml).await?;
        self.known.extend(news.into_iter().cloned());
        Ok(true)
    }

    /// Asks about every pattern. Fails as a whole, and then changes nothing.
    async fn look_up(&mut self, clearml: &Client) -> Result<(), MonitorError> {
        let mut answers = BTreeMap::new();
        for question in self.answers.keys() {
            let Question { pattern, hidden } = question;
            let found = clearml.projects_matching(pattern, *hidden).await;
            let found = found.map_err(|error| bad_pattern(error, pattern, clearml))?;
            let ids: HashSet<String> = found.into_iter().map(|project| project.id).collect();
            answers.insert(question.clone(), Some(Arc::new(ids)));
        }
        // A project that is made while several patterns are asked about may be known to the later ones only.
        if let (1, Some(Some(only))) = (answers.len(), answers.values().next()) {
            self.known.extend(only.iter().cloned());
        }
        self.answers = answers;
        self.looked_up = Some(Instant::now());
        Ok(())
    }
}

/// What a rule asks the server. What it excludes, it excludes among hidden projects too: a filter never widens.
fn questions(rule: &Rule) -> impl Iterator<Item = (&ProjectPattern, Question)> {
    let filter = &rule.conditions.projects;
    let hidden = rule.conditions.include_hidden;
    let only = filter.only.iter().map(move |pattern| (pattern, hidden));
    only.chain(filter.except.iter().map(|pattern| (pattern, true))).filter_map(|(pattern, hidden)| match pattern {
        ProjectPattern::Regex(ProjectRegex { pattern: text, .. }) => {
            Some((pattern, Question { pattern: text.clone(), hidden }))
        }
        ProjectPattern::Exact(_) | ProjectPattern::Subtree(_) => None,
    })
}

/// Those of the names in the rules' patterns that the server knows, hidden ones included.
async fn existing(rules: &[Rule], clearml: &Client) -> Result<HashSet<String>, MonitorError> {
    let names = rules.iter().flat_map(|rule| rule.conditions.projects.patterns()).filter_map(name_of);
    let names: Vec<&String> = names.collect::<HashSet<_>>().into_iter().collect();
    let mut existing = HashSet::new();
    for some in names.chunks(NAMES_AT_ONCE) {
        let escaped: Vec<String> = some.iter().map(|name| regex::escape(name)).collect();
        let pattern = format!("^(?:{})$", escaped.join("|"));
        let found = clearml.projects_matching(&pattern, true).await?;
        existing.extend(found.into_iter().filter_map(|project| project.name));
    }
    Ok(existing)
}

fn name_of(pattern: &ProjectPattern) -> Option<&String> {
    match pattern {
        ProjectPattern::Exact(name) | ProjectPattern::Subtree(name) => Some(name),
        ProjectPattern::Regex(_) => None,
    }
}

/// The rule's name, where it needs one: the command line describes one rule only.
fn named(rule: &Rule, rules: &[Rule]) -> Option<String> {
    let is_the_command_lines = rules.len() == 1 && rule.name == Rule::DEFAULT_NAME;
    (!is_the_command_lines).then(|| rule.name.clone())
}

/// As the user wrote it; `re:` tells a regular expression only where there is something else.
fn plain(pattern: &ProjectPattern) -> String {
    match pattern {
        ProjectPattern::Regex(regex) => regex.pattern.clone(),
        other => other.to_string(),
    }
}

fn name_the_rule(error: MonitorError, rules: &[Rule]) -> MonitorError {
    let MonitorError::BadPattern { pattern, server, message, .. } = error else { return error };
    let asks = |rule: &&Rule| questions(rule).any(|(_, question)| question.pattern == pattern);
    let rule = rules.iter().find(asks).and_then(|rule| named(rule, rules));
    MonitorError::BadPattern { rule, pattern, server, message }
}

/// The same error, with the pattern that the server could not read.
pub(super) fn bad_pattern(error: ClearmlError, pattern: &str, clearml: &Client) -> MonitorError {
    match error {
        ClearmlError::BadPattern { message } => {
            let (pattern, server) = (pattern.to_owned(), clearml.host().to_owned());
            MonitorError::BadPattern { rule: None, pattern, server, message }
        }
        other => other.into(),
    }
}
