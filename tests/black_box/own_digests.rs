//! `digest_above` of a rule, and what a digest of several rules keeps: groups, prefixes, mentions.

use clearml_alerts::domain::Status;
use clearml_alerts::sandbox::TaskSeed;
use clearml_alerts::sandbox::clearml::Transition;
use clearml_alerts::sandbox::slack::Channel;

use crate::world::{CHANNEL, Running, World, title, wait_until};

fn titles(world: &World) -> Vec<String> {
    let mut titles: Vec<String> = world.slack.messages(CHANNEL).iter().map(title).collect();
    titles.sort();
    titles
}

fn failed(name: &str, project: &str, reason: &str) -> TaskSeed {
    TaskSeed::new(name).project(project).user("Ada").because(reason, "it failed").status(&Status::Failed)
}

#[test]
fn a_rule_with_a_digest_above_of_its_own_has_its_own_count_and_its_own_digest() {
    let world = World::new();
    let rules = "[slack]\ndigest_above = 3\n\
        [[rule]]\nname = 'vision'\nprojects = ['vision']\ndigest_above = 1\n\
        [[rule]]\nname = 'never'\nprojects = ['nlp']\ndigest_above = 0\n\
        [[rule]]\nname = 'rest'\nprojects = ['rest']\n[[rule]]\nname = 'more'\nprojects = ['more']\n";
    let config = world.config(rules);
    for (project, count) in [("vision", 2), ("nlp", 5), ("rest", 2), ("more", 2)] {
        world.clearml.add_tasks((0..count).map(|n| failed(&format!("{project} {n}"), project, "it ended")));
    }
    let arguments = ["once", "--since", "24h", "--channel", CHANNEL, "--slack-rate", "0", "--config"];
    let ended = world.run(&[&arguments[..], &[config.to_str().unwrap()]].concat());
    assert_eq!(ended.code, 0, "{ended:?}");
    let mut expected: Vec<String> = (0..5).map(|n| format!("Task failed: nlp {n}")).collect();
    expected.extend(["2 tasks failed in vision".to_owned(), "4 tasks failed in 2 projects".to_owned()]);
    expected.sort();
    assert_eq!(titles(&world), expected, "two of one rule, and four of the two that share");
    let one_more = ["once", "--channel", CHANNEL, "--slack-rate", "0", "--config", config.to_str().unwrap()];
    for name in ["third", "fourth"] {
        let task = world.clearml.add_task(TaskSeed::new(name).project("vision").user("Ada"));
        world.clearml.start_task(&task).unwrap();
        world.clearml.fail(&task, "it ended", "").unwrap();
        assert_eq!(world.run(&one_more).code, 0);
    }
    expected.retain(|title| title != "2 tasks failed in vision");
    expected.push("4 tasks failed in vision".to_owned());
    expected.sort();
    assert_eq!(titles(&world), expected, "its own digest is edited, and the shared one is not");
    world.assert_no_violations();
}

#[test]
fn a_digest_groups_by_project_and_cause_and_keeps_prefixes_and_mentions_of_all_its_rules() {
    let world = World::new();
    world.slack.add_person("Grace", "grace@example.com");
    let rules = "[slack.users]\n'Grace' = 'grace@example.com'\n\
        [[rule]]\nname = 'a'\nprojects = ['vision']\n[rule.message]\nprefix = 'Hey <!here>,'\n\
        [[rule]]\nname = 'b'\nexclude_projects = ['vision']\n[rule.message]\nprefix = '<!subteam^S1>'\nmention_owner = true\n";
    let config = world.config(rules);
    world.clearml.add_tasks((0..2).map(|n| failed(&format!("v {n}"), "vision", "it ended")));
    world.clearml.add_tasks((0..3).map(|n| failed(&format!("o {n}"), "vision", "RuntimeError: CUDA out of memory")));
    world
        .clearml
        .add_tasks([failed("of Grace <!channel>", "nlp/<b>", "RuntimeError: CUDA out of memory").user("Grace")]);
    let arguments =
        ["once", "--since", "24h", "--channel", CHANNEL, "--digest-above", "2", "--slack-rate", "0", "--config"];
    let ended = world.run(&[&arguments[..], &[config.to_str().unwrap()]].concat());
    assert_eq!(ended.code, 0, "{ended:?}");
    let messages = world.slack.messages(CHANNEL);
    assert_eq!(messages.len(), 1);
    let texts: Vec<&str> = messages[0].blocks.iter().filter_map(|block| block["text"]["text"].as_str()).collect();
    assert!(texts[1].starts_with("<@U") && texts[1].contains("Hey <!here>,"), "{texts:?}");
    assert!(texts[1].contains("<!subteam^S1>"), "{texts:?}");
    let heads: Vec<&str> = texts[2..].iter().map(|text| text.lines().next().unwrap()).collect();
    let expected = [
        "*vision* · CUDA out of memory · 3",
        "*vision* · marked as failed · 2",
        "*nlp/&lt;b&gt;* · CUDA out of memory · 1",
    ];
    assert_eq!(heads, expected);
    world.assert_no_violations();
}

/// The first wave of a flood is told by a digest of a rule's own; then the rule loses it, and another one gets one.
#[test]
fn a_reload_in_mid_flood_loses_and_doubles_nothing_with_digests_of_rules() {
    let world = World::new();
    world.slack.add_channel(Channel::public("other"));
    let rules = |vision: &str, nlp: &str| {
        format!(
            "[slack]\nchannel = '{CHANNEL}'\nrate = 0\ndigest_above = 8\n\
             [[rule]]\nname = 'vision'\nprojects = ['vision']\n{vision}[[rule]]\nname = 'nlp'\nprojects = ['nlp']\n{nlp}"
        )
    };
    for project in ["vision", "nlp"] {
        world.clearml.add_project(project, false);
    }
    let config = world.config(&rules("digest_above = 2\n", ""));
    let arguments =
        ["run", "--local", "--config", config.to_str().unwrap(), "--refresh-rate", "0.1", "--announce", "none"];
    let service = Running::start(&mut world.command(&[&arguments[..], &["--no-clearml-task"]].concat()));
    world.wait_for_polls(2);
    let wave = |number: usize| {
        let names = (0..40).map(|n| (format!("{number} {n}"), if n % 2 == 0 { "vision" } else { "nlp" }));
        let seeds = names.map(|(name, project)| TaskSeed::new(&name).project(project).user("Ada"));
        let tasks = world.clearml.add_tasks(seeds);
        for task in &tasks {
            world.clearml.start_task(task).unwrap();
        }
        let failed = Transition::to(Status::Failed).because("it ended", "");
        world.clearml.transition_all(&tasks, &failed).unwrap();
    };
    wave(0);
    wait_until("the first wave", || world.sent() > 10);
    world.config(&rules("", "digest_above = 3\nchannel = '#other'\n"));
    service.signal("HUP");
    wave(1);
    service.wait_for_log("other rules from now on");
    wave(2);
    wait_until("all of them", || world.sent() == 120);
    assert_eq!(service.stop().code, 0);
    let history = world.history(&["--limit", "200"]);
    assert_eq!(history.len(), 120);
    assert!(history.iter().all(|row| row["state"] == "sent"), "{history:?}");
    // Every task is in exactly one message: the counts of the digests and the single alerts add up.
    let told = |title: String| title.split(' ').next().unwrap().parse::<usize>().unwrap_or(1);
    let all: usize = world.slack.all_messages().iter().map(title).map(told).sum();
    assert_eq!(all, 120, "{:?}", world.slack.all_messages().iter().map(title).collect::<Vec<_>>());
    world.assert_no_violations();
}
