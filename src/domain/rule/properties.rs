//! What holds for any rule and any task.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::domain::decide::tests::{task, watch_all};
use crate::domain::{Finite, LastMetric, Named, OutcomeSet, Status, Task};

const PROJECTS: [&str; 5] = ["nlp", "nlp/bert", "nlp/bertram", "vision", "vision/resnet"];
const WORDS: [&str; 3] = ["a", "b", "c"];

fn word() -> impl Strategy<Value = String> {
    prop::sample::select(&WORDS[..]).prop_map(str::to_owned)
}

fn words() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(word(), 0..3)
}

fn project() -> impl Strategy<Value = Option<Named>> {
    let known = (0..PROJECTS.len())
        .prop_map(|number| Named { id: format!("p{number}"), name: Some(PROJECTS[number].to_owned()) });
    let nameless = Just(Named { id: "p0".to_owned(), name: None });
    prop::option::of(prop_oneof![6 => known, 1 => nameless])
}

fn number() -> impl Strategy<Value = Option<Finite>> {
    prop::option::of((-2_i8..3).prop_map(f64::from).prop_map(Finite::new)).prop_map(Option::flatten)
}

fn metrics() -> impl Strategy<Value = Vec<LastMetric>> {
    let metric = (word(), number(), number(), number());
    let metric =
        metric.prop_map(|(title, last, min, max)| LastMetric { title, series: "s".to_owned(), last, min, max });
    prop::collection::vec(metric, 0..3)
}

prop_compose! {
    pub(crate) fn any_task()(
        status in prop::sample::select(&["failed", "completed", "stopped"][..]),
        project in project(),
        tags in words(),
        marks in prop::collection::vec(prop::sample::select(&["development", "archived", "hidden", "a"][..]), 0..3),
        (name, kind, worker) in (word(), prop::option::of(word()), prop::option::of(word())),
        queue in prop::option::of(word()),
        iterations in 0_i64..4,
        active in prop::option::of(0_i64..4),
        metrics in metrics(),
    ) -> Task {
        Task {
            name,
            kind,
            worker,
            project,
            tags,
            system_tags: marks.into_iter().map(str::to_owned).collect(),
            queue: queue.map(|name| Named { id: format!("q{name}"), name: Some(name) }),
            last_iteration: iterations,
            active_duration: active,
            metrics,
            ..task(Status::parse(status))
        }
    }
}

fn pattern() -> impl Strategy<Value = ProjectPattern> {
    let name = || prop::sample::select(&PROJECTS[..]).prop_map(str::to_owned);
    let ids = prop::collection::hash_set((0..PROJECTS.len()).prop_map(|number| format!("p{number}")), 0..3);
    let regex = (word(), prop::option::of(ids.prop_map(Arc::new)));
    prop_oneof![
        name().prop_map(ProjectPattern::Exact),
        name().prop_map(ProjectPattern::Subtree),
        regex.prop_map(|(pattern, found)| ProjectPattern::Regex(ProjectRegex { pattern, found })),
    ]
}

fn tag_filter() -> impl Strategy<Value = TagFilter> {
    (words(), words(), words()).prop_map(|(any, all, not)| TagFilter { any, all, not })
}

fn condition() -> impl Strategy<Value = MetricCondition> {
    use Operator::{AtLeast, AtMost, Equal, Greater, Less, NotEqual};
    let value = prop::sample::select(&[MetricValue::Last, MetricValue::Min, MetricValue::Max][..]);
    let operator = prop::sample::select(&[Less, AtMost, Greater, AtLeast, Equal, NotEqual][..]);
    (word(), value, operator, -2_i8..3).prop_map(|(title, value, operator, threshold)| MetricCondition {
        title,
        series: "s".to_owned(),
        value,
        operator,
        threshold: f64::from(threshold),
    })
}

/// One more thing that a rule can ask.
#[derive(Debug, Clone)]
pub(crate) enum More {
    Except(ProjectPattern),
    OnlyWhereOpen(Vec<ProjectPattern>),
    Outcomes(OutcomeSet),
    Name(String),
    Kinds(Vec<String>),
    Tags(TagFilter),
    SystemTags(TagFilter),
    Queues(Vec<String>),
    Workers(Vec<String>),
    Iterations(i64),
    RunTime(u64),
    Metric(MetricCondition),
}

impl More {
    /// Adds it to what is asked, where nothing of the kind is asked yet or asking more of it can only narrow.
    pub(crate) fn add_to(self, asked: &mut Conditions) {
        let set = |words: Vec<String>| words.into_iter().collect::<HashSet<_>>();
        match self {
            Self::Except(pattern) => asked.projects.except.push(pattern),
            Self::OnlyWhereOpen(patterns) if asked.projects.only.is_empty() => asked.projects.only = patterns,
            Self::Outcomes(outcomes) => {
                let both =
                    |outcome: &crate::domain::Outcome| outcomes.contains(*outcome) && asked.outcomes.contains(*outcome);
                asked.outcomes = crate::domain::Outcome::ENDS.into_iter().filter(both).collect();
            }
            Self::Name(text) if asked.name.is_none() => asked.name = Some(Pattern::new(&text).unwrap()),
            Self::Kinds(words) if asked.kinds.is_empty() => asked.kinds = set(words),
            Self::Tags(filter) if asked.tags.any.is_empty() => narrow(&mut asked.tags, filter),
            Self::SystemTags(filter) if asked.system_tags.any.is_empty() => narrow(&mut asked.system_tags, filter),
            Self::Queues(words) if asked.queues.is_empty() => asked.queues = set(words),
            Self::Workers(words) if asked.workers.is_empty() => {
                asked.workers = words.iter().map(|word| Pattern::new(word).unwrap()).collect();
            }
            Self::Iterations(least) => asked.min_iterations = asked.min_iterations.max(least),
            Self::RunTime(seconds) => asked.min_run_time = asked.min_run_time.max(Duration::from_secs(seconds)),
            Self::Metric(condition) if asked.metric.is_none() => asked.metric = Some(condition),
            _ => {}
        }
    }
}

fn narrow(filter: &mut TagFilter, more: TagFilter) {
    filter.any = more.any;
    filter.all.extend(more.all);
    filter.not.extend(more.not);
}

pub(crate) fn more() -> impl Strategy<Value = More> {
    prop_oneof![
        pattern().prop_map(More::Except),
        prop::collection::vec(pattern(), 1..3).prop_map(More::OnlyWhereOpen),
        (1_i64..8).prop_map(|bits| More::Outcomes(OutcomeSet::from_bits(bits))),
        word().prop_map(More::Name),
        words().prop_map(More::Kinds),
        tag_filter().prop_map(More::Tags),
        tag_filter().prop_map(More::SystemTags),
        words().prop_map(More::Queues),
        words().prop_map(More::Workers),
        (0_i64..4).prop_map(More::Iterations),
        (0_u64..4).prop_map(More::RunTime),
        condition().prop_map(More::Metric),
    ]
}

/// A rule that asks for nothing, and then for these.
pub(crate) fn rule_of(asks: Vec<More>) -> Rule {
    let mut rule = watch_all();
    rule.conditions = Conditions {
        outcomes: crate::domain::Outcome::ENDS.into_iter().collect(),
        include_manual: true,
        include_archived: true,
        include_hidden: true,
        ..Conditions::default()
    };
    for more in asks {
        more.add_to(&mut rule.conditions);
    }
    rule
}

fn alerts(rule: &Rule, task: &Task) -> bool {
    rule.judge(task, task.outcome().unwrap()) == Verdict::Alert
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn one_more_condition_never_widens(
        task in any_task(), asks in prop::collection::vec(more(), 0..5), last in more(), closed in 0..3_u8,
    ) {
        let rule = rule_of(asks);
        let mut narrower = rule.clone();
        last.add_to(&mut narrower.conditions);
        prop_assert!(!alerts(&narrower, &task) || alerts(&rule, &task));
        let mut closed_to = rule.clone();
        let asked = &mut closed_to.conditions;
        *[&mut asked.include_manual, &mut asked.include_archived, &mut asked.include_hidden][usize::from(closed)] = false;
        prop_assert!(!alerts(&closed_to, &task) || alerts(&rule, &task));
    }

    #[test]
    fn the_order_of_tags_is_irrelevant(task in any_task(), asks in prop::collection::vec(more(), 0..5)) {
        let rule = rule_of(asks);
        let mut turned = rule.clone();
        for filter in [&mut turned.conditions.tags, &mut turned.conditions.system_tags] {
            filter.any.reverse();
            filter.all.reverse();
            filter.not.reverse();
        }
        turned.conditions.projects.only.reverse();
        turned.conditions.projects.except.reverse();
        let mut other = task.clone();
        other.tags.reverse();
        other.system_tags.reverse();
        prop_assert_eq!(alerts(&rule, &task), alerts(&turned, &other));
    }

    #[test]
    fn an_exception_beats_what_is_included(task in any_task(), pattern in pattern(), others in prop::collection::vec(pattern(), 0..3)) {
        let mut rule = rule_of(Vec::new());
        rule.conditions.projects.only.push(pattern.clone());
        let admitted = alerts(&rule, &task);
        rule.conditions.projects.only.extend(others);
        rule.conditions.projects.except.push(pattern);
        prop_assert!(!admitted || !alerts(&rule, &task));
    }

    #[test]
    fn the_filter_that_speaks_is_the_first_and_has_words(task in any_task(), asks in prop::collection::vec(more(), 0..6)) {
        let rule = rule_of(asks);
        let subject = Subject::new(&task, task.outcome().unwrap());
        let filter = rule.filter(&subject);
        prop_assert_eq!(rule.judge(&task, subject.outcome).suppression().map(|why| why.filter), filter);
        if let Some(why) = rule.judge(&task, subject.outcome).suppression() {
            prop_assert!(!why.detail.is_empty());
            prop_assert!(!why.detail.ends_with("is excluded"), "{}", why.detail);
        }
    }
}
