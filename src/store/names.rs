//! Alerts of tasks by a part of their name, found by three characters at a time, or by the beginning of their ID. What is
//! found here may match and is compared afterwards; what is not found does not match.

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::rows::count;

/// Shorter parts are what some three begin with.
const LETTERS: usize = 3;
/// More threes of one text are not asked for: what they leave out is left out afterwards.
const THREES: usize = 24;

/// What is typed for a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Names {
    /// For the texts of three characters or more, if there are any.
    expression: Option<String>,
    /// What a three begins with that is in a name, for the shorter texts.
    begins: Vec<String>,
    /// Of IDs.
    beginnings: Vec<String>,
}

impl Names {
    /// `None` where there is no text, or one that the index cannot find.
    pub(super) fn of(texts: &[String]) -> Option<Self> {
        if texts.is_empty() || texts.iter().any(|text| text.is_empty() || text.contains('\0')) {
            return None;
        }
        let (mut expressions, mut begins) = (Vec::new(), Vec::new());
        for text in texts {
            match expression(text) {
                Some(expression) => expressions.push(expression),
                None => begins.extend(ways_to_begin(text)),
            }
        }
        begins.sort();
        begins.dedup();
        Some(Self {
            expression: (!expressions.is_empty()).then(|| expressions.join(" OR ")),
            begins,
            beginnings: texts.iter().map(|text| text.to_ascii_lowercase()).collect(),
        })
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

    /// The newest, whose names are not in the index yet, at most `most` by name, and as many by ID.
    fn each(&self, connection: &Connection, most: i64, mut found: impl FnMut(i64)) -> rusqlite::Result<()> {
        let mut read = |sql: &str, values: &[Value]| -> rusqlite::Result<()> {
            let mut statement = connection.prepare_cached(sql)?;
            let mut rows = statement.query(params_from_iter(values))?;
            while let Some(row) = rows.next()? {
                found(row.get(0)?);
            }
            Ok(())
        };
        read(NOT_ADDED_YET, &[])?;
        if let Some(expression) = &self.expression {
            read(BY_NAME, &[expression.clone().into(), most.into()])?;
        }
        for begin in &self.begins {
            read(BY_SHORT_NAME, &[begin.clone().into(), behind(begin).into(), most.into()])?;
        }
        for beginning in &self.beginnings {
            read(BY_ID, &[beginning.clone().into(), behind(beginning).into(), most.into()])?;
        }
        Ok(())
    }
}

const NOT_ADDED_YET: &str = "SELECT id FROM alerts WHERE id > (SELECT up_to FROM alert_names_added)";
const BY_NAME: &str = "SELECT rowid FROM alert_names WHERE alert_names MATCH ? LIMIT ?";
const BY_SHORT_NAME: &str = "SELECT doc FROM alert_name_threes WHERE term >= ? AND term < ? LIMIT ?";
const BY_ID: &str = "SELECT id FROM alerts INDEXED BY alerts_by_task WHERE task_id >= ? AND task_id < ? LIMIT ?";

/// What comes behind every text that begins so.
fn behind(beginning: &str) -> String {
    format!("{beginning}\u{10ffff}\u{10ffff}\u{10ffff}")
}

/// All threes of a text, quoted; what they are in the index's eyes is the index's business. `None`: it has none that the
/// index is sure to find.
fn expression(text: &str) -> Option<String> {
    let letters: Vec<char> = text.chars().collect();
    let three = |letters: &[char]| format!("\"{}\"", letters.iter().collect::<String>().replace('"', "\"\""));
    let sure = |letters: &&[char]| letters.iter().all(|letter| is_folded_as_meant(*letter));
    let mut threes: Vec<String> = letters.windows(LETTERS).filter(sure).map(three).collect();
    threes.sort();
    threes.dedup();
    threes.truncate(THREES);
    (!threes.is_empty()).then(|| format!("({})", threes.join(" AND ")))
}

/// Whether the index knows the other case of a letter: its table is older than some alphabets' cases.
fn is_folded_as_meant(letter: char) -> bool {
    let has_case = !letter.to_lowercase().eq([letter]) || !letter.to_uppercase().eq([letter]);
    let is_old = matches!(letter, '\0'..='\u{17f}' | '\u{386}'..='\u{3ce}' | '\u{400}'..='\u{527}' | '\u{531}'..='\u{587}'
        | '\u{1e00}'..='\u{1fff}');
    is_old || !has_case
}

/// What a three may begin with that is in a name which holds a text: its first two letters in any case, since the index
/// folds what it holds by a table of its own.
fn ways_to_begin(text: &str) -> Vec<String> {
    text.chars().take(LETTERS - 1).fold(vec![String::new()], |begun, letter| {
        let great = || letter.to_uppercase();
        let small = letter.to_lowercase().chain(great().flat_map(char::to_lowercase));
        let mut ways: Vec<char> = small.chain(great()).chain([letter]).collect();
        ways.sort_unstable();
        ways.dedup();
        begun.iter().flat_map(|begun| ways.iter().map(move |letter| format!("{begun}{letter}"))).collect()
    })
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

    /// The numbers, smallest first; `None` where there are more than `most`.
    pub(super) fn few(&self, most: usize) -> Option<Vec<i64>> {
        let many: u32 = self.words.iter().map(|word| word.count_ones()).sum();
        let of_word = |(position, word): (usize, &u64)| {
            let word = *word;
            let first = count(position) * 64;
            (0..64).filter(move |bit| word & (1 << bit) != 0).map(move |bit| first + bit)
        };
        (many as usize <= most)
            .then(|| self.words.iter().enumerate().filter(|(_, word)| **word != 0).flat_map(of_word).collect())
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
    use super::super::fold::one_folded;
    use super::*;

    #[test]
    fn a_text_is_asked_for_by_its_threes_and_cannot_say_more() {
        assert_eq!(expression("abcd").unwrap(), "(\"abc\" AND \"bcd\")");
        assert_eq!(expression("a\"b*").unwrap(), "(\"\"\"b*\" AND \"a\"\"b\")");
        assert_eq!(expression("Größe").unwrap().matches(" AND ").count(), 2);
        assert_eq!(expression(&"x".repeat(500)).unwrap(), "(\"xxx\")");
        assert_eq!((expression("ab"), expression("აბგ")), (None, None));
        let long: String = ('a'..='z').chain('A'..='Z').collect();
        assert_eq!(expression(&long).unwrap().matches(" AND ").count(), THREES - 1);
    }

    #[test]
    fn a_short_text_is_what_some_three_begins_with() {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let names = Names::of(&texts(&["abc", "x1"])).unwrap();
        assert_eq!((names.expression.as_deref(), names.begins), (Some("(\"abc\")"), texts(&["X1", "x1"])));
        assert_eq!(Names::of(&texts(&["Ä"])).unwrap().begins, texts(&["Ä", "ä"]));
        for nothing in [texts(&[]), texts(&[""]), texts(&["abc", "a\0bc"])] {
            assert_eq!(Names::of(&nothing), None);
        }
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
        assert_eq!((some.few(4), some.few(3)), (Some(vec![1, 63, 64, 1_000]), None));
        some.retain(&of(&[64, 65]));
        assert!(some.contains(64) && !some.contains(63) && !some.contains(65) && !some.contains(1_000));
    }

    /// Whatever alphabet: what a person means by a letter is what the index finds by it, in a short text and in a long one.
    #[test]
    fn no_alphabet_hides_a_name() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(crate::store::schema::SCHEMA).unwrap();
        let has_case = |letter: &char| !letter.to_lowercase().eq([*letter]) || !letter.to_uppercase().eq([*letter]);
        let letters: Vec<char> = (char::MIN..=char::MAX).filter(has_case).collect();
        assert!(letters.len() > 2_500);
        let mut alike: std::collections::HashMap<char, Vec<i64>> = std::collections::HashMap::new();
        let mut insert =
            connection.prepare("INSERT INTO alert_names (rowid, task_name) VALUES (?, ? || '  ')").unwrap();
        for (number, letter) in (1..).zip(&letters) {
            insert.execute((number, letter.to_string().repeat(3))).unwrap();
            alike.entry(one_folded(*letter)).or_default().push(number);
        }
        for letter in &letters {
            for times in 1..=3 {
                let text = letter.to_string().repeat(times);
                let found = Names::of(std::slice::from_ref(&text)).unwrap().all(&connection).unwrap();
                let is_found = alike[&one_folded(*letter)].iter().all(|number| found.contains(*number));
                assert!(is_found, "{text} ({:x})", u32::from(*letter));
            }
        }
    }
}
