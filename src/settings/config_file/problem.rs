//! What is wrong with a config file, told so that a person can mend all of it at once.

use std::fmt;
use std::path::PathBuf;
use std::sync::LazyLock;

use crate::domain::Redactor;
use crate::settings::error::shorten;

/// So many problems are told at once; a file that is no config file at all has no end of them.
const MOST_TOLD: usize = 12;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Its line, counted from 1.
    pub line: usize,
    /// What is wrong with which key of which rule, and what to write instead. Never a secret.
    pub told: String,
}

/// Everything that is wrong with a config file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors {
    /// The file.
    pub path: PathBuf,
    /// What is wrong, in the order of the file; never empty.
    pub problems: Vec<Problem>,
}

impl ConfigErrors {
    pub(super) fn new(path: PathBuf, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| problem.line);
        problems.dedup();
        Self { path, problems }
    }
}

impl std::error::Error for ConfigErrors {}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        for (at, problem) in self.problems.iter().take(MOST_TOLD).enumerate() {
            let between = if at == 0 { "" } else { "\n" };
            write!(formatter, "{between}{path}:{}: {}", problem.line, problem.told)?;
        }
        let more = self.problems.len().saturating_sub(MOST_TOLD);
        if more > 0 { write!(formatter, "\n… and {more} more") } else { Ok(()) }
    }
}

static REDACTOR: LazyLock<Redactor> = LazyLock::new(|| Redactor::new(Vec::new()));

/// A value, or a name, as an error can show it: short, on one line, and without anything that looks like a secret.
pub(super) fn shown(value: &str) -> String {
    let beginning: String = value.chars().take(400).collect();
    shorten(&REDACTOR.redact(&beginning))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_are_told_in_the_order_of_the_file_and_not_without_end() {
        let problem = |line| Problem { line, told: "wrong".to_owned() };
        let errors = ConfigErrors::new("c.toml".into(), vec![problem(7), problem(2), problem(7)]);
        assert_eq!(errors.to_string(), "c.toml:2: wrong\nc.toml:7: wrong");
        let many = ConfigErrors::new("c.toml".into(), (1..=100).map(problem).collect());
        assert_eq!(many.to_string().lines().count(), MOST_TOLD + 1);
        assert!(many.to_string().ends_with("… and 88 more"));
    }

    #[test]
    fn what_looks_like_a_secret_is_not_shown() {
        assert!(!shown("xoxb-123456789012-abcdefABCDEF").contains("abcdef"));
        assert_eq!(shown("a\nb"), r"a\nb");
    }
}
