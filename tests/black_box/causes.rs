//! Why a task ended: in the message, in the history, as a filter, in `explain`, on the status page's list.

use serde_json::Value;

use crate::world::World;

const CHANNEL: &str = "ml-alerts";

/// Tasks that ended in every way that ClearML and a console can tell apart; the causes are by the tasks' names.
fn world() -> World {
    let world = World::new();
    world.once(&[]);
    let by_agent = "Changed by clearml-agent gpu-01:0";
    for (name, code, console) in [
        ("crash", 1, include_str!("../../fixtures/consoles/crash.txt")),
        ("cuda_out_of_memory", 1, include_str!("../../fixtures/consoles/cuda-out-of-memory.txt")),
        ("out_of_memory", 137, include_str!("../../fixtures/consoles/out-of-memory-slurm.txt")),
        ("signal", 139, include_str!("../../fixtures/consoles/segmentation-fault.txt")),
        ("exit_code", 2, include_str!("../../fixtures/consoles/exit-code.txt")),
    ] {
        let id = world.running_task(name);
        world.clearml.log(&id, console).unwrap();
        world.clearml.fail(&id, &format!("worker execution exit code {code}"), by_agent).unwrap();
    }
    let id = world.running_task("agent_error");
    world.clearml.fail(&id, "failed cloning repository", by_agent).unwrap();
    let id = world.running_task("marked_failed");
    world.clearml.fail(&id, "the loss went away <!channel> token=not-a-real-token-1234", "").unwrap();
    let id = world.running_task("aborted_by_user");
    world.clearml.stop(&id).unwrap();
    let silent = world.running_task("non_responsive");
    world.clearml.stop_by_watchdog(&[silent], world.clearml.now()).unwrap();
    let id = world.running_task("completed well");
    world.clearml.complete(&id).unwrap();
    let done = world.once(&[]);
    assert_eq!(done.code, 0, "{done:?}");
    world
}

fn row<'r>(rows: &'r [Value], name: &str) -> &'r Value {
    rows.iter().find(|row| row["task_name"] == name).unwrap_or_else(|| panic!("{name} is not in {rows:#?}"))
}

fn header(world: &World, name: &str) -> String {
    let messages = world.slack.messages(CHANNEL);
    let headers = messages.iter().map(|message| message.blocks[0]["text"]["text"].as_str().unwrap().to_owned());
    headers
        .clone()
        .find(|header| header.contains(&format!(": {name} ")))
        .unwrap_or_else(|| panic!("{:?}", headers.collect::<Vec<_>>()))
}

#[test]
fn each_cause_is_told_and_recorded() {
    let world = world();
    let rows = world.history(&[]);
    for cause in [
        "crash",
        "cuda_out_of_memory",
        "out_of_memory",
        "signal",
        "exit_code",
        "agent_error",
        "marked_failed",
        "aborted_by_user",
        "non_responsive",
    ] {
        let row = row(&rows, cause);
        assert_eq!(row["cause"], cause, "{row}");
        assert!(!row["cause_detail"].as_str().unwrap().is_empty(), "{row}");
    }
    assert_eq!(row(&rows, "completed well")["cause"], Value::Null);
    assert_eq!(row(&rows, "aborted_by_user")["cause_detail"], "stopped by sandbox");
    assert_eq!(header(&world, "crash"), "Task failed: crash – KeyError: 'val_f1'");
    assert_eq!(header(&world, "signal"), "Task failed: signal – killed by SIGSEGV (exit code 139)");
    assert!(header(&world, "cuda_out_of_memory").contains("– torch.OutOfMemoryError: CUDA out of memory. Tried"));
    assert!(header(&world, "exit_code").contains("exit code 2: train.py: error: unrecognized arguments"));
    let crash = world.slack.messages(CHANNEL).into_iter().find(|message| message.text.contains("KeyError")).unwrap();
    assert!(crash.text.starts_with("Task failed: crash"), "{}", crash.text);
    let marked =
        world.slack.messages(CHANNEL).into_iter().find(|message| message.text.contains("the loss went")).unwrap();
    let all = format!("{}{}", marked.text, Value::from(marked.blocks));
    assert!(!all.contains("<!channel>") && !all.contains("not-a-real-token-1234"), "{all}");
    world.assert_no_violations();
}

#[test]
fn history_is_filtered_left_out_and_counted_by_cause() {
    let world = world();
    let names = |flags: &[&str]| {
        let mut names: Vec<String> =
            world.history(flags).iter().map(|row| row["task_name"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&["--cause", "crash,out_of_memory"]), ["crash", "out_of_memory"]);
    assert_eq!(names(&["--cause", "aborted_by_user", "--state", "suppressed"]), ["aborted_by_user"]);
    let without = names(&["--not", "cause=crash"]);
    assert!(!without.contains(&"crash".to_owned()) && without.contains(&"completed well".to_owned()), "{without:?}");
    let wrong = world.run(&["history", "--cause", "bad_luck"]);
    assert!(wrong.code == 2 && wrong.stderr.contains("cuda_out_of_memory"), "{wrong:?}");
    let counted = world.run(&["history", "--group-by", "cause", "--format", "json"]).stdout;
    let counted: Value = serde_json::from_str(&counted).unwrap();
    let crash = counted.as_array().unwrap().iter().find(|group| group["name"] == "crash").unwrap();
    assert_eq!((&crash["alerts"], &crash["sent"]), (&1.into(), &1.into()));
    let csv = world.run(&["history", "--cause", "signal", "--format", "csv"]).stdout;
    let mut lines = csv.lines();
    assert!(lines.next().unwrap().ends_with(",url,cause,cause_detail"), "{csv}");
    assert!(lines.next().unwrap().ends_with(",signal,killed by SIGSEGV (exit code 139)"), "{csv}");
}

#[test]
fn one_alert_and_one_task_tell_the_cause() {
    let world = world();
    let rows = world.history(&["--cause", "crash"]);
    let shown = world.run(&["history", "--show", &rows[0]["id"].to_string()]).stdout;
    assert!(shown.contains("Cause: crash (KeyError: 'val_f1')"), "{shown}");
    let explained = world.run(&["explain", rows[0]["task_id"].as_str().unwrap()]).stdout;
    assert!(explained.contains("cause crash: KeyError: 'val_f1'"), "{explained}");
}

#[test]
fn without_a_console_the_row_tells_the_cause() {
    let world = World::new();
    world.once(&[]);
    let id = world.running_task("no console");
    world.clearml.log(&id, include_str!("../../fixtures/consoles/crash.txt")).unwrap();
    world.clearml.set_events_down(true);
    world.clearml.fail(&id, "worker execution exit code 137", "Changed by clearml-agent gpu-01:0").unwrap();
    world.once(&[]);
    let told = header(&world, "no console");
    assert!(told.starts_with("Task failed: no console – killed by SIGKILL (exit code 137)"), "{told}");
    assert_eq!(world.history(&[])[0]["cause"], "signal");
}

#[test]
fn a_digest_tells_what_the_rows_say_and_no_secrets() {
    let world = World::new();
    world.once(&[]);
    for name in ["one", "two", "three"] {
        let id = world.running_task(name);
        world.clearml.fail(&id, "worker execution exit code 137", "Changed by clearml-agent gpu-01:0").unwrap();
    }
    let id = world.running_task("four");
    world.clearml.fail(&id, "ValueError: password=not-a-real-password", "").unwrap();
    world.once(&["--digest-above", "2"]);
    let messages = world.slack.messages(CHANNEL);
    assert_eq!(messages.len(), 1);
    let text = Value::from(messages[0].blocks.clone()).to_string();
    assert!(text.contains("3 × killed by SIGKILL (exit code 137)"), "{text}");
    assert!(text.contains("ValueError: password=***") && !text.contains("not-a-real-password"), "{text}");
    assert_eq!(world.history(&["--cause", "signal"]).len(), 3);
}
