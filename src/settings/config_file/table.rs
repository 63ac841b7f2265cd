//! Reading a table key by key. A key that is asked for is known; what was never asked for is refused in the end, with the
//! nearest known name. So the list of known keys cannot differ from what is read.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::nearest::nearest;
use super::problem::{Problem, shown};
use crate::settings::source::Source;
use crate::settings::time::parse_duration;

/// What reading the whole file brings besides values.
#[derive(Debug)]
pub(super) struct Reading<'t> {
    text: &'t str,
    problems: RefCell<Vec<Problem>>,
    /// Every key that was asked for, as a dotted path.
    asked: RefCell<BTreeSet<String>>,
}

impl<'t> Reading<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, problems: RefCell::default(), asked: RefCell::default() }
    }

    /// The line of a place, counted from 1.
    pub(super) fn line(&self, span: Range<usize>) -> usize {
        let before = self.text.as_bytes().get(..span.start).unwrap_or(self.text.as_bytes());
        before.iter().filter(|byte| **byte == b'\n').count() + 1
    }

    pub(super) fn problem(&self, line: usize, told: impl Into<String>) {
        self.problems.borrow_mut().push(Problem { line, told: told.into() });
    }

    pub(super) fn into_problems(self) -> (Vec<Problem>, BTreeSet<String>) {
        (self.problems.into_inner(), self.asked.into_inner())
    }
}

/// A value with its line, and what errors call it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) line: usize,
    /// The key, as errors and `check` name it: `slack.rate`, ``rule `vision`: hold``.
    pub(super) place: String,
}

impl<T> At<T> {
    /// The place, given the file.
    pub(super) fn source(&self, path: &std::path::Path) -> Source {
        Source::Config { path: path.to_owned(), line: self.line, key: self.place.clone() }
    }

    pub(super) fn map<U>(self, change: impl FnOnce(T) -> U) -> At<U> {
        At { value: change(self.value), line: self.line, place: self.place }
    }
}

/// A table of the file.
pub(super) struct Table<'a> {
    entries: &'a DeTable<'a>,
    pub(super) reading: &'a Reading<'a>,
    /// Its line.
    pub(super) line: usize,
    /// Its keys' dotted path, with `*` for names that the user gives: `slack.webhooks.*`.
    path: String,
    /// What errors write before a key: ``rule `vision`: ``.
    label: String,
    known: RefCell<Vec<&'static str>>,
}

impl<'a> Table<'a> {
    pub(super) fn root(table: &'a DeTable<'a>, reading: &'a Reading<'a>) -> Self {
        Self { entries: table, reading, line: 1, path: String::new(), label: String::new(), known: RefCell::default() }
    }

    /// The same with another name in errors; what was asked for so far is remembered.
    pub(super) fn relabelled(&self, label: String) -> Self {
        let known = RefCell::new(self.known.borrow().clone());
        Self { entries: self.entries, reading: self.reading, line: self.line, path: self.path.clone(), label, known }
    }

    pub(super) fn place(&self, key: &str) -> String {
        format!("{}{key}", self.label)
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn value(&self, key: &'static str) -> Option<At<&'a DeValue<'a>>> {
        self.known.borrow_mut().push(key);
        self.reading.asked.borrow_mut().insert(self.path_of(key));
        let (_, value) = self.entries.iter().find(|(name, _)| name.get_ref() == key)?;
        let line = self.reading.line(value.span());
        Some(At { value: value.get_ref(), line, place: self.place(key) })
    }

    /// Whether a key is there, whatever it says.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|(name, _)| name.get_ref() == key)
    }

    fn wrong_kind<T>(&self, at: &At<&DeValue<'_>>, wanted: &str) -> Option<T> {
        let told = format!("{} is {}: write {wanted}", at.place, kind(at.value));
        self.reading.problem(at.line, told);
        None
    }

    /// A text.
    pub(super) fn text(&self, key: &'static str) -> Option<At<String>> {
        let at = self.value(key)?;
        match at.value {
            DeValue::String(text) => Some(at.clone().map(|_| text.to_string())),
            _ => self.wrong_kind(&at, "a text in quotes"),
        }
    }

    /// A text, a number, or true or false, as it is written.
    pub(super) fn scalar(&self, key: &'static str) -> Option<At<String>> {
        let at = self.value(key)?;
        let text = match at.value {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Float(number) => number.to_string(),
            DeValue::Boolean(switch) => switch.to_string(),
            _ => return self.wrong_kind(&at, "one value"),
        };
        Some(at.map(|_| text))
    }

    /// `true` or `false`.
    pub(super) fn switch(&self, key: &'static str) -> Option<At<bool>> {
        let at = self.value(key)?;
        match at.value {
            DeValue::Boolean(switch) => Some(at.clone().map(|_| *switch)),
            _ => self.wrong_kind(&at, "true or false, without quotes"),
        }
    }

    /// A whole number within `allowed`.
    pub(super) fn whole(&self, key: &'static str, allowed: &RangeInclusive<i64>) -> Option<At<i64>> {
        let at = self.value(key)?;
        let wanted = format!("a whole number from {} to {}", allowed.start(), allowed.end());
        let DeValue::Integer(number) = at.value else { return self.wrong_kind(&at, &wanted) };
        let parsed = i64::from_str_radix(number.as_str(), number.radix()).ok();
        match parsed.filter(|number| allowed.contains(number)) {
            Some(number) => Some(at.map(|_| number)),
            None => {
                self.refuse(&at.clone().map(|_| ()), &number.to_string(), "is out of range", &format!("write {wanted}"))
            }
        }
    }

    /// A number that is one.
    pub(super) fn number(&self, key: &'static str) -> Option<At<f64>> {
        let at = self.value(key)?;
        let parsed = match at.value {
            DeValue::Integer(number) => {
                // Exact or not, it is the number that was written.
                i64::from_str_radix(number.as_str(), number.radix())
                    .ok()
                    .and_then(|number| number.to_string().parse().ok())
            }
            DeValue::Float(number) => number.as_str().parse::<f64>().ok(),
            _ => return self.wrong_kind(&at, "a number"),
        };
        match parsed.filter(|number: &f64| number.is_finite()) {
            Some(number) => Some(at.map(|_| number)),
            None => self.refuse(&at.map(|_| ()), "", "is no number that can be compared with", "write one like 0.5"),
        }
    }

    /// A duration that is written with its unit.
    pub(super) fn duration(&self, key: &'static str) -> Option<At<Duration>> {
        let at = self.value(key)?;
        let DeValue::String(text) = at.value else { return self.wrong_kind(&at, "a duration in quotes, like \"90s\"") };
        match parse_duration(text) {
            Ok(duration) => Some(at.map(|_| duration)),
            Err(error) => self.refuse(&at.map(|_| ()), text, "is no duration", &error.to_string()),
        }
    }

    /// A list of texts.
    pub(super) fn texts(&self, key: &'static str) -> Option<At<Vec<At<String>>>> {
        let at = self.value(key)?;
        let DeValue::Array(values) = at.value else { return self.wrong_kind(&at, "a list, like [\"one\", \"two\"]") };
        let mut texts = Vec::new();
        for value in values.iter() {
            let line = self.reading.line(value.span());
            let each = At { value: value.get_ref(), line, place: at.place.clone() };
            match value.get_ref() {
                DeValue::String(text) => texts.push(each.map(|_| text.to_string())),
                _ => return self.wrong_kind(&each, "texts in quotes into the list"),
            }
        }
        Some(at.map(|_| texts))
    }

    /// A list of texts that must not be empty: an empty one could mean nothing, or everything.
    pub(super) fn some_texts(&self, key: &'static str, without: &str) -> Option<At<Vec<At<String>>>> {
        let texts = self.texts(key)?;
        if texts.value.is_empty() {
            return self.refuse(&texts, "[]", "lists nothing", &format!("leave it out for {without}"));
        }
        Some(texts)
    }

    /// A table below this one.
    pub(super) fn table(&self, key: &'static str) -> Option<Table<'a>> {
        let at = self.value(key)?;
        let DeValue::Table(entries) = at.value else { return self.wrong_kind(&at, "a table") };
        Some(self.below(entries, at.line, self.path_of(key), format!("{}.", at.place)))
    }

    /// The tables of a list of them.
    pub(super) fn tables(&self, key: &'static str) -> Vec<Table<'a>> {
        let Some(at) = self.value(key) else { return Vec::new() };
        let DeValue::Array(values) = at.value else {
            self.wrong_kind::<()>(&at, &format!("[[{}]] above each", at.place));
            return Vec::new();
        };
        let below = |value: &'a Spanned<DeValue<'a>>| {
            let line = self.reading.line(value.span());
            let each = At { value: value.get_ref(), line, place: at.place.clone() };
            match value.get_ref() {
                DeValue::Table(entries) => Some(self.below(entries, line, self.path_of(key), format!("{key}: "))),
                _ => self.wrong_kind(&each, &format!("[[{}]] above each", at.place)),
            }
        };
        values.iter().filter_map(below).collect()
    }

    /// The tables below this one whose names the user gives, by name.
    pub(super) fn named_tables(&self) -> Vec<(String, Table<'a>)> {
        let below = |(name, value): (&'a Spanned<_>, &'a Spanned<DeValue<'a>>)| {
            let name: &std::borrow::Cow<'a, str> = name.get_ref();
            let line = self.reading.line(value.span());
            let at = At { value: value.get_ref(), line, place: self.place(&shown(name)) };
            let DeValue::Table(entries) = value.get_ref() else { return self.wrong_kind(&at, "a table") };
            let table = self.below(entries, line, self.path_of("*"), format!("{}.", at.place));
            Some((name.to_string(), table))
        };
        self.entries.iter().filter_map(below).collect()
    }

    /// The texts below this table whose names the user gives, by name.
    pub(super) fn named_texts(&self) -> Vec<(String, At<String>)> {
        self.reading.asked.borrow_mut().insert(self.path_of("*"));
        let text = |(name, value): (&'a Spanned<_>, &'a Spanned<DeValue<'a>>)| {
            let name: &std::borrow::Cow<'a, str> = name.get_ref();
            let at =
                At { value: value.get_ref(), line: self.reading.line(value.span()), place: self.place(&shown(name)) };
            match value.get_ref() {
                DeValue::String(text) => Some((name.to_string(), at.map(|_| text.to_string()))),
                _ => self.wrong_kind(&at, "a text in quotes"),
            }
        };
        self.entries.iter().filter_map(text).collect()
    }

    fn below(&self, entries: &'a DeTable<'a>, line: usize, path: String, label: String) -> Table<'a> {
        Table { entries, reading: self.reading, line, path, label, known: RefCell::default() }
    }

    /// Notes that a value is wrong: what it is, what is wrong with it (completing "which …"), what to do.
    pub(super) fn refuse<T, U>(&self, at: &At<T>, value: &str, problem: &str, remedy: &str) -> Option<U> {
        let place = &at.place;
        let which = if value.is_empty() { String::new() } else { format!("is `{}`, which ", shown(value)) };
        self.reading.problem(at.line, format!("{place} {which}{problem}: {remedy}"));
        None
    }

    /// Refuses the keys that were never asked for.
    pub(super) fn finish(&self) {
        let known = self.known.borrow();
        for (name, _) in self.entries.iter().filter(|(name, _)| !known.contains(&name.get_ref().as_ref())) {
            let line = self.reading.line(name.span());
            let remedy = match nearest(name.get_ref(), known.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("known are {}", known.join(", ")),
            };
            self.reading.problem(line, format!("{} is not known: {remedy}", self.place(&shown(name.get_ref()))));
        }
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
