//! Flags as parameters: what the task shows of a monitor's settings.

use super::{PARAMETERS, Parameter, Place, TaskParameter};
use crate::settings::config_file::ConfigFile;
use crate::settings::flags::AllFlags;

/// The parameters that a config file can say too, with their keys there; beside them `redact`, which is a list.
pub(super) const IN_THE_FILE: [(&str, &str); 9] = [
    ("channel", "slack.channel"),
    ("refresh_rate", "service.refresh_rate"),
    ("service_queue", "service.service_queue"),
    ("slack_rate", "slack.rate"),
    ("digest_above", "slack.digest_above"),
    ("on_unknown", "slack.on_unknown"),
    ("announce", "service.announce"),
    ("since", "service.since"),
    ("slack_api_url", "slack.api_url"),
];

/// What becomes of a parameter that no flag gives.
#[derive(Debug, Clone, Copy)]
pub enum NotGiven<'a> {
    /// What this config file says, or else its default.
    Shown(&'a ConfigFile),
    /// It stays empty: the config file that the monitor will read says it.
    Empty,
}

/// Every parameter with the value that `flags` give it. The Slack token only where `with_token` says so.
pub fn parameters_of(flags: &AllFlags, not_given: NotGiven<'_>, with_token: bool) -> Vec<TaskParameter> {
    let mut flags = flags.clone();
    if let NotGiven::Shown(file) = not_given {
        fill_in(&mut flags, file);
    }
    let default = |parameter: &Parameter| match not_given {
        NotGiven::Shown(_) => (parameter.default)(),
        NotGiven::Empty => String::new(),
    };
    let mut shown = |parameter: &Parameter| {
        let value = parameter.value(&mut flags, with_token).unwrap_or_else(|| default(parameter));
        TaskParameter { name: parameter.name, value, kind: parameter.kind(), description: parameter.description }
    };
    let is_shown = |parameter: &&Parameter| with_token || !matches!(parameter.place, Place::Secret(_));
    PARAMETERS.iter().filter(is_shown).map(&mut shown).collect()
}

/// Gives flags that were not typed what the config file says, as far as they are parameters. Its rules are none.
fn fill_in(flags: &mut AllFlags, file: &ConfigFile) {
    for (name, key) in IN_THE_FILE {
        let Some(parameter) = PARAMETERS.iter().find(|parameter| parameter.name == name) else { continue };
        let is_given = parameter.value(flags, false).is_some_and(|value| !value.is_empty());
        if let Some(found) = file.value(key).filter(|_| !is_given) {
            // The file was checked when it was read.
            let _ = parameter.write(flags, &found.text);
        }
    }
    if flags.service.redact.is_empty() {
        flags.service.redact = file.redact().iter().map(|found| found.text.clone()).collect();
    }
}
