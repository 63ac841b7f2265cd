//! The config file: every key through the real binary, what is refused, and what comes before what. Keys about timing and
//! destinations besides channels are tested where they are built.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use clearml_alerts::domain::Status;
use clearml_alerts::sandbox::TaskSeed;
use clearml_alerts::sandbox::slack::Channel;

use crate::world::{CHANNEL, Ended, World, title};

impl World {
    /// Writes a config file that only its owner can read.
    pub fn config(&self, text: &str) -> PathBuf {
        let path = self.folder().join("config.toml");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// Looks back over the last day with this file and a fresh database.
    pub fn look_back_with(&self, text: &str) -> Ended {
        let config = self.config(text);
        let folder = tempfile::tempdir_in(self.folder()).unwrap();
        let database = folder.path().join("look-back.db");
        let arguments = ["once", "--since", "24h", "--digest-above", "0", "--slack-rate", "0", "--config"];
        let (config, database) = (config.to_str().unwrap(), database.to_str().unwrap());
        self.run(&[&arguments[..], &[config, "--db", database]].concat())
    }

    /// The names of the tasks whose alerts are in a channel, in the order of the alphabet.
    pub fn told(&self, channel: &str) -> Vec<String> {
        let messages = self.slack.messages(channel);
        let name = |title: String| title.split_once(": ").map_or(title.clone(), |(_, name)| name.to_owned());
        let mut names: Vec<String> = messages.iter().map(title).map(name).collect();
        names.sort();
        names
    }
}

/// One task that the usual rule alerts, and others of which each differs from it in one thing.
fn cast(world: &World) {
    let unmeasured = |name: &str| {
        let seed = TaskSeed::new(name).project("vision/resnet").user("Ada").iterations(7).kind("training");
        let seed = seed.active(Duration::from_secs(600)).queue("gpu").worker("gpu-1:0").tags(&["nightly"]);
        seed.because("it ended", "somehow").status(&Status::Failed)
    };
    let plain = |name: &str| unmeasured(name).metric("loss", "val", &[0.9, 0.1, 0.4]);
    world.clearml.add_tasks([
        plain("plain"),
        plain("completed").status(&Status::Completed),
        plain("aborted").status(&Status::Stopped),
        plain("of bert").project("nlp/bert"),
        plain("of nlp").project("nlp"),
        plain("a test").kind("testing"),
        plain("of Grace").user("Grace"),
        plain("tagged").tags(&["nightly", "debug"]),
        plain("marked").system_tags(&["odd"]),
        plain("by hand").system_tags(&["development"]),
        plain("archived").system_tags(&["archived"]),
        plain("hidden").hidden(),
        plain("long").iterations(1_000),
        plain("brief").active(Duration::from_secs(5)),
        plain("on cpu").queue("cpu").worker("cpu-1:0"),
        unmeasured("worse").metric("loss", "val", &[0.8, 0.7]),
        plain("out of memory").because("RuntimeError: CUDA out of memory", "it failed"),
    ]);
}

/// Everything that a rule without conditions alerts.
const USUAL: [&str; 12] = [
    "a test",
    "brief",
    "long",
    "marked",
    "of Grace",
    "of bert",
    "of nlp",
    "on cpu",
    "out of memory",
    "plain",
    "tagged",
    "worse",
];

fn without<'a>(left_out: &[&str]) -> Vec<&'a str> {
    USUAL.into_iter().filter(|name| !left_out.contains(name)).collect()
}

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let mut all = [&USUAL[..], more].concat();
    all.sort_unstable();
    all
}

#[test]
fn each_condition_lets_through_what_it_says() {
    let cases: Vec<(&str, Vec<&str>)> = vec![
        ("", USUAL.to_vec()),
        ("statuses = ['completed', 'stopped']", vec!["aborted", "completed"]),
        ("projects = ['nlp']", vec!["of nlp"]),
        ("projects = ['nlp/**']", vec!["of bert", "of nlp"]),
        ("projects = ['re:^nlp/b', 'nlp']", vec!["of bert", "of nlp"]),
        ("exclude_projects = ['vision/**', 're:bert']", vec!["of nlp"]),
        ("task_name = '^(plain|worse)$'", vec!["plain", "worse"]),
        ("types = ['testing']", vec!["a test"]),
        ("tags = { any = ['debug', 'release'] }", vec!["tagged"]),
        ("tags = { all = ['nightly', 'debug'] }", vec!["tagged"]),
        ("tags = { not = ['debug'] }", without(&["tagged"])),
        ("system_tags = { any = ['odd'] }", vec!["marked"]),
        ("system_tags = { all = ['odd'] }", vec!["marked"]),
        ("system_tags = { not = ['odd'] }", without(&["marked"])),
        ("users = ['Grace']", vec!["of Grace"]),
        ("exclude_users = ['Grace']", without(&["of Grace"])),
        ("queues = ['cpu']", vec!["on cpu"]),
        ("workers = ['^cpu-']", vec!["on cpu"]),
        ("min_iterations = 8", vec!["long"]),
        ("min_run_time = '1m'", without(&["brief"])),
        ("include_manual = true", with(&["by hand"])),
        ("include_archived = true", with(&["archived"])),
        ("include_hidden = true", with(&["hidden"])),
        ("causes = ['cuda_out_of_memory']", vec!["out of memory"]),
        ("metric = { title = 'loss', series = 'val', operator = '>', threshold = 0.5 }", vec!["worse"]),
        ("metric = { title = 'loss', series = 'val', value = 'min', operator = '>=', threshold = 0.7 }", vec!["worse"]),
        ("metric = { title = 'loss', series = 'val', value = 'max', operator = '<', threshold = 0.85 }", vec!["worse"]),
    ];
    let world = World::new();
    cast(&world);
    for (at, (lines, expected)) in cases.iter().enumerate() {
        let channel = format!("case-{at}");
        world.slack.add_channel(Channel::public(&channel));
        let ended = world.look_back_with(&format!("[[rule]]\nname = 'r'\nchannel = '#{channel}'\n{lines}\n"));
        assert_eq!(ended.code, 0, "{lines}: {ended:?}");
        assert_eq!(world.told(&channel), *expected, "{lines}");
    }
    world.assert_no_violations();
}

#[test]
fn every_rule_tells_its_own_channel_in_its_own_way() {
    let world = World::new();
    world.slack.add_channel(Channel::public("nlp"));
    world.slack.add_channel(Channel::public("private").with_id("C0PRIVATE0"));
    let failed = |name: &str, project: &str| TaskSeed::new(name).project(project).status(&Status::Failed);
    world.clearml.add_tasks([failed("one", "vision"), failed("two", "nlp/bert")]);
    let ended = world.look_back_with(&format!(
        "[slack]\nchannel = '{CHANNEL}'\n\
         [[rule]]\nname = 'nlp'\nprojects = ['nlp/**']\nchannel = '#nlp'\ncontinue = false\n\
         [rule.message]\nprefix = 'Hey <!here>,'\nconsole_lines = 0\nfields = ['status']\n\
         [[rule]]\nname = 'all'\n\
         [[rule]]\nname = 'by id'\nchannel = 'C0PRIVATE0'\n"
    ));
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(world.told("nlp"), ["two"]);
    assert_eq!(world.told(CHANNEL), ["one"], "the rules after `nlp` are not asked about what it alerts");
    assert_eq!(world.told("private"), ["one"]);
    let first = format!("{:?}", world.slack.messages("nlp")[0].blocks);
    assert!(first.contains("Hey <!here>,"), "{first}");
    world.assert_no_violations();
}

#[test]
fn a_file_alone_is_enough() {
    let world = World::new();
    world.failed_task("seen");
    let (key, secret) = world.clearml.credentials();
    std::fs::write(world.folder().join("secret"), format!("{secret}\n")).unwrap();
    std::fs::set_permissions(world.folder().join("secret"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let config = world.config(&format!(
        "[clearml]\napi_server = '{}'\nweb_server = 'https://web.example.com'\naccess_key_env = 'KEY'\n\
         secret_key_file = 'secret'\nverify_certificate = true\n\
         [slack]\ntoken_env = 'TOKEN'\napi_url = '{}'\nchannel = '{CHANNEL}'\nrate = 0\ndigest_above = 0\non_unknown = 'hold'\n\
         [service]\ndb = 'state/own.db'\nsince = '24h'\nredact = ['hidden-\\w+']\nwait_lock = '1s'\nannounce = 'none'\n\
         [[rule]]\nname = 'all'\n",
        world.clearml.url(),
        world.slack.url(),
    ));
    std::fs::create_dir(world.folder().join("state")).unwrap();
    let bare = |arguments: &[&str]| {
        let mut command = world.command(arguments);
        for name in ["CLEARML_API_HOST", "CLEARML_WEB_HOST", "CLEARML_API_ACCESS_KEY", "CLEARML_API_SECRET_KEY"] {
            command.env_remove(name);
        }
        for name in ["SLACK_API_TOKEN", "SLACK_API_URL", "CLEARML_ALERTS_DB"] {
            command.env_remove(name);
        }
        command.env("KEY", &key).env("TOKEN", world.slack.token()).env("CLEARML_ALERTS_CONFIG", &config);
        crate::world::finish(&mut command)
    };
    let ended = bare(&["once"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(!ended.stderr.contains("WARN"), "{ended:?}");
    assert_eq!(world.told(CHANNEL), ["seen"]);
    let message = format!("{:?}", world.slack.messages(CHANNEL)[0].blocks);
    assert!(message.contains("https://web.example.com/"), "{message}");
    assert!(world.folder().join("state/own.db").exists());
    let history = bare(&["history", "--format", "json"]);
    assert!(history.stdout.contains("\"seen\""), "history finds the database in the file: {history:?}");
    let checked = bare(&["check"]);
    assert_eq!(checked.code, 0, "{checked:?}");
    let place = |line: usize, key: &str| format!("({}:{line}: {key})", config.display());
    for told in [place(4, "clearml.access_key_env"), place(5, "clearml.secret_key_file"), place(10, "slack.channel")] {
        assert!(checked.stdout.contains(&told), "{told}: {}", checked.stdout);
    }
    assert!(!checked.stdout.contains(secret.as_str()) && !checked.stdout.contains(&world.slack.token()));
}

#[test]
fn flags_come_before_variables_and_both_before_the_file() {
    let world = World::new();
    world.failed_task("seen");
    let wrong = "[clearml]\napi_server = 'http://127.0.0.1:9'\n[slack]\ntoken = 'xoxb-wrong'\napi_url = 'http://127.0.0.1:9'\n\
                 channel = '#nowhere'\n[service]\ndb = '/nowhere/x.db'\nsince = '1s'\n[[rule]]\nname = 'all'\n";
    let config = world.config(wrong);
    let ended = world.once(&["--since", "24h", "--config", config.to_str().unwrap()]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(world.told(CHANNEL), ["seen"]);
    assert!(world.database().exists());
}

#[test]
fn the_usual_place_is_read_and_a_named_file_must_be_there() {
    let world = World::new();
    world.failed_task("seen");
    let gone = world.run(&["once", "--config", "gone.toml"]);
    assert_eq!(gone.code, 2);
    assert!(gone.stderr.contains("cannot read gone.toml (--config)"), "{gone:?}");
    let folder = world.folder().join(".config/clearml-alerts");
    std::fs::create_dir_all(&folder).unwrap();
    let text = format!("[slack]\nchannel = '{CHANNEL}'\n[service]\nsince = '24h'\n[[rule]]\nname = 'usual'\n");
    std::fs::write(folder.join("config.toml"), text).unwrap();
    let ended = world.run(&["once"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(world.told(CHANNEL), ["seen"]);
    assert_eq!(world.history(&[])[0]["rule"], "usual");
}

#[test]
fn what_is_wrong_is_told_by_line_before_anything_is_done() {
    let world = World::new();
    let path = world.config("[slack]\nchannel = '#a'\n[[rule]]\nname = 'a'\nproject = ['x']\nhold = 'long'\n");
    for command in ["once", "check"] {
        let ended = world.run(&[command, "--config", path.to_str().unwrap()]);
        assert_eq!(ended.code, 2, "{command}: {ended:?}");
        let told = format!("{}{}", ended.stdout, ended.stderr).replace('\n', " ");
        assert!(told.contains(":5: rule `a`: project is not known"), "{told}");
        assert!(told.contains("did you mean `projects`?") && told.contains(":6: rule `a`: hold"), "{told}");
    }
    assert!(!world.database().exists());
    assert_eq!(world.slack.all_messages().len(), 0);
}

#[test]
fn a_rule_is_described_by_flags_or_by_the_file() {
    let world = World::new();
    let path = world.config(&format!("[slack]\nchannel = '{CHANNEL}'\n[[rule]]\nname = 'a'\n"));
    let path = path.to_str().unwrap();
    for flags in
        [["--project", "x"], ["--include-users", "Ada"], ["--min-num-iterations", "1"], ["--include-archived", "true"]]
    {
        let ended = world.run(&[&["once", "--config", path], &flags[..]].concat());
        assert_eq!(ended.code, 2, "{ended:?}");
        let told = ended.stderr.replace('\n', " ");
        assert!(told.contains(flags[0]) && told.contains("config.toml:3: rule `a` are both given"), "{told}");
    }
    let nothing_asked = world.run(&["once", "--config", path, "--include-archived=false", "--project", ""]);
    assert_eq!(nothing_asked.code, 0, "{nothing_asked:?}");
}

#[test]
fn enqueued_the_file_is_the_agents() {
    let world = World::new();
    let path = world.config(&format!("[slack]\nchannel = '{CHANNEL}'\n[[rule]]\nname = 'a'\n"));
    let relative = world.run(&["run", "--config", "config.toml"]);
    assert!(relative.code == 2 && relative.stderr.contains("give the whole path"), "{relative:?}");
    let mut command = world.command(&["run"]);
    let unnamed = crate::world::finish(command.env("CLEARML_ALERTS_CONFIG", &path));
    assert!(unnamed.code == 2 && unnamed.stderr.replace('\n', " ").contains("would not be known to the agent"));
    let enqueued = world.run(&["run", "--create-queue", "--config", path.to_str().unwrap()]);
    assert_eq!(enqueued.code, 0, "{enqueued:?}");
    assert!(enqueued.stdout.contains("needs the config file, too, at "), "{enqueued:?}");
    let task = world.clearml.document(&world.own_task()).unwrap();
    assert_eq!(task["hyperparams"]["Args"]["config"]["value"], path.to_str().unwrap());
    assert!(!task.to_string().contains("name = 'a'"));
}

#[test]
fn a_rule_needs_somewhere_to_tell() {
    let world = World::new();
    let ended = world.look_back_with("[[rule]]\nname = 'a'\n");
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.stderr.replace('\n', " ").contains("rule `a` says not where its alerts go"), "{ended:?}");
}

#[test]
fn secrets_in_a_file_that_others_can_read_are_warned_about() {
    let world = World::new();
    let path = world.config(&format!("[slack]\nchannel = '{CHANNEL}'\ntoken = 'xoxb-hunter2'\n[[rule]]\nname = 'a'\n"));
    let arguments = ["once", "--config", path.to_str().unwrap()];
    assert!(!world.run(&arguments).stderr.contains("holds secrets"));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let ended = world.run(&arguments);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(
        ended.stderr.contains("it holds secrets (slack.token) and others on this machine can read it"),
        "{ended:?}"
    );
    assert!(!ended.stderr.contains("hunter2"), "{ended:?}");
}

#[test]
fn check_shows_each_rule_in_words_and_what_its_patterns_match() {
    let world = World::new();
    world.failed_task("seen");
    let path = world.config(&format!(
        "[slack]\nchannel = '{CHANNEL}'\n\
         [[rule]]\nname = 'vision'\nstatuses = ['failed', 'stopped']\nprojects = ['vision/**', 're:resnet$']\nusers = ['Ada', 'Nobody']\n\
         min_iterations = 5\nhold = '2m'\nquiet = '22:00-07:00 Europe/Berlin'\n"
    ));
    let ended = world.run(&["check", "--config", path.to_str().unwrap()]);
    assert_eq!(ended.code, 0, "{ended:?}");
    for told in [
        "config.toml (1 rule)",
        "rule: vision: failed, aborted tasks of projects vision/**, re:resnet$, of user Ada or Nobody, with at least 5 \
         iterations -> ml-alerts; waits 2 min and drops what was started again; quiet from 22:00 to 07:00 (Europe/Berlin) (",
        "config.toml:3: rule `vision`)",
        "rule `vision`: `vision/**` matches 2: vision, vision/resnet",
        "rule `vision`: `re:resnet$` matches 1: vision/resnet",
        "rule `vision`: users `Nobody`: the server knows no user",
        "#ml-alerts (C0MLALERTS, public)",
    ] {
        assert!(ended.stdout.contains(told), "{told}\n{}", ended.stdout);
    }
}

#[test]
fn explain_asks_every_rule_of_the_file() {
    let world = World::new();
    world.once(&[]);
    let task = world.failed_task("new");
    let path = world
        .config("[[rule]]\nname = 'nlp'\nprojects = ['re:vision']\n[[rule]]\nname = 'by hand'\nusers = ['Grace']\n");
    let ended = world.run(&["explain", &task, "--config", path.to_str().unwrap()]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stdout.contains("rule nlp: run 1 failed would be alerted"), "{}", ended.stdout);
    assert!(ended.stdout.contains("by hand"), "{}", ended.stdout);
}
