//! How the service is watched: the address of its pages, who may read them, and where it sends its heartbeat.

use std::net::SocketAddr;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::config_file::ConfigFile;
use super::environment::Environment;
use super::error::SettingsError;
use super::flags::WebFlags;
use super::secret_file;
use super::source::{Found, Origin, Source};
use super::values::{file_switch, secret};

/// A token shorter than this can be guessed.
const SHORTEST_TOKEN: usize = 16;

/// How the service is watched.
#[derive(Debug, Clone)]
pub struct WebSettings {
    /// Where pages and metrics are served, and to whom; `None`: nowhere.
    pub listen: Option<Listen>,
    /// The address that is asked for after good cycles; whoever knows it can fake them.
    pub heartbeat: Option<SecretString>,
    /// Where each of these came from.
    pub origins: Vec<Origin>,
}

/// Where pages and metrics are served, and to whom.
#[derive(Debug, Clone)]
pub struct Listen {
    /// The address and port; port 0 is any that is free.
    pub address: SocketAddr,
    /// Who may read.
    pub readers: Readers,
}

/// Who may read the pages.
#[derive(Debug, Clone)]
pub enum Readers {
    /// Whoever is on this machine and asks for it by a name of this machine.
    ThisMachine,
    /// Whoever knows the token.
    Token(SecretString),
    /// Whoever can reach the address.
    Everyone,
}

/// Settles how the service is watched. Fails where an address that others can reach has no token.
pub fn resolve_web(
    flags: &WebFlags,
    environment: &dyn Environment,
    file: &ConfigFile,
) -> Result<WebSettings, SettingsError> {
    let mut origins = Vec::new();
    let token = token(flags, environment, file, &mut origins)?;
    let heartbeat = heartbeat(flags, environment, file, &mut origins)?;
    let unprotected = match (flags.listen_unprotected, file.value("service.listen_unprotected")) {
        (Some(given), _) => given.then_some(Source::Flag("--listen-unprotected")),
        (None, Some(found)) => file_switch(&found)?.then_some(found.source),
        (None, None) => None,
    };
    let found = flags.listen.as_ref().map(|text| Found::flag("--listen", text));
    let listen = match found.or_else(|| file.value("service.listen")) {
        None => None,
        Some(found) => {
            let address = address(&found)?;
            origins.push(Origin::new("listen", address, found.source.clone()));
            Some(Listen { address, readers: readers(&found, address, token, unprotected)? })
        }
    };
    Ok(WebSettings { listen, heartbeat, origins })
}

/// Refuses what the config file alone says wrong.
pub(super) fn check_address(file: &ConfigFile) -> Result<(), SettingsError> {
    if let Some(found) = file.value("service.listen_unprotected") {
        file_switch(&found)?;
    }
    file.value("service.listen").map_or(Ok(()), |found| address(&found).map(drop))
}

fn address(found: &Found) -> Result<SocketAddr, SettingsError> {
    let text = found.text.trim();
    let numeric = text.strip_prefix("localhost:").map_or_else(|| text.to_owned(), |port| format!("127.0.0.1:{port}"));
    numeric.parse().map_err(|_| {
        let remedy = "write an IP address and a port, like 127.0.0.1:8097 or [::1]:8097";
        SettingsError::invalid(&found.source, text, "is no address to listen on", remedy)
    })
}

fn readers(
    found: &Found,
    address: SocketAddr,
    token: Option<(SecretString, Source)>,
    unprotected: Option<Source>,
) -> Result<Readers, SettingsError> {
    match (token, unprotected) {
        (Some((_, first)), Some(second)) => {
            Err(SettingsError::Contradiction { first, second, remedy: "leave one of them out" })
        }
        (Some((token, _)), None) => Ok(Readers::Token(token)),
        (None, Some(_)) => Ok(Readers::Everyone),
        (None, None) if address.ip().is_loopback() => Ok(Readers::ThisMachine),
        (None, None) => {
            let remedy = "set CLEARML_ALERTS_LISTEN_TOKEN (or --listen-token) to a long random text, or say \
                          --listen-unprotected if everyone who can reach this address may read the alerts";
            let problem = "can be reached from other machines, and no token protects it";
            Err(SettingsError::invalid(&found.source, &found.text, problem, remedy))
        }
    }
}

fn token(
    flags: &WebFlags,
    environment: &dyn Environment,
    file: &ConfigFile,
    origins: &mut Vec<Origin>,
) -> Result<Option<(SecretString, Source)>, SettingsError> {
    let given = given(flags.listen_token.as_ref(), "--listen-token", "CLEARML_ALERTS_LISTEN_TOKEN", environment)?;
    let given = given.map_or_else(|| file.secret("service.listen_token", environment), |given| Ok(Some(given)))?;
    let Some((token, source)) = given else {
        return Ok(None);
    };
    let token = secret(token.expose_secret(), &source)?;
    if token.expose_secret().len() < SHORTEST_TOKEN {
        let problem = "has fewer than 16 characters";
        let remedy = "make a long random one, with `openssl rand -hex 24` for example";
        return Err(SettingsError::InvalidSecret { place: source, problem, remedy });
    }
    origins.push(Origin::secret("listen_token", source.clone()));
    Ok(Some((token, source)))
}

fn heartbeat(
    flags: &WebFlags,
    environment: &dyn Environment,
    file: &ConfigFile,
    origins: &mut Vec<Origin>,
) -> Result<Option<SecretString>, SettingsError> {
    let given = given(flags.heartbeat_url.as_ref(), "--heartbeat-url", "CLEARML_ALERTS_HEARTBEAT_URL", environment)?;
    let given = given.map_or_else(|| file.secret("service.heartbeat_url", environment), |given| Ok(Some(given)))?;
    let Some((text, source)) = given else {
        return Ok(None);
    };
    let url = Url::parse(text.expose_secret().trim()).ok();
    let Some(url) = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host()) else {
        let problem = "is no web address";
        let remedy = "give the whole address, beginning with https://, as your heartbeat service shows it";
        return Err(SettingsError::InvalidSecret { place: source, problem, remedy });
    };
    origins.push(Origin::secret("heartbeat_url", source));
    Ok(Some(SecretString::from(String::from(url))))
}

/// A secret from its flag, its variable, or the file that the variable with `_FILE` names.
fn given(
    flag: Option<&SecretString>,
    name: &'static str,
    variable: &str,
    environment: &dyn Environment,
) -> Result<Option<(SecretString, Source)>, SettingsError> {
    if let Some(secret) = flag {
        return Ok(Some((secret.clone(), Source::Flag(name))));
    }
    let found = secret_file::from_variable(environment, variable)?;
    Ok(found.map(|found| (SecretString::from(found.text), found.source)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::MapEnvironment;

    fn flags(listen: &str) -> WebFlags {
        WebFlags { listen: Some(listen.to_owned()), ..WebFlags::default() }
    }

    fn resolved(flags: &WebFlags) -> Result<WebSettings, String> {
        resolve_web(flags, &MapEnvironment::new(), &ConfigFile::default()).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_is_served_unless_asked_for() {
        let settings = resolved(&WebFlags::default()).unwrap();
        assert!(settings.listen.is_none() && settings.heartbeat.is_none() && settings.origins.is_empty());
    }

    #[test]
    fn loopback_needs_no_token() {
        for (text, address) in
            [("127.0.0.1:8097", "127.0.0.1:8097"), ("localhost:80", "127.0.0.1:80"), ("[::1]:8097", "[::1]:8097")]
        {
            let listen = resolved(&flags(text)).unwrap().listen.unwrap();
            assert_eq!(listen.address.to_string(), address);
            assert!(matches!(listen.readers, Readers::ThisMachine));
        }
    }

    #[test]
    fn an_address_that_others_can_reach_needs_a_word_about_it() {
        for open in ["0.0.0.0:8097", "[::]:8097", "192.0.2.7:80"] {
            let told = resolved(&flags(open)).unwrap_err();
            assert!(told.contains("--listen-unprotected") && told.contains("CLEARML_ALERTS_LISTEN_TOKEN"), "{told}");
            let unprotected = WebFlags { listen_unprotected: Some(true), ..flags(open) };
            assert!(matches!(resolved(&unprotected).unwrap().listen.unwrap().readers, Readers::Everyone));
            let environment = MapEnvironment::new().with("CLEARML_ALERTS_LISTEN_TOKEN", "0123456789abcdef");
            let protected = resolve_web(&flags(open), &environment, &ConfigFile::default()).unwrap();
            assert!(matches!(protected.listen.unwrap().readers, Readers::Token(_)));
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_without_telling_secrets() {
        let token = |token: &str| WebFlags { listen_token: Some(token.to_owned().into()), ..flags("127.0.0.1:1") };
        let beat = |url: &str| WebFlags { heartbeat_url: Some(url.to_owned().into()), ..WebFlags::default() };
        let both = WebFlags { listen_unprotected: Some(true), ..token("0123456789abcdef") };
        let cases = [
            (flags("8097"), "write an IP address and a port"),
            (flags("example.com:8097"), "write an IP address and a port"),
            (token("s3cret"), "fewer than 16 characters"),
            (token("with blanks in the s3cret"), "blanks"),
            (beat("hc.example.com/s3cret"), "beginning with https://"),
            (beat("file:///s3cret"), "beginning with https://"),
            (both, "leave one of them out"),
        ];
        for (flags, expected) in cases {
            let told = resolved(&flags).unwrap_err();
            assert!(told.contains(expected) && !told.contains("s3cret"), "{told}");
        }
        let shown = format!("{:?}", resolved(&beat("https://hc.example.com/s3cret")).unwrap());
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}
