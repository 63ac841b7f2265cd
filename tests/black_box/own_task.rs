//! The monitor as a ClearML task of its own: enqueued, configured there, aborted there; and shown there when it runs
//! outside of any agent. What a real agent makes of it is in `tests/interop`.

use serde_json::{Value, json};

use crate::world::{CHANNEL, Running, World, finish, wait_until};

const QUEUE: &str = "services";

/// Enqueues with the usual channel and answers the new task's ID.
fn enqueue(world: &World, more: &[&str]) -> String {
    world.clearml.add_queue(QUEUE);
    let ended = world.run(&[&["run", "--channel", CHANNEL], more].concat());
    assert_eq!(ended.code, 0, "{ended:?}");
    world.own_task()
}

fn field(world: &World, task: &str, path: &str) -> Value {
    world.clearml.document(task).unwrap().pointer(path).cloned().unwrap_or_default()
}

pub fn status(world: &World, task: &str) -> String {
    field(world, task, "/status").as_str().unwrap().to_owned()
}

pub fn argument(world: &World, task: &str, name: &str) -> Value {
    field(world, task, &format!("/hyperparams/Args/{name}"))
}

/// Starts the binary as an agent does that has taken the task.
fn start_as(world: &World, task: &str) -> Running {
    Running::start(&mut agents_command(world, task))
}

/// What an agent runs that has taken the task, which is in progress.
pub fn agents_command(world: &World, task: &str) -> std::process::Command {
    world.clearml.start_task(task).unwrap();
    world.call("workers.register", &json!({"worker": "host:0", "queues": []}));
    world.call("workers.status_report", &json!({"worker": "host:0", "task": task}));
    let mut command = world.command(&["run"]);
    command
        .env("CLEARML_TASK_ID", task)
        .env("CLEARML_LOG_TASK_TO_BACKEND", "0")
        .env("CLEARML_ALERTS_DB", format!("{}/", world.folder().display()));
    command
}

#[test]
fn enqueued_it_is_a_task_with_the_originals_names() {
    let world = World::new();
    let task = enqueue(
        &world,
        &[
            "--include_archived",
            "True",
            "--exclude-users",
            "Ada",
            "O'Hara",
            "--min-num-iterations",
            "5",
            "--docker-image",
            "example.com/alerts:1",
        ],
    );
    let document = world.clearml.document(&task).unwrap();
    assert_eq!(
        (&document["name"], &document["type"], &document["status"]),
        (&"Slack Alerts".into(), &"monitor".into(), &"queued".into())
    );
    assert_eq!(document["project"], world.clearml.project_id("DevOps").unwrap());
    assert_eq!(document["container"], json!({"image": "example.com/alerts:1"}));
    assert_eq!(document["script"]["binary"], "/bin/bash");
    assert!(document["script"]["diff"].as_str().unwrap().contains("exec \"$program\" run"));
    for (name, value, kind) in [
        ("channel", CHANNEL, "str"),
        ("include_archived", "True", "bool"),
        ("include_manual_experiments", "False", "bool"),
        ("exclude_users", r"['Ada', 'O\'Hara']", "list"),
        ("min_num_iterations", "5", "int"),
        ("refresh_rate", "10.0", "float"),
        ("message_prefix", "", "str"),
    ] {
        let item = argument(&world, &task, name);
        assert_eq!((&item["value"], &item["type"], &item["section"]), (&value.into(), &kind.into(), &"Args".into()));
        assert!(item["description"].as_str().is_some_and(|text| text.len() > 10), "{item}");
    }
}

#[test]
fn it_tells_where_it_is_and_what_to_do_next() {
    let world = World::new();
    world.clearml.add_queue(QUEUE);
    let ended = world.run(&["run", "--channel", CHANNEL]);
    let task = world.own_task();
    for part in [&task, "https://app.example.com/projects/", "SLACK_API_TOKEN", "No agent watches", "PATH"] {
        assert!(ended.stdout.contains(part), "{part}: {ended:?}");
    }
}

#[test]
fn a_queue_that_is_missing_is_an_error_that_lists_the_others_or_is_made() {
    let world = World::new();
    world.clearml.add_queue("gpu");
    let refused = world.run(&["run", "--channel", CHANNEL, "--service-queue", "servcies"]);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(
        refused.stderr.contains("servcies")
            && refused.stderr.contains("gpu")
            && refused.stderr.contains("--create-queue"),
        "{refused:?}"
    );
    assert!(world.clearml.task_ids().is_empty(), "nothing was made");
    let made = world.run(&["run", "--channel", CHANNEL, "--service-queue", "monitors", "--create-queue"]);
    assert_eq!(made.code, 0, "{made:?}");
    assert_eq!(status(&world, &world.own_task()), "queued");
}

#[test]
fn what_would_fail_there_fails_here() {
    let world = World::new();
    world.clearml.add_queue(QUEUE);
    for arguments in [
        &["run"][..],
        &["run", "--channel", CHANNEL, "--project", "no such project"],
        &["run", "--channel", CHANNEL, "--refresh-rate", "0"],
        &["run", "--channel", CHANNEL, "--store-token"],
        &["run", "--channel", CHANNEL, "--upload-binary"],
        &["run", "--channel", CHANNEL, "--service-task", "0123456789abcdef0123456789abcdef"],
    ] {
        let ended = world.run(arguments);
        assert_eq!(ended.code, 2, "{arguments:?}: {ended:?}");
    }
    assert!(world.clearml.task_ids().is_empty());
}

#[test]
fn the_token_is_in_the_task_only_when_asked_for_in_so_many_words() {
    let world = World::new();
    let task = enqueue(&world, &["--slack-api", "xoxb-marked-0000"]);
    assert!(!world.clearml.document(&task).unwrap().to_string().contains("xoxb-"));
    let told = world.run(&["run", "--channel", CHANNEL, "--slack-api", "xoxb-marked-0000", "--store-token"]);
    let item = argument(&world, &world.own_task(), "slack_api");
    assert_eq!((&item["value"], &item["type"]), (&"xoxb-marked-0000".into(), &"password".into()));
    assert!(told.stdout.contains("everybody who can see the task"), "{told:?}");
}

#[test]
fn a_task_is_used_again_unless_it_runs() {
    let world = World::new();
    let task = enqueue(&world, &["--message-prefix", "first"]);
    let busy = world.run(&["run", "--channel", CHANNEL, "--service-task", &task]);
    assert!(busy.code == 2 && busy.stderr.contains("queued"), "{busy:?}");
    world.clearml.start_task(&task).unwrap();
    world.clearml.stop(&task).unwrap();
    world.edit_argument(&task, "message_prefix", "edited");
    let again = enqueue(&world, &["--message-prefix", "second", "--service-task", &task]);
    assert_eq!((again.as_str(), status(&world, &task).as_str()), (task.as_str(), "queued"));
    assert_eq!(argument(&world, &task, "message_prefix")["value"], "second");
    assert_eq!(field(&world, &task, "/started"), Value::Null, "its last run is gone");
    assert_eq!(world.clearml.task_ids().len(), 1);
    world.clearml.start_task(&task).unwrap();
    world.clearml.complete(&task).unwrap();
    world.clearml.publish(&task).unwrap();
    let published = world.run(&["run", "--channel", CHANNEL, "--service-task", &task]);
    assert!(published.code == 2 && published.stderr.contains("published"), "{published:?}");
    assert_eq!(status(&world, &task), "published");
}

#[test]
fn a_task_that_is_used_again_keeps_what_people_gave_it() {
    let world = World::new();
    let task = enqueue(&world, &["--docker-image", "example.com/alerts:1"]);
    world.clearml.start_task(&task).unwrap();
    world.clearml.stop(&task).unwrap();
    let container = json!({"image": "example.com/alerts:1", "arguments": "-v /srv/state:/state"});
    world.call("tasks.edit", &json!({"task": task, "force": true, "tags": ["night shift"], "container": container}));
    enqueue(&world, &["--service-task", &task]);
    assert_eq!(field(&world, &task, "/container"), container);
    world.clearml.start_task(&task).unwrap();
    world.clearml.stop(&task).unwrap();
    enqueue(&world, &["--service-task", &task, "--docker-image", "example.com/alerts:2"]);
    let image = json!({"image": "example.com/alerts:2", "arguments": "-v /srv/state:/state"});
    assert_eq!(field(&world, &task, "/container"), image);
    assert_eq!(field(&world, &task, "/tags"), json!(["night shift", "clearml-alerts"]));
}

#[test]
fn somebodys_work_is_not_taken_for_a_monitors_task() {
    let world = World::new();
    world.clearml.add_queue(QUEUE);
    let work = world.failed_task("a week of training");
    let before = world.clearml.document(&work);
    let refused = world.run(&["run", "--channel", CHANNEL, "--service-task", &work]);
    assert!(refused.code == 2 && refused.stderr.contains("no monitor"), "{refused:?}");
    assert_eq!(world.clearml.document(&work), before);
}

#[test]
fn the_script_is_printed_without_doing_anything() {
    let world = World::new();
    let ended = world.run(&[
        "run",
        "--service-script",
        "--binary-url",
        "https://example.com/x",
        "--binary-sha256",
        &"ab".repeat(32),
    ]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(
        ended.stdout.starts_with("#!/bin/sh\n") && ended.stdout.contains("address='https://example.com/x'"),
        "{ended:?}"
    );
    assert_eq!(world.clearml.requests().total(), 0);
}

#[test]
fn a_lost_answer_makes_no_second_task() {
    use clearml_alerts::sandbox::{Fault, FaultRule};
    let world = World::new();
    world.clearml.add_queue(QUEUE);
    world.clearml.faults().push(FaultRule::next(Fault::apply_then_reset()).on("tasks.create"));
    let ended = world.run(&["run", "--channel", CHANNEL]);
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(ended.stderr.contains("a draft of it may stand in the project DevOps"), "{ended:?}");
    assert_eq!(world.clearml.requests().count("tasks.create"), 1);
}

#[test]
fn the_tasks_parameters_win_and_a_clone_is_another_monitor() {
    let world = World::new();
    let task = enqueue(&world, &["--slack-rate", "0", "--refresh-rate", "0.1", "--announce", "none"]);
    let first = start_as(&world, &task);
    world.wait_for_polls(2);
    world.failed_task("seen by both");
    world.wait_for_messages(1);
    let clone = world.clone_task(&task);
    world.edit_argument(&clone, "project", "nlp");
    world.edit_argument(&clone, "since", "1h");
    world.clearml.add_project("nlp", false);
    let second = start_as(&world, &clone);
    world.wait_for_polls(6);
    world.failed_task("seen by the first alone");
    world.wait_for_messages(2);
    world.wait_for_polls(4);
    assert_eq!((first.stop().code, second.stop().code), (0, 0));
    world.assert_alerts(&["seen by both", "seen by the first alone"]);
    for id in [&task, &clone] {
        assert!(world.folder().join(format!("task-{id}.db")).is_file(), "a database for {id}");
    }
}

#[test]
fn a_parameter_that_cannot_be_read_fails_by_its_name() {
    let world = World::new();
    let task = enqueue(&world, &[]);
    for (name, value, told) in [
        ("include_archived", "perhaps", "Args/include_archived is `perhaps`"),
        ("refresh_rate", "fast", "Args/refresh_rate is `fast`"),
        ("channel", "", "Args/channel is ``"),
        ("chanel", "#ml", "Args/chanel is not known"),
    ] {
        let clone = world.clone_task(&task);
        world.edit_argument(&clone, name, value);
        let ended = start_as(&world, &clone).wait();
        assert_eq!(ended.code, 2, "{ended:?}");
        let last = ended.stderr.lines().last().unwrap();
        assert!(last.contains(told) && last.contains(&clone), "{ended:?}");
    }
    assert!(world.slack.all_messages().is_empty());
}

#[test]
fn an_abort_ends_it_gracefully_and_the_agent_is_told() {
    let world = World::new();
    let quiet = ["--slack-rate", "0", "--refresh-rate", "0.1", "--announce", "none"];
    let task = enqueue(&world, &[&quiet[..], &["--include-aborted-experiments"]].concat());
    let service = start_as(&world, &task);
    world.wait_for_polls(2);
    assert_eq!(field(&world, &task, "/runtime/_abort_callback_timeout"), "30");
    world.failed_task("before the abort");
    world.wait_for_messages(1);
    world.call("tasks.stop", &json!({"task": task}));
    assert_eq!(status(&world, &task), "in_progress", "a live agent ends it");
    wait_until("the program's word", || field(&world, &task, "/runtime/_abort_callback_completed") == "1");
    // It goes on waiting for the agent; here the agent is slow to kill, and only says so.
    let looks = world.clearml.requests().count("tasks.get_all");
    wait_until("more looks", || world.clearml.requests().count("tasks.get_all") >= looks + 3);
    world.clearml.stop(&task).unwrap();
    let ended = service.wait();
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stderr.contains("aborted in ClearML"), "{ended:?}");
    world.assert_alerts(&["before the abort"]);
    assert_eq!(world.clearml.requests().count("events.add_batch"), 0, "the agent reports the console");
    let service = start_as(&world, &task);
    world.wait_for_polls(2);
    assert_eq!(field(&world, &task, "/runtime/_abort_callback_completed"), Value::Null, "this run has not ended");
    assert_eq!(service.stop().code, 0);
    assert_eq!(world.clearml.requests().count("tasks.stopped"), 0, "the agent sets the status");
    // Its own end is none of its alerts.
    world.assert_alerts(&["before the abort"]);
}

#[test]
fn it_notices_that_somebody_marked_it_completed() {
    let world = World::new();
    let open = ["--announce", "none", "--slack-rate", "0", "--refresh-rate", "0.1", "--include-completed-experiments"];
    let task = enqueue(&world, &open);
    // It looks at itself every 2 seconds, as in the field: its polls see its end first.
    let service = Running::start(agents_command(&world, &task).env("CLEARML_ALERTS_TEST_WAIT_FACTOR", "1"));
    world.wait_for_polls(2);
    world.clearml.complete(&task).unwrap();
    let ended = service.wait();
    assert!(ended.code == 0 && ended.stderr.contains("this task was ended in ClearML"), "{ended:?}");
    assert_eq!(status(&world, &task), "completed");
    // Its own end is none of its alerts.
    let database = world.folder().join(format!("task-{task}.db"));
    let seen = world.history(&["--db", database.to_str().unwrap()]);
    assert!(seen.iter().all(|alert| alert["state"] == "suppressed"), "{seen:?}");
}

#[test]
fn deleted_or_reset_and_enqueued_again_it_ends() {
    let world = World::new();
    for ended_by in ["a deletion", "a reset"] {
        let task = enqueue(&world, &["--announce", "none"]);
        let service = start_as(&world, &task);
        service.wait_for_log("watching begins");
        if ended_by == "a deletion" {
            world.clearml.delete(&task).unwrap();
        } else {
            world.clearml.reset(&task).unwrap();
            world.clearml.enqueue(&task, QUEUE).unwrap();
        }
        let ended = service.wait();
        assert!(ended.code == 0 && ended.stderr.contains("this task was ended in ClearML"), "{ended_by}: {ended:?}");
    }
}

#[test]
fn a_sign_of_life_is_given_while_it_runs() {
    let world = World::new();
    let task = enqueue(&world, &["--announce", "none"]);
    // Every 10 minutes in the field.
    let service = Running::start(agents_command(&world, &task).env("CLEARML_ALERTS_TEST_WAIT_FACTOR", "0.0005"));
    wait_until("signs of life", || world.clearml.requests().count("tasks.ping") >= 2);
    assert_eq!(service.stop().code, 0);
}

#[test]
fn given_up_by_the_watchdog_it_starts_its_task_again() {
    let world = World::new();
    let task = enqueue(&world, &["--announce", "none"]);
    let service = start_as(&world, &task);
    service.wait_for_log("watching begins");
    world.clearml.stop_by_watchdog(std::slice::from_ref(&task), world.clearml.now()).unwrap();
    wait_until("a new start", || status(&world, &task) == "in_progress");
    world.wait_for_polls(2);
    let ended = service.stop();
    assert!(ended.code == 0 && ended.stderr.contains("it is started again"), "{ended:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_database_that_goes_with_its_container_is_told() {
    let world = World::new();
    let task = enqueue(&world, &["--announce", "none"]);
    let short = tempfile::tempdir_in("/dev/shm").unwrap();
    let folder = format!("{}/", short.path().display());
    let service = Running::start(agents_command(&world, &task).env("CLEARML_ALERTS_DB", folder));
    service.wait_for_log("this disk goes with the container");
    service.wait_for_log("watching begins");
    assert_eq!(service.stop().code, 0);
}

/// Without an agent, by whoever sets the variable.
fn start_by_hand(world: &World, task: &str, variable: &str) -> Running {
    Running::start(world.command(&["run"]).env(variable, task))
}

#[test]
fn started_by_hand_as_a_task_it_tells_how_it_goes_itself() {
    let world = World::new();
    let task = enqueue(&world, &["--announce", "none"]);
    for variable in ["CLEARML_TASK_ID", "TRAINS_TASK_ID"] {
        let service = start_by_hand(&world, &task, variable);
        wait_until("its start", || status(&world, &task) == "in_progress");
        wait_until("its console", || world.clearml.requests().count("events.add_batch") > 0);
        assert_eq!(service.stop().code, 0);
        assert_eq!(status(&world, &task), "stopped");
    }
    world.call("tasks.reset", &json!({"task": task}));
    world.edit_argument(&task, "refresh_rate", "fast");
    assert_eq!(start_by_hand(&world, &task, "CLEARML_TASK_ID").wait().code, 2);
    assert_eq!(status(&world, &task), "failed");
    let reason = field(&world, &task, "/status_reason");
    assert!(reason.as_str().unwrap().contains("Args/refresh_rate is `fast`"), "{reason}");
}

#[test]
fn an_agents_kill_loses_nothing_and_a_restart_repeats_nothing() {
    let world = World::new();
    let task = enqueue(&world, &["--slack-rate", "0", "--refresh-rate", "0.1", "--announce", "none"]);
    let service = start_as(&world, &task);
    world.wait_for_polls(2);
    world.failed_task("before the kill");
    world.wait_for_messages(1);
    service.kill();
    world.failed_task("while it is dead");
    let service = start_as(&world, &task);
    world.wait_for_messages(2);
    world.wait_for_polls(3);
    assert_eq!(service.stop().code, 0);
    world.assert_alerts(&["before the kill", "while it is dead"]);
}

#[test]
fn run_locally_it_shows_in_clearml_as_one_task() {
    let world = World::new();
    let token = world.slack.token();
    for round in 1..=2 {
        // The token that was typed is in no task.
        let service = world.start(&["--no-clearml-task=false", "--slack-api", &token]);
        world.wait_for_polls(2);
        world.failed_task(&format!("round {round}"));
        world.wait_for_messages(round);
        let task = world.own_task();
        assert_eq!(status(&world, &task), "in_progress");
        assert_eq!(service.stop().code, 0);
        assert_eq!(status(&world, &task), "stopped");
        assert_eq!(field(&world, &task, "/system_tags"), json!(["development"]));
    }
    let own: Vec<String> =
        world.clearml.task_ids().into_iter().filter(|id| field(&world, id, "/type") == "monitor").collect();
    assert_eq!(own.len(), 1, "the same task is started again");
    let log = world.call("events.get_task_log", &json!({"task": own[0], "order": "asc"}));
    let lines: Vec<&str> = log["events"].as_array().unwrap().iter().filter_map(|event| event["msg"].as_str()).collect();
    let started = lines.iter().filter(|line| line.contains("INFO started")).count();
    let posted = lines.iter().filter(|line| line.contains("posted to Slack")).count();
    assert_eq!((started, posted), (2, 2), "{lines:#?}");
    assert!(lines.iter().all(|line| !line.contains("xoxb-") && !line.contains('\u{1b}')));
    assert!(!world.clearml.document(&own[0]).unwrap().to_string().contains("xoxb-"));
}

#[test]
fn run_locally_it_never_tells_of_itself_and_ends_when_it_is_ended_there() {
    let world = World::new();
    let open = ["--no-clearml-task=false", "--include-manual-experiments", "--include-aborted-experiments"];
    let service = world.start(&open);
    wait_until("its task", || world.clearml.requests().count("tasks.started") > 0);
    world.wait_for_polls(2);
    let task = world.own_task();
    world.call("tasks.stop", &json!({"task": task}));
    let ended = service.wait();
    assert!(ended.code == 0 && ended.stderr.contains("this task was ended in ClearML"), "{ended:?}");
    let once = world.once(&["--include-manual-experiments", "--include-aborted-experiments"]);
    assert_eq!(once.code, 0, "{once:?}");
    let suppressed = world.history(&["--state", "suppressed"]);
    assert_eq!(suppressed.len(), 1, "{suppressed:?}");
    assert_eq!(
        (&suppressed[0]["task_id"], &suppressed[0]["reason"]),
        (&task.into(), &"own: it is this monitor's own task".into())
    );
    world.assert_alerts(&[]);
}

#[test]
fn run_locally_it_outlives_its_task_and_makes_another_at_the_next_start() {
    let world = World::new();
    let service = world.start(&["--no-clearml-task=false"]);
    world.wait_for_polls(2);
    let first = world.own_task();
    world.clearml.delete(&first).unwrap();
    service.wait_for_log("the monitor works on without it");
    world.failed_task("alerted without a task");
    world.wait_for_messages(1);
    world.wait_for_polls(2);
    let lines = world.clearml.requests().of("events.add_batch");
    let is_told =
        |request: &clearml_alerts::sandbox::RequestRecord| request.body.to_string().contains("without a task");
    assert!(!lines.iter().any(is_told), "there is no console any more");
    let ended = service.stop();
    assert_eq!((ended.code, ended.stderr.matches("the monitor works on without it").count()), (0, 1), "{ended:?}");
    let service = world.start(&["--no-clearml-task=false"]);
    world.wait_for_polls(2);
    assert_ne!(world.own_task(), first);
    assert_eq!(service.stop().code, 0);
    world.assert_alerts(&["alerted without a task"]);
}

#[test]
fn run_locally_a_published_task_is_left_as_it_is() {
    let world = World::new();
    assert_eq!(world.once(&["--clearml-task"]).code, 0);
    let first = world.own_task();
    world.clearml.publish(&first).unwrap();
    let before = world.clearml.document(&first);
    assert_eq!(world.once(&["--clearml-task"]).code, 0);
    assert_eq!(world.clearml.document(&first), before);
    assert_ne!(world.own_task(), first);
}

#[test]
fn run_locally_an_error_fails_its_task_with_the_reason() {
    let world = World::new();
    let service = world.start(&["--no-clearml-task=false"]);
    world.wait_for_polls(2);
    let task = world.own_task();
    world.sql("DROP TABLE alerts;");
    world.failed_task("not recorded");
    let ended = service.wait();
    assert_eq!(ended.code, 6, "{ended:?}");
    assert_eq!(status(&world, &task), "failed");
    let reason = field(&world, &task, "/status_reason");
    assert!(reason.as_str().unwrap().contains("alerts.db"), "{reason}");
}

#[test]
fn once_shows_in_clearml_only_when_asked() {
    let world = World::new();
    assert_eq!(world.once(&[]).code, 0);
    assert!(world.clearml.task_ids().is_empty());
    for round in 1..=2 {
        world.failed_task(&format!("round {round}"));
        assert_eq!(world.once(&["--clearml-task"]).code, 0);
    }
    assert_eq!(status(&world, &world.own_task()), "completed");
    assert_eq!(world.clearml.requests().count("tasks.create"), 1);
    world.assert_alerts(&["round 1", "round 2"]);
}

#[test]
fn a_clearml_that_refuses_the_task_costs_one_line() {
    use clearml_alerts::sandbox::{Fault, FaultRule};
    let world = World::new();
    world.clearml.faults().push(FaultRule::next(Fault::clearml_error(403, 20, "Forbidden")).on("tasks.create"));
    let service = world.start(&["--no-clearml-task=false"]);
    world.wait_for_polls(2);
    world.failed_task("alerted all the same");
    world.wait_for_messages(1);
    let ended = service.stop();
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(ended.stderr.matches("does not show in ClearML").count(), 1, "{ended:?}");
    world.assert_alerts(&["alerted all the same"]);
}

#[test]
fn two_monitors_on_one_database_refuse_as_before() {
    let world = World::new();
    let task = enqueue(&world, &["--db", world.database().to_str().unwrap(), "--announce", "none"]);
    let clone = world.clone_task(&task);
    let first = start_as(&world, &task);
    world.wait_for_polls(1);
    let second = start_as(&world, &clone).wait();
    assert_eq!(second.code, 5, "{second:?}");
    assert_eq!(first.stop().code, 0);
}

#[test]
fn a_task_that_clearml_does_not_know_is_told() {
    let world = World::new();
    let ended = finish(world.command(&["run"]).env("TRAINS_TASK_ID", "0123456789abcdef0123456789abcdef"));
    assert!(ended.code == 2 && ended.stderr.contains("0123456789abcdef0123456789abcdef"), "{ended:?}");
}

/// The script that an agent would run, in a world without the program; what it fetches is kept in the world's folder.
fn run_script_of(world: &World, task: &str) -> std::process::Command {
    let script = world.folder().join("clearml-alerts.sh");
    std::fs::write(&script, field(world, task, "/script/diff").as_str().unwrap()).unwrap();
    let config = world.folder().join("agent.json");
    let (key, secret) = world.clearml.credentials();
    let api = json!({"api_server": world.clearml.url(), "credentials": {"access_key": key, "secret_key": secret}});
    std::fs::write(&config, json!({"api": api}).to_string()).unwrap();
    let mut command = world.command(&[]);
    let mut sh = std::process::Command::new("/bin/sh");
    sh.arg(script).env_clear().current_dir(world.folder()).stdin(std::process::Stdio::null());
    let of_the_agent = ["CLEARML_API_HOST", "CLEARML_API_ACCESS_KEY", "CLEARML_API_SECRET_KEY"];
    for (name, value) in command.env("CLEARML_ALERTS_DB", format!("{}/", world.folder().display())).get_envs() {
        if let Some(value) = value.filter(|_| !of_the_agent.iter().any(|own| name == *own)) {
            sh.env(name, value);
        }
    }
    sh.env("CLEARML_CONFIG_FILE", config).env("CLEARML_TASK_ID", task).env("CLEARML_LOG_TASK_TO_BACKEND", "0");
    sh
}

#[test]
fn an_uploaded_program_is_fetched_with_the_agents_credentials_and_started() {
    let world = World::new();
    world.clearml.add_queue(QUEUE);
    let mut command = world.command(&["run", "--channel", CHANNEL, "--upload-binary", "--announce", "none"]);
    let ended = finish(command.env("CLEARML_FILES_HOST", world.clearml.url()));
    assert_eq!(ended.code, 0, "{ended:?}");
    let task = world.own_task();
    let artifact = field(&world, &task, "/execution/artifacts/0");
    assert_eq!((&artifact["key"], &artifact["mode"]), (&"clearml-alerts".into(), &"input".into()));
    let sha256 = artifact["hash"].as_str().unwrap().to_owned();
    assert!(artifact["uri"].as_str().unwrap().ends_with(&format!("/clearml-alerts/{sha256}/clearml-alerts")));
    world.clearml.start_task(&task).unwrap();
    let service = Running::start(&mut run_script_of(&world, &task));
    world.wait_for_polls(2);
    let ended = service.stop();
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(world.folder().join(".cache/clearml-alerts").join(sha256).join("clearml-alerts").is_file());
}

#[test]
fn a_program_that_is_not_what_was_meant_is_not_run() {
    let world = World::new();
    let address = format!("{}/debug.ping", world.clearml.url());
    let task = enqueue(&world, &["--binary-url", &address, "--binary-sha256", &"ab".repeat(32)]);
    let ended = finish(&mut run_script_of(&world, &task));
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stderr.lines().last().unwrap().contains("its SHA-256 is not abab"), "{ended:?}");
}
