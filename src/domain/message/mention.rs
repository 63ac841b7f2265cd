//! Mentions of people: the only markup in a message that is not from the configuration's own words, made of an ID that is
//! known to be one.

use super::safe;
use crate::domain::text;

/// People that one message mentions at most.
const MOST_MENTIONS: usize = 20;
/// Characters that they take together at most.
pub(super) const PEOPLE_CHARACTERS: usize = 400;

/// The mention of a person by Slack's user ID, or the plain name where Slack does not know the person. Escaped; empty
/// where there is neither.
pub fn mention(slack_id: Option<&str>, name: &str) -> String {
    match slack_id.filter(|id| is_user_id(id)) {
        Some(id) => format!("<@{id}>"),
        None => safe(name, 150),
    }
}

/// What stands before a message: mentions, then the prefixes of the rules that it tells for. Each is there once. Bounded:
/// the first 20 people, those whom Slack knows before plain names; and of a prefix that finds no room any more only whom it
/// mentions. Nothing is cut in its middle, so nothing stops being markup, or becomes it. `None` where there is nothing.
pub fn with_mentions(mentions: &[String], prefixes: &[&str]) -> Option<String> {
    let is_live = |mention: &&str| mention.starts_with('<');
    let all = || mentions.iter().map(String::as_str).filter(|mention| !mention.is_empty());
    let mut people = Listed::new(MOST_MENTIONS, PEOPLE_CHARACTERS);
    for mention in all().filter(is_live).chain(all().filter(|mention| !is_live(mention))) {
        people.add(mention);
    }
    let mut texts = Listed::new(usize::MAX, super::alert::PREFIX_CHARACTERS);
    for prefix in prefixes.iter().map(|prefix| prefix.trim()).filter(|prefix| !prefix.is_empty()) {
        if !texts.add(prefix) {
            for mention in mentions_in(prefix) {
                texts.add(mention);
            }
        }
    }
    let parts = [people.parts, texts.parts].concat();
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// Different texts, as many as there is room for.
struct Listed<'t> {
    parts: Vec<&'t str>,
    most: usize,
    room: usize,
}

impl<'t> Listed<'t> {
    fn new(most: usize, room: usize) -> Self {
        Self { parts: Vec::new(), most, room }
    }

    /// Whether the text is there now.
    fn add(&mut self, part: &'t str) -> bool {
        if self.parts.contains(&part) {
            return true;
        }
        let length = text::units(part) + usize::from(!self.parts.is_empty());
        let fits = self.parts.len() < self.most && length <= self.room;
        if fits {
            self.room -= length;
            self.parts.push(part);
        }
        fits
    }
}

/// Whom a configured text mentions: `<@U…>`, `<!here>`, `<!subteam^S…>`.
fn mentions_in(prefix: &str) -> impl Iterator<Item = &str> {
    let starts = prefix.match_indices('<').map(|(at, _)| &prefix[at..]);
    starts
        .filter(|rest| rest.starts_with("<@") || rest.starts_with("<!"))
        .filter_map(|rest| rest.find('>').map(|end| &rest[..=end]))
}

/// `U…` or `W…`: anything else between `<@` and `>` could be other markup.
fn is_user_id(id: &str) -> bool {
    id.len() >= 2
        && id.starts_with(['U', 'W'])
        && id.chars().all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_mentioned_or_named_and_a_name_is_never_markup() {
        assert_eq!(mention(Some("U012AB3CD"), "Ada"), "<@U012AB3CD>");
        assert_eq!(mention(None, "Ada"), "Ada");
        assert_eq!(mention(None, "<!channel>"), "&lt;!channel&gt;");
        for forged in ["!channel", "U1> <!here", "u1", "U", "C012AB3CD"] {
            assert_eq!(mention(Some(forged), "Ada"), "Ada", "{forged}");
        }
    }

    #[test]
    fn mentions_stand_before_the_prefixes_once_each() {
        let mentions = ["<@U1>", "<@U2>", "<@U1>", ""].map(str::to_owned);
        assert_eq!(with_mentions(&mentions, &[" :fire: "]).as_deref(), Some("<@U1> <@U2> :fire:"));
        assert_eq!(with_mentions(&[], &[" "]), None);
        assert_eq!(with_mentions(&[], &["now", "now ", "then"]).as_deref(), Some("now then"));
        let many: Vec<String> = (0..50).map(|n| format!("<@U{n}>")).collect();
        let told = with_mentions(&many, &["x"]).unwrap();
        assert_eq!((told.matches("<@").count(), told.ends_with(" x")), (20, true));
    }

    #[test]
    fn a_mention_survives_where_there_is_no_room_for_its_prefix() {
        let (long, second) = ("a".repeat(990), "Hey <!here>, look at this; <@U7> too, <b and no more");
        assert_eq!(with_mentions(&[], &[&long, second]).unwrap(), format!("{long} <!here>"));
        let long = "a".repeat(980);
        assert_eq!(with_mentions(&[], &[&long, second]).unwrap(), format!("{long} <!here> <@U7>"));
    }

    #[test]
    fn plain_names_take_no_room_from_mentions() {
        let mut mentions: Vec<String> = (0..9).map(|n| format!("{n}{}", "n".repeat(149))).collect();
        mentions.push("<@U1>".to_owned());
        let told = with_mentions(&mentions, &[]).unwrap();
        assert!(told.starts_with("<@U1> 0n") && text::units(&told) <= PEOPLE_CHARACTERS, "{told}");
    }
}
