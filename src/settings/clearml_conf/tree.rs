//! What a `clearml.conf` says, as far as it is needed: settings by path, each with every value it was given that can
//! still count. References (`${…}`) are followed when a setting is asked for, and only then.

use std::collections::HashMap;

use super::ConfError;

/// Blocks and references to walk through for one answer, at most; more is a circle or an attack.
const DEEPEST_WALK: usize = 200;
/// Steps that one question may take.
const MOST_STEPS: u32 = 10_000;
/// Bytes that a setting's text may have once its references are filled in.
const LONGEST_TEXT: usize = 64 << 10;

/// A part of a text.
#[derive(Debug)]
pub(super) enum Piece {
    /// Literally.
    Plain(String),
    /// `${path}` or `${?path}`.
    Reference { path: Vec<String>, optional: bool, line: usize },
}

/// One value of a setting.
#[derive(Debug)]
pub(super) enum Value {
    Object(Object),
    Text(Vec<Piece>),
    /// `null`, or a list, whose content nobody here asks for.
    Nothing,
}

impl Value {
    /// Whether it can turn out to be nothing, or to be a block that others add to.
    fn is_undecided(&self) -> bool {
        let is_reference = |piece: &Piece| matches!(piece, Piece::Reference { .. });
        matches!(self, Self::Text(pieces) if pieces.iter().all(is_reference))
    }
}

/// The settings of one block, by name.
pub(super) type Object = HashMap<String, Values>;

/// The values that a setting was given, oldest first; those that a later one replaces for certain are gone.
#[derive(Debug, Default)]
pub(super) struct Values(Vec<Value>);

impl Values {
    /// A later value: it replaces the earlier ones, unless it may come to nothing.
    pub(super) fn assign(&mut self, value: Value) {
        if !value.is_undecided() {
            self.0.clear();
        }
        self.0.push(value);
    }

    /// The block that this setting is, for settings to be added to it; whatever else it was is replaced.
    pub(super) fn object(&mut self) -> &mut Object {
        if !matches!(self.0.last(), Some(Value::Object(_))) {
            if !self.0.last().is_some_and(Value::is_undecided) {
                self.0.clear();
            }
            self.0.push(Value::Object(Object::new()));
        }
        match self.0.last_mut() {
            Some(Value::Object(object)) => object,
            #[expect(clippy::unreachable, reason = "a block was pushed above where the last value was none")]
            _ => unreachable!(),
        }
    }
}

/// The values at a path below a block, the blocks on the way made where there are none. The path is not empty.
pub(super) fn values_at(object: &mut Object, first: String, rest: Vec<String>) -> &mut Values {
    let mut values = object.entry(first).or_default();
    for name in rest {
        values = values.object().entry(name).or_default();
    }
    values
}

/// What was found at a path.
enum Finding {
    /// Nothing; an older value may count.
    Absent,
    /// Something that is no text.
    NoText,
    Text(String),
}

/// Answers what a setting's text is.
pub(super) struct Reader<'a> {
    root: &'a Object,
    variable: &'a dyn Fn(&str) -> Option<String>,
    steps_left: u32,
    depth: usize,
    being_followed: Vec<Vec<String>>,
}

impl<'a> Reader<'a> {
    /// A reader of `root` that takes what is not defined there from `variable`.
    pub(super) fn new(root: &'a Object, variable: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { root, variable, steps_left: MOST_STEPS, depth: 0, being_followed: Vec::new() }
    }

    /// The text of the setting at a path; none where it is not set, or is no text. Fails when it needs a reference that
    /// leads nowhere.
    pub(super) fn text(&mut self, path: &[&str]) -> Result<Option<String>, ConfError> {
        let path: Vec<String> = path.iter().map(|&name| name.to_owned()).collect();
        self.steps_left = MOST_STEPS;
        self.being_followed = vec![path.clone()];
        match self.find(self.root, &path)? {
            Finding::Text(text) => Ok(Some(text)),
            Finding::Absent | Finding::NoText => Ok(None),
        }
    }

    fn find(&mut self, object: &'a Object, path: &[String]) -> Result<Finding, ConfError> {
        let Some((first, rest)) = path.split_first() else { return Ok(Finding::NoText) };
        let Some(values) = object.get(first) else { return Ok(Finding::Absent) };
        self.depth += 1;
        let mut finding = Ok(Finding::Absent);
        for value in values.0.iter().rev() {
            if !matches!(finding, Ok(Finding::Absent)) {
                break;
            }
            finding = self.find_in(value, rest);
        }
        self.depth -= 1;
        finding
    }

    fn find_in(&mut self, value: &'a Value, rest: &[String]) -> Result<Finding, ConfError> {
        match value {
            Value::Object(_) if rest.is_empty() => Ok(Finding::NoText),
            Value::Object(object) => self.find(object, rest),
            Value::Nothing => Ok(Finding::NoText),
            Value::Text(pieces) if rest.is_empty() => self.concatenate(pieces),
            Value::Text(pieces) => match pieces.as_slice() {
                [Piece::Reference { path, line, .. }] => self.follow(path, rest, *line),
                _ => Ok(Finding::NoText),
            },
        }
    }

    fn concatenate(&mut self, pieces: &'a [Piece]) -> Result<Finding, ConfError> {
        let mut whole: Option<String> = None;
        for piece in pieces {
            match piece {
                Piece::Plain(text) => whole.get_or_insert_default().push_str(text),
                Piece::Reference { path, optional, line } => match self.follow(path, &[], *line)? {
                    Finding::Text(text) => whole.get_or_insert_default().push_str(&text),
                    Finding::Absent | Finding::NoText if *optional => {}
                    Finding::Absent | Finding::NoText => return Err(leads_nowhere(path, *line)),
                },
            }
            if whole.as_ref().is_some_and(|text| text.len() > LONGEST_TEXT) {
                return Ok(Finding::NoText);
            }
        }
        Ok(whole.map_or(Finding::Absent, Finding::Text))
    }

    /// What `${path}` is, or the setting `rest` below it: from the file, else from the environment. A reference to what
    /// is being worked out (`path = ${path}":/opt"`) means the environment's.
    fn follow(&mut self, path: &[String], rest: &[String], line: usize) -> Result<Finding, ConfError> {
        let too_much = || ConfError { line, problem: "references lead to references without an end".to_owned() };
        self.steps_left = self.steps_left.checked_sub(1).ok_or_else(too_much)?;
        let whole = [path, rest].concat();
        if self.depth >= DEEPEST_WALK {
            return Err(too_much());
        }
        if !self.being_followed.contains(&whole) {
            self.being_followed.push(whole.clone());
            let finding = self.find(self.root, &whole);
            self.being_followed.pop();
            if !matches!(finding, Ok(Finding::Absent)) {
                return finding;
            }
        }
        let variable = if rest.is_empty() { (self.variable)(&path.join(".")) } else { None };
        Ok(variable.map_or(Finding::Absent, Finding::Text))
    }
}

fn leads_nowhere(path: &[String], line: usize) -> ConfError {
    let name = path.join(".");
    let problem = format!(
        "`${{{name}}}` is defined neither in this file nor in the environment; set {name}, or write `${{?{name}}}`"
    );
    ConfError { line, problem }
}
