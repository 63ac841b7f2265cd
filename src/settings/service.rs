//! How the service runs: its pace, its queue, what it announces and how much it tells.

use std::time::Duration;

use clap::ValueEnum;
use regex::Regex;

use super::config_file::ConfigFile;
use super::defaults;
use super::error::SettingsError;
use super::flags::{Announce, ServiceFlags};
use super::source::{Found, Origin, Source};
use super::time::{Since, format_duration, parse_duration, parse_since};
use super::values::{file_switch, number};

/// The word for keeping everything for ever.
pub(super) const ALL: &str = "all";

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
    /// How long what is told, or was kept quiet, stays in the database; none is for ever.
    pub keep: Option<Duration>,
    /// How long to wait for another instance to let go of the database; zero is not at all.
    pub wait_lock: Duration,
    /// Read the config file again when it changes.
    pub watch_config: bool,
    /// Show a monitor that runs here as a task in ClearML; what a flag says comes before it.
    pub clearml_task: bool,
    /// What is blotted out of console lines, besides the built-in patterns.
    pub redact: Vec<Regex>,
    /// Where each of these came from.
    pub origins: Vec<Origin>,
}

/// Settles how the service runs. Fails where a value cannot be meant.
pub fn resolve_service(flags: &ServiceFlags, file: &ConfigFile) -> Result<ServiceSettings, SettingsError> {
    let mut origins = Vec::new();
    let refresh = text("--refresh-rate", flags.refresh_rate.as_ref(), file, "service.refresh_rate");
    let refresh = refresh.unwrap_or_else(|| Found::default(&defaults::REFRESH_SECONDS.to_string()));
    let seconds = number(&refresh, &defaults::REFRESH_RANGE, "number of seconds")?;
    origins.push(Origin::new("refresh_rate", seconds, refresh.source));
    let queue = text("--service-queue", flags.service_queue.as_ref(), file, "service.service_queue");
    let queue = queue.unwrap_or_else(|| Found::default(defaults::SERVICE_QUEUE));
    let queue_name = queue_name(&queue)?;
    origins.push(Origin::new("service_queue", &queue_name, queue.source));
    let local = switch("local", Source::Flag("--local"), flags.local, file, "service.local", &mut origins)?;
    let announce = announce(flags.announce, file, &mut origins)?;
    let since_found = text("--since", flags.since.as_ref(), file, "service.since");
    let since = since_found.as_ref().map(since).transpose()?;
    let shown = since.map_or_else(|| "now".to_owned(), |since| since.to_string());
    origins.push(Origin::new("since", shown, source_of(since_found)));
    let keep_found = text("--keep", flags.keep.as_ref(), file, "service.keep");
    let keep = keep_found.as_ref().map_or(Ok(None), keep)?;
    origins.push(Origin::new("keep", keep.map_or_else(|| ALL.to_owned(), format_duration), source_of(keep_found)));
    let wait_found = text("--wait-lock", flags.wait_lock.as_ref(), file, "service.wait_lock");
    let wait_lock = wait_found.as_ref().map_or(Ok(defaults::WAIT_LOCK), wait_lock)?;
    origins.push(Origin::new("wait_lock", format_duration(wait_lock), source_of(wait_found)));
    let watch = Source::Flag("--watch-config");
    let watch_config = switch("watch_config", watch, flags.watch_config, file, "service.watch_config", &mut origins)?;
    let clearml_task = match file.value("service.clearml_task") {
        Some(_) => switch("clearml_task", Source::Default, None, file, "service.clearml_task", &mut origins)?,
        None => {
            origins.push(Origin::new("clearml_task", true, Source::Default));
            true
        }
    };
    let redact = patterns(flags, file, &mut origins)?;
    let verbose = if flags.v > 0 || !flags.verbose.is_empty() { Source::Flag("--verbose") } else { Source::Default };
    origins.push(Origin::new("verbose", flags.verbosity(), verbose));
    Ok(ServiceSettings {
        refresh: Duration::from_secs_f64(seconds),
        queue: queue_name,
        local,
        verbose: flags.verbosity(),
        announce,
        since,
        keep,
        wait_lock,
        watch_config,
        clearml_task,
        redact,
        origins,
    })
}

/// What is blotted out: by the flags, or else by the file.
fn patterns(flags: &ServiceFlags, file: &ConfigFile, origins: &mut Vec<Origin>) -> Result<Vec<Regex>, SettingsError> {
    let by_flags: Vec<Found> = flags.redact.iter().map(|pattern| Found::flag("--redact", pattern)).collect();
    let found = if by_flags.is_empty() { file.redact() } else { &by_flags };
    let source = found.first().map_or(Source::Default, |first| first.source.clone());
    origins.push(Origin::new("redact", format!("built-in and {} more", found.len()), source));
    found.iter().map(redact).collect()
}

fn announce(flag: Option<Announce>, file: &ConfigFile, origins: &mut Vec<Origin>) -> Result<Announce, SettingsError> {
    let (announce, source) = match (flag, file.value("service.announce")) {
        (Some(announce), _) => (announce, Source::Flag("--announce")),
        (None, None) => (Announce::default(), Source::Default),
        (None, Some(found)) => {
            let refuse = |_| SettingsError::invalid(&found.source, &found.text, "is no choice", "write all or none");
            (Announce::from_str(found.text.trim(), true).map_err(refuse)?, found.source)
        }
    };
    origins.push(Origin::new("announce", format!("{announce:?}").to_lowercase(), source));
    Ok(announce)
}

fn text(flag: &'static str, given: Option<&String>, file: &ConfigFile, key: &str) -> Option<Found> {
    given.map(|text| Found::flag(flag, text)).or_else(|| file.value(key))
}

fn source_of(found: Option<Found>) -> Source {
    found.map_or(Source::Default, |found| found.source)
}

/// A switch: the flag's, or that of the file, or off.
fn switch(
    setting: &'static str,
    flag: Source,
    given: Option<bool>,
    file: &ConfigFile,
    key: &str,
    origins: &mut Vec<Origin>,
) -> Result<bool, SettingsError> {
    let (value, source) = match (given, file.value(key)) {
        (Some(value), _) => (value, flag),
        (None, Some(found)) => (file_switch(&found)?, found.source),
        (None, None) => (false, Source::Default),
    };
    origins.push(Origin::new(setting, value, source));
    Ok(value)
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

fn since(found: &Found) -> Result<Since, SettingsError> {
    let refuse = |error: super::time::NotAMoment| {
        SettingsError::invalid(&found.source, &found.text, "is no moment", error.to_string())
    };
    parse_since(&found.text).map_err(refuse)
}

fn keep(found: &Found) -> Result<Option<Duration>, SettingsError> {
    if found.text.trim().eq_ignore_ascii_case(ALL) {
        return Ok(None);
    }
    let refuse = |problem: &str| {
        let least = format_duration(defaults::SHORTEST_KEEP);
        SettingsError::invalid(
            &found.source,
            &found.text,
            problem,
            format!("write {least} or more, like 400d, or {ALL}"),
        )
    };
    match parse_duration(&found.text) {
        Err(_) => Err(refuse("is no duration")),
        Ok(keep) if keep < defaults::SHORTEST_KEEP => Err(refuse("is too short")),
        Ok(keep) => Ok(Some(keep)),
    }
}

fn wait_lock(found: &Found) -> Result<Duration, SettingsError> {
    let refuse = |error: super::time::NotADuration| {
        SettingsError::invalid(&found.source, &found.text, "is no duration", error.to_string())
    };
    parse_duration(&found.text).map_err(refuse)
}

fn redact(found: &Found) -> Result<Regex, SettingsError> {
    let (place, pattern) = (&found.source, found.text.as_str());
    let refuse = |problem: &str| {
        let remedy = "write a regular expression of Rust's regex crate, like 'password=\\S+'";
        SettingsError::invalid(place, pattern, problem, remedy)
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
        resolve_service(flags, &ConfigFile::default()).unwrap_err().to_string()
    }

    fn flags() -> ServiceFlags {
        ServiceFlags::default()
    }

    #[test]
    fn the_defaults_are_the_originals() {
        let service = resolve_service(&flags(), &ConfigFile::default()).unwrap();
        assert_eq!((service.refresh, service.queue.as_str()), (Duration::from_secs(10), "services"));
        assert_eq!((service.local, service.verbose, service.announce), (false, 0, Announce::All));
        assert_eq!((service.since, service.wait_lock, service.redact.len()), (None, Duration::ZERO, 0));
        assert_eq!(service.keep, None);
        assert!(service.origins.iter().all(|origin| origin.source == Source::Default));
    }

    #[test]
    fn each_flag_reaches_its_setting() {
        let service = resolve_service(
            &ServiceFlags {
                refresh_rate: Some("0.5".to_owned()),
                service_queue: Some(" monitors ".to_owned()),
                local: Some(true),
                announce: Some(Announce::None),
                since: Some("2026-11-22".to_owned()),
                wait_lock: Some("30s".to_owned()),
                keep: Some("400d".to_owned()),
                redact: vec!["token=\\w+".to_owned()],
                verbose: vec![1],
                v: 2,
                watch_config: Some(true),
            },
            &ConfigFile::default(),
        )
        .unwrap();
        assert!(service.watch_config);
        assert_eq!(service.keep, Some(Duration::from_hours(24 * 400)));
        assert_eq!((service.refresh, service.queue.as_str()), (Duration::from_millis(500), "monitors"));
        assert_eq!((service.local, service.verbose, service.announce), (true, 2, Announce::None));
        assert_eq!(service.since, Some(Since::At(Stamp::parse("2026-11-22T00:00:00Z").unwrap())));
        assert_eq!((service.wait_lock, service.redact[0].as_str()), (Duration::from_secs(30), "token=\\w+"));
        let has_a_flag = |origin: &&Origin| origin.setting != "clearml_task";
        let mut flagged = service.origins.iter().filter(has_a_flag);
        assert!(flagged.all(|origin| origin.source != Source::Default), "{:?}", service.origins);
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
        for (text, problem) in
            [("400", "is no duration"), ("0d", "is too short"), ("23h", "is too short"), ("", "is no duration")]
        {
            let told = refused(&ServiceFlags { keep: Some(text.to_owned()), ..flags() });
            let wanted = format!("--keep is `{text}`, which {problem}: write 1d or more, like 400d, or all");
            assert_eq!(told, wanted);
        }
        let kept = resolve_service(&ServiceFlags { keep: Some(" All ".to_owned()), ..flags() }, &ConfigFile::default());
        assert_eq!(kept.unwrap().keep, None);
        let queue = ServiceFlags { service_queue: Some(" ".to_owned()), ..flags() };
        assert!(refused(&queue).starts_with("--service-queue is ` `, which names no queue"));
        for pattern in ["(", "a{99999999}", "", "x*"] {
            let told = refused(&ServiceFlags { redact: vec![pattern.to_owned()], ..flags() });
            assert!(told.starts_with(&format!("--redact is `{pattern}`")) && !told.contains('\n'), "{told}");
        }
    }
}
