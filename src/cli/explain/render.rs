//! An explanation as text for a terminal. Values from outside stay on their line.

use super::{Explanation, OnServer};
use crate::cli::output;
use crate::domain::message::words;
use crate::domain::text::single_line;
use crate::domain::{AlertState, Stamp, Task};
use crate::store::{
    AttemptRecord, Heard, Hearing, MessageRecord, TaskRecord, TaskStory, TransitionRecord, VerdictRecord,
};

/// What polling cannot see, said wherever somebody asks after a task that was not seen.
const UNSEEABLE: &str = "What fails and is reset, or archived and deleted, between two polls is never seen.";

pub(super) fn text(explanation: &Explanation) -> String {
    let mut page = Page::default();
    match &explanation.recorded {
        Some(story) => recorded(&mut page, story),
        None => {
            page.line(0, &format!("Task {}", explanation.task_id));
            page.heading("Recorded");
            page.line(1, "nothing: no poll of this database has seen it");
            page.line(1, UNSEEABLE);
        }
    }
    page.heading("ClearML now");
    match &explanation.clearml {
        OnServer::Task(task) => server_task(&mut page, task),
        OnServer::Gone(words) => page.line(1, &format!("the task does not exist any more; the server says: {words}")),
        OnServer::NotAsked(why) => page.line(1, &format!("not asked: {why}")),
    }
    if let Some(foresight) = &explanation.if_polled_now {
        let rule = explanation.watch.rule.as_deref().unwrap_or_default();
        page.heading(&format!("If it were polled now (by the flags of this command: {})", single_line(rule)));
        for line in &foresight.because {
            page.line(1, line);
        }
    }
    page.text
}

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn heading(&mut self, words: &str) {
        self.text.push('\n');
        self.line(0, words);
    }

    fn line(&mut self, depth: usize, words: &str) {
        self.text.push_str(&"  ".repeat(depth));
        self.text.push_str(words);
        self.text.push('\n');
    }
}

fn recorded(page: &mut Page, story: &TaskStory) {
    let TaskRecord { id, name, kind, project, user, .. } = &story.task;
    page.line(0, &format!("Task {id}  {}", single_line(name)));
    let facts = [("project", project), ("user", user), ("type", kind)];
    let facts = facts.into_iter().filter_map(|(name, value)| Some(format!("{name} {}", single_line(value.as_ref()?))));
    page.line(1, &facts.collect::<Vec<_>>().join(", "));
    if let Some(url) = story.verdicts.iter().rev().find_map(|verdict| verdict.alert.url.as_ref()) {
        page.line(1, url);
    }
    page.heading("Recorded (times in UTC: the server's stamp, then when a poll saw it)");
    let kept_from = story.kept_from.filter(|kept_from| story.task.first_seen_at < *kept_from);
    if let Some(kept_from) = kept_from {
        page.line(1, &output::removed(kept_from));
    }
    if story.transitions.is_empty() {
        let TaskRecord { status, status_changed, run, .. } = &story.task;
        page.line(1, &format!("last seen: {} at {status_changed}, run {run}", status.as_str()));
    }
    for transition in &story.transitions {
        page.line(1, &transition_line(transition));
        if let Some(said) = said(transition.reason.as_deref(), transition.message.as_deref()) {
            page.line(3, &said);
        }
    }
    page.heading("Verdicts");
    if story.verdicts.is_empty() {
        page.line(
            1,
            match kept_from {
                Some(_) => "none is kept",
                None => "none: no rule was asked, since no end was seen after the watch began",
            },
        );
    }
    for verdict in &story.verdicts {
        verdict_lines(page, verdict);
    }
    for hearing in story.hearings.iter().filter(|hearing| hearing.rules.len() > 1) {
        hearing_lines(page, hearing);
    }
}

/// What each of several rules said, those with the same verdict together.
fn hearing_lines(page: &mut Page, hearing: &Hearing) {
    let Hearing { run, outcome, rule_set, rules, .. } = hearing;
    let outcome = words::outcome(*outcome);
    page.heading(&format!("What {} rules said to run {run} {outcome} (list {rule_set})", words::number(rules.len())));
    let mut by_verdict: Vec<(&str, Vec<String>)> = Vec::new();
    for Heard { rule, verdict } in rules {
        match by_verdict.iter_mut().find(|(known, _)| known == verdict) {
            Some((_, rules)) => rules.push(single_line(rule)),
            None => by_verdict.push((verdict, vec![single_line(rule)])),
        }
    }
    for (verdict, rules) in by_verdict {
        let head = if verdict == "alert" { "alerted".to_owned() } else { format!("not alerted, because of {verdict}") };
        page.line(1, &format!("{head}: {}", rules.join(", ")));
    }
}

fn transition_line(transition: &TransitionRecord) -> String {
    let meaning = match transition.change.as_str() {
        "baseline" => " (was so when the watch began: not alerted)",
        "restamp" => " (the same again: not alerted)",
        _ => "",
    };
    let (stamp, seen) = (moment(transition.status_changed), moment(transition.seen_at));
    format!("{stamp}  seen {seen}  run {}  {}{meaning}", transition.run, transition.status)
}

/// Reason and message, where there are any and they differ.
fn said(reason: Option<&str>, message: Option<&str>) -> Option<String> {
    let mut parts: Vec<String> = [reason, message].into_iter().flatten().map(single_line).collect();
    parts.dedup();
    parts.retain(|part| !part.is_empty());
    (!parts.is_empty()).then(|| parts.join(" · "))
}

fn verdict_lines(page: &mut Page, verdict: &VerdictRecord) {
    let alert = &verdict.alert;
    let head = format!("rule {}, run {}, {}", alert.rule, verdict.run, words::outcome(alert.status));
    let why = alert.reason.as_deref().map(single_line);
    if alert.state == AlertState::Suppressed {
        page.line(1, &format!("{head}: not alerted, because of {}", why.unwrap_or_else(|| "a filter".to_owned())));
        cause(page, verdict);
        return;
    }
    let state = match (alert.state, alert.sent_at) {
        (AlertState::Sent, Some(at)) => format!(
            "sent {} ({} after the status changed)",
            moment(at),
            words::duration(at.since(alert.status_changed))
        ),
        (state, _) => state.to_string(),
    };
    let digest = if alert.digest { ", in a digest" } else { "" };
    let thread = if verdict.message.as_ref().is_some_and(|message| message.in_thread) { ", in the thread" } else { "" };
    page.line(1, &format!("{head}: alert {} to {}{digest}{thread}: {state}", alert.id, alert.channel));
    cause(page, verdict);
    if let Some(why) = why {
        page.line(3, &why);
    }
    if let Some(at) = verdict.released_at {
        let what = if verdict.kept_quiet { "the end of quiet hours" } else { "the end of its hold" };
        page.line(3, &format!("waited for {what}, until {}", moment(at)));
    }
    for (number, attempt) in verdict.tries.iter().enumerate() {
        page.line(3, &attempt_line(number + 1, attempt));
    }
    match &verdict.message {
        Some(message) => place(page, message),
        None => page.line(3, "its message is not composed yet"),
    }
}

/// Why the task ended: the word that history is filtered by, and the line.
fn cause(page: &mut Page, verdict: &VerdictRecord) {
    if let Some(cause) = verdict.alert.cause {
        let detail = verdict.alert.cause_detail.as_deref().map(single_line).filter(|detail| !detail.is_empty());
        page.line(3, &format!("cause {cause}{}", detail.map_or_else(String::new, |detail| format!(": {detail}"))));
    }
}

fn place(page: &mut Page, message: &MessageRecord) {
    match (&message.permalink, &message.message_ts) {
        (Some(permalink), _) => page.line(3, permalink),
        (None, Some(ts)) => page.line(3, &format!("message {ts} in channel {}", message.channel_id)),
        (None, None) => {}
    }
}

fn attempt_line(number: usize, attempt: &AttemptRecord) -> String {
    let mut line = format!("{}  attempt {number}: ", moment(attempt.started_at));
    line.push_str(attempt.class.as_deref().unwrap_or("its outcome was never recorded"));
    let mut facts: Vec<String> = attempt.http_status.iter().map(|status| format!("HTTP {status}")).collect();
    facts.extend(attempt.took_ms.map(|took| format!("{took} ms")));
    facts.extend(attempt.error.as_deref().map(single_line));
    facts.extend(attempt.detail.as_deref().map(single_line));
    if !facts.is_empty() {
        line.push_str(&format!(" ({})", facts.join(", ")));
    }
    line
}

fn server_task(page: &mut Page, task: &Task) {
    let since = match task.status_changed {
        Stamp::EPOCH => String::new(),
        changed => format!(" since {}", moment(changed)),
    };
    page.line(1, &format!("{}{since}, iteration {}  {}", task.status, task.last_iteration, single_line(&task.name)));
    if let Some(said) = said(task.status_reason.as_deref(), task.status_message.as_deref()) {
        page.line(1, &said);
    }
    let tags = [("project", task.project_label()), ("user", task.user_label())];
    let mut facts: Vec<String> =
        tags.into_iter().filter_map(|(name, value)| Some(format!("{name} {}", single_line(value?)))).collect();
    if !task.system_tags.is_empty() {
        facts.push(format!("system tags {}", task.system_tags.join(", ")));
    }
    if !facts.is_empty() {
        page.line(1, &facts.join(", "));
    }
}

/// `2026-11-22 22:27:28.021`.
fn moment(stamp: Stamp) -> String {
    stamp.to_timestamp().strftime("%Y-%m-%d %H:%M:%S.%3f").to_string()
}
