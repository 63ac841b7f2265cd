//! From the text of a `clearml.conf` to a tree: the parts of HOCON that such files use, and more tolerantly than its
//! specification, since ClearML's own reader is: an unquoted value may hold `:` and `//`, so that addresses need no
//! quotes. Errors never quote the file, which holds secrets.

use std::path::{Path, PathBuf};

use super::ConfError;
use super::cursor::{Cursor, is_blank};
use super::tree::{Object, Piece, Value, Values, values_at};

/// Names and lists inside one another, at most.
const DEEPEST: usize = 100;
/// Bytes between the braces of a `${…}`, at most.
const LONGEST_REFERENCE: usize = 1000;
/// Includes that one file may lead to, at most.
const MOST_INCLUDES: usize = 20;

/// What a file and those that it includes share.
pub(super) struct Reading<'a> {
    /// Reads an included file.
    pub(super) read_file: &'a dyn Fn(&Path) -> std::io::Result<String>,
    /// What was odd and did not matter.
    pub(super) warnings: Vec<String>,
    includes: usize,
}

impl<'a> Reading<'a> {
    pub(super) fn new(read_file: &'a dyn Fn(&Path) -> std::io::Result<String>) -> Self {
        Self { read_file, warnings: Vec::new(), includes: 0 }
    }
}

/// Reads `text` into `object`; what it includes is looked for in `folder`.
pub(super) fn parse(text: &str, folder: &Path, reading: &mut Reading, object: &mut Object) -> Result<(), ConfError> {
    Parser { cursor: Cursor::new(text), folder, reading, depth: 0 }.document(object)
}

struct Parser<'a, 'r, 'e> {
    cursor: Cursor<'a>,
    folder: &'a Path,
    reading: &'r mut Reading<'e>,
    depth: usize,
}

impl Parser<'_, '_, '_> {
    fn document(&mut self, root: &mut Object) -> Result<(), ConfError> {
        self.cursor.skip_gaps(true);
        let in_braces = self.cursor.accept("{");
        self.members(root, in_braces)?;
        self.cursor.skip_gaps(true);
        if self.cursor.peek().is_some() {
            return Err(self.cursor.error("something follows the brace that closes the file"));
        }
        Ok(())
    }

    /// Settings up to the end of the block, or of the file.
    fn members(&mut self, object: &mut Object, in_braces: bool) -> Result<(), ConfError> {
        let unclosed = self.cursor.error("a `{` is not closed");
        loop {
            self.cursor.skip_gaps(true);
            match self.cursor.peek() {
                None if in_braces => return Err(unclosed),
                None => return Ok(()),
                Some('}') if in_braces => {
                    self.cursor.accept("}");
                    return Ok(());
                }
                Some('}') => return Err(self.cursor.error("a `}` closes nothing")),
                Some(_) if self.include(object)? => {}
                Some(_) => self.member(object)?,
            }
        }
    }

    fn member(&mut self, object: &mut Object) -> Result<(), ConfError> {
        let (first, rest) =
            self.path(|character| matches!(character, ':' | '=' | '{' | '}' | '[' | ']' | ',' | '\n'))?;
        let levels = 1 + rest.len();
        self.descend(levels)?;
        let values = values_at(object, first, rest);
        self.cursor.skip_gaps(false);
        if self.cursor.accept("+=") {
            // An element more of a list, and lists do not matter here.
            self.value(&mut Values::default())?;
            values.assign(Value::Nothing);
        } else if self.cursor.accept(":") || self.cursor.accept("=") || self.cursor.looking_at("{") {
            self.value(values)?;
        } else {
            return Err(self.cursor.error("a name is not followed by `:`, `=` or `{`"));
        }
        self.depth -= levels;
        Ok(())
    }

    /// A dotted path, as a setting's name or in a reference; dots in quotes are part of a name.
    fn path(&mut self, ends: impl Fn(char) -> bool) -> Result<(String, Vec<String>), ConfError> {
        let mut names = vec![String::new()];
        let mut any_quoted = false;
        loop {
            let ends_here =
                |character| ends(character) || matches!(character, '"' | '.' | '#' | '+') || is_blank(character);
            let text = self.cursor.take_until(ends_here);
            if let Some(name) = names.last_mut() {
                name.push_str(text);
            }
            if self.cursor.accept(".") {
                names.push(String::new());
            } else if self.cursor.looking_at("\"") {
                let quoted = self.cursor.quoted()?;
                any_quoted = true;
                if let Some(name) = names.last_mut() {
                    name.push_str(&quoted);
                }
            } else if !self.blanks_inside(&mut names, &ends) {
                break;
            }
        }
        // Only quotes can mean a name that is empty.
        names.retain(|name| any_quoted || !name.is_empty());
        let mut names = names.into_iter();
        let first = names.next().ok_or_else(|| self.cursor.error("a name is missing"))?;
        Ok((first, names.collect()))
    }

    /// Takes blanks, or a `+` that is not `+=`, into the name if it goes on behind them.
    fn blanks_inside(&mut self, names: &mut [String], ends: &impl Fn(char) -> bool) -> bool {
        let blanks = self.cursor.take_blanks();
        let plus = !self.cursor.looking_at("+=") && self.cursor.accept("+");
        let goes_on =
            plus || self.cursor.peek().is_some_and(|next| !ends(next) && next != '+') && !self.cursor.at_comment();
        if let (true, Some(name)) = (goes_on, names.last_mut()) {
            name.push_str(blanks);
            name.push_str(if plus { "+" } else { "" });
        }
        goes_on
    }

    /// One value, up to the comma, the end of the line or the bracket that ends it.
    fn value(&mut self, values: &mut Values) -> Result<(), ConfError> {
        self.cursor.skip_gaps(false);
        let mut pieces = Vec::new();
        let mut is_text = true;
        loop {
            let blanks = self.cursor.take_blanks();
            match self.cursor.peek() {
                None | Some('\n' | ',' | '}' | ']') => break,
                _ if self.cursor.at_comment() => break,
                Some(opening @ ('{' | '[')) => {
                    is_text = false;
                    self.block_in_value(opening, std::mem::take(&mut pieces), values)?;
                }
                Some(_) => {
                    if !pieces.is_empty() && !blanks.is_empty() {
                        add(&mut pieces, Piece::Plain(blanks.to_owned()));
                    }
                    add(&mut pieces, self.piece()?);
                }
            }
        }
        match pieces.as_slice() {
            [] if is_text => values.assign(Value::Nothing),
            [] => {}
            _ => values.assign(Value::Text(pieces)),
        }
        Ok(())
    }

    /// A block or a list as a value or as part of one: `${defaults} { … }`.
    fn block_in_value(&mut self, opening: char, before: Vec<Piece>, values: &mut Values) -> Result<(), ConfError> {
        if before.iter().any(|piece| matches!(piece, Piece::Plain(_))) {
            let problem =
                format!("a `{opening}` follows a text on its line: put quotes around the text, or a comma behind it");
            return Err(self.cursor.error(problem));
        }
        if !before.is_empty() {
            values.assign(Value::Text(before));
        }
        if self.cursor.accept("{") {
            self.members(values.object(), true)
        } else {
            values.assign(Value::Nothing);
            self.list()
        }
    }

    /// A list; what is in it is read over.
    fn list(&mut self) -> Result<(), ConfError> {
        let unclosed = self.cursor.error("a `[` is not closed");
        self.cursor.accept("[");
        self.descend(1)?;
        loop {
            self.cursor.skip_gaps(true);
            match self.cursor.peek() {
                None | Some('}') => return Err(unclosed),
                Some(']') => {
                    self.cursor.accept("]");
                    self.depth -= 1;
                    return Ok(());
                }
                Some(_) => self.value(&mut Values::default())?,
            }
        }
    }

    /// A quoted text, a reference, or a run of characters up to a blank or a sign that means something.
    fn piece(&mut self) -> Result<Piece, ConfError> {
        if self.cursor.looking_at("\"") {
            return self.cursor.quoted().map(Piece::Plain);
        }
        if self.cursor.looking_at("${") {
            return self.reference();
        }
        let mut run = String::new();
        loop {
            let ends = |character| matches!(character, '\n' | ',' | '{' | '}' | '[' | ']' | '"' | '#' | '$');
            run.push_str(self.cursor.take_until(|character| ends(character) || is_blank(character)));
            if self.cursor.looking_at("${") || !self.cursor.accept("$") {
                return Ok(Piece::Plain(run));
            }
            run.push('$');
        }
    }

    fn reference(&mut self) -> Result<Piece, ConfError> {
        let line = self.cursor.line();
        self.cursor.accept("${");
        let optional = self.cursor.accept("?");
        let (first, mut path) = self.path(|character| matches!(character, '}' | '{' | '\n'))?;
        path.insert(0, first);
        let length: usize = path.iter().map(|name| name.len() + 1).sum();
        if length > LONGEST_REFERENCE || !self.cursor.accept("}") {
            return Err(self.cursor.error("a `${` is not closed"));
        }
        Ok(Piece::Reference { path, optional, line })
    }

    /// Reads an `include`, if one is next.
    fn include(&mut self, object: &mut Object) -> Result<bool, ConfError> {
        let Some(argument) = self.cursor.after("include") else { return Ok(false) };
        let argument = argument.trim_start_matches(is_blank);
        let words = ["required(", "file(", "url(", "classpath(", "package("];
        if !argument.starts_with('"') && !words.iter().any(|word| argument.starts_with(word)) {
            return Ok(false);
        }
        let line = self.cursor.line();
        let before = self.cursor.take_until(|character| matches!(character, '"' | '\n'));
        let is_file = !["url(", "classpath(", "package("].iter().any(|word| before.contains(word));
        let required = before.contains("required(");
        if !self.cursor.looking_at("\"") {
            return Err(self.cursor.error("an `include` names no file"));
        }
        let name = self.cursor.quoted()?;
        self.cursor.take_until(|character| character != ')' && !is_blank(character));
        self.included(line, is_file.then_some(name.as_str()), required, object)?;
        Ok(true)
    }

    fn included(
        &mut self,
        line: usize,
        name: Option<&str>,
        required: bool,
        object: &mut Object,
    ) -> Result<(), ConfError> {
        self.reading.includes += 1;
        if self.reading.includes > MOST_INCLUDES {
            return Err(ConfError { line, problem: format!("more than {MOST_INCLUDES} files are included") });
        }
        let Some(name) = name else {
            self.reading.warnings.push(format!("line {line}: an include of something that is no file is left out"));
            return Ok(());
        };
        let path: PathBuf = self.folder.join(name);
        let text = match (self.reading.read_file)(&path) {
            Ok(text) => text,
            Err(error) => {
                let problem = format!("the included file {} cannot be read ({error})", path.display());
                if required {
                    return Err(ConfError { line, problem });
                }
                self.reading.warnings.push(format!("line {line}: {problem} and is left out"));
                return Ok(());
            }
        };
        let folder = path.parent().unwrap_or(self.folder);
        let parsed =
            Parser { cursor: Cursor::new(&text), folder, reading: self.reading, depth: self.depth }.document(object);
        parsed.map_err(|error| ConfError {
            line,
            problem: format!("in the included file {}, line {}: {}", path.display(), error.line, error.problem),
        })
    }

    fn descend(&mut self, levels: usize) -> Result<(), ConfError> {
        self.depth += levels;
        if self.depth > DEEPEST {
            return Err(self.cursor.error(format!("settings are nested more than {DEEPEST} deep")));
        }
        Ok(())
    }
}

/// Adds to a text; neighbouring literal parts become one.
fn add(pieces: &mut Vec<Piece>, piece: Piece) {
    match (pieces.last_mut(), piece) {
        (Some(Piece::Plain(before)), Piece::Plain(text)) => before.push_str(&text),
        (_, piece) => pieces.push(piece),
    }
}
