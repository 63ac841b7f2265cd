//! The config file's keys about the service, its secrets and its servers, through the real binary.

use std::path::Path;

use clearml_alerts::sandbox::{ReceiverOptions, SimulatedReceiver};

use crate::http::{Listener, Pages};
use crate::world::{CHANNEL, Running, World, finish, wait_until};

const RULE: &str = "[[rule]]\nname = 'all'\n";

fn file(service: &str) -> String {
    format!(
        "[slack]\nchannel = '{CHANNEL}'\nrate = 0\n\
         [service]\nlocal = true\nclearml_task = false\nannounce = 'none'\nrefresh_rate = 0.1\n{service}"
    )
}

fn start(world: &World, config: &Path, variables: &[(&str, &str)]) -> Running {
    let mut command = world.command(&["run", "--config", config.to_str().unwrap()]);
    let service = Running::start(command.envs(variables.iter().copied()));
    service.wait_for_log("started");
    service
}

#[test]
fn the_page_the_heartbeat_and_the_watch_of_the_file_are_as_it_says() {
    let world = World::new();
    let heart = Listener::start(200);
    let service =
        "listen = '127.0.0.1:0'\nlisten_token_env = 'READERS'\nheartbeat_url_env = 'HEART'\nwatch_config = true\n";
    let config = world.config(&format!("{}{RULE}", file(service)));
    let secret = format!("{}/s3cret", heart.url());
    let running = start(&world, &config, &[("READERS", "0123456789abcdef"), ("HEART", &secret)]);
    let pages = Pages::of(&running);
    assert_eq!(pages.get("/").status, 401);
    let token = ("Authorization", "Bearer 0123456789abcdef");
    // Until the database is open, the page says that it is not.
    wait_until("the page", || pages.ask("GET", "/", &[token]).status == 200);
    wait_until("a heartbeat", || !heart.asked().is_empty());
    world.config(&format!("{}{RULE}[[rule]]\nname = 'another'\n", file(service)));
    running.wait_for_log("other rules from now on");
    let ended = running.stop();
    assert_eq!(ended.code, 0);
    for secret in ["0123456789abcdef", "s3cret"] {
        assert!(!ended.stderr.contains(secret), "{ended:?}");
    }
}

#[test]
fn an_address_that_others_reach_needs_a_word_in_the_file() {
    let world = World::new();
    let config = world.config(&format!("{}{RULE}", file("listen = '0.0.0.0:0'\n")));
    let refused = world.run(&["run", "--config", config.to_str().unwrap()]);
    assert_eq!((refused.code, refused.stderr.contains("--listen-unprotected")), (2, true), "{refused:?}");
    world.config(&format!("{}{RULE}", file("listen = '0.0.0.0:0'\nlisten_unprotected = true\n")));
    let running = start(&world, &config, &[]);
    running.wait_for_log("everyone who can reach");
    assert_eq!(running.stop().code, 0);
}

#[test]
fn the_queue_to_be_enqueued_in_is_the_files() {
    let world = World::new();
    let text =
        format!("[slack]\nchannel = '{CHANNEL}'\n[service]\nlocal = false\nservice_queue = 'night shift'\n{RULE}");
    let config = world.config(&text);
    let config = config.to_str().unwrap();
    let refused = world.run(&["run", "--config", config]);
    assert_eq!((refused.code, refused.stderr.contains("`night shift`")), (2, true), "{refused:?}");
    let made = world.run(&["run", "--create-queue", "--config", config]);
    assert_eq!(made.code, 0, "{made:?}");
    assert!(made.stdout.contains("night shift"), "{made:?}");
}

#[test]
fn what_the_file_does_not_say_of_clearml_is_looked_up_in_the_conf_it_names() {
    let world = World::new();
    world.failed_task("seen");
    let (key, secret) = world.clearml.credentials();
    let conf = format!(
        "api {{ api_server: {}, credentials {{ access_key: {key}, secret_key: {secret} }} }}",
        world.clearml.url()
    );
    std::fs::write(world.folder().join("other.conf"), conf).unwrap();
    let config = world.config(&format!(
        "[clearml]\nconfig_file = 'other.conf'\n[slack]\nchannel = '{CHANNEL}'\n[service]\nsince = '24h'\n{RULE}"
    ));
    let mut command = world.command(&["once", "--config", config.to_str().unwrap()]);
    for name in ["CLEARML_API_HOST", "CLEARML_API_ACCESS_KEY", "CLEARML_API_SECRET_KEY"] {
        command.env_remove(name);
    }
    let ended = finish(&mut command);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(world.told(CHANNEL), ["seen"]);
}

#[test]
fn addresses_and_keys_of_webhooks_come_from_variables_and_files() {
    let world = World::new();
    world.failed_task("seen");
    let options = ReceiverOptions { port: 0, secret: Some("signing-key".to_owned()), required_header: None };
    let receiver = SimulatedReceiver::start(options).unwrap();
    std::fs::write(world.folder().join("ops-url"), format!("{}\n", receiver.url())).unwrap();
    let config = world.config(
        "[service]\nsince = '24h'\n[slack.webhooks.team]\nurl_env = 'TEAM_HOOK'\n\
         [webhooks.ops]\nurl_file = 'ops-url'\nsecret_env = 'OPS_KEY'\n\
         [[rule]]\nname = 'hooked'\nslack_webhook = 'team'\n[[rule]]\nname = 'fed'\nwebhook = 'ops'\n",
    );
    let mut command = world.command(&["once", "--config", config.to_str().unwrap()]);
    let hook = world.slack.add_webhook(CHANNEL);
    let ended = finish(command.env("TEAM_HOOK", &hook).env("OPS_KEY", "signing-key"));
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!((world.slack.messages(CHANNEL).len(), receiver.events().len()), (1, 1));
    assert!(receiver.violations().is_empty(), "{:?}", receiver.violations());
    let unnamed = finish(world.command(&["once", "--config", config.to_str().unwrap()]).env("TEAM_HOOK", &hook));
    assert_eq!((unnamed.code, unnamed.stderr.contains("OPS_KEY")), (2, true), "{unnamed:?}");
}
