//! Every answer that `explain` can give, as a person reads it.

use super::*;
use crate::domain::decide::tests::{task, watch_all};
use crate::domain::{AlertRecord, AlertState, KnownTask, Outcome, Silences, Status, decide};
use crate::store::{AttemptRecord, Heard, Hearing, MessageRecord, TaskRecord, TransitionRecord, VerdictRecord};

/// 2026-11-22 22:27:28.021.
const FAILED_AT: i64 = 1_795_386_448_021;

fn at(offset: i64) -> Stamp {
    Stamp::from_millis(FAILED_AT + offset)
}

fn failed() -> Task {
    let (reason, message) = ("RuntimeError: CUDA\nout of memory", "Changed by clearml-agent gpu-3");
    Task {
        name: "resnet50 <!channel>".to_owned(),
        status_changed: at(0),
        status_reason: Some(reason.to_owned()),
        status_message: Some(message.to_owned()),
        ..task(Status::Failed)
    }
}

fn record() -> MonitorRecord {
    MonitorRecord {
        instance: "i".to_owned(),
        server: Some("https://api.example.com".to_owned()),
        watch_from: Some(at(-36_000_000)),
        watermark: Some(at(1_000)),
        hidden_from: None,
        last_poll_at: Some(at(5_000)),
        announced_at: None,
        service_task: None,
        kept_from: None,
    }
}

fn transition(change: &str, status: Status, offset: i64, reason: Option<&str>) -> TransitionRecord {
    TransitionRecord {
        run: 1,
        change: change.to_owned(),
        status,
        status_changed: at(offset),
        reason: reason.map(str::to_owned),
        message: None,
        seen_at: at(offset + 1_250),
    }
}

fn attempt(offset: i64, class: Option<&str>, error: Option<&str>) -> AttemptRecord {
    AttemptRecord {
        id: 1,
        delivery: 4,
        started_at: at(offset),
        class: class.map(str::to_owned),
        http_status: class.map(|_| 200),
        error: error.map(str::to_owned),
        detail: None,
        took_ms: class.map(|_| 87),
        payload_sha256: "0".repeat(64),
        payload_bytes: 1_234,
    }
}

fn message(ts: Option<&str>) -> MessageRecord {
    MessageRecord {
        id: 4,
        kind: "alert".to_owned(),
        form: "full".to_owned(),
        state: "sent".to_owned(),
        channel_id: "C0MLALERTS".to_owned(),
        message_ts: ts.map(str::to_owned),
        possible_duplicate: false,
        in_thread: false,
        payload: "{}".to_owned(),
        permalink: None,
    }
}

fn verdict(state: AlertState, reason: Option<&str>, message: Option<MessageRecord>) -> VerdictRecord {
    let alert = AlertRecord {
        cause: Some(crate::domain::Cause::Crash),
        cause_detail: Some("RuntimeError: CUDA".to_owned()),
        id: 3,
        rule: "default".to_owned(),
        task_id: failed().id,
        task_name: failed().name,
        project: Some("vision/resnet".to_owned()),
        user: Some("Ada".to_owned()),
        status: Outcome::Failed,
        status_changed: at(0),
        state,
        reason: reason.map(str::to_owned),
        created_at: at(1_300),
        sent_at: (state == AlertState::Sent).then(|| at(2_500)),
        attempts: 1,
        channel: "#ml-alerts".to_owned(),
        message_ts: None,
        digest: false,
        url: Some("https://app.example.com/projects/p1/tasks/0123/output/log".to_owned()),
    };
    let (waits_until, kept_quiet, released_at) = (None, false, None);
    VerdictRecord { alert, run: 1, filter: None, waits_until, kept_quiet, released_at, message, tries: Vec::new() }
}

fn story(verdicts: Vec<VerdictRecord>) -> TaskStory {
    let Task { id, name, kind, status, status_changed, .. } = failed();
    let (project, user) = (Some("vision/resnet".to_owned()), Some("Ada".to_owned()));
    TaskStory {
        task: TaskRecord { id, name, kind, project, user, status, status_changed, run: 1, first_seen_at: at(-9_000) },
        transitions: vec![
            transition("moved", Status::InProgress, -8_000, None),
            transition("ended", Status::Failed, 0, Some("RuntimeError: CUDA\nout of memory")),
        ],
        verdicts,
        hearings: Vec::new(),
        kept_from: None,
    }
}

fn explanation(recorded: Option<TaskStory>, task: Task, known: Option<&KnownTask>) -> Explanation {
    explanation_by(&[watch_all()], recorded, task, known)
}

fn explanation_by(rules: &[Rule], recorded: Option<TaskStory>, task: Task, known: Option<&KnownTask>) -> Explanation {
    let silences = Silences::default();
    let prospect = prospect(&record(), known, &task, rules, &silences);
    let foresight = foresight::tell(&prospect, &task, recorded.as_ref(), &record(), rules, &silences, None);
    Explanation {
        task_id: task.id.clone(),
        recorded,
        clearml: OnServer::Task(Box::new(task)),
        if_polled_now: Some(foresight),
        watch: watch(record(), Some(rules)),
    }
}

/// What the database remembers once the failure is recorded.
fn known() -> KnownTask {
    decide(None, &failed(), &[], &Silences::default()).observation.known
}

fn shown(recorded: Option<TaskStory>, task: Task, known: Option<&KnownTask>) -> String {
    render::text(&explanation(recorded, task, known))
}

#[test]
fn a_task_that_was_alerted() {
    let tries = vec![attempt(1_400, Some("not_delivered"), Some("ratelimited")), attempt(2_400, Some("sent"), None)];
    let mut message = message(Some("1795386450.000100"));
    message.permalink = Some("https://sandbox.slack.com/archives/C0MLALERTS/p1795386450000100".to_owned());
    let mut story = story(vec![VerdictRecord { tries, ..verdict(AlertState::Sent, None, Some(message)) }]);
    story.transitions.push(transition("restamp", Status::Failed, 2_000, Some("worker execution exit code 1")));
    let explanation = explanation(Some(story), failed(), Some(&known()));
    insta::assert_snapshot!("alerted", render::text(&explanation));
    insta::assert_json_snapshot!("alerted_json", explanation);
}

#[test]
fn a_task_that_a_filter_kept_quiet() {
    let quiet = verdict(AlertState::Suppressed, Some("iterations: 7 of at least 100"), None);
    insta::assert_snapshot!("suppressed", shown(Some(story(vec![quiet])), failed(), Some(&known())));
}

#[test]
fn an_alert_on_its_way() {
    let held = "channel_not_found: check the name";
    let tried = |verdict, class| VerdictRecord { tries: vec![attempt(9, class, None)], ..verdict };
    let states = [
        verdict(AlertState::Pending, None, None),
        verdict(AlertState::Pending, None, Some(message(None))),
        tried(verdict(AlertState::Unknown, Some("the answer was lost"), Some(message(None))), None),
        tried(verdict(AlertState::Held, Some(held), Some(message(None))), Some("operator_must_act")),
        verdict(AlertState::Sent, Some("possible duplicate"), Some(message(Some("1.2")))),
    ];
    let dead = verdict(AlertState::Dead, Some("msg_too_long"), Some(message(None)));
    let digest = VerdictRecord { alert: AlertRecord { digest: true, ..dead.alert.clone() }, ..dead };
    let all = states.into_iter().chain([digest]).collect();
    insta::assert_snapshot!("on_its_way", shown(Some(story(all)), failed(), Some(&known())));
}

#[test]
fn a_task_that_ended_before_the_watch_began() {
    let mut story = story(Vec::new());
    story.transitions = vec![transition("baseline", Status::Failed, 0, None)];
    insta::assert_snapshot!("baseline", shown(Some(story), failed(), Some(&known())));
}

#[test]
fn a_task_never_seen_and_every_reason_for_it() {
    let hidden = Task { system_tags: vec!["hidden".to_owned()], ..failed() };
    let draft = Task { status_changed: Stamp::EPOCH, status_reason: None, ..task(Status::Created) };
    let before_watch = Task { status_changed: at(-36_000_001), ..failed() };
    let before_sweep = Task { status_changed: at(-7_200_000), ..failed() };
    let running = Task { status_changed: at(2_000), ..task(Status::InProgress) };
    let all = [hidden, draft, before_watch, before_sweep, running, failed()];
    let told: Vec<String> = all.into_iter().map(|task| shown(None, task, None)).collect();
    insta::assert_snapshot!("never_seen", told.join("\n----\n"));
}

#[test]
fn a_task_that_many_rules_were_asked_about() {
    let heard = |rule: &str, verdict| Heard { rule: rule.to_owned(), verdict };
    let mut story = story(vec![verdict(AlertState::Sent, None, None)]);
    story.hearings = vec![Hearing {
        run: 1,
        outcome: Outcome::Failed,
        status_changed: at(0),
        rule_set: 4,
        rules: vec![
            heard("default", "alert"),
            heard("nlp", "project"),
            heard("speech <!channel>", "project"),
            heard("last", "earlier"),
        ],
    }];
    let mut later = Rule { name: "later".to_owned(), ..watch_all() };
    later.conditions.min_iterations = 100;
    let rules = [watch_all(), later];
    let recorded = explanation_by(&rules, Some(story), failed(), Some(&known()));
    let new = explanation_by(&rules, None, failed(), None);
    insta::assert_snapshot!("many_rules", render::text(&recorded) + "----\n" + &render::text(&new));
}

#[test]
fn a_database_that_never_watched() {
    let fresh = MonitorRecord { watch_from: None, watermark: None, last_poll_at: None, ..record() };
    let prospect = prospect(&fresh, None, &failed(), &[], &Silences::default());
    insta::assert_debug_snapshot!(
        "never_watched",
        foresight::tell(&prospect, &failed(), None, &fresh, &[watch_all()], &Silences::default(), None)
    );
}

#[test]
fn what_would_come_next() {
    let again = Task { status_changed: at(2_000), status_reason: Some("exit code 1".to_owned()), ..failed() };
    let restarted = Task { status_changed: at(3_000), ..task(Status::InProgress) };
    let another_run = Task { started: Some(at(4_000)), status_changed: at(5_000), ..failed() };
    let by_hand = Task { system_tags: vec!["development".to_owned()], ..another_run.clone() };
    let all = [again, restarted, another_run, by_hand];
    let told = all.into_iter().map(|task| {
        let story = story(vec![verdict(AlertState::Sent, None, None)]);
        explanation(Some(story), task, Some(&known())).if_polled_now
    });
    insta::assert_debug_snapshot!("what_would_come_next", told.collect::<Vec<_>>());
}

#[test]
fn a_task_that_is_gone_and_a_server_that_cannot_be_asked() {
    let without_server = |clearml| Explanation {
        clearml,
        if_polled_now: None,
        ..explanation(Some(story(vec![verdict(AlertState::Sent, None, None)])), failed(), None)
    };
    let gone = without_server(OnServer::Gone("Invalid task id: id=0123".to_owned()));
    let not_asked = without_server(OnServer::NotAsked("ClearML at api.example.com:443 cannot be reached".to_owned()));
    insta::assert_snapshot!("gone_and_not_asked", [gone, not_asked].map(|each| render::text(&each)).join("\n----\n"));
}
