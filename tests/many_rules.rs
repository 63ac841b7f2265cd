//! A poller with many rules against the simulated ClearML: what it asks the server for, and when rules are exchanged.

#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "a test ends where something is wrong")]

use std::sync::Arc;
use std::time::Duration;

use clearml_alerts::clearml::{Client, Config, Credentials};
use clearml_alerts::clock::Clock;
use clearml_alerts::domain::rule::{MetricCondition, MetricValue, Operator};
use clearml_alerts::domain::{Destination, ProjectFilter, ProjectPattern, Redactor, Rule, Status};
use clearml_alerts::monitor::{Depth, MonitorError, Poller, PollerConfig, Projects};
use clearml_alerts::sandbox::{ClearmlOptions, Fault, FaultRule, SimulatedClearml, TaskSeed};
use clearml_alerts::store::{Access, HistoryFilter, Order, Store};
use secrecy::SecretString;
use url::Url;

struct World {
    server: SimulatedClearml,
    client: Client,
    store: Store,
    poller: Poller,
    _folder: tempfile::TempDir,
}

fn client(server: &SimulatedClearml) -> Client {
    let (access, secret) = server.credentials();
    let credentials = Credentials::Keys { access, secret: SecretString::from(secret) };
    let mut config = Config::new(Url::parse(&server.url()).unwrap(), credentials);
    config.retry.tries = 1;
    Client::new(config).unwrap()
}

/// A server with these projects, watched by these rules.
async fn watching(projects: &[&str], rules: Vec<Rule>) -> World {
    let server = SimulatedClearml::start(ClearmlOptions::default()).unwrap();
    for project in projects {
        server.add_project(project, false);
    }
    let client = client(&server);
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("a.db"), Access::Own { wait: Duration::ZERO }, "test").unwrap();
    let config = PollerConfig {
        redactor: Redactor::new(Vec::new()),
        projects: Projects::of(&rules),
        rules,
        server: "https://api.example.com".to_owned(),
        web: None,
        since: None,
        on_progress: Box::new(|_| ()),
    };
    let poller = Poller::new(store.clone(), client.clone(), Clock::system(), config, Arc::default());
    let mut world = World { server, client, store, poller, _folder: folder };
    world.poll().await;
    world
}

impl World {
    async fn poll(&mut self) -> Vec<String> {
        let report = self.poller.poll_once(Depth::Sweep).await.unwrap();
        let mut told: Vec<String> =
            report.alerts().map(|alert| format!("{} {}", alert.rule, alert.task_name)).collect();
        told.sort();
        told
    }

    fn fail(&self, name: &str, project: &str) {
        self.plant(TaskSeed::new(name).project(project));
    }

    fn plant(&self, seed: TaskSeed) {
        self.server.add_task(seed.status(&Status::Failed));
    }

    fn asked(&self) -> u64 {
        self.server.requests().count("projects.get_all")
    }
}

fn rule(name: &str, change: impl FnOnce(&mut Rule)) -> Rule {
    let mut rule = Rule::new(name, Destination::Channel("#a".to_owned()));
    change(&mut rule);
    rule
}

fn only(name: &str, pattern: ProjectPattern) -> Rule {
    rule(name, |rule| rule.conditions.projects.only = vec![pattern])
}

fn except(name: &str, pattern: ProjectPattern) -> Rule {
    rule(name, |rule| rule.conditions.projects.except = vec![pattern])
}

fn subtree(name: &str) -> ProjectPattern {
    ProjectPattern::Subtree(name.to_owned())
}

#[tokio::test]
async fn each_distinct_pattern_is_looked_up_once_for_all_rules() {
    let mut rules: Vec<Rule> = (0..200)
        .map(|number| only(&format!("r{number}"), ProjectPattern::regex(["^nlp", "^vision"][number % 2])))
        .collect();
    rules.extend((0..200).map(|number| only(&format!("s{number}"), subtree("speech"))));
    let mut world = watching(&["nlp", "vision", "speech"], rules).await;
    world.fail("a", "nlp");
    assert_eq!(world.poll().await.len(), 100);
    assert_eq!(world.asked(), 2);
    world.fail("b", "nlp");
    world.poll().await;
    assert_eq!(world.asked(), 2, "a project that was looked up is not looked up again");
    world.fail("c", "nlp/new");
    assert_eq!(world.poll().await.len(), 100, "a project never seen is looked up at once");
    assert_eq!(world.asked(), 4);
    world.fail("d", "speech/new/below");
    assert_eq!(world.poll().await.len(), 200, "names are decided here");
}

#[tokio::test]
async fn exceptions_reach_hidden_projects_and_are_never_guessed() {
    let regex = || ProjectPattern::regex("secret");
    let mut world = watching(&["vision/secret"], vec![except("all", regex()), only("hidden", regex())]).await;
    world.server.add_project("vision/secret/.pipelines", true);
    world.server.faults().push(FaultRule::next(Fault::clearml_error(500, 0, "oops")).on("projects.get_all").forever());
    world.fail("step", "vision/secret/.pipelines");
    world.fail("open", "vision");
    assert!(world.poller.poll_once(Depth::Usual).await.is_err(), "the page is not decided");
    assert!(world.store.history(&HistoryFilter::default(), Order::Newest).unwrap().is_empty());
    world.server.faults().clear();
    assert_eq!(world.poll().await, ["all open"]);
}

#[tokio::test]
async fn a_pattern_that_matches_nothing_names_its_rule() {
    let world = watching(&["nlp", "nlp/b.rt+"], Vec::new()).await;
    let refused = |rules: Vec<Rule>| {
        let client = world.client.clone();
        async move { Projects::of(&rules).require_match(&rules, &client).await }
    };
    let exact = |name: &str| ProjectPattern::Exact(name.to_owned());
    refused(vec![only("a", exact("nlp/b.rt+")), only("b", subtree("nlp")), except("c", ProjectPattern::regex("^nlp"))])
        .await
        .unwrap();
    for (pattern, told) in [
        (exact("nlp/bert"), "rule `b`: the project pattern `nlp/bert` matches no project"),
        (subtree("nl"), "rule `b`: the project pattern `nl/**` matches no project"),
        (ProjectPattern::regex("^vision"), "rule `b`: the project pattern `^vision` matches no project"),
        (ProjectPattern::regex("nlp("), "rule `b`: the project pattern `nlp(` is not a regular expression"),
    ] {
        for wrong in [only("b", pattern.clone()), except("b", pattern)] {
            let error = refused(vec![only("a", subtree("nlp")), wrong]).await.unwrap_err();
            assert!(matches!(error, MonitorError::NoProject { .. } | MonitorError::BadPattern { .. }), "{error}");
            assert!(error.to_string().starts_with(told), "{error}");
        }
    }
}

#[tokio::test]
async fn rules_are_exchanged_between_polls_and_the_past_stays_decided() {
    let mut world = watching(&["nlp", "vision"], vec![only("old", ProjectPattern::regex("^nlp"))]).await;
    world.fail("before", "nlp");
    assert_eq!(world.poll().await, ["old before"]);
    world.poller.ignore_own_task("own");
    world.plant(TaskSeed::new("myself").id("own").project("vision"));
    let handle = world.poller.next_rules();
    handle.replace(vec![only("never asked", subtree("nlp"))]);
    handle.replace(vec![only("new", ProjectPattern::regex("^(nlp|vision)")), rule("all", |_| ())]);
    assert_eq!(world.poll().await, Vec::<String>::new(), "nothing of the past, and nothing of itself");
    world.fail("after", "vision");
    assert_eq!(world.poll().await, ["all after", "new after"]);
}

#[tokio::test]
async fn hidden_tasks_are_asked_for_where_a_rule_includes_them_and_their_past_is_past() {
    let hidden = |name: &str| TaskSeed::new(name).project("nlp").hidden();
    let searches =
        |world: &World| world.server.requests().of("tasks.get_all_ex").last().unwrap().body["search_hidden"] == true;
    let mut world = watching(&["nlp"], vec![rule("open", |_| ())]).await;
    world.plant(hidden("past"));
    world.fail("seen", "nlp");
    assert_eq!(world.poll().await, ["open seen"]);
    assert!(!searches(&world));
    let including = rule("hidden", |rule| rule.conditions.include_hidden = true);
    world.poller.replace_rules(vec![rule("open", |_| ()), including]);
    assert_eq!(world.poll().await, Vec::<String>::new());
    world.plant(hidden("step"));
    assert_eq!(world.poll().await, ["hidden step"]);
    assert!(searches(&world));
    world.poller.replace_rules(vec![rule("open", |_| ())]);
    world.plant(hidden("unseen"));
    assert_eq!(world.poll().await, Vec::<String>::new());
    assert_eq!(world.store.monitor().await.unwrap().hidden_from, None);
}

#[tokio::test]
async fn metrics_are_asked_for_where_a_rule_looks_at_them_and_only_those_are_kept() {
    let fields =
        |world: &World| world.server.requests().of("tasks.get_all_ex").last().unwrap().body["only_fields"].to_string();
    let mut world = watching(&["nlp"], vec![rule("all", |_| ())]).await;
    assert!(!fields(&world).contains("last_metrics"));
    let condition = MetricCondition {
        title: "loss".to_owned(),
        series: "val".to_owned(),
        value: MetricValue::Min,
        operator: Operator::Less,
        threshold: 0.3,
    };
    world.poller.replace_rules(vec![rule("low", |rule| rule.conditions.metric = Some(condition))]);
    let seed = |name: &str| TaskSeed::new(name).project("nlp").metric("accuracy", "val", &[0.1]);
    world.plant(seed("low").metric("loss", "val", &[0.9, 0.25, 0.5]));
    world.plant(seed("high").metric("loss", "val", &[0.9]));
    world.plant(seed("none"));
    assert_eq!(world.poll().await, ["low low"]);
    assert!(fields(&world).contains("last_metrics"));
    let kept = world.store.alerts_to_compose("#a", 10).await.unwrap();
    let titles: Vec<&str> = kept[0].task.metrics.iter().map(|metric| metric.title.as_str()).collect();
    assert_eq!(titles, ["loss"]);
    let rows = world.store.history(&HistoryFilter { limit: 10, ..HistoryFilter::default() }, Order::Oldest).unwrap();
    let mut reasons: Vec<&str> = rows.iter().filter_map(|row| row.reason.as_deref()).collect();
    reasons.sort_unstable();
    let expected = ["metric: min loss/val < 0.3: it is 0.9", "metric: min loss/val < 0.3: the task has no such metric"];
    assert_eq!(reasons, expected);
}

#[test]
fn an_open_filter_is_what_a_rule_has_where_nobody_says_more() {
    assert!(rule("a", |_| ()).conditions.projects.is_open());
    assert!(!ProjectFilter::matching("^nlp").is_open());
}
