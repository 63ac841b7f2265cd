//! A rule in words, as `check`, the start message and the log tell it.

use std::time::Duration;

use super::{Destination, Field, ProjectFilter, ProjectPattern, Rule, Stuck, Style, TagFilter, Times, UserFilter};
use crate::domain::message::words;
use crate::domain::task::Outcome;

impl Rule {
    /// What it watches, in short: `failed, aborted tasks of every project`.
    pub fn watches(&self) -> String {
        let outcomes: Vec<&str> = Outcome::ENDS
            .into_iter()
            .filter(|outcome| self.conditions.outcomes.contains(*outcome))
            .map(words::outcome)
            .collect();
        format!("{} tasks of {}", outcomes.join(", "), projects(&self.conditions.projects))
    }

    /// All of it: what it watches, on which conditions, who hears of it, when and how.
    pub fn in_words(&self) -> String {
        let mut words = format!("{}: {}", self.name, self.watches());
        for condition in self.conditions_in_words() {
            words.push_str(", ");
            words.push_str(&condition);
        }
        words.push_str(&format!(" -> {}", destination(&self.destination)));
        for telling in self.telling_in_words() {
            words.push_str("; ");
            words.push_str(&telling);
        }
        words
    }

    fn conditions_in_words(&self) -> Vec<String> {
        let asked = &self.conditions;
        let listed = |what: &str, items: &std::collections::HashSet<String>| {
            let mut items: Vec<&str> = items.iter().map(String::as_str).collect();
            items.sort_unstable();
            (!items.is_empty()).then(|| format!("{what} {}", items.join(" or ")))
        };
        let users = match &asked.users {
            UserFilter::Everyone => None,
            UserFilter::Only(users) => listed("of user", users),
            UserFilter::Except(users) => listed("not of user", users),
        };
        let workers: Vec<&str> = asked.workers.iter().map(super::Pattern::as_str).collect();
        [
            asked.name.as_ref().map(|pattern| format!("named like {}", pattern.as_str())),
            listed("of type", &asked.kinds),
            tags("tags", &asked.tags),
            tags("system tags", &asked.system_tags),
            users,
            listed("from queue", &asked.queues),
            (!workers.is_empty()).then(|| format!("on workers like {}", workers.join(" or "))),
            (asked.min_iterations > 0).then(|| format!("with at least {} iterations", asked.min_iterations)),
            (!asked.min_run_time.is_zero()).then(|| format!("that ran for at least {}", time(asked.min_run_time))),
            asked.include_manual.then(|| "also started by hand".to_owned()),
            asked.include_archived.then(|| "also archived".to_owned()),
            asked.include_hidden.then(|| "also hidden".to_owned()),
            asked.metric.as_ref().map(|metric| format!("where the {metric}")),
            listed("ended by", &asked.causes),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn telling_in_words(&self) -> Vec<String> {
        let timing = &self.timing;
        let clock = |time: jiff::civil::Time| time.strftime("%H:%M").to_string();
        let quiet = timing.quiet.as_ref().map(|quiet| {
            let zone = quiet.zone.iana_name().unwrap_or("its own time zone");
            format!("quiet from {} to {} ({zone})", clock(quiet.from), clock(quiet.to))
        });
        let prefix = self.style.prefix.as_ref().map(|prefix| format!("messages begin with {prefix}"));
        [
            prefix,
            self.style.mention_owner.then(|| "mentions the owner".to_owned()),
            console(self.style.console_lines),
            self.style.fields.as_deref().map(fields),
            times(&self.style.times),
            timing.hold.map(|hold| format!("waits {} and drops what was started again", time(hold))),
            quiet,
            timing.urgent.then(|| "urgent: passes quiet hours".to_owned()),
            timing.digest_above.map(digest),
            timing.thread.then(|| "follows up in threads".to_owned()),
            self.stuck.as_ref().map(stuck),
            (!self.continues).then(|| "the rules after it are not asked where it alerts".to_owned()),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

fn console(lines: usize) -> Option<String> {
    match lines {
        Style::CONSOLE_LINES => None,
        0 => Some("no console".to_owned()),
        1 => Some("the last console line".to_owned()),
        lines => Some(format!("up to {lines} console lines")),
    }
}

fn fields(fields: &[Field]) -> String {
    let words: Vec<&str> = fields.iter().map(|field| field.as_str()).collect();
    if words.is_empty() { "no fields".to_owned() } else { format!("fields {}", words.join(", ")) }
}

fn times(times: &Times) -> Option<String> {
    match times {
        Times::Reader => None,
        Times::Zone(zone) => Some(format!("times in {}", zone.iana_name().unwrap_or("one time zone"))),
    }
}

fn projects(filter: &ProjectFilter) -> String {
    let list = |patterns: &[ProjectPattern]| patterns.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let mut projects = match filter.only.as_slice() {
        [] => "every project".to_owned(),
        [ProjectPattern::Regex(regex)] => format!("projects that match {}", regex.pattern),
        several => format!("projects {}", list(several)),
    };
    if !filter.except.is_empty() {
        projects.push_str(&format!(" except {}", list(&filter.except)));
    }
    projects
}

fn digest(above: u32) -> String {
    if above == 0 { "never a digest".to_owned() } else { format!("a digest above {above}") }
}

fn time(duration: Duration) -> String {
    words::duration(duration)
}

fn destination(destination: &Destination) -> String {
    match destination {
        Destination::SlackWebhook(name) => format!("Slack webhook {name}"),
        Destination::Webhook(name) => format!("webhook {name}"),
        other => other.to_string(),
    }
}

fn tags(what: &str, filter: &TagFilter) -> Option<String> {
    let part = |word: &str, tags: &[String]| (!tags.is_empty()).then(|| format!("{word} {}", tags.join(", ")));
    let parts = [part("any of", &filter.any), part("all of", &filter.all), part("none of", &filter.not)];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| format!("with {what} {}", parts.join(" and ")))
}

impl Stuck {
    /// In words: `silent for 1 h or on one iteration for 3 h`.
    pub fn in_words(&self) -> String {
        let silent = self.silent.map(|silent| format!("silent for {}", time(silent)));
        let iteration = self.iteration.map(|iteration| format!("on one iteration for {}", time(iteration)));
        silent.into_iter().chain(iteration).collect::<Vec<_>>().join(" or ")
    }
}

fn stuck(stuck: &Stuck) -> String {
    format!("also tells of running tasks that are {}", stuck.in_words())
}
