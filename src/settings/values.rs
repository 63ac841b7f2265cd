//! Texts turned into checked values: yes or no, numbers in a range, web addresses, secrets.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use secrecy::SecretString;
use url::Url;

use super::error::SettingsError;
use super::source::{Found, Source};

/// Yes or no as people, YAML and Python write it, in any case: `true false yes no on off 1 0 t f y n`.
pub fn parse_switch(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" | "t" | "y" => Ok(true),
        "false" | "no" | "off" | "0" | "f" | "n" => Ok(false),
        _ => Err("write true or false".to_owned()),
    }
}

/// How talkative, 0 to 2: a number, or yes (1) or no (0).
pub fn parse_verbosity(text: &str) -> Result<u8, String> {
    match text.trim().parse::<u8>() {
        Ok(level @ 0..=2) => Ok(level),
        Ok(_) => Err("0, 1 and 2 are the levels there are".to_owned()),
        Err(_) => parse_switch(text).map(u8::from),
    }
}

/// Yes or no as the config file says it.
pub(super) fn file_switch(found: &Found) -> Result<bool, SettingsError> {
    parse_switch(&found.text)
        .map_err(|remedy| SettingsError::invalid(&found.source, &found.text, "is neither yes nor no", remedy))
}

/// A number inside `allowed`, both ends included; not a number and the infinities never are. `kind` says of what:
/// `whole number`, `number of seconds`.
pub(super) fn number<T>(found: &Found, allowed: &RangeInclusive<T>, kind: &str) -> Result<T, SettingsError>
where
    T: FromStr + PartialOrd + Display,
{
    let (least, most) = (allowed.start(), allowed.end());
    let remedy = || format!("write a {kind} from {least} to {most}");
    let number = found.text.trim().parse::<T>();
    let number =
        number.map_err(|_| SettingsError::invalid(&found.source, &found.text, format!("is no {kind}"), remedy()))?;
    if !allowed.contains(&number) {
        return Err(SettingsError::invalid(&found.source, &found.text, "is out of range", remedy()));
    }
    Ok(number)
}

/// The address of a server: `http` or `https`, a host, and no login, query or fragment. It always ends with `/`, so
/// that [`Url::join`] adds to it.
pub(super) fn server_address(found: &Found) -> Result<Url, SettingsError> {
    let refuse = |problem: &str| {
        let remedy = "write an address like https://host.example.com:8008";
        SettingsError::invalid(&found.source, &without_login(&found.text), problem, remedy)
    };
    let text = found.text.trim();
    if !text.starts_with("http://") && !text.starts_with("https://") {
        return Err(refuse("does not begin with http:// or https://"));
    }
    let mut url = Url::parse(text).map_err(|error| refuse(&format!("is not a web address ({error})")))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refuse("contains a user name or password"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(refuse("contains a `?` or a `#`"));
    }
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}

/// What can be shown of an address that may hold a password or a token.
fn without_login(text: &str) -> String {
    let until_query = text.split_once(['?', '#']).map_or(text.to_owned(), |(address, _)| format!("{address}?***"));
    match until_query.rsplit_once('@') {
        Some((before, after)) => {
            let scheme = before.find("://").map_or("", |at| &before[..at + 3]);
            format!("{scheme}***@{after}")
        }
        None => until_query,
    }
}

/// A secret that can be sent in a header: printable ASCII without blanks. Nothing of it gets into an error.
pub(super) fn secret(text: &str, place: &Source) -> Result<SecretString, SettingsError> {
    let text = text.trim();
    let problem = match text {
        "" => "is empty",
        _ if !text.chars().all(|character| character.is_ascii_graphic()) => "has blanks or special characters in it",
        _ => return Ok(SecretString::from(text)),
    };
    let remedy = "copy it again from where it was issued";
    Err(SettingsError::InvalidSecret { place: place.clone(), problem, remedy })
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    #[test]
    fn switches_are_read_in_every_spelling() {
        for (texts, meant) in [("true True TRUE yes on 1 t Y", true), ("false False no OFF 0 f n", false)] {
            for text in texts.split(' ') {
                assert_eq!(parse_switch(text), Ok(meant), "{text}");
            }
        }
        for text in ["", "maybe", "2", "-1"] {
            assert!(parse_switch(text).is_err(), "{text}");
        }
    }

    #[test]
    fn verbosity_is_a_level_or_a_switch() {
        for (text, meant) in [("True", 1), ("no", 0), ("2", 2), ("0", 0)] {
            assert_eq!(parse_verbosity(text), Ok(meant), "{text}");
        }
        assert!(parse_verbosity("3").is_err());
        assert!(parse_verbosity("loud").is_err());
    }

    #[test]
    fn numbers_outside_their_range_and_what_is_no_number_are_refused() {
        let refused = |text: &str| number(&Found::flag("--refresh-rate", text), &(0.1..=86_400.0), "number").is_err();
        for text in ["0", "-1", "nan", "NaN", "inf", "-inf", "1e9", "86400.1", "", "ten", "10s"] {
            assert!(refused(text), "{text}");
        }
        for text in ["0.1", "10", "10.0", "1e3", " 5 ", "86400"] {
            assert!(!refused(text), "{text}");
        }
    }

    #[test]
    fn an_address_ends_with_a_slash() {
        for (given, meant) in [
            ("https://api.clear.ml", "https://api.clear.ml/"),
            ("http://127.0.0.1:8008/", "http://127.0.0.1:8008/"),
            (" https://example.com/clearml/api ", "https://example.com/clearml/api/"),
        ] {
            assert_eq!(server_address(&Found::default(given)).unwrap().as_str(), meant);
        }
    }

    #[test]
    fn what_is_no_server_address_is_refused_and_its_secrets_are_not_told() {
        for text in [
            "api.example.com:8008",
            "localhost",
            "ftp://example.com",
            "http://",
            "https://exa mple.com",
            "http://host:99999",
            "https://me:SECRET@example.com",
            "https://example.com/?token=SECRET",
            "me:SECRET@example.com",
            "https://me:SECRET@exa mple.com/@",
        ] {
            let error = server_address(&Found::default(text)).unwrap_err();
            assert!(!error.to_string().contains("SECRET"), "{error}");
            assert!(!format!("{error:?}").contains("SECRET"), "{error:?}");
        }
    }

    #[test]
    fn a_secret_is_trimmed_and_never_told() {
        assert_eq!(secret(" xoxb-1\n", &Source::Default).unwrap().expose_secret(), "xoxb-1");
        for text in ["", "  ", "SECRET two", "SECRET\u{7f}", "SECRETé"] {
            let error = secret(text, &Source::Flag("--slack-api")).unwrap_err().to_string();
            assert!(error.starts_with("--slack-api holds") && !error.contains("SECRET"), "{error}");
        }
    }
}
