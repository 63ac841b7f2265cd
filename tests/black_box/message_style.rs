//! What a rule's messages look like: console lines, fields, times.

use std::time::Duration;

use clearml_alerts::domain::Status;
use clearml_alerts::sandbox::TaskSeed;
use clearml_alerts::sandbox::slack::{Channel, Message};

use crate::world::{CHANNEL, World};

/// A task with forty lines of console and everything that a field can show.
fn measured(world: &World) {
    let seed = TaskSeed::new("measured").project("vision/resnet").user("Ada").iterations(7).queue("gpu");
    let seed = seed.worker("gpu-1:0").active(Duration::from_mins(10)).tags(&["nightly", "release"]);
    let seed = seed.metric("loss", "val", &[0.9, 0.1, 0.7]).because("it ended", "somehow").status(&Status::Failed);
    let task = world.clearml.add_task(seed);
    let lines: Vec<String> = (1..=40).map(|line| format!("line {line}")).collect();
    world.clearml.log(&task, &lines.join("\n")).unwrap();
}

/// The only message that a rule with these lines makes of it.
fn told(world: &World, channel: &str, message: &str) -> Message {
    world.slack.add_channel(Channel::public(channel));
    let metric = "metric = { title = 'loss', series = 'val', value = 'max', operator = '>', threshold = 0.5 }";
    let rule = format!("[[rule]]\nname = 'r'\nchannel = '#{channel}'\n{metric}\n[rule.message]\n{message}\n");
    let ended = world.look_back_with(&rule);
    assert_eq!(ended.code, 0, "{ended:?}");
    let messages = world.slack.messages(channel);
    assert_eq!(messages.len(), 1, "{messages:?}");
    messages.into_iter().next().unwrap()
}

fn fields(message: &Message) -> Vec<String> {
    let fields = message.blocks.iter().filter_map(|block| block["fields"].as_array()).flatten();
    fields.map(|field| field["text"].as_str().unwrap().replace('\n', " ")).collect()
}

fn console(message: &Message) -> Vec<String> {
    let quoted = message.blocks.iter().filter(|block| block["type"] == "rich_text");
    let text = quoted.map(|block| block["elements"][0]["elements"][0]["text"].as_str().unwrap().to_owned());
    text.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

#[test]
fn console_lines_are_as_many_as_the_rule_wants_and_none_are_fetched_for_0() {
    let world = World::new();
    measured(&world);
    let none = told(&world, "none", "console_lines = 0");
    assert_eq!((console(&none).len(), world.clearml.requests().count("events.get_task_log")), (0, 0));
    assert!(!format!("{:?}", none.blocks).contains("console"), "{none:?}");
    for (channel, message, expected) in
        [("three", "console_lines = 3", 3), ("usual", "", 20), ("all", "console_lines = 100", 40)]
    {
        let lines = console(&told(&world, channel, message));
        assert_eq!((lines.len(), lines.last().map(String::as_str)), (expected, Some("line 40")), "{message}");
    }
    world.assert_no_violations();
}

#[test]
fn fields_are_those_the_rule_names_in_its_order() {
    let world = World::new();
    measured(&world);
    let message = told(&world, "some", "fields = ['metric', 'tags', 'queue', 'when']\ntimes = 'Europe/Berlin'");
    let shown = fields(&message);
    assert_eq!(shown[..3], ["*Metric* max loss/val 0.9", "*Tags* nightly, release", "*Queue* gpu"]);
    assert!(shown[3].starts_with("*When* 20") && shown[3].ends_with(['T', 'Z']), "CET or CEST: {shown:?}");
    assert_eq!(fields(&told(&world, "without", "fields = []")), Vec::<String>::new());
    let all =
        "fields = ['status', 'user', 'iterations', 'run_time', 'worker', 'queue', 'reason', 'when', 'tags', 'metric']";
    assert_eq!(fields(&told(&world, "every", all)).len(), 10, "each that is known, and no cause is");
    world.assert_no_violations();
}

#[test]
fn times_are_the_readers_own_or_the_same_for_everybody() {
    let world = World::new();
    measured(&world);
    for (channel, message, expected) in
        [("reader", "", "<!date^"), ("also", "times = 'reader'", "<!date^"), ("utc", "times = 'utc'", " UTC")]
    {
        let shown = fields(&told(&world, channel, message)).join("|");
        assert!(shown.contains("*When*") && shown.contains(expected), "{message}: {shown}");
    }
    world.failed_task("another");
    let digest = "[[rule]]\nname = 'r'\n[rule.message]\ntimes = 'utc'\n";
    let config = world.config(digest);
    let arguments =
        ["once", "--since", "24h", "--channel", CHANNEL, "--digest-above", "1", "--slack-rate", "0", "--config"];
    let ended = world.run(&[&arguments[..], &[config.to_str().unwrap()]].concat());
    assert_eq!(ended.code, 0, "{ended:?}");
    let blocks = format!("{:?}", world.slack.messages(CHANNEL)[0].blocks);
    assert!(blocks.contains(" UTC to ") && !blocks.contains("<!date"), "{blocks}");
    world.assert_no_violations();
}
