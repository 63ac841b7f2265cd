//! `[clearml]`, `[slack]` and `[service]`: the flags and variables of the service by their long names. The values stay
//! texts here; what they mean is decided where the flags' values are.

use std::path::Path;

use super::ConfigFile;
use super::secrets::{SecretKeys, SecretPlace};
use super::table::{At, Table};
use crate::settings::source::Found;

/// A key in its table, and its dotted path.
type Key = (&'static str, &'static str);

const CLEARML: [Key; 4] = [
    ("api_server", "clearml.api_server"),
    ("web_server", "clearml.web_server"),
    ("config_file", "clearml.config_file"),
    ("verify_certificate", "clearml.verify_certificate"),
];
const SLACK: [Key; 5] = [
    ("channel", "slack.channel"),
    ("api_url", "slack.api_url"),
    ("rate", "slack.rate"),
    ("digest_above", "slack.digest_above"),
    ("on_unknown", "slack.on_unknown"),
];
const SERVICE: [Key; 12] = [
    ("db", "service.db"),
    ("local", "service.local"),
    ("service_queue", "service.service_queue"),
    ("clearml_task", "service.clearml_task"),
    ("refresh_rate", "service.refresh_rate"),
    ("announce", "service.announce"),
    ("since", "service.since"),
    ("keep", "service.keep"),
    ("wait_lock", "service.wait_lock"),
    ("watch_config", "service.watch_config"),
    ("listen", "service.listen"),
    ("listen_unprotected", "service.listen_unprotected"),
];

const ACCESS_KEY: SecretKeys =
    SecretKeys { written: "access_key", variable: "access_key_env", file: "access_key_file" };
const SECRET_KEY: SecretKeys =
    SecretKeys { written: "secret_key", variable: "secret_key_env", file: "secret_key_file" };
const TOKEN: SecretKeys = SecretKeys { written: "token", variable: "token_env", file: "token_file" };
const LISTEN_TOKEN: SecretKeys =
    SecretKeys { written: "listen_token", variable: "listen_token_env", file: "listen_token_file" };
const HEARTBEAT: SecretKeys =
    SecretKeys { written: "heartbeat_url", variable: "heartbeat_url_env", file: "heartbeat_url_file" };

pub(super) fn clearml(file: &mut ConfigFile, table: &Table<'_>, path: &Path) {
    values(file, table, path, &CLEARML);
    secret(file, table, path, "clearml.access_key", &ACCESS_KEY);
    secret(file, table, path, "clearml.secret_key", &SECRET_KEY);
    table.finish();
}

/// All but the tables below it; whoever reads those refuses what is not known.
pub(super) fn slack(file: &mut ConfigFile, table: &Table<'_>, path: &Path) {
    values(file, table, path, &SLACK);
    secret(file, table, path, "slack.token", &TOKEN);
}

pub(super) fn service(file: &mut ConfigFile, table: &Table<'_>, path: &Path) {
    values(file, table, path, &SERVICE);
    secret(file, table, path, "service.listen_token", &LISTEN_TOKEN);
    secret(file, table, path, "service.heartbeat_url", &HEARTBEAT);
    if let Some(patterns) = table.texts("redact") {
        file.redact = patterns.value.into_iter().map(|at| found(at, path)).collect();
    }
    table.finish();
}

fn values(file: &mut ConfigFile, table: &Table<'_>, path: &Path, keys: &[Key]) {
    for (key, dotted) in keys {
        if let Some(at) = table.scalar(key) {
            file.values.insert(dotted, found(at, path));
        }
    }
}

fn found(at: At<String>, path: &Path) -> Found {
    Found { source: at.source(path), text: at.value }
}

fn secret(file: &mut ConfigFile, table: &Table<'_>, path: &Path, dotted: &'static str, keys: &SecretKeys) {
    if let Some(place) = SecretPlace::read(table, keys, path) {
        file.secrets.insert(dotted, place);
    }
}
