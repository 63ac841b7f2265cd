//! Each filter by name and value, as a person reads it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::domain::decide::tests::{task, watch_all};
use crate::domain::{Finite, LastMetric, Named, Outcome, Status, Task};

fn with(change: impl FnOnce(&mut Conditions)) -> Rule {
    let mut rule = watch_all();
    change(&mut rule.conditions);
    rule
}

fn reason(rule: &Rule, task: &Task) -> Option<String> {
    match rule.judge(task, task.outcome().unwrap()) {
        Verdict::Alert => None,
        Verdict::Suppressed(suppression) => Some(suppression.to_string()),
    }
}

#[test]
fn a_plain_failure_passes_the_default_rule() {
    assert_eq!(reason(&watch_all(), &task(Status::Failed)), None);
}

#[test]
fn each_filter_names_itself_and_the_value() {
    let failed = task(Status::Failed);
    let tagged = |tag: &str| Task { system_tags: vec![tag.to_owned()], ..failed.clone() };
    let none = HashSet::new();
    let cases = [
        (watch_all(), task(Status::Completed), "status: completed, watched: failed"),
        (
            with(|asked| {
                asked.projects = ProjectFilter::matching("^nlp");
            }),
            failed.clone(),
            "project: `vision/resnet` does not match `^nlp`",
        ),
        (
            with(|asked| asked.users = UserFilter::Only(none)),
            failed.clone(),
            "user: `Ada` is not among the included users",
        ),
        (
            with(|asked| asked.users = UserFilter::Except(HashSet::from(["u1".to_owned()]))),
            failed.clone(),
            "user: `Ada` is among the excluded users",
        ),
        (watch_all(), tagged("development"), "manual: started by hand (system tag `development`)"),
        (watch_all(), tagged("archived"), "archived: archived (system tag `archived`)"),
        (with(|asked| asked.min_iterations = 8), failed, "iterations: 7 of at least 8"),
    ];
    for (rule, task, expected) in cases {
        assert_eq!(reason(&rule, &task).as_deref(), Some(expected));
    }
}

#[test]
fn a_monitor_never_tells_of_itself() {
    let failed = task(Status::Failed);
    let rule = Rule { own_task: Some(failed.id.clone()), ..watch_all() };
    assert_eq!(reason(&rule, &failed).as_deref(), Some("own: it is this monitor's own task"));
    assert_eq!(reason(&rule, &Task { id: "another".to_owned(), ..failed }), None);
}

#[test]
fn what_a_flag_includes_is_alerted() {
    let failed = task(Status::Failed);
    let tagged = Task { system_tags: vec!["development".to_owned(), "archived".to_owned()], ..failed.clone() };
    let open = with(|asked| {
        *asked =
            Conditions { include_manual: true, include_archived: true, min_iterations: 7, ..Conditions::default() };
    });
    assert_eq!(reason(&open, &tagged), None);
    for entry in ["u1", "Ada"] {
        let only = with(|asked| asked.users = UserFilter::Only(HashSet::from([entry.to_owned()])));
        assert_eq!(reason(&only, &failed), None, "{entry}");
    }
}

#[test]
fn an_empty_project_set_and_a_task_without_project_never_widen() {
    let regex = |found| ProjectPattern::Regex(ProjectRegex { pattern: String::new(), found });
    let nothing = ProjectFilter { only: vec![regex(Some(Arc::default()))], except: Vec::new() };
    let rule = with(|asked| asked.projects = nothing);
    let homeless = Task { project: None, ..task(Status::Failed) };
    let nameless = Task { project: Some(Named { id: String::new(), name: None }), ..task(Status::Failed) };
    for each in [homeless, nameless, task(Status::Failed)] {
        assert!(reason(&rule, &each).is_some());
    }
}

fn set<const N: usize>(words: [&str; N]) -> HashSet<String> {
    words.map(str::to_owned).into()
}

fn list<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

/// A task with something of everything.
fn rich() -> Task {
    Task {
        tags: list(["nightly", "large"]),
        system_tags: list(["pipeline"]),
        worker: Some("gpu-3:0".to_owned()),
        queue: Some(Named { id: "q1".to_owned(), name: Some("gpu".to_owned()) }),
        active_duration: Some(90),
        metrics: vec![metric(Some(0.5), Some(0.25), None)],
        ..task(Status::Failed)
    }
}

fn metric(last: Option<f64>, min: Option<f64>, max: Option<f64>) -> LastMetric {
    let [last, min, max] = [last, min, max].map(|value| value.and_then(Finite::new));
    LastMetric { title: "loss".to_owned(), series: "val".to_owned(), last, min, max }
}

fn condition(value: MetricValue, operator: Operator, threshold: f64) -> MetricCondition {
    let (title, series) = ("loss".to_owned(), "val".to_owned());
    MetricCondition { title, series, value, operator, threshold }
}

fn pattern(text: &str) -> Pattern {
    Pattern::new(text).unwrap()
}

fn tags(any: &[&str], all: &[&str], not: &[&str]) -> TagFilter {
    let [any, all, not] = [any, all, not].map(|tags| tags.iter().map(|tag| (*tag).to_owned()).collect());
    TagFilter { any, all, not }
}

#[test]
fn each_condition_of_a_config_file_names_itself_and_the_value() {
    let cases: [(Rule, &str); 19] = [
        (
            with(|asked| asked.kinds = set(["testing", "inference"])),
            "type: `training` is none of `inference`, `testing`",
        ),
        (with(|asked| asked.tags = tags(&["weekly"], &[], &[])), "tags: `nightly`, `large`, none of `weekly`"),
        (with(|asked| asked.tags = tags(&[], &["large", "weekly"], &[])), "tags: `nightly`, `large`, without `weekly`"),
        (
            with(|asked| asked.tags = tags(&["nightly"], &[], &["large"])),
            "tags: `nightly`, `large`, among them `large`",
        ),
        (
            with(|asked| asked.system_tags = tags(&[], &[], &["pipeline"])),
            "system_tags: `pipeline`, among them `pipeline`",
        ),
        (with(|asked| asked.name = Some(pattern("^eval"))), "name: `train` does not match `^eval`"),
        (with(|asked| asked.queues = set(["cpu"])), "queue: `gpu` is none of `cpu`"),
        (
            with(|asked| asked.workers = vec![pattern("^cpu"), pattern("^tpu")]),
            "worker: `gpu-3:0` does not match `^cpu`, `^tpu`",
        ),
        (with(|asked| asked.min_run_time = Duration::from_mins(5)), "run_time: 1 min of at least 5 min"),
        (
            with(|asked| asked.metric = Some(condition(MetricValue::Last, Operator::Greater, 0.5))),
            "metric: last loss/val > 0.5: it is 0.5",
        ),
        (
            with(|asked| asked.metric = Some(condition(MetricValue::Min, Operator::AtLeast, 0.3))),
            "metric: min loss/val >= 0.3: it is 0.25",
        ),
        (
            with(|asked| asked.metric = Some(condition(MetricValue::Max, Operator::NotEqual, 0.3))),
            "metric: max loss/val != 0.3: its value is no number",
        ),
        (
            with(|asked| {
                let series = "train".to_owned();
                asked.metric = Some(MetricCondition { series, ..condition(MetricValue::Last, Operator::Less, 9.0) });
            }),
            "metric: last loss/train < 9: the task has no such metric",
        ),
        (only(&[exact("vision")]), "project: `vision/resnet` is not `vision`"),
        (only(&[subtree("vision/res")]), "project: `vision/resnet` is not in `vision/res/**`"),
        (
            only(&[exact("a"), subtree("b"), regex("^c", &[])]),
            "project: `vision/resnet` is in none of `a`, `b/**`, `re:^c`",
        ),
        (except(&[exact("nlp"), subtree("vision")]), "project: `vision/resnet` is excluded by `vision/**`"),
        (except(&[regex("res", &["p1"])]), "project: `vision/resnet` is excluded by `re:res`"),
        (
            except(&[ProjectPattern::regex("res")]),
            "project: whether `vision/resnet` is excluded by `re:res` cannot be told",
        ),
    ];
    for (rule, expected) in cases {
        assert_eq!(reason(&rule, &rich()).as_deref(), Some(expected));
    }
    let hidden = Task { system_tags: list(["hidden"]), ..rich() };
    assert_eq!(reason(&watch_all(), &hidden).as_deref(), Some("hidden: hidden (system tag `hidden`)"));
    assert_eq!(reason(&with(|asked| asked.include_hidden = true), &hidden), None);
}

fn exact(name: &str) -> ProjectPattern {
    ProjectPattern::Exact(name.to_owned())
}

fn subtree(name: &str) -> ProjectPattern {
    ProjectPattern::Subtree(name.to_owned())
}

fn regex(pattern: &str, found: &[&str]) -> ProjectPattern {
    let found = found.iter().map(|id| (*id).to_owned()).collect();
    ProjectPattern::Regex(ProjectRegex { pattern: pattern.to_owned(), found: Some(Arc::new(found)) })
}

fn only(patterns: &[ProjectPattern]) -> Rule {
    with(|asked| asked.projects.only = patterns.to_vec())
}

fn except(patterns: &[ProjectPattern]) -> Rule {
    with(|asked| asked.projects.except = patterns.to_vec())
}

#[test]
fn what_fits_every_condition_is_alerted() {
    let rule = with(|asked| {
        asked.projects.only = vec![subtree("vision"), exact("nlp")];
        asked.projects.except = vec![exact("vision"), subtree("vision/resnet/old"), regex("^nlp", &["p2"])];
        asked.name = Some(pattern("rai"));
        asked.kinds = set(["training"]);
        asked.tags = tags(&["nightly", "weekly"], &["large"], &["small"]);
        asked.system_tags = tags(&["pipeline"], &[], &[]);
        asked.queues = set(["q1"]);
        asked.workers = vec![pattern("^cpu"), pattern(":0$")];
        asked.min_iterations = 7;
        asked.min_run_time = Duration::from_secs(90);
        asked.metric = Some(condition(MetricValue::Last, Operator::Equal, 0.5));
    });
    assert_eq!(reason(&rule, &rich()), None);
}

#[test]
fn a_subtree_ends_where_the_name_of_a_project_does() {
    let lies_in = |name: &str| {
        let task = Task { project: Some(Named { id: "p".to_owned(), name: Some(name.to_owned()) }), ..rich() };
        reason(&only(&[subtree("nlp/bert")]), &task).is_none()
    };
    assert!(["nlp/bert", "nlp/bert/large", "nlp/bert/a/b"].into_iter().all(lies_in));
    assert!(!["nlp", "nlp/bertram", "vision/nlp/bert", "NLP/bert", ""].into_iter().any(lies_in));
}

#[test]
fn what_cannot_be_told_is_not_alerted() {
    let nameless = Task { project: Some(Named { id: "p9".to_owned(), name: None }), ..rich() };
    for rule in [only(&[exact("a")]), only(&[subtree("a")]), except(&[exact("a")]), except(&[subtree("a")])] {
        assert!(reason(&rule, &nameless).is_some(), "{:?}", rule.conditions.projects);
    }
    let never_asked = ProjectPattern::regex("^vision");
    assert!(reason(&only(&[never_asked]), &rich()).is_some());
    let bare = task(Status::Failed);
    for rule in [
        with(|asked| asked.queues = set(["gpu"])),
        with(|asked| asked.workers = vec![pattern("")]),
        with(|asked| asked.metric = Some(condition(MetricValue::Last, Operator::NotEqual, 0.0))),
    ] {
        assert!(reason(&rule, &bare).is_some());
    }
    let draft = Task { active_duration: None, started: None, ..bare };
    let asked = with(|asked| asked.min_run_time = Duration::from_secs(1));
    assert_eq!(reason(&asked, &draft).as_deref(), Some("run_time: it never started, of at least 1 s"));
}

#[test]
fn a_task_without_project_is_excluded_by_no_pattern() {
    let homeless = Task { project: None, ..rich() };
    assert_eq!(reason(&except(&[exact("a"), subtree("b"), ProjectPattern::regex("")]), &homeless), None);
    assert!(reason(&only(&[exact("a")]), &homeless).is_some());
}

#[test]
fn a_long_list_in_words_has_an_end() {
    let many: Vec<String> = (0..100).map(|number| format!("tag{number}")).collect();
    let tagged = Task { tags: many, ..rich() };
    let told = reason(&with(|asked| asked.tags = tags(&["weekly"], &[], &[])), &tagged).unwrap();
    assert!(told.contains("`tag7`, …, none of") && !told.contains("tag8"), "{told}");
}

#[test]
fn every_filter_has_a_word_and_a_letter_of_its_own() {
    let words: HashSet<&str> = Filter::ALL.map(Filter::as_str).into();
    let letters: HashSet<char> = Filter::ALL.map(Filter::letter).into();
    assert_eq!((words.len(), letters.len()), (Filter::ALL.len(), Filter::ALL.len()));
    assert!(!letters.contains(&crate::domain::ALERT));
    let schema = include_str!("../../../schema.sql");
    for filter in Filter::ALL {
        assert_eq!(Filter::of_letter(filter.letter()), Some(filter));
        assert!(schema.contains(&format!(" {} {}", filter.letter(), words_of(filter))), "schema.sql tells of {filter}");
    }
    assert!(Filter::ALL.is_sorted(), "the order of asking is the order of the enum");
}

/// How schema.sql calls it.
fn words_of(filter: Filter) -> String {
    match filter {
        Filter::Own => "own task".to_owned(),
        Filter::Earlier => "an earlier rule".to_owned(),
        Filter::Retried => "retried".to_owned(),
        other => other.as_str().replace('_', " "),
    }
}

#[test]
fn the_cause_is_what_the_row_tells() {
    let killed = Task {
        status_reason: Some("Forced stop (non-responsive)".to_owned()),
        status_message: Some("Forced stop (non-responsive)".to_owned()),
        ..task(Status::Stopped)
    };
    let asking = |causes| {
        with(|asked| {
            asked.outcomes = Outcome::ALL.into_iter().collect();
            asked.causes = causes;
        })
    };
    assert_eq!(reason(&asking(set(["non_responsive", "crash"])), &killed), None);
    let told = reason(&asking(set(["crash", "aborted_by_user"])), &killed);
    assert_eq!(told.as_deref(), Some("cause: `non_responsive` is none of `aborted_by_user`, `crash`"));
    let told = reason(&asking(set(["crash"])), &task(Status::Completed));
    assert_eq!(told.as_deref(), Some("cause: `none` is none of `crash`"));
}
