//! Blots secrets out of console lines before they are stored or sent. What is missed here is seen by everyone in the
//! channel, so a pattern rather takes too much than too little; what is taken for a secret becomes `***`.

use std::borrow::Cow;

use regex::{Captures, Regex};

/// What stands where a secret was.
pub const BLOT: &str = "***";

/// Secrets that are known by their own look; the whole match is blotted out.
const BY_LOOK: [&str; 10] = [
    // AWS access key IDs.
    r"\b(?:AKIA|ASIA|AROA|AIDA|ABIA|ACCA)[0-9A-Z]{16}\b",
    // Google API keys.
    r"\bAIza[0-9A-Za-z_-]{35}",
    // Slack tokens and incoming webhooks.
    r"\bx(?:ox[a-z](?:\.xox[a-z])?|app)-[0-9A-Za-z-]{8,}",
    r"hooks\.slack\.com/(?:services|workflows|triggers)/[0-9A-Za-z/_-]+",
    // GitHub, GitLab, Hugging Face.
    r"\b(?:gh[pousr]_|github_pat_|glpat-|hf_)[0-9A-Za-z_-]{16,}",
    // Keys of model services.
    r"\bsk-[0-9A-Za-z_-]{16,}",
    // JSON web tokens.
    r"\beyJ[0-9A-Za-z_-]{8,}\.[0-9A-Za-z_-]{4,}\.[0-9A-Za-z_-]*",
    // Private keys: whole, begun before the text, or cut off by its end.
    r"(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----.*?-----END [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----",
    r"(?s)\A(?:[^\n]*[0-9A-Za-z+/=]\n|\n)*?[^\n]*-----END [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----",
    r"(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----.*\z",
];

/// Secrets that are known by what stands before them: group 1 stays, what follows is blotted out.
const BY_NAME: [&str; 4] = [
    r"(?i)\b(bearer\s+)[0-9A-Za-z._~+/=-]{6,}",
    r"(?i)\b(authorization[\x22']?\s*[=:]\s*[\x22']?(?:basic|token|digest)\s+)[^\s\x22']+",
    r"(?i)\b([a-z][a-z0-9+.-]*://)[^\s/@:\x22']*:[^\s/@\x22']+(?:@)",
    concat!(
        r"(?i)((?:\b|_)(?:password|passwd|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|secret[_-]?key|",
        r"private[_-]?key|credentials?)[\x22']?\s*(?:=>|:=|[=:])\s*)",
        r"(?:\x22[^\x22\n]*(?:\x22|$)|'[^'\n]*(?:'|$)|[^\s,;&\x22']+)",
    ),
];

/// Blots secrets out: those of a built-in set, and what the user's own patterns match.
#[derive(Debug, Clone)]
pub struct Redactor {
    whole: Vec<Regex>,
    after_a_name: Vec<Regex>,
}

impl Redactor {
    /// The built-in set, and `own` patterns besides; each of their matches is blotted out as a whole.
    pub fn new(own: Vec<Regex>) -> Self {
        let whole = BY_LOOK.iter().map(|pattern| built_in(pattern)).chain(own).collect();
        Self { whole, after_a_name: BY_NAME.iter().map(|pattern| built_in(pattern)).collect() }
    }

    /// The text without its secrets.
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut redacted = Cow::Borrowed(text);
        for pattern in &self.whole {
            redacted = replaced(redacted, |text| pattern.replace_all(text, BLOT));
        }
        for pattern in &self.after_a_name {
            redacted = replaced(redacted, |text| pattern.replace_all(text, after_the_name));
        }
        redacted
    }
}

fn after_the_name(found: &Captures<'_>) -> String {
    let name = found.get(1).map_or("", |name| name.as_str());
    let tail = if found.get(0).is_some_and(|whole| whole.as_str().ends_with('@')) { "@" } else { "" };
    format!("{name}{BLOT}{tail}")
}

fn replaced(text: Cow<'_, str>, replace: impl Fn(&str) -> Cow<'_, str>) -> Cow<'_, str> {
    match replace(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(changed) => Cow::Owned(changed),
    }
}

fn built_in(pattern: &str) -> Regex {
    #[expect(clippy::expect_used, reason = "the patterns are constants, and a test builds a redactor of them")]
    Regex::new(pattern).expect("a built-in pattern is a regular expression")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn redact(text: &str) -> String {
        static BUILT_IN: std::sync::LazyLock<Redactor> = std::sync::LazyLock::new(|| Redactor::new(Vec::new()));
        BUILT_IN.redact(text).into_owned()
    }

    #[test]
    fn secrets_known_by_their_look() {
        for secret in [
            "AKIAIOSFODNN7EXAMPLE",
            "AIzaSyA-1234567890abcdefghijklmnopqrstu",
            "xoxb-123456789012-abcdefABCDEF",
            "xapp-1-A012-345-abcdef",
            "ghp_0123456789abcdefghijABCDEFGHIJ012345",
            "hf_abcdefghijklmnopqrstuvwxyz",
            "sk-proj-abcdefghijklmnop0123",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        ] {
            assert_eq!(redact(&format!("using {secret} now")), "using *** now", "{secret}");
            assert_eq!(redact(&format!("[\"{secret}\"]")), "[\"***\"]", "{secret}");
        }
        assert_eq!(redact("https://hooks.slack.com/services/T0/B0/abc done"), "https://*** done");
    }

    #[test]
    fn secrets_known_by_their_name() {
        for (text, redacted) in [
            ("Authorization: Bearer abc.def-123", "Authorization: Bearer ***"),
            ("curl -H 'authorization: Basic dXNlcjpwYXNz' x", "curl -H 'authorization: Basic ***' x"),
            ("password=hunter2 user=ada", "password=*** user=ada"),
            ("PASSWORD: hunter2", "PASSWORD: ***"),
            ("db_password = 'hunter 2', next", "db_password = ***, next"),
            (r#"{"token": "abc", "secret": "d\e"}"#, r#"{"token": ***, "secret": ***}"#),
            ("MY_API_KEY=abc&x=1", "MY_API_KEY=***&x=1"),
            ("secret=\"never closed", "secret=***"),
            ("aws_secret_access_key=abc/def", "aws_secret_access_key=***"),
            ("postgres://ada:hunter2@db.example.com/x", "postgres://***@db.example.com/x"),
        ] {
            assert_eq!(redact(text), redacted);
        }
    }

    #[test]
    fn private_keys_whole_or_cut() {
        let key = "-----BEGIN RSA PRIVATE KEY-----\nMIIEabc\nDEF=\n-----END RSA PRIVATE KEY-----";
        assert_eq!(redact(&format!("a\n{key}\nb")), "a\n***\nb");
        assert_eq!(redact("a\n-----BEGIN PRIVATE KEY-----\nMIIEabc\nDEF="), "a\n***");
        assert_eq!(redact("MIIEabc\nDEF=\n-----END OPENSSH PRIVATE KEY-----\nb"), "***\nb");
        assert_eq!(redact("-----BEGIN PUBLIC KEY-----\nabc"), "-----BEGIN PUBLIC KEY-----\nabc");
    }

    #[test]
    fn what_training_prints_is_left_alone() {
        for line in [
            "Epoch 7/10, loss=0.123, num_tokens=512, tokens: 4096",
            "max_tokens=2048 tokens/s: 31.4",
            "RuntimeError: CUDA out of memory",
            "https://app.clear.ml:8080/projects/abc",
            "the bearer of bad news",
            "secretary: Ada",
        ] {
            assert_eq!(redact(line), line);
        }
    }

    #[test]
    fn own_patterns_are_taken_as_well() {
        let redactor = Redactor::new(vec![Regex::new(r"customer-\d+").unwrap()]);
        assert_eq!(redactor.redact("for customer-17: password=x"), "for ***: password=***");
    }

    proptest! {
        #[test]
        fn a_password_never_survives(
            before in "[ -~\n]{0,60}",
            name in "(db_)?(password|secret|token|api_key|API-KEY)",
            is in "(=|: | = |:=)",
            secret in "[a-zA-Z0-9!#$%*+./<>?@^_~-]{12,20}",
            after in "[ \n][ -~\n]{0,60}",
        ) {
            let text = format!("{before} {name}{is}{secret}{after}");
            prop_assert!(!redact(&text).contains(&secret), "{}", redact(&text));
        }

        #[test]
        fn nothing_breaks_it_and_twice_is_once(text in "\\PC{0,200}") {
            let once = redact(&text);
            prop_assert_eq!(redact(&once), once);
        }
    }
}
