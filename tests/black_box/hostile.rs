//! Input that means harm, end to end: the alert is sent, within every limit, and nothing from outside becomes markup.

use clearml_alerts::sandbox::clearml::TaskSeed;
use clearml_alerts::sandbox::{Effect, Fault, FaultRule};
use serde_json::json;

use crate::world::{CHANNEL, World};

fn nasty() -> Vec<String> {
    let mut texts: Vec<String> = [
        "<!channel> <!here> <!everyone>",
        "<@U0SANDBOX> <!subteam^S123>",
        "<https://evil.example.com|click here>",
        "https://evil.example.com/<!channel>|x>",
        "&lt;!channel&gt; &amp;",
        "```fenced``` `code` *bold* _it_ ~no~",
        "\u{1b}[31mred\u{1b}[0m\u{1b}]0;title\u{7}\u{1b}[2J",
        "zero\u{0}byte and \u{7f}\u{85}\u{9b}31m",
        "\u{202e}gnp.exe\u{2066}\u{2069}\u{feff}\u{200b}",
        ">quote\n>another\n\n# title\r\nline",
        "<!date^1^{date}|x> <#C0MLALERTS> :boom: @channel #general",
        "👩‍👩‍👧‍👦🏳️‍🌈e\u{301}\u{301}\u{301}",
        "'; DROP TABLE alerts; --",
        "{\"blocks\": []} ${HOME} $(id) %s {}",
        " ",
        "",
    ]
    .map(str::to_owned)
    .to_vec();
    texts.push("<".repeat(10_000));
    texts.push("👨‍👩‍👧‍👦".repeat(2_500));
    texts.push("a\u{301}".repeat(10_000));
    texts
}

fn assert_harmless(world: &World, count: usize) {
    world.assert_no_violations();
    assert_eq!(world.slack.mentions(), []);
    assert_eq!(world.slack.messages(CHANNEL).len(), count);
    let history = world.history(&["--limit", "1000"]);
    assert!(history.iter().all(|row| row["state"] == "sent"), "{history:?}");
    // Sent as it was meant, not degraded.
    assert!(world.slack.messages(CHANNEL).iter().all(|message| message.metadata.is_some()));
}

fn plant(world: &World) -> usize {
    let nasty = nasty();
    for text in &nasty {
        let seed = TaskSeed::new(text).project(&format!("p/{text}")).user(text).worker(text).queue(text);
        let id = world.clearml.add_task(seed);
        world.clearml.start_task(&id).unwrap();
        world.clearml.log(&id, text).unwrap();
        world.clearml.fail(&id, text, text).unwrap();
    }
    nasty.len()
}

#[test]
fn hostile_names_users_reasons_and_consoles_are_only_text() {
    let world = World::new();
    assert_eq!(world.once(&[]).code, 0);
    let count = plant(&world);
    let ended = world.once(&["--digest-above", "0"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(!ended.stderr.contains('\u{1b}') && !ended.stderr.contains('\u{202e}'), "{}", ended.stderr);
    assert_harmless(&world, count);
}

#[test]
fn in_a_digest_too() {
    let world = World::new();
    assert_eq!(world.once(&[]).code, 0);
    plant(&world);
    assert_eq!(world.once(&[]).code, 0);
    assert_harmless(&world, 1);
}

#[test]
fn only_the_configured_prefix_mentions() {
    let world = World::new();
    assert_eq!(world.once(&[]).code, 0);
    world.failed_task("<!channel>");
    assert_eq!(world.once(&["--message-prefix", "<!here>"]).code, 0);
    let mentions: Vec<String> = world.slack.mentions().into_iter().map(|mention| mention.entity).collect();
    assert_eq!(mentions, ["<!here>"]);
}

#[test]
fn a_console_of_a_megabyte_in_one_line_and_one_of_progress_bars() {
    let world = World::new();
    assert_eq!(world.once(&[]).code, 0);
    let long = world.running_task("one line");
    world.clearml.log(&long, &"<!channel> ".repeat(100_000)).unwrap();
    world.clearml.fail(&long, "", "").unwrap();
    let bars = world.running_task("progress bars");
    let bar = (0..=1_000).map(|step| format!("\r{step:>5}/1000 [{}]", "#".repeat(step / 20)));
    let bar = bar.collect::<Vec<_>>().concat();
    world.clearml.log(&bars, &format!("start{bar}\ndone\n{}", "\n".repeat(100_000))).unwrap();
    world.clearml.fail(&bars, "", "").unwrap();
    assert_eq!(world.once(&[]).code, 0);
    assert_harmless(&world, 2);
    let messages = world.slack.messages(CHANNEL);
    let shown =
        messages.iter().find(|message| crate::world::title(message).ends_with("progress bars")).unwrap().plain();
    assert!(shown.contains("1000/1000") && !shown.contains(" 999/1000"), "{shown}");
}

#[test]
fn halves_of_surrogate_pairs_in_an_answer() {
    let world = World::new();
    assert_eq!(world.once(&[]).code, 0);
    let stamp = json!(world.clearml.now().to_string());
    let body = r#"{"meta": {"result_code": 200, "result_subcode": 0, "result_msg": "OK"}, "data": {"tasks": [
        {"id": "0123456789abcdef", "name": "half \ud83d and \udc00 \u0000", "type": "training", "status": "failed",
         "status_changed": STAMP, "status_reason": "\ud800\ud800", "status_message": "\udfff", "last_iteration": 0,
         "user": {"id": "u", "name": "\ud83d"}, "project": {"id": "p", "name": "p\ud83d/\u202e"}}]}}"#;
    let effect = Effect::Answer {
        status: 200,
        body: body.replace("STAMP", &stamp.to_string()),
        content_type: "application/json".to_owned(),
        headers: Vec::new(),
    };
    world.clearml.faults().push(FaultRule::next(Fault { effect, applies: false }).on("tasks.get_all_ex"));
    assert_eq!(world.once(&[]).code, 0);
    assert_harmless(&world, 1);
}

/// Answers bent at random: whatever comes, the program neither panics nor alerts what is not there.
#[test]
fn answers_bent_at_random() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let world = World::new();
    assert_eq!(world.once(&[]).code, 0);
    let stamp = world.clearml.now().to_string();
    let good = format!(
        r#"{{"meta": {{"result_code": 200, "result_subcode": 0}}, "data": {{"tasks": [{{"id": "0123", "name": "n", "status":
        "queued", "status_changed": "{stamp}", "last_iteration": 3, "user": {{"id": "u", "name": "U"}}}}]}}}}"#
    );
    for _ in 0..40 {
        let mut bytes = good.clone().into_bytes();
        for _ in 0..random.usize(1..6) {
            let place = random.usize(0..bytes.len().max(1));
            match random.u8(0..4) {
                _ if bytes.is_empty() => bytes.push(b'{'),
                0 => bytes[place] = random.u8(32..127),
                1 => drop(bytes.remove(place)),
                2 => bytes.truncate(place.max(1)),
                _ => bytes.insert(place, random.choice(*b"{}[]\",:\\0e-").unwrap()),
            }
        }
        let body = String::from_utf8_lossy(&bytes).into_owned();
        let effect = Effect::Answer {
            status: 200,
            body: body.clone(),
            content_type: "application/json".to_owned(),
            headers: Vec::new(),
        };
        let fault = Fault { effect, applies: false };
        world.clearml.faults().push(FaultRule::next(fault.clone()).on("tasks.get_all_ex"));
        world.slack.faults().push(FaultRule::next(fault).on("auth.test"));
        let ended = world.once(&["--deliver-timeout", "1s"]);
        assert!(matches!(ended.code, 0 | 3 | 4), "{seed}: {body}: {ended:?}");
        assert!(!ended.stderr.contains("panicked"), "{seed}: {body}: {ended:?}");
        world.clearml.faults().clear();
        world.slack.faults().clear();
    }
    world.failed_task("still works");
    assert_eq!(world.once(&[]).code, 0);
    world.assert_alerts(&["still works"]);
}
