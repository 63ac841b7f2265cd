//! Whether a text holds another, whatever the case: what a person who types a part of a name means.

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;

/// Makes `holds(text, part)` known to a connection; NULL where the text is NULL.
pub(super) fn teach(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("holds", 2, flags, |arguments| {
        let text = arguments.get_raw(0).as_str_or_null()?;
        let part = arguments.get_raw(1).as_str()?;
        Ok(text.map(|text| holds(text, part)))
    })
}

/// Whether `text` holds `part`, case ignored in every alphabet that has one.
pub(super) fn holds(text: &str, part: &str) -> bool {
    if text.is_ascii() && part.is_ascii() {
        let (text, part) = (text.as_bytes(), part.as_bytes());
        return part.is_empty() || text.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part));
    }
    folded(text).contains(&folded(part))
}

fn folded(text: &str) -> String {
    text.chars().map(one_folded).collect()
}

/// A character whose small form is one character; the few others stand for themselves.
pub(super) fn one_folded(character: char) -> char {
    let mut small = character.to_lowercase();
    match (small.next(), small.next()) {
        (Some(small), None) => small,
        _ => character,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_means_nothing_in_any_alphabet() {
        for (text, part) in
            [("ResNet50", "NET5"), ("Größe", "GRÖSSE".trim_end_matches("SSE")), ("Опыт", "оПЫ"), ("x", "")]
        {
            assert!(holds(text, part), "{part} in {text}");
        }
        assert!(!holds("ResNet50", "net6") && !holds("Опыт", "опыты") && !holds("a", "ab"));
    }

    #[test]
    fn nothing_holds_what_is_not_known() {
        let connection = Connection::open_in_memory().unwrap();
        teach(&connection).unwrap();
        let asked = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, Option<bool>>(0)).unwrap();
        assert_eq!(asked("SELECT holds('Ärger', 'äR')"), Some(true));
        assert_eq!(asked("SELECT holds('a', 'b')"), Some(false));
        assert_eq!(asked("SELECT holds(NULL, 'b')"), None);
    }
}
