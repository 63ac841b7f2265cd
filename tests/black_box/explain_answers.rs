//! `explain`: answers as they stand there, about tasks that things really happened to. Those that no world is needed for
//! are in the tests of `src/cli/explain/`.

use std::path::PathBuf;
use std::time::Duration;

use clearml_alerts::clock::Clock;
use clearml_alerts::domain::Stamp;

use crate::reports::plain;
use crate::world::{CHANNEL, World, finish};

fn file(world: &World, rules: &str) -> PathBuf {
    world.config(&format!("[slack]\nchannel = '{CHANNEL}'\nrate = 0\n{rules}"))
}

/// One poll by the file.
fn once(world: &World) {
    let ended = world.run(&["once", "--config", "config.toml"]);
    assert_eq!(ended.code, 0, "{ended:?}");
}

fn explain(world: &World, task: &str) -> String {
    let ended = world.run(&["explain", task, "--config", "config.toml"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    plain(world, &ended.stdout)
}

/// The last part of it: what a poll would make of the task now.
fn foretold(world: &World, task: &str) -> String {
    let told = explain(world, task);
    told[told.find("If it were polled now").unwrap()..].to_owned()
}

/// What it recorded, without what stands before and after.
fn verdicts(world: &World, task: &str) -> String {
    let told = explain(world, task);
    told[told.find("Verdicts").unwrap()..told.find("ClearML now").unwrap()].to_owned()
}

/// A watching world whose server says that it is this time.
fn at(time: &str, rules: &str) -> World {
    let world = World::new();
    world.clearml.set_time(Stamp::parse(time).unwrap());
    file(&world, rules);
    once(&world);
    world.clearml.advance(Duration::from_mins(1));
    world
}

#[test]
fn a_task_that_runs_and_might_stand_still() {
    let world = World::new();
    file(
        &world,
        "[[rule]]\nname = 'vision'\nstuck = { silent = '1h', iteration = '3h' }\n\
         [[rule]]\nname = 'of Grace'\nusers = ['Grace']\nstuck = { silent = '2h' }\n\
         [[rule]]\nname = 'without'\n",
    );
    world.clearml.add_user("Grace");
    once(&world);
    let task = world.running_task("resnet50");
    insta::assert_snapshot!(foretold(&world, &task), @r"
    If it were polled now (by the flags of this command: 3 rules: vision, of Grace, without)
      `in_progress` would be recorded; it is no end, so no rule is asked
      it is not recorded yet: no poll has gone through since the watch began
      rule vision: silent for 1 h or on one iteration for 3 h, it would be told as stuck
      rule of Grace: it would not be told as stuck, because of user: `Ada` is not among the included users
    ");
    once(&world);
    insta::assert_snapshot!(explain(&world, &task), @r"
    Task [id]  resnet50
      project vision/resnet, user Ada, type training

    Recorded (times in UTC: the server's stamp, then when a poll saw it)
      [time]  seen [time]  run 1  in_progress

    Verdicts
      none: no rule was asked, since no end was seen after the watch began

    ClearML now
      in_progress since [time], iteration 7  resnet50
      project vision/resnet, user Ada

    If it were polled now (by the flags of this command: 3 rules: vision, of Grace, without)
      nothing: this status with this stamp is recorded already
      rule vision: silent for 1 h or on one iteration for 3 h, it would be told as stuck
      rule of Grace: it would not be told as stuck, because of user: `Ada` is not among the included users
    ");
}

#[test]
fn a_task_that_failed_just_now_and_whose_rule_holds() {
    let world = at("2026-11-22T12:00:00Z", "[[rule]]\nname = 'r'\nhold = '2m'\n");
    let task = world.failed_task("resnet50");
    insta::assert_snapshot!(foretold(&world, &task), @r"
    If it were polled now (by the flags of this command: failed tasks of every project)
      rule r: run 1 failed would be alerted to ml-alerts, but waits until [time] UTC (hold)
      it is not recorded yet: no poll has gone through since the watch began
    ");
    once(&world);
    insta::assert_snapshot!(verdicts(&world, &task), @r"
    Verdicts
      rule r, run 1, failed: alert 1 to ml-alerts: pending
          cause cuda_out_of_memory: RuntimeError: CUDA out of memory
          waits until [time] UTC (hold)
          its message is not composed yet
    ");
    world.clearml.advance(Duration::from_mins(3));
    once(&world);
    insta::assert_snapshot!(verdicts(&world, &task), @r"
    Verdicts
      rule r, run 1, failed: alert 1 to ml-alerts: sent [time] ([how long] after the status changed)
          cause cuda_out_of_memory: RuntimeError: CUDA out of memory
          waited for the end of its hold, until [time]
          [time]  attempt 1: sent (HTTP 200, [n] ms)
          https://sandbox.slack.example.com/archives/C0MLALERTS/p[ts]
    ");
}

#[test]
fn a_task_that_failed_in_quiet_hours() {
    let quiet = "[[rule]]\nname = 'r'\nquiet = '22:00-07:00 Europe/Berlin'\n";
    let world = at("2026-11-22T22:30:00Z", quiet);
    let task = world.failed_task("resnet50");
    once(&world);
    insta::assert_snapshot!(verdicts(&world, &task), @r"
    Verdicts
      rule r, run 1, failed: alert 1 to ml-alerts: pending
          cause cuda_out_of_memory: RuntimeError: CUDA out of memory
          waits until [time] UTC (quiet hours)
          its message is not composed yet
    ");
    world.clearml.advance(Duration::from_hours(8));
    once(&world);
    insta::assert_snapshot!(verdicts(&world, &task), @r"
    Verdicts
      rule r, run 1, failed: alert 1 to ml-alerts: sent [time] ([how long] after the status changed)
          cause cuda_out_of_memory: RuntimeError: CUDA out of memory
          waited for the end of quiet hours, until [time]
          [time]  attempt 1: sent (HTTP 200, [n] ms)
          https://sandbox.slack.example.com/archives/C0MLALERTS/p[ts]
    ");
}

#[test]
fn a_task_that_was_marked_by_hand_after_its_end() {
    let world = World::new();
    file(&world, "[[rule]]\nname = 'r'\nstatuses = ['failed', 'completed']\nthread = true\n");
    once(&world);
    let task = world.failed_task("resnet50");
    once(&world);
    world.clearml.complete(&task).unwrap();
    insta::assert_snapshot!(foretold(&world, &task), @r"
    If it were polled now (by the flags of this command: failed, completed tasks of every project)
      rule r: run 1 completed would be alerted to ml-alerts
    ");
    once(&world);
    world.clearml.fail(&task, "marked failed", "").unwrap();
    insta::assert_snapshot!(foretold(&world, &task), @r"
    If it were polled now (by the flags of this command: failed, completed tasks of every project)
      rule r: run 2 failed would be alerted to ml-alerts
    ");
    once(&world);
    insta::assert_snapshot!(explain(&world, &task), @r"
    Task [id]  resnet50
      project vision/resnet, user Ada, type training
      https://app.example.com/projects/[id]/tasks/[id]/output/log

    Recorded (times in UTC: the server's stamp, then when a poll saw it)
      [time]  seen [time]  run 1  failed
          RuntimeError: CUDA out of memory · it failed
      [time]  seen [time]  run 1  completed
      [time]  seen [time]  run 2  failed
          marked failed

    Verdicts
      rule r, run 1, failed: alert 1 to ml-alerts: sent [time] ([how long] after the status changed)
          cause cuda_out_of_memory: RuntimeError: CUDA out of memory
          [time]  attempt 1: sent (HTTP 200, [n] ms)
          https://sandbox.slack.example.com/archives/C0MLALERTS/p[ts]
      rule r, run 1, completed: alert 2 to ml-alerts, in the thread: sent [time] ([how long] after the status changed)
          [time]  attempt 1: sent (HTTP 200, [n] ms)
          https://sandbox.slack.example.com/archives/C0MLALERTS/p[ts]
      rule r, run 2, failed: alert 3 to ml-alerts, in the thread: sent [time] ([how long] after the status changed)
          cause marked_failed: marked failed
          [time]  attempt 1: sent (HTTP 200, [n] ms)
          https://sandbox.slack.example.com/archives/C0MLALERTS/p[ts]

    ClearML now
      failed since [time], iteration 7  resnet50
      marked failed
      project vision/resnet, user Ada

    If it were polled now (by the flags of this command: failed, completed tasks of every project)
      nothing: this status with this stamp is recorded already
    ");
}

#[test]
fn a_task_that_a_silence_keeps_quiet() {
    let world = World::new();
    file(&world, "[[rule]]\nname = 'r'\n");
    once(&world);
    let silence =
        ["silence", "add", "--author", "ada", "--reason", "storage maintenance", "--for", "2h", "--user", "Ada"];
    assert_eq!(world.run(&silence).code, 0);
    let task = world.failed_task("resnet50");
    insta::assert_snapshot!(foretold(&world, &task), @r"
    If it were polled now (by the flags of this command: failed tasks of every project)
      rule r: run 1 failed would not be alerted, because of silence: number 1 by ada: storage maintenance
      it is not recorded yet: no poll has gone through since the watch began
    ");
    once(&world);
    insta::assert_snapshot!(verdicts(&world, &task), @r"
    Verdicts
      rule r, run 1, failed: not alerted, because of silence: number 1 by ada: storage maintenance
          cause cuda_out_of_memory: RuntimeError: CUDA out of memory
    ");
}

#[test]
fn a_task_whose_alert_is_not_kept_any_more() {
    let world = World::new();
    world.clearml.set_time(Clock::system().now());
    file(&world, "[[rule]]\nname = 'r'\n");
    once(&world);
    world.clearml.advance(Duration::from_secs(1));
    let task = world.failed_task("resnet50");
    once(&world);
    world.clearml.advance(Duration::from_hours(24 * 31));
    let mut command = world.command(&["once", "--config", "config.toml", "--keep", "30d"]);
    let ended = finish(command.env("CLEARML_ALERTS_TEST_CLOCK_OFF_BY_MS", "2678400000"));
    assert_eq!(ended.code, 0, "{ended:?}");
    insta::assert_snapshot!(explain(&world, &task), @r"
    Task [id]  resnet50
      project vision/resnet, user Ada, type training

    Recorded (times in UTC: the server's stamp, then when a poll saw it)
      what ended before [time] is not kept any more (--keep)
      last seen: failed at [time], run 1

    Verdicts
      none is kept

    ClearML now
      failed since [time], iteration 7  resnet50
      RuntimeError: CUDA out of memory · it failed
      project vision/resnet, user Ada

    If it were polled now (by the flags of this command: failed tasks of every project)
      nothing: this status with this stamp is recorded already
    ");
}

#[test]
fn what_is_refused_and_why() {
    let world = World::new();
    file(&world, "[[rule]]\nname = 'r'\n");
    let ask = |task: &str| {
        let ended = world.run(&["explain", task, "--config", "config.toml"]);
        plain(&world, &format!("exit {}: {}", ended.code, ended.stderr))
    };
    let mut told = vec![ask("0123456789abcdef0123456789abcdef")];
    once(&world);
    told.push(ask(""));
    told.push(ask("0123456789abcdef0123456789abcdef"));
    world.clearml.set_online(false);
    told.push(ask("0123456789abcdef0123456789abcdef"));
    insta::assert_snapshot!(told.join(""), @r"
    exit 6: error: there is no database at [folder]/alerts.db: start `clearml-alerts run` or `once` first, or name another file with --db
    exit 2: error: name a task: its ID, or the address of its page
    exit 3: error: nothing is recorded of `[id]` (the beginning of an ID is enough only for recorded tasks), and the server says: ClearML refused tasks.get_by_id: Invalid task id: ids=([id]) (400, subcode 101)
    exit 3: error: nothing is recorded of this task, and ClearML could not be asked: ClearML at [server] cannot be reached: tcp connect error: Connection refused (os error 111); check the address (CLEARML_API_HOST, api_server), the network and any proxy
    ");
}
