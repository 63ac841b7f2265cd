//! How the service runs: its pace, its queue, what it announces and how much it tells.

use std::time::Duration;

use regex::Regex;

use super::defaults;
use super::error::SettingsError;
use super::flags::{Announce, ServiceFlags};
use super::source::{Found, Origin, Source};
use super::time::{Since, format_duration, parse_duration, parse_since};
use super::values::number;

/// How the service runs.
#[derive(Debug, Clone)]
pub struct ServiceSettings {
    /// From one poll to the next.
    pub refresh: Duration,
    /// The queue to enqueue the service in.
    pub queue: String,
    /// Run here, instead of being enqueued.
    pub local: bool,
    /// 0, 1 (also what was filtered out) or 2 (also requests).
    pub verbose: u8,
    /// What is announced in the channel.
    pub announce: Announce,
    /// On a fresh database, from when on outcomes are alerted; none is from now on.
    pub since: Option<Since>,
    /// How long to wait for another instance to let go of the database; zero is not at all.
    pub wait_lock: Duration,
    /// What is blotted out of console lines, besides the built-in patterns.
    pub redact: Vec<Regex>,
    /// Where each of these came from.
    pub origins: Vec<Origin>,
}

/// Settles how the service runs. Fails where a value cannot be meant.
pub fn resolve_service(flags: &ServiceFlags) -> Result<ServiceSettings, SettingsError> {
    let default_refresh = defaults::REFRESH_SECONDS.to_string();
    let refresh = found("--refresh-rate", flags.refresh_rate.as_ref(), &default_refresh);
    let seconds = number(&refresh, &defaults::REFRESH_RANGE, "number of seconds")?;
    let queue = found("--service-queue", flags.service_queue.as_ref(), defaults::SERVICE_QUEUE);
    let queue_name = queue_name(&queue)?;
    let settings = ServiceSettings {
        refresh: Duration::from_secs_f64(seconds),
        queue: queue_name,
        local: flags.local.unwrap_or_default(),
        verbose: flags.verbosity(),
        announce: flags.announce.unwrap_or_default(),
        since: flags.since.as_deref().map(since).transpose()?,
        wait_lock: flags.wait_lock.as_deref().map_or(Ok(defaults::WAIT_LOCK), wait_lock)?,
        redact: flags.redact.iter().map(|pattern| redact(pattern)).collect::<Result<_, _>>()?,
        origins: Vec::new(),
    };
    let origins = origins(&settings, flags);
    Ok(ServiceSettings { origins, ..settings })
}

fn origins(settings: &ServiceSettings, flags: &ServiceFlags) -> Vec<Origin> {
    let from = |flag, given| if given { Source::Flag(flag) } else { Source::Default };
    let since = settings.since.map_or_else(|| "now".to_owned(), |since| since.to_string());
    let announce = format!("{:?}", settings.announce).to_lowercase();
    let patterns = settings.redact.len();
    vec![
        Origin::new(
            "refresh_rate",
            settings.refresh.as_secs_f64(),
            from("--refresh-rate", flags.refresh_rate.is_some()),
        ),
        Origin::new("service_queue", &settings.queue, from("--service-queue", flags.service_queue.is_some())),
        Origin::new("local", settings.local, from("--local", flags.local.is_some())),
        Origin::new("announce", announce, from("--announce", flags.announce.is_some())),
        Origin::new("since", since, from("--since", flags.since.is_some())),
        Origin::new("wait_lock", format_duration(settings.wait_lock), from("--wait-lock", flags.wait_lock.is_some())),
        Origin::new("redact", format!("built-in and {patterns} more"), from("--redact", patterns > 0)),
        Origin::new("verbose", settings.verbose, from("--verbose", flags.v > 0 || !flags.verbose.is_empty())),
    ]
}

fn found(flag: &'static str, given: Option<&String>, default: &str) -> Found {
    given.map_or_else(|| Found::default(default), |text| Found::flag(flag, text))
}

fn queue_name(queue: &Found) -> Result<String, SettingsError> {
    match queue.text.trim() {
        "" => {
            let remedy = format!("give a queue's name, or leave the flag out for `{}`", defaults::SERVICE_QUEUE);
            Err(SettingsError::invalid(&queue.source, &queue.text, "names no queue", remedy))
        }
        name => Ok(name.to_owned()),
    }
}

fn since(text: &str) -> Result<Since, SettingsError> {
    let place = Source::Flag("--since");
    parse_since(text).map_err(|error| SettingsError::invalid(&place, text, "is no moment", error.to_string()))
}

fn wait_lock(text: &str) -> Result<Duration, SettingsError> {
    let place = Source::Flag("--wait-lock");
    parse_duration(text).map_err(|error| SettingsError::invalid(&place, text, "is no duration", error.to_string()))
}

fn redact(pattern: &str) -> Result<Regex, SettingsError> {
    let place = Source::Flag("--redact");
    let refuse = |problem: &str| {
        let remedy = "write a regular expression of Rust's regex crate, like 'password=\\S+'";
        SettingsError::invalid(&place, pattern, problem, remedy)
    };
    let regex = Regex::new(pattern).map_err(|error| {
        // The last line says what is wrong; those before it draw the pattern.
        let told = error.to_string();
        let reason = told.lines().last().unwrap_or_default().trim();
        refuse(&format!("is no regular expression ({})", reason.trim_start_matches("error: ")))
    })?;
    if regex.is_match("") {
        return Err(refuse("matches even where there is nothing"));
    }
    Ok(regex)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Stamp;

    fn refused(flags: &ServiceFlags) -> String {
        resolve_service(flags).unwrap_err().to_string()
    }

    fn flags() -> ServiceFlags {
        ServiceFlags::default()
    }

    #[test]
    fn the_defaults_are_the_originals() {
        let service = resolve_service(&flags()).unwrap();
        assert_eq!((service.refresh, service.queue.as_str()), (Duration::from_secs(10), "services"));
        assert_eq!((service.local, service.verbose, service.announce), (false, 0, Announce::All));
        assert_eq!((service.since, service.wait_lock, service.redact.len()), (None, Duration::ZERO, 0));
        assert!(service.origins.iter().all(|origin| origin.source == Source::Default));
    }

    #[test]
    fn each_flag_reaches_its_setting() {
        let service = resolve_service(&ServiceFlags {
            refresh_rate: Some("0.5".to_owned()),
            service_queue: Some(" monitors ".to_owned()),
            local: Some(true),
            announce: Some(Announce::None),
            since: Some("2026-11-22".to_owned()),
            wait_lock: Some("30s".to_owned()),
            redact: vec!["token=\\w+".to_owned()],
            verbose: vec![1],
            v: 2,
        })
        .unwrap();
        assert_eq!((service.refresh, service.queue.as_str()), (Duration::from_millis(500), "monitors"));
        assert_eq!((service.local, service.verbose, service.announce), (true, 2, Announce::None));
        assert_eq!(service.since, Some(Since::At(Stamp::parse("2026-11-22T00:00:00Z").unwrap())));
        assert_eq!((service.wait_lock, service.redact[0].as_str()), (Duration::from_secs(30), "token=\\w+"));
        assert!(service.origins.iter().all(|origin| origin.source != Source::Default), "{:?}", service.origins);
    }

    #[test]
    fn a_pace_that_cannot_be_meant_is_refused_with_the_range() {
        for text in ["0", "-1", "-0.0", "NaN", "inf", "1e9", "0.09", "", "10s"] {
            let told = refused(&ServiceFlags { refresh_rate: Some(text.to_owned()), ..flags() });
            assert!(told.starts_with(&format!("--refresh-rate is `{text}`")), "{told}");
            assert!(told.contains("write a number of seconds from 0.1 to 86400"), "{told}");
        }
    }

    #[test]
    fn what_is_no_moment_duration_queue_or_pattern_is_refused() {
        let since = ServiceFlags { since: Some("last monday".to_owned()), ..flags() };
        assert!(refused(&since).starts_with("--since is `last monday`, which is no moment: write 24h,"));
        let wait = ServiceFlags { wait_lock: Some("30".to_owned()), ..flags() };
        assert!(refused(&wait).starts_with("--wait-lock is `30`, which is no duration: write a number with its unit"));
        let queue = ServiceFlags { service_queue: Some(" ".to_owned()), ..flags() };
        assert!(refused(&queue).starts_with("--service-queue is ` `, which names no queue"));
        for pattern in ["(", "a{99999999}", "", "x*"] {
            let told = refused(&ServiceFlags { redact: vec![pattern.to_owned()], ..flags() });
            assert!(told.starts_with(&format!("--redact is `{pattern}`")) && !told.contains('\n'), "{told}");
        }
    }
}
