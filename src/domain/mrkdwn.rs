//! Reads mrkdwn as Slack does: which `<…>` are links, mentions and dates, which of them notify people, and what was
//! not escaped. Nothing here knows of blocks or messages.

/// A piece of mrkdwn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece<'t> {
    /// Text, with entities still escaped.
    Text(&'t str),
    /// `<url>` or `<url|label>`.
    Link {
        /// Where it leads, escaped.
        url: &'t str,
        /// What it shows, escaped; the address where there is none.
        label: Option<&'t str>,
    },
    /// Something that notifies people.
    Mention(&'t str),
    /// `<#C…>`.
    Channel(&'t str),
    /// `<!date^…|fallback>`.
    Date {
        /// Seconds since 1970.
        unix: i64,
        /// How Slack is to write it.
        format: &'t str,
        /// What is shown where it cannot.
        fallback: &'t str,
    },
    /// Angle brackets that mean nothing to Slack.
    Malformed(&'t str),
}

/// Takes mrkdwn apart.
pub fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find('<') {
        let (before, from) = rest.split_at(open);
        if !before.is_empty() {
            pieces.push(Piece::Text(before));
        }
        let Some(close) = from.find('>') else {
            pieces.push(Piece::Malformed(from));
            return pieces;
        };
        let (entity, after) = from.split_at(close + 1);
        pieces.push(piece_of(entity));
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    pieces
}

fn piece_of(entity: &str) -> Piece<'_> {
    let inner = entity.trim_start_matches('<').trim_end_matches('>');
    let (target, label) = inner.split_once('|').map_or((inner, None), |(target, label)| (target, Some(label)));
    let id = |text: &str, letters: &[char]| {
        text.starts_with(letters)
            && text.len() > 1
            && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
    };
    let well_formed = match target.split_at_checked(1) {
        Some(("@", user)) if id(user, &['U', 'W']) => Some(Piece::Mention(entity)),
        Some(("#", channel)) if id(channel, &['C', 'G']) => Some(Piece::Channel(channel)),
        Some(("!", "here" | "channel" | "everyone")) => Some(Piece::Mention(entity)),
        Some(("!", special)) => special_of(entity, special, label),
        _ => link_of(target, label),
    };
    well_formed.unwrap_or(Piece::Malformed(entity))
}

fn special_of<'t>(entity: &'t str, special: &'t str, label: Option<&'t str>) -> Option<Piece<'t>> {
    if let Some(group) = special.strip_prefix("subteam^") {
        return group.starts_with('S').then_some(Piece::Mention(entity));
    }
    let mut parts = special.strip_prefix("date^")?.split('^');
    let (unix, format) = (parts.next()?.parse().ok()?, parts.next()?);
    Some(Piece::Date { unix, format, fallback: label? })
}

fn link_of<'t>(target: &'t str, label: Option<&'t str>) -> Option<Piece<'t>> {
    let scheme = ["http://", "https://", "mailto:", "tel:"].into_iter().find(|scheme| target.starts_with(scheme))?;
    let clean = target.len() > scheme.len() && !target.contains(char::is_whitespace) && !target.contains('<');
    clean.then_some(Piece::Link { url: target, label })
}

/// A `>` that is no quote mark at the start of a line.
fn has_bare_bracket(text: &str) -> bool {
    text.split('\n').any(|line| line.strip_prefix('>').unwrap_or(line).contains('>'))
}

/// What a careful client would not have sent: stray brackets, malformed entities, `&` that is not an entity.
pub fn problems(text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    for piece in pieces(text) {
        match piece {
            Piece::Malformed(entity) => problems.push(format!("`{}` is no link, mention or date", short(entity))),
            Piece::Text(text) => {
                if has_bare_bracket(text) {
                    problems.push(format!("`>` is not escaped in `{}`", short(text)));
                }
                if has_bare_ampersand(text) {
                    problems.push(format!("`&` is not escaped in `{}`", short(text)));
                }
            }
            _ => {}
        }
    }
    problems
}

fn has_bare_ampersand(text: &str) -> bool {
    let known = |after: &str| ["amp;", "lt;", "gt;"].into_iter().any(|entity| after.starts_with(entity));
    text.split('&').skip(1).any(|after| !known(after))
}

fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

/// The entities that notify people.
pub fn mentions(text: &str) -> Vec<&str> {
    let found = pieces(text).into_iter().filter_map(|piece| match piece {
        Piece::Mention(entity) => Some(entity),
        _ => None,
    });
    found.collect()
}

/// Escapes undone.
pub fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_formed_entities_are_told_from_the_rest() {
        for good in [
            "<https://app.example.com/a|name>",
            "<@U012AB3CD>",
            "<!here>",
            "<!subteam^S012AB3CD>",
            "<!date^1795386448^{date_short_pretty} {time}|22 Nov>",
            "a &lt;b&gt; &amp; c",
        ] {
            assert_eq!(problems(good), Vec::<String>::new(), "{good}");
        }
        for bad in
            ["a < b", "a > b", "R&D", "<nothing>", "<!date^x^y|z>", "<!date^1^y>", "<javascript:alert(1)|x>", "<@bob>"]
        {
            assert_eq!(problems(bad).len(), 1, "{bad}");
        }
    }

    #[test]
    fn mentions_are_what_notifies() {
        assert_eq!(mentions("<!channel> <@U1> <https://example.com|x> &lt;!here&gt;"), ["<!channel>", "<@U1>"]);
    }
}
