//! Where alerts go: the channel, the token, Slack's address and the pace.

use clap::ValueEnum;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::config_file::ConfigFile;
use super::defaults;
use super::environment::{self, Environment, MapEnvironment};
use super::error::SettingsError;
use super::flags::{OnUnknown, SlackFlags};
use super::secret_file;
use super::source::{Found, Origin, Source};
use super::values::{number, secret, server_address};

/// Where alerts go, and how.
#[derive(Debug, Clone)]
pub struct SlackSettings {
    /// The bot token.
    pub token: SecretString,
    /// The channel of rules that name no destination, as given: `#name`, `name` or an ID. Neither empty nor with blanks in
    /// it.
    pub channel: Option<String>,
    /// What method names are joined to; ends with `/`.
    pub base_url: Url,
    /// Messages a second to a channel; 0 is no pacing of our own.
    pub rate: f64,
    /// More alerts than this, due for one channel, become one digest; 0 is never.
    pub digest_above: u32,
    /// What becomes of a message whose arrival stays unknown.
    pub on_unknown: OnUnknown,
    /// Where each of these came from.
    pub origins: Vec<Origin>,
}

/// Settles where alerts go: flags, then environment, then the config file, then defaults. Fails where the token is
/// missing, or a value cannot be meant.
pub fn resolve_slack(
    flags: &SlackFlags,
    environment: &dyn Environment,
    file: &ConfigFile,
) -> Result<SlackSettings, SettingsError> {
    let mut origins = Vec::new();
    let channel = channel(flags, file, &mut origins)?;
    let SlackAccess { token, base_url, origins: access_origins } = resolve_slack_access(flags, environment, file)?;
    origins.extend(access_origins);
    let or_default = |name, given: Option<&String>, key, default: String| {
        let given = given.map(|text| Found::flag(name, text));
        given.or_else(|| file.value(key)).unwrap_or_else(|| Found::default(&default))
    };
    let rate = (flags.slack_rate.as_ref(), defaults::SLACK_RATE.to_string());
    let rate = or_default("--slack-rate", rate.0, "slack.rate", rate.1);
    let digest = (flags.digest_above.as_ref(), defaults::DIGEST_ABOVE.to_string());
    let digest = or_default("--digest-above", digest.0, "slack.digest_above", digest.1);
    let (on_unknown, on_unknown_source) = on_unknown(flags, file)?;
    let mut settings = SlackSettings {
        channel,
        token,
        base_url,
        rate: number(&rate, &defaults::SLACK_RATE_RANGE, "number of messages a second")?,
        digest_above: number(&digest, &defaults::DIGEST_RANGE, "whole number")?,
        on_unknown,
        origins,
    };
    settings.origins.extend([
        Origin::new("slack_rate", settings.rate, rate.source),
        Origin::new("digest_above", settings.digest_above, digest.source),
        Origin::new("on_unknown", format!("{on_unknown:?}").to_lowercase(), on_unknown_source),
    ]);
    Ok(settings)
}

fn on_unknown(flags: &SlackFlags, file: &ConfigFile) -> Result<(OnUnknown, Source), SettingsError> {
    match (flags.on_unknown, file.value("slack.on_unknown")) {
        (Some(policy), _) => Ok((policy, Source::Flag("--on-unknown"))),
        (None, None) => Ok((OnUnknown::default(), Source::Default)),
        (None, Some(found)) => {
            let refuse = |_| SettingsError::invalid(&found.source, &found.text, "is no choice", "write resend or hold");
            Ok((OnUnknown::from_str(found.text.trim(), true).map_err(refuse)?, found.source))
        }
    }
}

/// What can be checked of the flags alone, for a monitor that will run elsewhere, with a token of its own: answers the
/// channel.
pub fn check_slack_flags(flags: &SlackFlags, file: &ConfigFile) -> Result<Option<String>, SettingsError> {
    if let Some(path) = &flags.slack_api_file {
        let source = Source::Flag("--slack-api-file");
        let remedy = "set SLACK_API_TOKEN_FILE, or SLACK_API_TOKEN, for the agent, and leave the flag out";
        let problem = "is on this machine, and not where the agent runs the monitor";
        return Err(SettingsError::invalid(&source, &path.to_string_lossy(), problem, remedy));
    }
    let elsewhere = SlackFlags { slack_api: Some(SecretString::from("xoxb-elsewhere")), ..flags.clone() };
    Ok(resolve_slack(&elsewhere, &MapEnvironment::new(), file)?.channel)
}

/// How Slack is reached, without a word on what to post where: what a command that only asks needs.
#[derive(Debug, Clone)]
pub struct SlackAccess {
    /// The bot token.
    pub token: SecretString,
    /// Where Slack's methods live; ends with `/`.
    pub base_url: Url,
    /// Where each of these came from.
    pub origins: Vec<Origin>,
}

/// Settles how Slack is reached. Fails where there is no token, or the address can be none.
pub fn resolve_slack_access(
    flags: &SlackFlags,
    environment: &dyn Environment,
    file: &ConfigFile,
) -> Result<SlackAccess, SettingsError> {
    let mut origins = Vec::new();
    let token = token(flags, environment, file, &mut origins)?;
    let base_url = base_url(flags, environment, file, &mut origins)?;
    Ok(SlackAccess { token, base_url, origins })
}

/// Settles the channel alone. Fails where it can be none.
pub fn resolve_channel(flags: &SlackFlags, file: &ConfigFile) -> Result<Option<String>, SettingsError> {
    channel(flags, file, &mut Vec::new())
}

/// What to do where no channel is given and one is needed.
pub(super) const CHANNEL_REMEDY: &str =
    "give --channel a name like '#ml-alerts', or the channel's ID (in Slack: the channel's details)";

fn channel(flags: &SlackFlags, file: &ConfigFile, origins: &mut Vec<Origin>) -> Result<Option<String>, SettingsError> {
    let given = flags.channel.as_deref().map(|text| Found::flag("--channel", text));
    let Some(found) = given.or_else(|| file.value("slack.channel")) else { return Ok(None) };
    let channel = found.text.trim();
    match channel_problem(channel) {
        None => {
            origins.push(Origin::new("channel", channel, found.source.clone()));
            Ok(Some(channel.to_owned()))
        }
        Some(problem @ IS_A_TOKEN) => {
            Err(SettingsError::InvalidSecret { place: found.source, problem, remedy: CHANNEL_REMEDY })
        }
        Some(problem) => Err(SettingsError::invalid(&found.source, &found.text, problem, CHANNEL_REMEDY)),
    }
}

const IS_A_TOKEN: &str = "is a Slack token";

/// Why a text, without blanks around it, can be no channel's name and no ID.
pub(super) fn channel_problem(channel: &str) -> Option<&'static str> {
    if ["xoxb-", "xoxp-", "xapp-"].iter().any(|prefix| channel.starts_with(prefix)) {
        return Some(IS_A_TOKEN);
    }
    match channel.strip_prefix('#').unwrap_or(channel) {
        "" => Some("names no channel"),
        name if name.contains(|character: char| character.is_whitespace() || character.is_control()) => {
            Some("has blanks in it")
        }
        name if name.contains(['#', ',']) => Some("is more than one channel"),
        _ => None,
    }
}

fn token(
    flags: &SlackFlags,
    environment: &dyn Environment,
    file: &ConfigFile,
    origins: &mut Vec<Origin>,
) -> Result<SecretString, SettingsError> {
    const VARIABLE: &str = "SLACK_API_TOKEN";
    let remedy = "set SLACK_API_TOKEN, or give --slack-api, to the bot token of your Slack app (it begins with xoxb-; \
                  in Slack: the app's page, OAuth & Permissions), or SLACK_API_TOKEN_FILE to a file that holds it";
    let (of_token, of_file) = (Source::Flag("--slack-api"), Source::Flag("--slack-api-file"));
    let found = match (&flags.slack_api, &flags.slack_api_file) {
        (Some(_), Some(_)) => {
            let remedy = "leave one of them out";
            return Err(SettingsError::Contradiction { first: of_token, second: of_file, remedy });
        }
        (Some(token), None) => Some(Found { text: token.expose_secret().to_owned(), source: of_token }),
        (None, Some(path)) => Some(secret_file::read(environment, path, &of_file)?),
        (None, None) => match secret_file::from_variable(environment, VARIABLE)? {
            Some(found) => Some(found),
            None => file
                .secret("slack.token", environment)?
                .map(|(token, source)| Found { text: token.expose_secret().to_owned(), source }),
        },
    };
    let Some(Found { text, source }) = found else {
        return Err(SettingsError::Missing { what: "the Slack token", remedy });
    };
    let token = secret(&text, &source)?;
    origins.push(Origin::secret("slack_token", source));
    Ok(token)
}

fn base_url(
    flags: &SlackFlags,
    environment: &dyn Environment,
    file: &ConfigFile,
    origins: &mut Vec<Origin>,
) -> Result<Url, SettingsError> {
    const VARIABLE: &str = "SLACK_API_URL";
    let found = match &flags.slack_api_url {
        Some(text) => Found::flag("--slack-api-url", text),
        None => match environment::text(environment, VARIABLE)? {
            Some(text) => Found { text, source: Source::Variable(VARIABLE.to_owned()) },
            None => file.value("slack.api_url").unwrap_or_else(|| Found::default(defaults::SLACK_API_URL)),
        },
    };
    let url = server_address(&found)?;
    origins.push(Origin::new("slack_api_url", &url, found.source));
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags() -> SlackFlags {
        SlackFlags { channel: Some("#ml-alerts".to_owned()), ..SlackFlags::default() }
    }

    fn environment() -> MapEnvironment {
        MapEnvironment::new().with("SLACK_API_TOKEN", "xoxb-fake-SECRET")
    }

    fn none() -> ConfigFile {
        ConfigFile::default()
    }

    fn refused(flags: &SlackFlags) -> String {
        resolve_slack(flags, &environment(), &none()).unwrap_err().to_string()
    }

    #[test]
    fn defaults_are_slacks_own() {
        let settings = resolve_slack(&flags(), &environment(), &none()).unwrap();
        assert_eq!(settings.base_url.as_str(), "https://slack.com/api/");
        assert_eq!(
            settings.base_url.join("chat.postMessage").unwrap().as_str(),
            "https://slack.com/api/chat.postMessage"
        );
        assert_eq!((settings.rate, settings.digest_above), (1.0, 10));
        assert_eq!(settings.on_unknown, OnUnknown::Resend);
        assert_eq!(settings.channel.as_deref(), Some("#ml-alerts"));
    }

    #[test]
    fn a_flag_beats_the_environment() {
        let flags = SlackFlags {
            slack_api: Some(SecretString::from("xoxb-flag")),
            slack_api_url: Some("http://127.0.0.1:9/api".to_owned()),
            slack_rate: Some("0".to_owned()),
            digest_above: Some("0".to_owned()),
            ..flags()
        };
        let environment = environment().with("SLACK_API_URL", "https://slack-gov.com/api/");
        let settings = resolve_slack(&flags, &environment, &none()).unwrap();
        assert_eq!(settings.token.expose_secret(), "xoxb-flag");
        assert_eq!(settings.base_url.as_str(), "http://127.0.0.1:9/api/");
        assert_eq!((settings.rate, settings.digest_above), (0.0, 0));
        let by_environment = resolve_slack(&super::tests::flags(), &environment, &none()).unwrap();
        assert_eq!(by_environment.base_url.as_str(), "https://slack-gov.com/api/");
        assert_eq!(by_environment.origins[2].source, Source::Variable("SLACK_API_URL".to_owned()));
    }

    #[test]
    fn a_missing_token_is_told_with_every_place_for_it() {
        let no_token = resolve_slack(&flags(), &MapEnvironment::new(), &none()).unwrap_err().to_string();
        assert!(no_token.contains("SLACK_API_TOKEN") && no_token.contains("--slack-api"), "{no_token}");
        let empty = SlackFlags { slack_api: Some(SecretString::from("")), ..flags() };
        assert!(refused(&empty).starts_with("--slack-api holds a value that is empty"));
    }

    #[test]
    fn what_is_no_channel_is_refused() {
        for channel in ["", " ", "#", "two words", "a\tb", "a,b", "#a#b", "a\u{0}b"] {
            let told = refused(&SlackFlags { channel: Some(channel.to_owned()), ..SlackFlags::default() });
            assert!(told.starts_with("--channel is `"), "{told}");
        }
    }

    #[test]
    fn a_token_given_as_the_channel_is_not_repeated() {
        let told = refused(&SlackFlags { channel: Some("xoxb-SECRET".to_owned()), ..SlackFlags::default() });
        assert!(
            told.starts_with("--channel holds a value that is a Slack token") && !told.contains("SECRET"),
            "{told}"
        );
    }

    #[test]
    fn numbers_that_cannot_be_meant_are_refused() {
        for rate in ["-1", "nan", "inf", "1e9", "fast", ""] {
            let told = refused(&SlackFlags { slack_rate: Some(rate.to_owned()), ..flags() });
            assert!(told.starts_with("--slack-rate is `") && told.contains("from 0 to 1000"), "{told}");
        }
        for above in ["-1", "1.5", "many"] {
            assert!(
                refused(&SlackFlags { digest_above: Some(above.to_owned()), ..flags() }).starts_with("--digest-above")
            );
        }
    }

    #[test]
    fn the_token_is_shown_nowhere() {
        let settings = resolve_slack(&flags(), &environment(), &none()).unwrap();
        assert_eq!(settings.token.expose_secret(), "xoxb-fake-SECRET");
        assert!(!format!("{settings:?}").contains("SECRET"));
        let flags = SlackFlags { slack_api: Some(SecretString::from("SECRET")), ..flags() };
        assert!(!format!("{flags:?}").contains("SECRET"));
        assert!(!format!("{:?}", environment()).contains("SECRET"));
    }
}
