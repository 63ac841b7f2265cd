//! How ClearML is reached: from the SDK's own environment variables and `clearml.conf`, as the SDK reads them.

use std::io;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::clearml_conf::{self, ApiBlock};
use super::config_file::{ConfigFile, beside};
use super::defaults;
use super::environment::{self, Environment};
use super::error::SettingsError;
use super::secret_file;
use super::source::{Found, Origin, Source};
use super::values::{parse_switch, secret, server_address};

/// How ClearML is reached. Addresses end with `/`.
#[derive(Debug, Clone)]
pub struct ClearmlSettings {
    /// The API server.
    pub api: Url,
    /// The web application, for links; unknown where it is neither configured nor to be guessed from the API's address.
    pub web: Option<Url>,
    /// The file server, where configured.
    pub files: Option<Url>,
    /// What to log in with.
    pub credentials: Credentials,
    /// Whether the server's TLS certificate is verified.
    pub verify_certificate: bool,
    /// What was odd in the configuration files and did not matter.
    pub warnings: Vec<String>,
    /// Where each of these came from.
    pub origins: Vec<Origin>,
}

/// What to log in with.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// A pair of keys, for Basic authorization of `auth.login`.
    Keys {
        /// `access_key`.
        access: SecretString,
        /// `secret_key`.
        secret: SecretString,
    },
    /// A ready bearer token.
    Token(SecretString),
}

/// One setting of ClearML's: its names in the two places.
struct Setting {
    name: &'static str,
    /// Environment variable without its prefix.
    variable: &'static str,
    /// Dotted path in our own config file.
    config_key: &'static str,
    /// Dotted path in `clearml.conf`.
    key: &'static str,
    from_conf: fn(&ApiBlock) -> Option<&str>,
    /// Whether it may also stand in a file of its own.
    is_secret: bool,
}

const API: Setting = Setting {
    name: "api_server",
    variable: "API_HOST",
    config_key: "clearml.api_server",
    key: "api.api_server",
    from_conf: |block| block.api_server.as_deref(),
    is_secret: false,
};
const OLD_API: Setting = Setting { key: "api.host", from_conf: |block| block.host.as_deref(), ..API };
const WEB: Setting = Setting {
    name: "web_server",
    variable: "WEB_HOST",
    config_key: "clearml.web_server",
    key: "api.web_server",
    from_conf: |block| block.web_server.as_deref(),
    is_secret: false,
};
const FILES: Setting = Setting {
    name: "files_server",
    variable: "FILES_HOST",
    config_key: "",
    key: "api.files_server",
    from_conf: |block| block.files_server.as_deref(),
    is_secret: false,
};
const VERIFY: Setting = Setting {
    name: "verify_certificate",
    variable: "API_HOST_VERIFY_CERT",
    config_key: "clearml.verify_certificate",
    key: "api.verify_certificate",
    from_conf: |block| block.verify_certificate.as_deref(),
    is_secret: false,
};
const ACCESS: Setting = Setting {
    name: "access_key",
    variable: "API_ACCESS_KEY",
    config_key: "clearml.access_key",
    key: "api.credentials.access_key",
    from_conf: |block| block.access_key.as_ref().map(ExposeSecret::expose_secret),
    is_secret: true,
};
const SECRET: Setting = Setting {
    name: "secret_key",
    variable: "API_SECRET_KEY",
    config_key: "clearml.secret_key",
    key: "api.credentials.secret_key",
    from_conf: |block| block.secret_key.as_ref().map(ExposeSecret::expose_secret),
    is_secret: true,
};
/// `clearml.conf` has no place for a token.
const TOKEN: Setting = Setting {
    name: "auth_token",
    variable: "AUTH_TOKEN",
    config_key: "",
    key: "",
    from_conf: |_| None,
    is_secret: true,
};

/// Settles how ClearML is reached: environment, then the config file, then `clearml.conf`, then the hosted service. Fails
/// where a value cannot be meant, a file cannot be read, or there is nothing to log in with.
pub fn resolve_clearml(environment: &dyn Environment, file: &ConfigFile) -> Result<ClearmlSettings, SettingsError> {
    let lookup = Lookup::new(environment, file)?;
    let mut origins = Vec::new();
    let api = lookup.api_server()?;
    let api = address(API.name, &api, &mut origins)?;
    let web = match lookup.find(&WEB)? {
        Some(found) => Some(address(WEB.name, &found, &mut origins)?),
        None => derived_web(&api, &mut origins),
    };
    let files = lookup.find(&FILES)?.map(|found| address(FILES.name, &found, &mut origins)).transpose()?;
    let verify_certificate = verify_certificate(lookup.find(&VERIFY)?, &mut origins)?;
    let credentials = lookup.credentials(&mut origins)?;
    let warnings = lookup.warnings();
    Ok(ClearmlSettings { api, web, files, credentials, verify_certificate, warnings, origins })
}

/// Refuses what the config file alone says wrong.
pub(super) fn check_addresses(file: &ConfigFile) -> Result<(), SettingsError> {
    for setting in [&API, &WEB] {
        if let Some(found) = file.value(setting.config_key) {
            server_address(&found)?;
        }
    }
    verify_certificate(file.value(VERIFY.config_key), &mut Vec::new()).map(drop)
}

/// The three places, opened.
struct Lookup<'a> {
    environment: &'a dyn Environment,
    config: &'a ConfigFile,
    /// In the order in which they are named: a later file counts more, as it does for the SDK.
    files: Vec<(PathBuf, ApiBlock)>,
}

impl<'a> Lookup<'a> {
    fn new(environment: &'a dyn Environment, config: &'a ConfigFile) -> Result<Self, SettingsError> {
        let named = from_variable(environment, "CONFIG_FILE")?;
        let files = match named.or_else(|| config.value("clearml.config_file")) {
            Some(list) => std::env::split_paths(&list.text)
                .filter(|path| !path.as_os_str().is_empty())
                .map(|path| environment::expand_home(environment, path))
                .map(|path| read_conf(beside(&list.source, path), &list.source, environment))
                .collect::<Result<_, _>>()?,
            None => read_home_conf(environment)?.into_iter().collect(),
        };
        Ok(Self { environment, config, files })
    }

    fn find(&self, setting: &Setting) -> Result<Option<Found>, SettingsError> {
        let found = if setting.is_secret {
            secret_of_variable(self.environment, setting.variable)?
        } else {
            from_variable(self.environment, setting.variable)?
        };
        match found {
            Some(found) => Ok(Some(found)),
            None => match self.config.secret(setting.config_key, self.environment)? {
                Some((secret, source)) => Ok(Some(Found { text: secret.expose_secret().to_owned(), source })),
                None => Ok(self.config.value(setting.config_key).or_else(|| self.find_in_files(setting))),
            },
        }
    }

    fn find_in_files(&self, setting: &Setting) -> Option<Found> {
        self.files.iter().rev().find_map(|(path, block)| {
            let text = (setting.from_conf)(block)?.trim().to_owned();
            Some(Found { text, source: Source::File { path: path.clone(), key: setting.key } })
        })
    }

    fn api_server(&self) -> Result<Found, SettingsError> {
        let configured = self.find(&API)?.or_else(|| self.find_in_files(&OLD_API));
        Ok(configured.unwrap_or_else(|| Found::default(defaults::CLEARML_API_URL)))
    }

    fn credentials(&self, origins: &mut Vec<Origin>) -> Result<Credentials, SettingsError> {
        let mut usable = |setting: &Setting, found: Found| {
            let value = secret(&found.text, &found.source)?;
            origins.push(Origin::secret(setting.name, found.source));
            Ok(value)
        };
        if let Some(token) = self.find(&TOKEN)? {
            return usable(&TOKEN, token).map(Credentials::Token);
        }
        match (self.find(&ACCESS)?, self.find(&SECRET)?) {
            (Some(access), Some(secret)) => {
                Ok(Credentials::Keys { access: usable(&ACCESS, access)?, secret: usable(&SECRET, secret)? })
            }
            (None, None) => Err(missing("a key to log in to ClearML")),
            (Some(_), None) => Err(missing("the secret key that belongs to ClearML's access key")),
            (None, Some(_)) => Err(missing("the access key that belongs to ClearML's secret key")),
        }
    }

    fn warnings(&self) -> Vec<String> {
        let of_file = |(path, block): &(PathBuf, ApiBlock)| {
            block.warnings.iter().map(|warning| format!("{}, {warning}", path.display())).collect::<Vec<_>>()
        };
        self.files.iter().flat_map(of_file).collect()
    }
}

fn missing(what: &'static str) -> SettingsError {
    let remedy = "set CLEARML_API_ACCESS_KEY and CLEARML_API_SECRET_KEY (or CLEARML_AUTH_TOKEN; or each with _FILE, to a file that \
                  holds it), or run \
                  `clearml-init`, which writes api.credentials to ~/clearml.conf; new keys are made in ClearML's web application, \
                  Settings, Workspace";
    SettingsError::Missing { what, remedy }
}

/// A variable of ClearML's under its name of today, or the one of old.
fn from_variable(environment: &dyn Environment, name: &str) -> Result<Option<Found>, SettingsError> {
    for prefix in ["CLEARML", "TRAINS"] {
        let name = format!("{prefix}_{name}");
        if let Some(text) = environment::text(environment, &name)? {
            return Ok(Some(Found { text, source: Source::Variable(name) }));
        }
    }
    Ok(None)
}

/// A secret of ClearML's: its variable, the file that the variable with `_FILE` names, or its variable of old.
fn secret_of_variable(environment: &dyn Environment, name: &str) -> Result<Option<Found>, SettingsError> {
    match secret_file::from_variable(environment, &format!("CLEARML_{name}"))? {
        Some(found) => Ok(Some(found)),
        None => from_variable(environment, name),
    }
}

/// `~/clearml.conf`, if there is one.
fn read_home_conf(environment: &dyn Environment) -> Result<Option<(PathBuf, ApiBlock)>, SettingsError> {
    let Some(home) = environment.home_directory() else { return Ok(None) };
    match read_conf(home.join("clearml.conf"), &Source::Default, environment) {
        Err(SettingsError::Unreadable { error, .. }) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}

fn read_conf(
    path: PathBuf,
    place: &Source,
    environment: &dyn Environment,
) -> Result<(PathBuf, ApiBlock), SettingsError> {
    let unreadable = |error| SettingsError::Unreadable { path: path.clone(), place: place.clone(), error };
    let text = environment.read_file(&path).map_err(unreadable)?;
    let block = clearml_conf::read(&text, &path, environment).map_err(|error| SettingsError::Conf {
        path: path.clone(),
        line: error.line,
        problem: error.problem,
    })?;
    Ok((path, block))
}

fn address(name: &'static str, found: &Found, origins: &mut Vec<Origin>) -> Result<Url, SettingsError> {
    let url = server_address(found)?;
    origins.push(Origin::new(name, &url, found.source.clone()));
    Ok(url)
}

fn verify_certificate(found: Option<Found>, origins: &mut Vec<Origin>) -> Result<bool, SettingsError> {
    let found = found.unwrap_or_else(|| Found::default("true"));
    let verify = parse_switch(&found.text)
        .map_err(|remedy| SettingsError::invalid(&found.source, &found.text, "is neither yes nor no", remedy))?;
    origins.push(Origin::new(VERIFY.name, verify, found.source));
    Ok(verify)
}

/// The web application's address, guessed from the API server's as the SDK does.
fn derived_web(api: &Url, origins: &mut Vec<Origin>) -> Option<Url> {
    let mut web = api.clone();
    let host = api.host_str()?;
    if let Some(domain) = host.strip_prefix("demoapi.") {
        web.set_host(Some(&format!("demoapp.{domain}"))).ok()?;
    } else if let Some(domain) = host.strip_prefix("api.") {
        web.set_host(Some(&format!("app.{domain}"))).ok()?;
    } else if api.port() == Some(8008) {
        web.set_port(Some(8080)).ok()?;
    } else {
        return None;
    }
    origins.push(Origin::new(WEB.name, &web, Source::Derived(API.name)));
    Some(web)
}

#[cfg(test)]
mod tests;
