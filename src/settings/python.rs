//! Values as Python writes them, which is how ClearML's web pages and its SDK keep hyperparameters: `True`, `None`,
//! `['alice', 'bob']`.

/// What a text says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Literal {
    /// Nothing: empty, or `None`.
    None,
    /// A text, or anything else that is one value.
    Text(String),
    /// A list or tuple of texts, be it empty.
    List(Vec<String>),
    /// It begins as a list and does not end as one.
    Broken,
}

/// A switch.
pub(super) fn switch(value: bool) -> String {
    if value { "True" } else { "False" }.to_owned()
}

/// A list; empty where it has no members, as the original writes it.
pub(super) fn list(members: &[String]) -> String {
    if members.is_empty() {
        return String::new();
    }
    let quoted = |member: &String| format!("'{}'", member.replace('\\', "\\\\").replace('\'', "\\'"));
    format!("[{}]", members.iter().map(quoted).collect::<Vec<_>>().join(", "))
}

/// Reads a value.
pub(super) fn read(text: &str) -> Literal {
    let trimmed = text.trim();
    if trimmed.is_empty() || trimmed == "None" || trimmed == "null" {
        return Literal::None;
    }
    let closing = match trimmed.chars().next() {
        Some('[') => ']',
        Some('(') => ')',
        _ => return Literal::Text(text.to_owned()),
    };
    let within = trimmed.strip_suffix(closing).and_then(|text| text.get(1..));
    // A regular expression may begin with a bracket.
    within.and_then(members).map_or(Literal::Broken, Literal::List)
}

fn members(mut rest: &str) -> Option<Vec<String>> {
    let mut members = Vec::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Some(members);
        }
        let (member, after) = member(rest)?;
        members.push(member);
        rest = after.trim_start();
        match rest.strip_prefix(',') {
            Some(after) => rest = after,
            None if rest.is_empty() => return Some(members),
            None => return None,
        }
    }
}

/// One member and what follows it: in quotes, or bare up to the next comma.
fn member(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|first| matches!(first, '\'' | '"'));
    let Some(quote) = quote else {
        let end = text.find(',').unwrap_or(text.len());
        let bare = text[..end].trim();
        let is_plain = !bare.is_empty() && !bare.contains(['\'', '"', '[', ']', '(', ')']);
        return is_plain.then(|| (bare.to_owned(), &text[end..]));
    };
    let mut member = String::new();
    let mut letters = text.char_indices().skip(1);
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => member.push(escaped(&mut letters)?),
            _ if letter == quote => return Some((member, &text[at + quote.len_utf8()..])),
            _ => member.push(letter),
        }
    }
    None
}

fn escaped(letters: &mut impl Iterator<Item = (usize, char)>) -> Option<char> {
    let (_, letter) = letters.next()?;
    let digits = match letter {
        'n' => return Some('\n'),
        't' => return Some('\t'),
        'r' => return Some('\r'),
        'x' => 2,
        'u' => 4,
        'U' => 8,
        other => return Some(other),
    };
    let code: String = letters.take(digits).map(|(_, digit)| digit).collect();
    char::from_u32(u32::from_str_radix(&code, 16).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn as_list(members: &[&str]) -> Literal {
        Literal::List(members.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn lists_are_read_as_python_writes_them() {
        for (text, meant) in [
            ("['alice', 'bob']", as_list(&["alice", "bob"])),
            ("(\"O'Hara\", 'a,b',)", as_list(&["O'Hara", "a,b"])),
            (r"['O\'Hara', 'a\\b', '\xe9\u00e9']", as_list(&["O'Hara", r"a\b", "éé"])),
            ("[alice, bob 2]", as_list(&["alice", "bob 2"])),
            ("[]", as_list(&[])),
            ("()", as_list(&[])),
            (" None ", Literal::None),
            ("", Literal::None),
            ("alice", Literal::Text("alice".to_owned())),
        ] {
            assert_eq!(read(text), meant, "{text}");
        }
        for text in ["['alice'", "['alice' 'bob']", "['alice", "[,]", "[['a']]", "(a-z)+"] {
            assert_eq!(read(text), Literal::Broken, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(members in prop::collection::vec("[a-z'\",\\\\ é]{1,6}", 1..4)) {
            prop_assert_eq!(read(&list(&members)), Literal::List(members));
        }

        #[test]
        fn no_text_is_too_strange(text in "[\\[('\",\\\\ux0-9\\])]{0,16}|.{0,12}") {
            let _ = read(&text);
        }
    }
}
