//! The hyperparameters of the monitor's own ClearML task: the flags under the names that the original gave them, in the
//! section `Args`. Flags become parameters when the monitor enqueues itself; under an agent the parameters become flags
//! again, and win over what was typed. Values are texts as Python writes them.

mod shown;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use clap::ValueEnum;
use secrecy::SecretString;

use super::defaults;
use super::error::SettingsError;
use super::flags::{AllFlags, Announce, OnUnknown};
use super::python::{self, Literal};
use super::service::ALL;
use super::source::Source;
use super::values::{parse_switch, parse_verbosity};
pub use shown::{NotGiven, parameters_of};

/// One parameter as it stands in the task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskParameter {
    /// Its name, with `_`.
    pub name: &'static str,
    /// Its value, as Python writes it; empty is not set.
    pub value: String,
    /// ClearML's word for its type.
    pub kind: &'static str,
    /// What it is for, and what else it can be.
    pub description: &'static str,
}

/// How a parameter is kept among the flags.
enum Place {
    Text(fn(&mut AllFlags) -> &mut Option<String>),
    /// A number that stays text until settings are resolved.
    Number(&'static str, fn(&mut AllFlags) -> &mut Option<String>),
    Switch(fn(&mut AllFlags) -> &mut Option<bool>),
    /// Several values; the flag says whether a bare text is split at its commas.
    List(bool, fn(&mut AllFlags) -> &mut Vec<String>),
    Secret(fn(&mut AllFlags) -> &mut Option<SecretString>),
    OnUnknown,
    Announce,
    Path(fn(&mut AllFlags) -> &mut Option<PathBuf>),
    Verbosity,
}

struct Parameter {
    name: &'static str,
    default: fn() -> String,
    place: Place,
    description: &'static str,
}

const fn parameter(name: &'static str, default: fn() -> String, place: Place, description: &'static str) -> Parameter {
    Parameter { name, default, place, description }
}

fn nothing() -> String {
    String::new()
}

fn no() -> String {
    "False".to_owned()
}

/// Every parameter, the original's first and in its order.
const PARAMETERS: [Parameter; 25] = [
    parameter(
        "channel",
        nothing,
        Place::Text(|flags| &mut flags.slack.channel),
        "Slack channel to post to: #name, or its ID (a private channel needs the ID)",
    ),
    parameter(
        "slack_api",
        nothing,
        Place::Secret(|flags| &mut flags.slack.slack_api),
        "Slack bot token; everybody who sees this task can read it, so better set SLACK_API_TOKEN for the agent",
    ),
    parameter(
        "message_prefix",
        nothing,
        Place::Text(|flags| &mut flags.rule.message_prefix),
        "Text in front of each alert (to alert everyone in the channel: \"Hey <!here>,\")",
    ),
    parameter(
        "project",
        nothing,
        Place::Text(|flags| &mut flags.rule.project),
        "Name of the projects to watch, in full or in part (a regular expression); empty for all projects",
    ),
    parameter(
        "min_num_iterations",
        || defaults::MIN_ITERATIONS.to_string(),
        Place::Number("int", |flags| &mut flags.rule.min_num_iterations),
        "Leave out tasks with fewer iterations, such as debug runs that crash at once",
    ),
    parameter(
        "include_manual_experiments",
        no,
        Place::Switch(|flags| &mut flags.rule.include_manual_experiments),
        "Include tasks run by hand (not by an agent)",
    ),
    parameter(
        "include_completed_experiments",
        no,
        Place::Switch(|flags| &mut flags.rule.include_completed_experiments),
        "Include tasks that completed, not only those that failed",
    ),
    parameter(
        "include_aborted_experiments",
        no,
        Place::Switch(|flags| &mut flags.rule.include_aborted_experiments),
        "Include tasks that were aborted",
    ),
    parameter(
        "include_archived",
        no,
        Place::Switch(|flags| &mut flags.rule.include_archived),
        "Include archived tasks",
    ),
    parameter(
        "refresh_rate",
        || format!("{:?}", defaults::REFRESH_SECONDS),
        Place::Number("float", |flags| &mut flags.service.refresh_rate),
        "Seconds between polls",
    ),
    parameter(
        "service_queue",
        || defaults::SERVICE_QUEUE.to_owned(),
        Place::Text(|flags| &mut flags.service.service_queue),
        "Queue that this task was enqueued in; of no effect once it runs",
    ),
    parameter(
        "include_users",
        nothing,
        Place::List(true, |flags| &mut flags.rule.include_users),
        "Only tasks of these users, by name or ID: alice, bob",
    ),
    parameter(
        "exclude_users",
        nothing,
        Place::List(true, |flags| &mut flags.rule.exclude_users),
        "Only tasks not of these users, by name or ID: alice, bob",
    ),
    parameter(
        "local",
        no,
        Place::Switch(|flags| &mut flags.service.local),
        "Run where it was started instead of in a queue; of no effect under an agent",
    ),
    parameter(
        "verbose",
        || "0".to_owned(),
        Place::Verbosity,
        "How talkative the console is: 0, 1 (also what was filtered out, and why) or 2 (also requests)",
    ),
    parameter(
        "slack_rate",
        || defaults::SLACK_RATE.to_string(),
        Place::Number("float", |flags| &mut flags.slack.slack_rate),
        "Messages a second to a channel; 0 leaves the pacing to Slack",
    ),
    parameter(
        "digest_above",
        || defaults::DIGEST_ABOVE.to_string(),
        Place::Number("int", |flags| &mut flags.slack.digest_above),
        "More alerts than this, due at once, become one digest; 0 turns digests off",
    ),
    parameter(
        "on_unknown",
        || "resend".to_owned(),
        Place::OnUnknown,
        "What becomes of a message whose arrival stays unknown: resend or hold",
    ),
    parameter("announce", || "all".to_owned(), Place::Announce, "Post when the monitor starts: all or none"),
    parameter(
        "since",
        nothing,
        Place::Text(|flags| &mut flags.service.since),
        "On a fresh database, also alert what ended since: 24h, yesterday, 2026-11-22; empty is from now on",
    ),
    parameter(
        "keep",
        || ALL.to_owned(),
        Place::Text(|flags| &mut flags.service.keep),
        "Keep what was told, or left untold by a filter or a silence, so long, and remove it then: 400d; all is for ever",
    ),
    parameter(
        "redact",
        nothing,
        Place::List(false, |flags| &mut flags.service.redact),
        "Blot out what matches (a regular expression) in console lines before they are sent",
    ),
    parameter(
        "db",
        nothing,
        Place::Path(|flags| &mut flags.database.db),
        "Database file on the agent's machine, or a folder with / at its end for one file a task; empty is one a task below the agent's home",
    ),
    parameter(
        "config",
        nothing,
        Place::Path(|flags| &mut flags.database.config),
        "Config file on the agent's machine, with settings and rules; empty is the usual place there, if it exists",
    ),
    parameter(
        "slack_api_url",
        nothing,
        Place::Text(|flags| &mut flags.slack.slack_api_url),
        "Slack's base URL; empty is Slack's own",
    ),
];

/// Lays a task's arguments over `flags`: a value wins over what was typed; an empty one takes it back to the default, and so
/// does the default itself, since it stands there where nobody chose it: the config file then has its say.
/// Fails, naming the parameter, where one is not known or its value cannot be read.
pub fn apply_parameters(
    flags: &mut AllFlags,
    arguments: &[(String, String)],
) -> Result<Vec<&'static str>, SettingsError> {
    let mut applied = Vec::new();
    for (name, value) in arguments {
        // Names come from the web pages too, where nothing keeps people from writing a flag.
        let plain = name.trim().trim_start_matches('-').replace('-', "_");
        let Some(parameter) = PARAMETERS.iter().find(|parameter| parameter.name == plain) else {
            let known = PARAMETERS.iter().map(|parameter| parameter.name).collect::<Vec<_>>().join(", ");
            return Err(SettingsError::UnknownParameter { name: super::error::shorten(name), known });
        };
        let value = if parameter.is_default(value) { "" } else { value.as_str() };
        parameter.write(flags, value).map_err(|remedy| parameter.refuse(value, remedy))?;
        applied.push(parameter.name);
    }
    Ok(applied)
}

/// The flag that a parameter stands for.
pub(super) fn flag_of(parameter: &str) -> String {
    format!("--{}", parameter.replace('_', "-"))
}

impl Parameter {
    fn kind(&self) -> &'static str {
        match self.place {
            Place::Number(kind, _) => kind,
            Place::Verbosity => "int",
            Place::Switch(_) => "bool",
            Place::List(..) => "list",
            Place::Secret(_) => "password",
            Place::Text(_) | Place::OnUnknown | Place::Announce | Place::Path(_) => "str",
        }
    }

    fn value(&self, flags: &mut AllFlags, with_token: bool) -> Option<String> {
        use secrecy::ExposeSecret;
        let word = |value: Option<clap::builder::PossibleValue>| value.map(|value| value.get_name().to_owned());
        match self.place {
            Place::Text(of) | Place::Number(_, of) => of(flags).clone(),
            Place::Switch(of) => of(flags).map(python::switch),
            Place::List(_, of) => Some(python::list(of(flags))),
            Place::Secret(of) => {
                of(flags).as_ref().filter(|_| with_token).map(|token| token.expose_secret().to_owned())
            }
            Place::OnUnknown => word(flags.slack.on_unknown.and_then(|policy| policy.to_possible_value())),
            Place::Announce => word(flags.service.announce.and_then(|announce| announce.to_possible_value())),
            Place::Path(of) => of(flags).as_ref().map(|path| path.display().to_string()),
            Place::Verbosity => Some(flags.service.verbosity().to_string()),
        }
    }

    fn is_default(&self, value: &str) -> bool {
        let (value, default) = (value.trim(), (self.default)());
        let number = |text: &str| text.parse::<f64>().ok();
        value.eq_ignore_ascii_case(&default) || number(value).is_some() && number(value) == number(&default)
    }

    /// Writes a value; the error says what to write instead.
    fn write(&self, flags: &mut AllFlags, value: &str) -> Result<(), String> {
        let literal = python::read(value);
        let text = match &literal {
            Literal::None => None,
            Literal::Text(text) => Some(text.clone()),
            Literal::List(_) => Some(value.trim().to_owned()),
            Literal::Broken => Some(value.to_owned()),
        };
        match self.place {
            Place::Text(of) => *of(flags) = text,
            Place::Number(_, of) => *of(flags) = text,
            Place::Switch(of) => *of(flags) = text.map(|text| parse_switch(&text)).transpose()?,
            Place::List(split, of) => *of(flags) = members(literal, split)?,
            Place::Secret(of) => *of(flags) = text.map(SecretString::from),
            Place::OnUnknown => {
                flags.slack.on_unknown = text
                    .map(|text| OnUnknown::from_str(text.trim(), true))
                    .transpose()
                    .map_err(|_| "write resend or hold")?;
            }
            Place::Announce => {
                flags.service.announce = text
                    .map(|text| Announce::from_str(text.trim(), true))
                    .transpose()
                    .map_err(|_| "write all or none")?;
            }
            Place::Path(of) => *of(flags) = text.map(Into::into),
            Place::Verbosity => {
                let level = text.map(|text| parse_verbosity(&text)).transpose()?;
                (flags.service.v, flags.service.verbose) = (0, level.into_iter().collect());
            }
        }
        Ok(())
    }

    fn refuse(&self, value: &str, remedy: String) -> SettingsError {
        let place = Source::Parameter(self.name);
        match self.place {
            Place::Secret(_) => {
                SettingsError::InvalidSecret { place, problem: "cannot be a token", remedy: "copy it again" }
            }
            _ => SettingsError::invalid(&place, value, "cannot be read", remedy),
        }
    }
}

fn members(literal: Literal, split: bool) -> Result<Vec<String>, String> {
    match literal {
        Literal::None => Ok(Vec::new()),
        Literal::List(members) => Ok(members),
        Literal::Text(text) if split => {
            Ok(text.split(',').map(|member| member.trim().to_owned()).filter(|member| !member.is_empty()).collect())
        }
        Literal::Text(text) => Ok(vec![text]),
        Literal::Broken => Err("write names with commas between them, or a list like ['alice', 'bob']".to_owned()),
    }
}
