//! Alerts of tasks by a part of their name, found by three characters at a time, or by the beginning of their ID. What is
//! found here may match and is compared afterwards; what is not found does not match.

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::rows::count;

/// Shorter parts are not in the index.
const LETTERS: usize = 3;
/// More threes of one text are not asked for: what they leave out is left out afterwards.
const THREES: usize = 24;

/// What is typed for a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Names {
    expression: String,
    beginnings: Vec<String>,
}

impl Names {
    /// `None` where there is no text, or one that the index cannot find.
    pub(super) fn of(texts: &[String]) -> Option<Self> {
        let each: Option<Vec<String>> = texts.iter().map(|text| expression(text)).collect();
        let expression = each.filter(|each| !each.is_empty())?.join(" OR ");
        Some(Self { expression, beginnings: texts.iter().map(|text| text.to_ascii_lowercase()).collect() })
    }

    /// The numbers of the alerts that may match; `None` where there are more than `most`.
    pub(super) fn few(&self, connection: &Connection, most: usize) -> rusqlite::Result<Option<Vec<i64>>> {
        let mut found = Vec::new();
        self.each(connection, count(most + 1), |alert| found.push(alert))?;
        Ok((found.len() <= most).then_some(found))
    }

    /// The numbers of all alerts that may match.
    pub(super) fn all(&self, connection: &Connection) -> rusqlite::Result<Numbers> {
        let mut found = Numbers::default();
        self.each(connection, i64::MAX, |alert| found.insert(alert))?;
        Ok(found)
    }

    /// At most `most` by name, and as many by ID.
    fn each(&self, connection: &Connection, most: i64, mut found: impl FnMut(i64)) -> rusqlite::Result<()> {
        let by_name = "SELECT rowid FROM alert_names WHERE alert_names MATCH ? LIMIT ?";
        let mut read = |sql: &str, values: &[Value]| -> rusqlite::Result<()> {
            let mut statement = connection.prepare_cached(sql)?;
            let mut rows = statement.query(params_from_iter(values))?;
            while let Some(row) = rows.next()? {
                found(row.get(0)?);
            }
            Ok(())
        };
        read(by_name, &[self.expression.clone().into(), most.into()])?;
        let by_id = "SELECT id FROM alerts INDEXED BY alerts_by_task WHERE task_id >= ? AND task_id < ? LIMIT ?";
        for beginning in &self.beginnings {
            read(by_id, &[beginning.clone().into(), format!("{beginning}\u{10ffff}").into(), most.into()])?;
        }
        Ok(())
    }
}

/// All threes of a text, quoted; what they are in the index's eyes is the index's business.
fn expression(text: &str) -> Option<String> {
    let letters: Vec<char> = text.chars().collect();
    if letters.len() < LETTERS || letters.contains(&'\0') {
        return None;
    }
    let three = |letters: &[char]| format!("\"{}\"", letters.iter().collect::<String>().replace('"', "\"\""));
    let mut threes: Vec<String> = letters.windows(LETTERS).map(three).collect();
    threes.sort();
    threes.dedup();
    threes.truncate(THREES);
    Some(format!("({})", threes.join(" AND ")))
}

/// A set of alerts' numbers: a bit each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Numbers {
    words: Vec<u64>,
}

impl Numbers {
    pub(super) fn insert(&mut self, number: i64) {
        if let Some((word, bit)) = place(number) {
            if word >= self.words.len() {
                self.words.resize(word + 1, 0);
            }
            self.words[word] |= bit;
        }
    }

    pub(super) fn contains(&self, number: i64) -> bool {
        place(number).is_some_and(|(word, bit)| self.words.get(word).is_some_and(|found| found & bit != 0))
    }

    /// Keeps what is in both.
    pub(super) fn retain(&mut self, other: &Self) {
        self.words.truncate(other.words.len());
        self.words.iter_mut().zip(&other.words).for_each(|(mine, theirs)| *mine &= theirs);
    }
}

/// SQLite gives numbers from 1 on, one after the other.
fn place(number: i64) -> Option<(usize, u64)> {
    let number = usize::try_from(number).ok()?;
    Some((number / 64, 1 << (number % 64)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_asked_for_by_its_threes_and_cannot_say_more() {
        assert_eq!(expression("abcd").unwrap(), "(\"abc\" AND \"bcd\")");
        assert_eq!(expression("a\"b*").unwrap(), "(\"\"\"b*\" AND \"a\"\"b\")");
        assert_eq!(expression("Größe").unwrap().matches(" AND ").count(), 2);
        assert_eq!((expression("ab"), expression("a\0bc")), (None, None));
        assert_eq!(expression(&"x".repeat(500)).unwrap(), "(\"xxx\")");
        let long: String = ('a'..='z').chain('A'..='Z').collect();
        assert_eq!(expression(&long).unwrap().matches(" AND ").count(), THREES - 1);
        assert_eq!((Names::of(&[]), Names::of(&["abc".to_owned(), "x".to_owned()])), (None, None));
    }

    #[test]
    fn numbers_are_kept_by_a_bit_each() {
        let of = |numbers: &[i64]| {
            let mut set = Numbers::default();
            for number in numbers {
                set.insert(*number);
            }
            set
        };
        let mut some = of(&[1, 63, 64, 1_000, -3]);
        assert!(some.contains(1) && some.contains(64) && some.contains(1_000));
        assert!(!some.contains(-3) && !some.contains(2) && !some.contains(i64::MAX));
        some.retain(&of(&[64, 65]));
        assert!(some.contains(64) && !some.contains(63) && !some.contains(65) && !some.contains(1_000));
    }
}
