//! Where alerts can go besides a channel: incoming webhooks of Slack, webhooks of any tool, and who a ClearML user is at
//! Slack. Addresses and keys of webhooks are secrets: nothing here shows them, not even in an error.

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::error::SettingsError;
use super::source::Source;
use super::values::secret;

/// Everything that a destination's name can mean.
#[derive(Debug, Clone, Default)]
pub struct DestinationSettings {
    /// `[slack.webhooks.NAME]`.
    pub slack_webhooks: BTreeMap<String, SlackWebhook>,
    /// `[webhooks.NAME]`.
    pub webhooks: BTreeMap<String, Webhook>,
    /// `[slack.users]`.
    pub users: UserMap,
}

/// An incoming webhook of Slack.
#[derive(Debug, Clone)]
pub struct SlackWebhook {
    /// Its address, which is all that one needs to post there.
    pub url: SecretString,
}

/// A webhook of any other tool.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// Its address; it may hold a login or a token.
    pub url: SecretString,
    /// The key with which each request is signed; unsigned without.
    pub secret: Option<SecretString>,
    /// Further headers, by name.
    pub headers: BTreeMap<String, SecretString>,
    /// The longest that one request may take.
    pub timeout: Duration,
}

/// Who ClearML's users are at Slack, by ClearML's user ID or name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserMap(pub BTreeMap<String, SlackUser>);

/// A person at Slack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SlackUser {
    /// By Slack's user ID.
    Id(String),
    /// By e-mail address, to be looked up.
    Email(String),
}

const COPY_AGAIN: &str = "copy the whole address again from where it was issued; it begins with https://";
/// Headers that this program sets itself.
const OWN_HEADERS: [&str; 6] = [
    "content-type",
    "content-length",
    "host",
    "idempotency-key",
    "x-clearml-alerts-event",
    "x-clearml-alerts-signature",
];

impl SlackWebhook {
    /// From its address. Fails where that can be none; it is not told.
    pub fn new(url: &str, place: &Source) -> Result<Self, SettingsError> {
        Ok(Self { url: address(url, place)? })
    }
}

impl Webhook {
    /// A request that takes longer is given up and tried again.
    pub const TIMEOUT: Duration = Duration::from_secs(10);
    /// What a timeout may be.
    pub const LONGEST_TIMEOUT: Duration = Duration::from_mins(1);

    /// From its address, with nothing else set. Fails where the address can be none; it is not told.
    pub fn new(url: &str, place: &Source) -> Result<Self, SettingsError> {
        Ok(Self { url: address(url, place)?, secret: None, headers: BTreeMap::new(), timeout: Self::TIMEOUT })
    }

    /// The same, its requests signed with this key. Fails where the key is empty.
    pub fn signed(mut self, key: &str, place: &Source) -> Result<Self, SettingsError> {
        self.secret = Some(secret(key, place)?);
        Ok(self)
    }

    /// The same with one more header. Fails where it is none, or one that this program sets itself; its value is not told.
    pub fn with_header(mut self, name: &str, value: &str, place: &Source) -> Result<Self, SettingsError> {
        let remedy = "write a header's name and a value in plain ASCII, such as Authorization = \"Bearer …\"";
        let is_token = |letter: char| letter.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(letter);
        if name.is_empty() || !name.chars().all(is_token) {
            return Err(SettingsError::invalid(place, name, "is no header's name", remedy));
        }
        if OWN_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
            return Err(SettingsError::invalid(
                place,
                name,
                "is a header that this program sets itself",
                "leave it out",
            ));
        }
        if !value.chars().all(|letter| letter == ' ' || letter.is_ascii_graphic()) {
            let problem = "cannot be sent in a header";
            return Err(SettingsError::InvalidSecret { place: place.clone(), problem, remedy });
        }
        self.headers.insert(name.to_owned(), SecretString::from(value.trim()));
        Ok(self)
    }

    /// The same with this time limit for a request. Fails where it is zero or longer than a minute.
    pub fn within(mut self, timeout: Duration, place: &Source) -> Result<Self, SettingsError> {
        if timeout.is_zero() || timeout > Self::LONGEST_TIMEOUT {
            let remedy = "write a time from 1ms to 1m; what takes longer is tried again";
            return Err(SettingsError::invalid(place, &format!("{timeout:?}"), "is out of range", remedy));
        }
        self.timeout = timeout;
        Ok(self)
    }
}

impl UserMap {
    /// Adds a person: a Slack user ID (`U…` or `W…`), or an e-mail address. Fails where it is neither.
    pub fn insert(&mut self, clearml_user: &str, slack: &str, place: &Source) -> Result<(), SettingsError> {
        self.0.insert(clearml_user.to_owned(), SlackUser::parse(slack, place)?);
        Ok(())
    }
}

impl SlackUser {
    fn parse(text: &str, place: &Source) -> Result<Self, SettingsError> {
        let text = text.trim();
        let is_id = text.len() >= 2
            && text.starts_with(['U', 'W'])
            && text.chars().all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit());
        if is_id {
            return Ok(Self::Id(text.to_owned()));
        }
        match text.split_once('@') {
            Some((name, domain)) if !name.is_empty() && domain.contains('.') && is_plain(text) => {
                Ok(Self::Email(text.to_owned()))
            }
            _ => {
                let remedy = "write a Slack user ID such as U012AB3CD (in Slack: the person's profile, ⋮, Copy member ID), \
                              or an e-mail address";
                Err(SettingsError::invalid(place, text, "is neither a Slack user ID nor an e-mail address", remedy))
            }
        }
    }
}

fn is_plain(text: &str) -> bool {
    !text.contains(|letter: char| letter.is_whitespace() || letter.is_control() || "<>,;\"".contains(letter))
        && text.matches('@').count() == 1
}

/// The address of a webhook. It may hold a login and a query, so nothing of it is told.
fn address(text: &str, place: &Source) -> Result<SecretString, SettingsError> {
    let address = secret(text, place)?;
    let problem = match Url::parse(address.expose_secret()) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.host().is_some() => return Ok(address),
        Ok(_) => "is no address of http:// or https://",
        Err(_) => "is no web address",
    };
    Err(SettingsError::InvalidSecret { place: place.clone(), problem, remedy: COPY_AGAIN })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Source = Source::Default;

    #[test]
    fn an_address_is_http_and_is_never_told() {
        for good in ["https://hooks.slack.com/services/T0/B0/x", "http://me:pw@127.0.0.1:9/in?token=1"] {
            assert_eq!(SlackWebhook::new(good, &PLACE).unwrap().url.expose_secret(), good);
            assert!(!format!("{:?}", Webhook::new(good, &PLACE).unwrap()).contains("http"));
        }
        for bad in [
            "",
            "SECRET",
            "ftp://SECRET.example.com/",
            "file:///SECRET",
            "https://SECRET two/",
            "https://",
            "data:SECRET",
        ] {
            let error = Webhook::new(bad, &PLACE).unwrap_err();
            assert!(!error.to_string().contains("SECRET") && !format!("{error:?}").contains("SECRET"), "{error}");
        }
    }

    #[test]
    fn keys_headers_and_times_that_cannot_be_meant_are_refused_and_none_is_told() {
        let hook = || Webhook::new("https://example.com/in", &PLACE).unwrap();
        assert!(hook().signed(" ", &PLACE).is_err());
        for (name, value) in
            [("", "x"), ("a b", "x"), ("Idempotency-Key", "x"), ("HOST", "x"), ("X-Key", "SECRET\n"), ("X", "SECRETé")]
        {
            let told = hook().with_header(name, value, &PLACE).unwrap_err().to_string();
            assert!(!told.contains("SECRET"), "{told}");
        }
        for seconds in [0, 61] {
            assert!(hook().within(Duration::from_secs(seconds), &PLACE).is_err(), "{seconds}");
        }
        let whole = hook().signed("SECRET-key", &PLACE).unwrap().with_header("Authorization", "Bearer SECRET", &PLACE);
        let shown = format!("{:?}", whole.unwrap().within(Duration::from_secs(3), &PLACE).unwrap());
        assert!(!shown.contains("SECRET") && shown.contains("3s"), "{shown}");
    }

    #[test]
    fn a_person_is_an_id_or_an_address() {
        let parsed = |text: &str| SlackUser::parse(text, &PLACE);
        assert_eq!(parsed(" U012AB3CD").unwrap(), SlackUser::Id("U012AB3CD".to_owned()));
        assert_eq!(parsed("W9").unwrap(), SlackUser::Id("W9".to_owned()));
        assert_eq!(parsed("ada@example.com").unwrap(), SlackUser::Email("ada@example.com".to_owned()));
        for bad in
            ["", "ada", "@ada", "U", "u012", "C012AB3CD", "ada@localhost", "a@b@example.com", "a <a@example.com>"]
        {
            assert!(parsed(bad).is_err(), "{bad}");
        }
        let mut map = UserMap::default();
        map.insert("Ada", "U1", &PLACE).unwrap();
        assert!(map.insert("Bob", "nobody", &PLACE).is_err());
        assert_eq!(map.0.len(), 1);
    }
}
