//! The simulated Slack: who may do what, what it refuses, what it notes, and what a person would see.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use clearml_alerts::clock::Clock;
use clearml_alerts::domain::Stamp;
use clearml_alerts::domain::message::draw::{self, BarColour};
use clearml_alerts::sandbox::render;
use clearml_alerts::sandbox::slack::{Channel, RateLimit};
use clearml_alerts::sandbox::{SimulatedSlack, SlackOptions};
use serde_json::{Value, json};

struct World {
    slack: SimulatedSlack,
    client: reqwest::Client,
}

impl World {
    fn new() -> Self {
        let channels = vec![
            Channel::public("ml-alerts").with_id("C0PUBLIC"),
            Channel::public("elsewhere").with_id("C0ELSE").not_joined(),
            Channel::public("old").with_id("C0OLD").archived(),
            Channel::private("secret").with_id("C0SECRET"),
            Channel::private("unknown").with_id("C0UNKNOWN").not_joined(),
        ];
        let clock = Clock::manual(Stamp::from_millis(1_795_386_448_000));
        let slack = SimulatedSlack::start(SlackOptions { channels, clock, ..SlackOptions::default() }).unwrap();
        Self { slack, client: clearml_alerts::http::client().no_proxy().build().unwrap() }
    }

    async fn json(&self, method: &str, body: Value) -> Value {
        let request = self.client.post(format!("{}{method}", self.slack.url())).bearer_auth(self.slack.token());
        let request = request.header("Content-Type", "application/json; charset=utf-8").body(body.to_string());
        request.send().await.unwrap().json().await.unwrap()
    }

    async fn form(&self, method: &str, fields: &[(&str, &str)]) -> Value {
        let request = self.client.post(format!("{}{method}", self.slack.url())).bearer_auth(self.slack.token());
        request.form(fields).send().await.unwrap().json().await.unwrap()
    }

    async fn post(&self, more: Value) -> Value {
        let mut body = json!({"channel": "C0PUBLIC", "text": "hi", "unfurl_links": false, "unfurl_media": false});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.json("chat.postMessage", body).await
    }

    fn problems(&self) -> Vec<String> {
        let violations = self.slack.violations();
        self.slack.clear_violations();
        violations.into_iter().map(|violation| violation.problem).collect()
    }
}

fn section(text: &str) -> Value {
    json!({"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": true}})
}

#[tokio::test]
async fn tokens_and_scopes_are_looked_at() {
    let world = World::new();
    let url = format!("{}auth.test", world.slack.url());
    let nobody: Value = world.client.post(&url).send().await.unwrap().json().await.unwrap();
    assert_eq!(nobody["error"], "not_authed");
    let stranger: Value = world.client.post(&url).bearer_auth("xoxb-other").send().await.unwrap().json().await.unwrap();
    assert_eq!(stranger["error"], "invalid_auth");
    world.slack.set_scopes(&["chat:write"]);
    let known = world.client.post(&url).bearer_auth(world.slack.token()).send().await.unwrap();
    assert_eq!(known.headers()["x-oauth-scopes"], "chat:write");
    let missing = world.form("conversations.list", &[]).await;
    assert_eq!(missing["error"], "missing_scope");
    assert_eq!((&missing["needed"], &missing["provided"]), (&json!("channels:read"), &json!("chat:write")));
    world.slack.revoke_token("token_revoked");
    assert_eq!(world.post(json!({})).await["error"], "token_revoked");
    world.slack.replace_token("xoxb-new");
    assert_eq!(world.post(json!({})).await["ok"], true);
}

#[tokio::test]
async fn channels_answer_by_what_the_bot_may_see() {
    let world = World::new();
    let error = async |channel: &str| world.post(json!({"channel": channel})).await["error"].clone();
    assert_eq!(error("#ml-alerts").await, Value::Null);
    assert_eq!(error("C0ELSE").await, "not_in_channel");
    assert_eq!(error("C0OLD").await, "is_archived");
    assert_eq!(error("C0SECRET").await, Value::Null);
    assert_eq!(error("secret").await, "channel_not_found");
    assert_eq!(error("C0UNKNOWN").await, "channel_not_found");
    assert_eq!(
        world.form("conversations.join", &[("channel", "C0SECRET")]).await["error"],
        "method_not_supported_for_channel_type"
    );
    assert_eq!(world.form("conversations.join", &[("channel", "C0ELSE")]).await["warning"], Value::Null);
    assert_eq!(world.form("conversations.join", &[("channel", "C0ELSE")]).await["warning"], "already_in_channel");
    assert_eq!(error("C0ELSE").await, Value::Null);
}

#[tokio::test]
async fn lists_come_in_pages_short_and_empty_ones_too() {
    let world = World::new();
    for number in 0..20 {
        world.slack.add_channel(Channel::public(&format!("team-{number}")));
    }
    for (short, limit) in [(None, "7"), (Some(3), "999")] {
        world.slack.set_short_pages(short);
        let (mut names, mut cursor, mut pages, mut empty) = (Vec::new(), String::new(), 0, 0);
        loop {
            let fields = [
                ("limit", limit),
                ("cursor", &cursor),
                ("types", "public_channel,private_channel"),
                ("exclude_archived", "true"),
            ];
            let page = world.form("conversations.list", &fields).await;
            let channels = page["channels"].as_array().unwrap();
            names.extend(channels.iter().map(|channel| channel["name"].as_str().unwrap().to_owned()));
            (pages, empty) = (pages + 1, empty + usize::from(channels.is_empty()));
            page["response_metadata"]["next_cursor"].as_str().unwrap().clone_into(&mut cursor);
            if cursor.is_empty() {
                break;
            }
        }
        assert_eq!(names.len(), 23, "{short:?}");
        assert_eq!(empty > 0, short.is_some(), "{pages} pages");
    }
    assert_eq!(world.form("conversations.list", &[("limit", "1000")]).await["error"], "invalid_limit");
    assert_eq!(world.form("conversations.list", &[("cursor", "nonsense")]).await["error"], "invalid_cursor");
}

#[tokio::test]
async fn history_shows_whole_metadata_only_when_asked() {
    let world = World::new();
    let metadata = json!({"event_type": "clearml_alert", "event_payload": {"key": "k1"}});
    let first = world.post(json!({"metadata": metadata})).await["ts"].as_str().unwrap().to_owned();
    let second = world.post(json!({"text": "second"})).await["ts"].as_str().unwrap().to_owned();
    world.post(json!({"text": "reply", "thread_ts": first})).await;
    let plain = world.form("conversations.history", &[("channel", "C0PUBLIC")]).await;
    assert_eq!(plain["messages"].as_array().unwrap().len(), 2);
    assert_eq!(plain["messages"][0]["text"], "second");
    assert_eq!(plain["messages"][1]["metadata"], json!({"event_type": "clearml_alert"}));
    let whole = [("channel", "C0PUBLIC"), ("include_all_metadata", "true"), ("latest", &*second), ("limit", "1")];
    let whole = world.form("conversations.history", &whole).await;
    assert_eq!(whole["messages"][0]["metadata"], metadata);
    let edge = [("channel", "C0PUBLIC"), ("oldest", &*first)];
    assert_eq!(world.form("conversations.history", &edge).await["messages"].as_array().unwrap().len(), 1);
    let edge = [("channel", "C0PUBLIC"), ("oldest", &*first), ("inclusive", "true")];
    assert_eq!(world.form("conversations.history", &edge).await["messages"].as_array().unwrap().len(), 2);
    let replies = world.form("conversations.replies", &[("channel", "C0PUBLIC"), ("ts", &*first)]).await;
    assert_eq!(replies["messages"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn an_edit_replaces_and_is_counted() {
    let world = World::new();
    let ts = world.post(json!({"blocks": [section("one")]})).await["ts"].clone();
    let edit = |text: &str| json!({"channel": "C0PUBLIC", "ts": ts, "text": text, "blocks": [section(text)]});
    assert_eq!(world.json("chat.update", edit("two")).await["ok"], true);
    let stored = world.slack.messages("ml-alerts");
    assert_eq!((stored.len(), stored[0].text.as_str(), stored[0].edits), (1, "two", 1));
    assert_eq!(world.json("chat.update", edit(&"x".repeat(4001))).await["error"], "msg_too_long");
    let named = json!({"channel": "ml-alerts", "ts": ts, "text": "x"});
    assert_eq!(world.json("chat.update", named).await["error"], "channel_not_found");
    let unknown = json!({"channel": "C0PUBLIC", "ts": "1.000001", "text": "x"});
    assert_eq!(world.json("chat.update", unknown).await["error"], "message_not_found");
    assert!(world.slack.delete_message(ts.as_str().unwrap()));
    assert_eq!(world.json("chat.update", edit("three")).await["error"], "message_not_found");
}

#[tokio::test]
async fn what_slack_refuses_is_refused() {
    let world = World::new();
    let many = |count: usize, block: &Value| vec![block.clone(); count];
    let divider = json!({"type": "divider"});
    let field = json!({"type": "mrkdwn", "text": "f", "verbatim": true});
    let header = |text: &str| json!({"type": "header", "text": {"type": "plain_text", "text": text}});
    let refused = [
        (json!({"blocks": many(51, &divider)}), "invalid_blocks"),
        (json!({"blocks": [section("")]}), "invalid_blocks"),
        (json!({"blocks": [section(&"x".repeat(3001))]}), "invalid_blocks"),
        (json!({"blocks": [{"type": "section", "fields": many(11, &field)}]}), "invalid_blocks"),
        (json!({"blocks": [header(&"x".repeat(151))]}), "invalid_blocks"),
        (json!({"blocks": [{"type": "context", "elements": many(11, &field)}]}), "invalid_blocks"),
        (json!({"blocks": [{"type": "nonsense"}]}), "invalid_blocks"),
        (json!({"blocks": [{"type": "divider", "block_id": "x".repeat(256)}]}), "invalid_blocks"),
        (json!({"blocks": many(4, &section(&"x".repeat(3000)))}), "msg_blocks_too_long"),
        (json!({"blocks": "not a list"}), "invalid_blocks_format"),
        (json!({"text": ""}), "no_text"),
        (json!({"metadata": {"event_type": "e"}}), "invalid_metadata_format"),
        (json!({"metadata": {"event_type": "e", "event_payload": {"a": {"b": {"c": 1}}}}}), "invalid_metadata_schema"),
        (json!({"metadata": {"event_type": "e", "event_payload": {"a": "x".repeat(9000)}}}), "metadata_too_large"),
    ];
    for (more, error) in refused {
        let answer = world.post(more).await;
        assert_eq!(answer["error"], error, "{answer}");
        assert!(world.slack.violations().iter().any(|violation| violation.error.as_deref() == Some(error)));
    }
    assert_eq!(world.slack.all_messages().len(), 0);
    // At the limits, counted as Slack counts: an emoji is two.
    let fits = json!({"blocks": [header(&"x".repeat(150)), section(&"😀".repeat(1500)), {"type": "section", "fields": many(10, &field)}]});
    assert_eq!(world.post(fits).await["ok"], true);
}

#[tokio::test]
async fn what_a_careful_client_would_not_send_is_noted() {
    let world = World::new();
    assert_eq!(world.post(json!({"blocks": [section("fine &amp; &lt;good&gt;")]})).await["ok"], true);
    assert_eq!(world.problems(), [""; 0]);
    let noted = [
        (json!({"username": "bot"}), "`username` must not be sent"),
        (json!({"link_names": true}), "`link_names` must not be sent"),
        (json!({"colour": "red"}), "`colour` is no argument"),
        (json!({"unfurl_links": true}), "`unfurl_links` is not false"),
        (json!({"text": "a < b"}), "text: `< b` is no link, mention or date"),
        (json!({"blocks": [section("R&D")]}), "a section's text: `&` is not escaped in `R&D`"),
        (
            json!({"blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "x"}}]}),
            "a section's text is mrkdwn without \"verbatim\": true",
        ),
        (json!({"text": "x".repeat(4001)}), "text has 4001 characters, more than 4000"),
        (
            json!({"blocks": [section(&"x".repeat(3000)), section(&"y".repeat(3000)), section(&"z".repeat(3000))]}),
            "9000 characters of text in blocks, more than 8000",
        ),
        (
            json!({"blocks": [{"type": "actions", "elements": [{"type": "button", "text": {"type": "plain_text", "text": "Open"}, "url": "https://example.com"}]}]}),
            "a button: Slack will send an interaction that nobody answers",
        ),
    ];
    for (more, problem) in noted {
        assert_eq!(world.post(more).await["ok"], true, "{problem}");
        assert_eq!(world.problems(), [problem]);
    }
    world.json("conversations.info", json!({"channel": "C0PUBLIC"})).await;
    assert_eq!(world.problems(), ["JSON, where Slack lists only forms"]);
}

#[tokio::test]
async fn live_mentions_are_kept_and_escaped_ones_are_not() {
    let world = World::new();
    world.post(json!({"blocks": [section("<!here> <@U012AB> &lt;!channel&gt;")]})).await;
    let rich = json!({"type": "rich_text", "elements": [{"type": "rich_text_preformatted", "elements": [{"type": "text", "text": "<!channel>"}]}]});
    world.post(json!({"blocks": [rich]})).await;
    let found: Vec<String> = world.slack.mentions().into_iter().map(|mention| mention.entity).collect();
    assert_eq!(found, ["<!here>", "<@U012AB>"]);
}

#[tokio::test]
async fn the_pace_is_kept_by_slacks_own_clock() {
    let world = World::new();
    world.slack.set_rate_limit(Some(RateLimit { millis_per_message: 1000, burst: 1 }));
    assert_eq!(world.post(json!({})).await["ok"], true);
    assert_eq!(world.post(json!({})).await["error"], "ratelimited");
    assert_eq!(world.post(json!({"channel": "C0SECRET"})).await["ok"], true);
    world.slack.set_clock(Clock::manual(Stamp::from_millis(1_795_386_449_000)));
    assert_eq!(world.post(json!({})).await["ok"], true);
}

#[tokio::test]
async fn webhooks_answer_in_plain_text() {
    let world = World::new();
    let hook = world.slack.add_webhook("ml-alerts");
    let send = async |body: &str| {
        let response = world.client.post(&hook).body(body.to_owned()).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    assert_eq!(send(r#"{"text": "hello"}"#).await, (200, "ok".to_owned()));
    assert!(world.slack.messages("ml-alerts")[0].from_webhook);
    assert_eq!(send("{}").await, (400, "no_text".to_owned()));
    assert_eq!(send("not json").await, (400, "invalid_payload".to_owned()));
    world.slack.change_channel("ml-alerts", |channel| channel.archived = true);
    assert_eq!(send(r#"{"text": "x"}"#).await, (410, "channel_is_archived".to_owned()));
    world.slack.disable_webhooks();
    assert_eq!(send(r#"{"text": "x"}"#).await, (403, "invalid_token".to_owned()));
}

#[tokio::test]
async fn people_are_found_and_written_to() {
    let world = World::new();
    let user = world.slack.add_person("Ada", "ada@example.com");
    let found = world.form("users.lookupByEmail", &[("email", "ADA@example.com")]).await;
    assert_eq!(found["user"]["id"], json!(user));
    let direct = world.json("conversations.open", json!({"users": user})).await["channel"]["id"].clone();
    assert_eq!(world.post(json!({"channel": direct})).await["ok"], true);
    let again = world.json("conversations.open", json!({"users": user})).await;
    assert_eq!((&again["already_open"], &again["channel"]["id"]), (&json!(true), &direct));
}

#[tokio::test(start_paused = true)]
async fn waiting_wakes_on_the_message_and_does_not_outrun_a_paused_clock() {
    let world = World::new();
    let at_most = Duration::from_secs(20);
    let waiting = world.slack.wait_until(at_most, |messages| messages.len() == 2);
    let posting = async {
        world.post(json!({"text": "one"})).await;
        world.post(json!({"text": "two"})).await;
    };
    let (found, ()) = tokio::join!(waiting, posting);
    assert_eq!(found.unwrap().len(), 2);
    let missed = world.slack.wait_for_messages(3, Duration::from_millis(10)).unwrap_err();
    assert_eq!(missed.messages.len(), 2);
    assert!(world.slack.requests().until_answers("chat.postMessage", 2, at_most).await);
    assert!(!world.slack.requests().wait_for_answers("chat.postMessage", 3, Duration::from_millis(10)));
}

#[tokio::test]
async fn a_message_reads_as_a_person_would_see_it() {
    let world = World::new();
    let field = |text: &str| json!({"type": "mrkdwn", "text": text, "verbatim": true});
    let console = "Epoch 3/90\nTraceback (most recent call last):\nKeyError: 'a rather long name that does not fit into the width'";
    let blocks = json!([
        {"type": "header", "text": {"type": "plain_text", "text": "Task failed: resnet50/baseline"}},
        section("<!here> *look*: <https://app.example.com/t/1|resnet50/baseline> in <https://app.example.com/p/1|Vision &amp; more>\n&gt; 2 * 3 * 4"),
        {"type": "section", "fields": [field("*Status*\nfailed"), field("*User*\nAda Okafor"), field("*When*\n<!date^1795386448^{date_short_pretty} {time}|22 Nov 22:27 UTC>")]},
        {"type": "rich_text", "elements": [{"type": "rich_text_preformatted", "elements": [{"type": "text", "text": console}]}]},
        {"type": "context", "elements": [field("task 1 · localhost"), field("last 3 console lines")]},
        {"type": "divider"},
    ]);
    assert_eq!(world.post(json!({"blocks": blocks})).await["ok"], true);
    let message = &world.slack.messages("ml-alerts")[0];
    insta::assert_snapshot!(render::message(message, 48), @r"
    Task failed: resnet50/baseline
    @here look: resnet50/baseline in Vision & more
    > 2 * 3 * 4
      Status                  User
      failed                  Ada Okafor
      When
      22 Nov 22:27 UTC
      │ Epoch 3/90
      │ Traceback (most recent call last):
      │ KeyError: 'a rather long name that does not
      │ fit into the width'
    task 1 · localhost  last 3 console lines
    ────────────────────────────────────────────────
    ");
    let barred = draw::message_with_bar(&message.text, &message.blocks, 48, BarColour::Red);
    assert!(barred.lines().all(|line| line.starts_with("\u{1b}[31m┃\u{1b}[0m")));
}

#[tokio::test]
async fn thousands_of_messages_are_taken_quickly() {
    let world = World::new();
    for number in 0..3_000 {
        assert_eq!(world.post(json!({"text": format!("alert {number}")})).await["ok"], true);
    }
    let messages = world.slack.messages("C0PUBLIC");
    assert_eq!(messages.len(), 3_000);
    assert!(messages.is_sorted_by(|left, right| left.ts < right.ts));
}
