//! Tests of where ClearML's settings are found, and of what is told where they cannot be meant.

use super::*;
use crate::settings::environment::MapEnvironment;

fn keys() -> MapEnvironment {
    MapEnvironment::new().with("CLEARML_API_ACCESS_KEY", "key-value").with("CLEARML_API_SECRET_KEY", "secret-value")
}

fn conf(text: &str) -> MapEnvironment {
    MapEnvironment::new().with_home("/home/me").with_file("/home/me/clearml.conf", text)
}

fn resolved(environment: &MapEnvironment) -> ClearmlSettings {
    resolve_clearml(environment, &ConfigFile::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn refused(environment: &MapEnvironment) -> String {
    resolve_clearml(environment, &ConfigFile::default()).unwrap_err().to_string()
}

fn web(api: &str) -> Option<String> {
    resolved(&keys().with("CLEARML_API_HOST", api)).web.map(String::from)
}

fn secrets(settings: &ClearmlSettings) -> Vec<&str> {
    match &settings.credentials {
        Credentials::Keys { access, secret } => vec![access.expose_secret(), secret.expose_secret()],
        Credentials::Token(token) => vec![token.expose_secret()],
    }
}

const WHOLE: &str = "api { api_server: https://conf.example.com, web_server: https://web.example.com, \
     files_server: https://files.example.com, verify_certificate: False, \
     credentials { access_key: conf-key-value, secret_key: conf-secret-value } }";

#[test]
fn keys_alone_mean_the_hosted_service() {
    let settings = resolved(&keys());
    assert_eq!(settings.api.as_str(), "https://api.clear.ml/");
    assert_eq!(settings.web.as_ref().map(Url::as_str), Some("https://app.clear.ml/"));
    assert_eq!((settings.files.as_ref(), settings.verify_certificate), (None, true));
    assert_eq!(secrets(&settings), ["key-value", "secret-value"]);
    assert_eq!(settings.origins[0], Origin::new("api_server", "https://api.clear.ml/", Source::Default));
    assert_eq!(settings.origins[1].source, Source::Derived("api_server"));
}

#[test]
fn the_file_in_the_home_directory_is_read() {
    let settings = resolved(&conf(WHOLE));
    assert_eq!(settings.api.as_str(), "https://conf.example.com/");
    assert_eq!(settings.web.as_ref().map(Url::as_str), Some("https://web.example.com/"));
    assert_eq!(settings.files.as_ref().map(Url::as_str), Some("https://files.example.com/"));
    assert!(!settings.verify_certificate);
    assert_eq!(secrets(&settings), ["conf-key-value", "conf-secret-value"]);
    let file = Source::File { path: "/home/me/clearml.conf".into(), key: "api.api_server" };
    assert_eq!(settings.origins[0].source, file);
    assert_eq!(file.to_string(), "api.api_server in /home/me/clearml.conf");
}

#[test]
fn each_variable_beats_the_file_in_its_new_name_and_its_old_one() {
    for prefix in ["CLEARML", "TRAINS"] {
        let variable = |name: &str| format!("{prefix}_{name}");
        let environment = conf(WHOLE)
            .with(&variable("API_HOST"), "https://env.example.com")
            .with(&variable("WEB_HOST"), "https://envweb.example.com")
            .with(&variable("FILES_HOST"), "https://envfiles.example.com")
            .with(&variable("API_HOST_VERIFY_CERT"), "1")
            .with(&variable("API_ACCESS_KEY"), "env-key-value")
            .with(&variable("API_SECRET_KEY"), "env-secret-value");
        let settings = resolved(&environment);
        assert_eq!(settings.api.as_str(), "https://env.example.com/");
        assert_eq!(settings.web.as_ref().map(Url::as_str), Some("https://envweb.example.com/"));
        assert_eq!(settings.files.as_ref().map(Url::as_str), Some("https://envfiles.example.com/"));
        assert!(settings.verify_certificate);
        assert_eq!(secrets(&settings), ["env-key-value", "env-secret-value"]);
        let from = |origin: &Origin| matches!(&origin.source, Source::Variable(name) if name.starts_with(prefix));
        assert!(settings.origins.iter().all(from), "{:?}", settings.origins);
        let token = resolved(&environment.with(&variable("AUTH_TOKEN"), "TOKEN"));
        assert_eq!(secrets(&token), ["TOKEN"], "a token counts instead of the keys");
    }
}

#[test]
fn the_new_name_of_a_variable_beats_the_old_one_and_an_empty_one_does_not_count() {
    let environment = keys().with("TRAINS_API_HOST", "https://old.example.com");
    assert_eq!(resolved(&environment).api.as_str(), "https://old.example.com/");
    assert_eq!(resolved(&environment.clone().with("CLEARML_API_HOST", "")).api.as_str(), "https://old.example.com/");
    let both = environment.with("CLEARML_API_HOST", "https://new.example.com");
    assert_eq!(resolved(&both).api.as_str(), "https://new.example.com/");
}

#[test]
fn one_key_may_come_from_each_place() {
    let settings = resolved(&conf(WHOLE).with("CLEARML_API_SECRET_KEY", "env-secret-value"));
    assert_eq!(secrets(&settings), ["conf-key-value", "env-secret-value"]);
}

#[test]
fn a_named_file_replaces_the_one_at_home_and_of_several_the_last_counts_most() {
    let environment = conf("api.api_server = https://home.example.com")
        .with_file("/etc/a.conf", WHOLE)
        .with_file("/home/me/b.conf", "api { host: https://old.example.com, web_server: https://b.example.com }");
    let settings = resolved(&environment.clone().with("CLEARML_CONFIG_FILE", "/etc/a.conf"));
    assert_eq!(settings.web.as_ref().map(Url::as_str), Some("https://web.example.com/"));
    let settings = resolved(&environment.with("CLEARML_CONFIG_FILE", "/etc/a.conf::~/b.conf"));
    assert_eq!(settings.web.as_ref().map(Url::as_str), Some("https://b.example.com/"));
    assert_eq!(settings.api.as_str(), "https://conf.example.com/", "the old name counts only without the new one");
    assert_eq!(secrets(&settings), ["conf-key-value", "conf-secret-value"]);
}

#[test]
fn the_old_name_of_the_api_server_is_read_where_the_new_one_is_not_given() {
    let credentials = "credentials { access_key: A, secret_key: S }";
    let settings =
        resolved(&conf(&format!("api {{ host: \"http://h.example.com:8008\", api_server: \"\", {credentials} }}")));
    assert_eq!(settings.api.as_str(), "http://h.example.com:8008/");
    assert_eq!(settings.web.as_ref().map(Url::as_str), Some("http://h.example.com:8080/"));
}

#[test]
fn the_web_address_is_guessed_as_the_sdk_does_or_unknown() {
    for (api, meant) in [
        ("https://api.clear.ml", Some("https://app.clear.ml/")),
        ("https://demoapi.example.com", Some("https://demoapp.example.com/")),
        ("https://api.clearml.example.com:4443/sub", Some("https://app.clearml.example.com:4443/sub/")),
        ("http://localhost:8008", Some("http://localhost:8080/")),
        ("http://[::1]:8008/", Some("http://[::1]:8080/")),
        ("http://clearml-api.example.com", None),
        ("http://example.com:8009", None),
    ] {
        assert_eq!(web(api).as_deref(), meant, "{api}");
    }
}

#[test]
fn nothing_to_log_in_with_is_told_with_every_place_for_it() {
    for environment in [MapEnvironment::new(), conf("api { credentials {} }"), conf("sdk { a: 1 }")] {
        let told = refused(&environment);
        for place in ["CLEARML_API_ACCESS_KEY", "CLEARML_API_SECRET_KEY", "CLEARML_AUTH_TOKEN", "~/clearml.conf"] {
            assert!(told.contains(place), "{told}");
        }
    }
    let half = MapEnvironment::new().with("CLEARML_API_ACCESS_KEY", "A");
    assert!(refused(&half).starts_with("the secret key that belongs to ClearML's access key is not set"));
    let half = conf("api.credentials.secret_key: S");
    assert!(refused(&half).starts_with("the access key that belongs to ClearML's secret key is not set"));
}

#[test]
fn a_file_that_is_named_and_cannot_be_read_is_an_error() {
    let told = refused(&keys().with("CLEARML_CONFIG_FILE", "/nowhere/clearml.conf"));
    assert!(told.starts_with("cannot read /nowhere/clearml.conf (environment variable CLEARML_CONFIG_FILE)"), "{told}");
    assert!(
        resolve_clearml(&keys().with_home("/home/me"), &ConfigFile::default()).is_ok(),
        "the one at home may be missing"
    );
}

#[test]
fn a_malformed_file_is_told_by_line() {
    let told = refused(&conf("api {\n  api_server = \"https://a.example.com\n}"));
    assert_eq!(told, "/home/me/clearml.conf, line 2: a quoted text is not closed");
}

#[test]
fn values_that_cannot_be_meant_are_told_with_their_place() {
    let told = refused(&keys().with("CLEARML_API_HOST", "api.example.com"));
    assert!(told.starts_with("environment variable CLEARML_API_HOST is `api.example.com`, which does not"), "{told}");
    let told = refused(&keys().with("CLEARML_API_HOST_VERIFY_CERT", "/etc/ca.pem"));
    assert!(told.contains("CLEARML_API_HOST_VERIFY_CERT is `/etc/ca.pem`, which is neither yes nor no"), "{told}");
    let told = refused(&conf("api { credentials { access_key: \"A B\", secret_key: S } }"));
    assert!(
        told.starts_with("api.credentials.access_key in /home/me/clearml.conf holds a value that has blanks"),
        "{told}"
    );
    assert!(!told.contains("A B"));
}

#[test]
fn what_is_odd_in_a_file_is_told_with_its_name() {
    let environment = conf("include \"more.conf\"").with("CLEARML_AUTH_TOKEN", "T");
    let warnings = resolved(&environment).warnings;
    assert!(
        warnings[0].starts_with("/home/me/clearml.conf, line 1: the included file /home/me/more.conf"),
        "{warnings:?}"
    );
}

#[test]
fn no_key_is_shown() {
    for environment in [keys(), conf(WHOLE), MapEnvironment::new().with("CLEARML_AUTH_TOKEN", "secret-value")] {
        let settings = resolved(&environment);
        let shown = format!("{settings:?}");
        assert!(!shown.contains("-value"), "{shown}");
    }
}
