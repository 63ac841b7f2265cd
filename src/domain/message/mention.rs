//! Mentions of people: the only markup in a message that is not from the configuration's own words, made of an ID that is
//! known to be one.

use super::safe;

/// People that one message mentions at most.
const MOST_MENTIONS: usize = 20;

/// The mention of a person by Slack's user ID, or the plain name where Slack does not know the person. Escaped; empty
/// where there is neither.
pub fn mention(slack_id: Option<&str>, name: &str) -> String {
    match slack_id.filter(|id| is_user_id(id)) {
        Some(id) => format!("<@{id}>"),
        None => safe(name, 150),
    }
}

/// A configured prefix with mentions before it, so that a prefix that is cut does not cost a mention. Each person is
/// mentioned once, and at most 20 are. `None` where there is nothing to put before a message.
pub fn with_mentions(mentions: &[String], prefix: Option<&str>) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for mention in mentions.iter().map(String::as_str).filter(|mention| !mention.is_empty()) {
        if parts.len() < MOST_MENTIONS && !parts.contains(&mention) {
            parts.push(mention);
        }
    }
    parts.extend(prefix.map(str::trim).filter(|prefix| !prefix.is_empty()));
    (!parts.is_empty()).then(|| parts.join(" "))
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
    fn mentions_stand_before_the_prefix_once_each() {
        let mentions = ["<@U1>", "<@U2>", "<@U1>", ""].map(str::to_owned);
        assert_eq!(with_mentions(&mentions, Some(" :fire: ")).as_deref(), Some("<@U1> <@U2> :fire:"));
        assert_eq!(with_mentions(&[], Some(" ")), None);
        assert_eq!(with_mentions(&[], Some("now")).as_deref(), Some("now"));
        let many: Vec<String> = (0..50).map(|n| format!("<@U{n}>")).collect();
        let told = with_mentions(&many, Some("x")).unwrap();
        assert_eq!((told.matches("<@").count(), told.ends_with(" x")), (20, true));
    }
}
