//! What the simulated ClearML server does beyond the recorded exchanges: runs over time, stamps before writes, tokens
//! that age, agents, and many tasks at once.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use clearml_alerts::domain::{Stamp, Status};
use clearml_alerts::sandbox::{ClearmlOptions, SimulatedClearml, TaskSeed, Transition};
use serde_json::{Value, json};

struct World {
    clearml: SimulatedClearml,
    client: reqwest::Client,
    token: String,
}

impl World {
    fn new() -> Self {
        let clearml = SimulatedClearml::start(ClearmlOptions::default()).unwrap();
        clearml.set_time(stamp("2026-11-22T22:00:00Z"));
        let token = clearml.issue_token(Duration::from_hours(24));
        Self { clearml, client: clearml_alerts::http::client().no_proxy().build().unwrap(), token }
    }

    async fn ask(&self, endpoint: &str, body: Value) -> Value {
        let url = format!("{}/v2.23/{endpoint}", self.clearml.url());
        self.client.post(url).bearer_auth(&self.token).json(&body).send().await.unwrap().json().await.unwrap()
    }

    /// The names found by a query, in the order of the answer.
    async fn names(&self, query: Value) -> Vec<String> {
        let answer = self.ask("tasks.get_all_ex", query).await;
        let tasks = answer["data"]["tasks"].as_array().cloned().unwrap_or_default();
        assert_eq!(answer["meta"]["result_code"], 200, "{answer}");
        tasks.iter().map(|task| task["name"].as_str().unwrap().to_owned()).collect()
    }

    fn after(&self, seconds: f64) {
        self.clearml.advance(Duration::from_secs_f64(seconds));
    }
}

fn stamp(text: &str) -> Stamp {
    Stamp::parse(text).unwrap()
}

#[tokio::test]
async fn a_run_without_a_reset_keeps_its_start_and_grows_active() {
    // The sequence measured on the real server, by its seconds.
    let world = World::new();
    let id = world.clearml.add_task(TaskSeed::new("measured"));
    let seen = || {
        let task = world.clearml.task(&id).unwrap();
        (task.status, task.started.map(Stamp::as_millis), task.active_duration)
    };
    world.clearml.start_task(&id).unwrap();
    let started = Some(world.clearml.now().as_millis());
    world.after(1.5);
    world.clearml.log(&id, "line").unwrap();
    world.after(0.8);
    world.clearml.fail(&id, "why", "").unwrap();
    assert_eq!(seen(), (Status::Failed, started, Some(1)));
    world.clearml.log(&id, "late line").unwrap();
    assert_eq!(seen().2, Some(1), "late events do not move it");
    world.after(1.0);
    world.clearml.fail(&id, "again", "").unwrap();
    world.clearml.enqueue(&id, "services").unwrap();
    world.after(1.0);
    world.clearml.start_task(&id).unwrap();
    world.after(1.0);
    world.clearml.log(&id, "line").unwrap();
    world.clearml.fail(&id, "second run", "").unwrap();
    assert_eq!(seen(), (Status::Failed, started, Some(5)));
    world.clearml.reset(&id).unwrap();
    assert_eq!(seen(), (Status::Created, None, None));
}

#[tokio::test]
async fn queueing_drops_the_development_tag_and_archiving_leaves_the_stamp() {
    let world = World::new();
    let id = world.clearml.add_task(TaskSeed::new("manual").system_tags(&["development"]));
    world.clearml.enqueue(&id, "services").unwrap();
    let queued = world.clearml.task(&id).unwrap();
    assert_eq!((queued.system_tags.len(), queued.queue.unwrap().name.unwrap()), (0, "services".to_owned()));
    world.clearml.fail(&id, "why", "message").unwrap();
    let before = world.clearml.task(&id).unwrap().status_changed;
    world.after(5.0);
    world.clearml.archive(&id).unwrap();
    let archived = world.clearml.task(&id).unwrap();
    assert_eq!((archived.status_changed, &archived.status_reason), (before, &None));
    assert!(archived.has_system_tag("archived"));
    world.clearml.unarchive(&id).unwrap();
    assert!(!world.clearml.task(&id).unwrap().has_system_tag("archived"));
}

#[tokio::test]
async fn one_poll_joins_names_and_leaves_out_what_has_no_value() {
    let world = World::new();
    let seed = TaskSeed::new("joined").project("a/b").user("Ada Okafor").queue("gpu").worker("w:0").iterations(7);
    let failed = world.clearml.add_task(seed);
    world.clearml.fail(&failed, "why", "message").unwrap();
    world.clearml.add_task(TaskSeed::new("bare"));
    let fields = ["id", "name", "status_changed", "project.name", "user.name", "execution.queue.name", "last_worker"];
    let query = json!({"only_fields": fields, "order_by": ["status_changed"]});
    let answer = world.ask("tasks.get_all_ex", query).await;
    let tasks = answer["data"]["tasks"].as_array().unwrap();
    let (bare, joined) = (&tasks[0], &tasks[1]);
    assert_eq!(bare["name"], "bare");
    assert!(bare.get("status_changed").is_none() && bare.get("project").is_none() && bare.get("last_worker").is_none());
    assert_eq!(joined["project"]["name"], "a/b");
    assert_eq!(joined["user"]["name"], "Ada Okafor");
    assert_eq!(joined["execution"]["queue"]["name"], "gpu");
    assert_eq!(joined["status_changed"], "2026-11-22T22:00:00.000000+00:00");
}

#[tokio::test]
async fn hidden_things_hide_as_measured() {
    let world = World::new();
    world.clearml.add_project("secret", true);
    world.clearml.add_task(TaskSeed::new("in hidden project").project("secret"));
    world.clearml.add_task(TaskSeed::new("hidden task").hidden());
    assert_eq!(world.names(json!({})).await, ["in hidden project"]);
    assert_eq!(world.names(json!({"search_hidden": true})).await, ["in hidden project", "hidden task"]);
    let projects = world.ask("projects.get_all", json!({"name": "secret"})).await;
    assert_eq!(projects["data"]["projects"], json!([]));
    let projects = world.ask("projects.get_all", json!({"name": "secret", "search_hidden": true})).await;
    assert_eq!(projects["data"]["projects"][0]["name"], "secret");
}

#[tokio::test]
async fn a_held_write_is_stamped_before_it_is_seen() {
    let world = World::new();
    let ids = world.clearml.add_tasks(["one", "two"].map(TaskSeed::new));
    world.clearml.hold_writes();
    world.clearml.fail(&ids[0], "", "").unwrap();
    world.after(3.0);
    let failed = json!({"status": ["failed"], "order_by": ["status_changed"]});
    assert_eq!(world.names(failed.clone()).await, [""; 0]);
    world.clearml.release_writes();
    world.clearml.fail(&ids[1], "", "").unwrap();
    assert_eq!(world.names(failed).await, ["one", "two"]);
    let stamped = world.clearml.task(&ids[0]).unwrap().status_changed;
    assert_eq!(stamped, stamp("2026-11-22T22:00:00Z"));
}

#[tokio::test]
async fn a_delayed_write_becomes_visible_by_itself() {
    let world = World::new();
    let id = world.clearml.add_task(TaskSeed::new("slow"));
    world.clearml.set_write_delay(Duration::from_secs(2));
    world.clearml.start_task(&id).unwrap();
    world.clearml.fail(&id, "", "").unwrap();
    assert_eq!(world.clearml.task(&id).unwrap().status, Status::Created);
    world.after(2.0);
    assert_eq!(world.clearml.task(&id).unwrap().status, Status::Failed);
}

#[tokio::test]
async fn tokens_age_and_can_be_revoked() {
    let world = World::new();
    let asked =
        || async { world.ask("tasks.get_all", json!({})).await["meta"]["result_msg"].as_str().unwrap().to_owned() };
    assert_eq!(asked().await, "OK");
    world.clearml.revoke_tokens();
    assert_eq!(asked().await, "Invalid token (revoked token)");
    let world = World::new();
    world.after(25.0 * 3600.0);
    let asked = world.ask("tasks.get_all", json!({})).await;
    assert_eq!(asked["meta"]["result_msg"], "Invalid token (invalid jwt token): reason=Signature has expired");
}

#[tokio::test]
async fn an_event_store_that_is_down_costs_only_the_log() {
    let world = World::new();
    let id = world.clearml.add_task(TaskSeed::new("logged"));
    world.clearml.log(&id, "line").unwrap();
    world.clearml.set_events_down(true);
    let log = world.ask("events.get_task_log", json!({"task": id})).await;
    assert_eq!(log["meta"]["result_code"], 500);
    assert_eq!(world.names(json!({})).await, ["logged"]);
    world.clearml.set_events_down(false);
    let log = world.ask("events.get_task_log", json!({"task": id})).await;
    assert_eq!(log["data"]["events"][0]["msg"], "line");
    world.clearml.delete_log(&id);
    let log = world.ask("events.get_task_log", json!({"task": id})).await;
    assert_eq!(log["data"], json!({"events": [], "returned": 0, "total": 0}));
}

#[tokio::test]
async fn the_task_of_a_live_agent_is_only_told_to_stop() {
    let world = World::new();
    let id = world.clearml.add_task(TaskSeed::new("service"));
    let queue = world.clearml.add_queue("services");
    world.clearml.enqueue(&id, "services").unwrap();
    let next = world.ask("queues.get_next_task", json!({"queue": queue})).await;
    assert_eq!(next["data"]["entry"]["task"], json!(id));
    assert_eq!(world.ask("queues.get_next_task", json!({"queue": queue})).await["data"], json!({}));
    world.ask("tasks.started", json!({"task": id})).await;
    let report = json!({"worker": "host:service", "task": id, "queues": [queue], "timestamp": 0});
    world.ask("workers.status_report", report).await;
    let stop = world.ask("tasks.stop", json!({"task": id})).await;
    assert_eq!(stop["data"]["fields"]["status"], "in_progress");
    assert_eq!(stop["data"]["fields"]["status_message"], "stopping");
    let draft = world.clearml.add_task(TaskSeed::new("another"));
    let enqueue = json!({"task": draft, "queue": queue, "verify_watched_queue": true});
    assert_eq!(world.ask("tasks.enqueue", enqueue).await["data"]["queue_watched"], true);
}

#[tokio::test]
async fn many_tasks_share_one_millisecond_and_every_page_shows_its_part() {
    let world = World::new();
    let ids = world.clearml.add_tasks((0..2_000).map(|number| TaskSeed::new(&format!("task {number}"))));
    let at = stamp("2026-11-22T22:30:00.500Z");
    world.clearml.transition_all(&ids, &Transition::to(Status::Failed).because("boom", "").at(at)).unwrap();
    let mut seen = Vec::new();
    for page in 0.. {
        let query = json!({
            "status_changed": [">=2026-11-22T22:30:00.500"], "order_by": ["status_changed"], "page": page,
            "page_size": 100_000, "only_fields": ["name", "status_changed"],
        });
        let names = world.names(query).await;
        assert!(names.len() <= 500);
        if names.is_empty() {
            break;
        }
        seen.extend(names);
    }
    assert_eq!(seen.len(), 2_000);
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 2_000);
}

#[tokio::test]
async fn tasks_can_be_moved_over_http() {
    let world = World::new();
    let base = format!("{}/sandbox", world.clearml.url());
    let post = async |path: &str, body: Value| -> Value {
        let response = world.client.post(format!("{base}/{path}")).json(&body).send().await.unwrap();
        response.error_for_status().unwrap().json().await.unwrap()
    };
    let made = post("tasks", json!({"name": "by curl", "project": "p/q", "system_tags": ["development"]})).await;
    let id = made["id"].as_str().unwrap();
    post("start", json!({"task": id})).await;
    post("log", json!({"task": id, "text": "a line"})).await;
    post("clock", json!({"set": "2026-11-22T23:00:00Z"})).await;
    post("fail", json!({"task": id, "reason": "boom", "message": "m"})).await;
    let task = world.clearml.task(id).unwrap();
    assert_eq!((task.status, task.status_reason.as_deref()), (Status::Failed, Some("boom")));
    assert_eq!(task.status_changed, stamp("2026-11-22T23:00:00Z"));
    let unknown = world.client.post(format!("{base}/fail")).json(&json!({"task": "nope"})).send().await.unwrap();
    assert_eq!(unknown.status(), 400);
}
