//! The status page, the metrics, the probes and the heartbeat of the real binary, over plain HTTP.

use std::collections::HashSet;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::http::{Answer, Listener, Pages};
use crate::world::{Running, World, wait_until};

const HOSTILE: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)> & <!channel>";

fn watched(world: &World, more: &[&str]) -> (Running, Pages) {
    let service = world.start(&[&["--listen", "127.0.0.1:0"], more].concat());
    let pages = Pages::of(&service);
    wait_until("the service to be ready", || pages.get("/readyz").status == 200);
    (service, pages)
}

/// The addresses of links whose text is `label`.
fn link(page: &str, label: &str) -> Option<String> {
    let end = page.find(&format!(">{label}</a>"))?;
    let start = page[..end].rfind("href=\"")? + "href=\"".len();
    let href = page[start..end].split('"').next()?;
    Some(href.replace("&amp;", "&"))
}

fn rows(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let ids = answer.body.split("href=\"/alerts/").skip(1);
    ids.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

#[test]
fn the_page_says_that_all_is_well_and_keeps_to_itself() {
    let world = World::new();
    let (service, pages) = watched(&world, &[]);
    world.failed_task("resnet50 baseline");
    world.wait_for_messages(1);
    wait_until("the alert on the page", || pages.get("/").body.contains("state-sent"));
    let page = pages.get("/");
    assert!(page.body.contains("<h1>Healthy</h1>") && page.body.contains("resnet50 baseline"), "{}", page.body);
    assert!(page.body.contains("<title>Healthy · clearml-alerts</title>"), "{}", page.body);
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(page.header("cache-control"), Some("no-store"));
    for path in ["/", "/alerts", "/alerts/1", "/metrics", "/healthz", "/readyz", "/assets/page.css", "/nowhere"] {
        let answer = pages.get(path);
        assert_eq!(answer.status, if path == "/nowhere" { 404 } else { 200 }, "{path}");
        assert_eq!(answer.header("set-cookie"), None, "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        for foreign in ["src=\"http", "url(http", "@import", "style=\""] {
            assert!(!answer.body.contains(foreign), "{foreign} in {path}: {}", answer.body);
        }
        for method in ["POST", "PUT", "DELETE", "PATCH"] {
            let status = pages.ask(method, path, &[]).status;
            assert!(matches!(status, 404 | 405), "{method} {path}: {status}");
        }
    }
    assert_eq!(service.stop().code, 0);
}

#[test]
fn hostile_values_are_text_on_every_page() {
    let world = World::new();
    let (service, pages) = watched(&world, &[]);
    let id = world.failed_task(HOSTILE);
    wait_until("the alert", || pages.get("/alerts").body.contains("state-sent"));
    let query = url::form_urlencoded::byte_serialize(HOSTILE.as_bytes()).collect::<String>();
    let task = format!("/tasks/{id}");
    let filtered = format!("/alerts?task={query}");
    let refused = format!("/alerts?since={query}");
    for path in ["/", "/alerts", "/alerts/1", &task, &filtered, &refused] {
        let page = pages.get(path).body;
        assert!(page.contains("&lt;script&gt;alert(1)"), "{path}: {page}");
        assert!(!page.contains("<script>alert") && !page.contains("<img"), "{path}: {page}");
    }
    assert!(!pages.get("/metrics").body.contains("alert(1)"));
    service.stop();
}

#[test]
fn filters_are_in_the_address_and_pages_lead_through_the_whole_list() {
    let world = World::new();
    let (service, pages) = watched(&world, &["--digest-above", "0"]);
    for number in 0..7 {
        world.failed_task(&format!("net-{number}"));
    }
    wait_until("all alerts", || rows(&pages.get("/alerts?state=sent")).len() == 7);
    let whole = rows(&pages.get("/alerts"));
    let mut address = "/alerts?limit=3".to_owned();
    let mut seen = Vec::new();
    for expected in [3, 3, 1] {
        let page = pages.get(&address);
        seen.extend(rows(&page));
        assert_eq!(rows(&page).len(), expected, "{address}");
        address = link(&page.body, "Older").unwrap_or_default();
    }
    assert_eq!((address.as_str(), &seen), ("", &whole));
    let last = pages.get(&link(&pages.get("/alerts?limit=3").body, "Oldest").unwrap());
    assert_eq!(rows(&last), whole[4..]);
    let newer = pages.get(&link(&last.body, "Newer").unwrap());
    assert_eq!(rows(&newer), whole[1..4]);
    let newest = pages.get(&link(&newer.body, "Newest").unwrap());
    assert_eq!(rows(&newest), whole[..3]);
    assert_eq!(link(&newest.body, "Newer"), None);
    for (query, count) in [
        ("task=net-3", 1),
        ("task=net-3&task=net-4", 2),
        ("task=NET&status=failed&state=sent&user=ada&project=resnet&rule=default&channel=%23ml-alerts&since=1h", 7),
        ("cause=cuda_out_of_memory&cause=signal", 7),
        ("cause=signal", 0),
        ("status=completed", 0),
        ("state=dead", 0),
        ("until=yesterday", 0),
        ("project=", 7),
    ] {
        assert_eq!(rows(&pages.get(&format!("/alerts?{query}"))).len(), count, "{query}");
    }
    for wrong in ["status=running", "limit=x", "before=y", "since=whenever", "cause=luck", "projekt=vision"] {
        let answer = pages.get(&format!("/alerts?{wrong}"));
        assert_eq!((answer.status, answer.body.contains("role=\"alert\"")), (400, true), "{wrong}");
    }
    service.stop();
}

#[test]
fn an_alert_and_a_task_tell_their_story() {
    let world = World::new();
    let (service, pages) = watched(&world, &["--message-prefix", "Hey <!here>,"]);
    let id = world.running_task("resnet50 baseline");
    world.wait_for_polls(2);
    world.clearml.fail(&id, "RuntimeError: CUDA out of memory", "it failed").unwrap();
    wait_until("the alert", || pages.get("/alerts").body.contains("state-sent"));
    let alert = pages.get("/alerts/1").body;
    for told in
        ["class=\"slack\"", "CUDA out of memory", "<span class=\"mention\">@here</span>", "HTTP 200", "vision/resnet"]
    {
        assert!(alert.contains(told), "{told} in {alert}");
    }
    let href = format!("/tasks/{id}");
    assert!(alert.contains(&format!("href=\"{href}\"")), "{alert}");
    let task = pages.get(&href).body;
    for told in ["in_progress", "failed", "Alert 1", "Status changes", "https://app.example.com/projects/"] {
        assert!(task.contains(told), "{told} in {task}");
    }
    for nowhere in ["/alerts/2", "/alerts/x", "/alerts/99999999999999999999", "/tasks/nobody", "/tasks/%00"] {
        assert_eq!(pages.get(nowhere).status, 404, "{nowhere}");
    }
    service.stop();
}

#[test]
fn metrics_count_what_happens_and_name_nobody() {
    let world = World::new();
    let (service, pages) = watched(&world, &["--include-users", "Ada"]);
    let id = world.failed_task("resnet50 baseline");
    let metrics = || pages.get("/metrics");
    wait_until("the delivery in the metrics", || {
        metrics().body.contains("clearml_alerts_delivery_latency_seconds_count 1")
    });
    let text = metrics().body;
    for line in [
        "clearml_alerts_verdicts_total{rule=\"default\",reason=\"alert\"} 1",
        "clearml_alerts_alerts_total{rule=\"default\",state=\"pending\"} 1",
        "clearml_alerts_alerts_total{rule=\"default\",state=\"sent\"} 1",
        "clearml_alerts_attempts_total{class=\"sent\"} 1",
        "clearml_alerts_waiting{state=\"pending\"} 0.0",
        "clearml_alerts_oldest_pending_seconds 0.0",
        concat!("clearml_alerts_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1.0"),
    ] {
        assert!(text.lines().any(|told| told == line), "{line} in {text}");
    }
    for name in [
        "polls_total{result=\"good\"}",
        "last_good_poll_timestamp_seconds",
        "watermark_lag_seconds",
        "database_size_bytes",
    ] {
        assert!(text.contains(&format!("\nclearml_alerts_{name} ")), "{name} in {text}");
    }
    for private in ["resnet", &id, "Ada", "ml-alerts"] {
        assert!(!text.contains(private), "{private} in {text}");
    }
    assert_eq!(metrics().header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let accept = [("Accept", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5")];
    let open = pages.ask("GET", "/metrics", &accept);
    assert!(open.body.ends_with("# EOF\n") && open.header("content-type").unwrap().contains("openmetrics"));
    check_with_promtool(&text);
    what_contrib_asks_for_is_told(&text);
    service.stop();
}

/// Dashboard and alert rules ask for no metric that there is not.
fn what_contrib_asks_for_is_told(text: &str) {
    let contrib = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib");
    let name = regex::Regex::new("clearml_alerts_[a-z_]+").unwrap();
    for file in ["grafana/clearml-alerts.json", "prometheus/clearml-alerts.rules.yml"] {
        let asked = std::fs::read_to_string(contrib.join(file)).unwrap();
        for found in name.find_iter(&asked) {
            let family = found.as_str().trim_end_matches("_bucket");
            assert!(text.contains(&format!("# TYPE {family} ")), "{family} of {file} in {text}");
        }
    }
}

/// Prometheus' own opinion, where its tool is installed.
fn check_with_promtool(text: &str) {
    let child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        println!("promtool is not installed: the metrics were not checked with it");
        return;
    };
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), text.as_bytes()).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
}

#[test]
fn not_ready_says_why_and_ready_again_says_nothing() {
    let world = World::new();
    let (service, pages) = watched(&world, &[]);
    world.slack.revoke_token("token_revoked");
    world.failed_task("resnet50 baseline");
    wait_until("not ready", || pages.get("/readyz").status == 503);
    let body: Value = serde_json::from_str(&pages.get("/readyz").body).unwrap();
    let slack = &body["checks"].as_array().unwrap().iter().find(|check| check["name"] == "slack").unwrap();
    assert!(slack["problem"].as_str().unwrap().contains("token_revoked"), "{body}");
    assert_eq!(pages.get("/healthz").status, 200);
    let page = pages.get("/").body;
    assert!(page.contains("<h1>Not healthy</h1>") && page.contains("token_revoked"), "{page}");
    assert_eq!(rows(&pages.get("/alerts?state=held")).len(), 1);
    world.slack.restore_token();
    wait_until("ready again", || pages.get("/readyz").status == 200);
    world.wait_for_messages(1);
    service.stop();
}

#[test]
fn while_it_starts_it_is_alive_and_not_ready() {
    let world = World::new();
    assert_eq!(world.once(&[]).code, 0);
    world.clearml.set_online(false);
    let service = world.start(&["--listen", "127.0.0.1:0"]);
    let pages = Pages::of(&service);
    assert_eq!(pages.get("/healthz").status, 200);
    assert_eq!(pages.get("/metrics").status, 200);
    let ready = pages.get("/readyz");
    assert_eq!((ready.status, ready.body.contains("starting")), (503, true), "{ready:?}");
    let page = pages.get("/");
    assert_eq!((page.status, page.body.contains("Starting")), (503, true), "{page:?}");
    world.clearml.set_online(true);
    service.stop();
}

#[test]
fn a_token_guards_the_pages_and_leaves_the_probes_tight_lipped() {
    const TOKEN: &str = "0123456789abcdef";
    let world = World::new();
    let mut command = world.command(&[
        "run",
        "--local",
        "--channel",
        "ml-alerts",
        "--refresh-rate",
        "0.1",
        "--announce",
        "none",
        "--listen",
        "127.0.0.1:0",
    ]);
    let service = Running::start(command.env("CLEARML_ALERTS_LISTEN_TOKEN", TOKEN));
    let pages = Pages::of(&service);
    wait_until("ready", || pages.get("/readyz").status == 200);
    for path in ["/", "/alerts", "/metrics", "/assets/page.css"] {
        let answer = pages.get(path);
        assert_eq!((answer.status, answer.header("www-authenticate").is_some()), (401, true), "{path}");
        let bearer = format!("Bearer {TOKEN}");
        assert_eq!(pages.ask("GET", path, &[("Authorization", &bearer), ("Host", "alerts.example.com")]).status, 200);
        assert_eq!(pages.ask("GET", path, &[("Authorization", "Bearer 0123456789abcdeX")]).status, 401);
    }
    world.slack.revoke_token("token_revoked");
    world.failed_task("resnet50 baseline");
    wait_until("not ready", || pages.get("/readyz").status == 503);
    let told = pages.get("/readyz").body;
    assert!(told.contains("slack") && !told.contains("token_revoked") && !told.contains("ml-alerts"), "{told}");
    let ended = service.stop();
    assert!(!ended.stderr.contains(TOKEN), "{}", ended.stderr);
}

#[test]
fn a_foreign_name_is_not_answered_and_an_open_address_needs_a_word() {
    let world = World::new();
    let (service, pages) = watched(&world, &[]);
    for (host, status) in [("evil.example.com", 421), ("localhost", 200), ("127.0.0.1:1", 200)] {
        assert_eq!(pages.ask("GET", "/alerts", &[("Host", host)]).status, status, "{host}");
    }
    let taken = pages.url().trim_start_matches("http://").to_owned();
    let ended = world.run(&["run", "--local", "--channel", "x", "--db", "other.db", "--listen", &taken]);
    assert_eq!((ended.code, ended.stderr.contains("--listen")), (1, true), "{ended:?}");
    service.stop();
    let ended = world.run(&["run", "--local", "--channel", "x", "--listen", "0.0.0.0:0"]);
    assert_eq!((ended.code, ended.stderr.contains("--listen-unprotected")), (2, true), "{ended:?}");
}

#[test]
fn the_heart_beats_after_a_good_cycle_and_not_with_every_one() {
    let world = World::new();
    let receiver = Listener::start(200);
    let secret = format!("{}/s3cret", receiver.url());
    let service = world.start(&["--heartbeat-url", &secret]);
    wait_until("a heartbeat", || !receiver.asked().is_empty());
    world.wait_for_polls(5);
    assert_eq!(receiver.asked(), ["GET /s3cret HTTP/1.1"]);
    let ended = service.stop();
    assert!(!ended.stderr.contains("s3cret"), "{}", ended.stderr);
}

#[test]
fn a_heartbeat_that_fails_is_told_once_and_holds_nothing_up() {
    let world = World::new();
    let receiver = Listener::start(500);
    let secret = format!("{}/s3cret", receiver.url());
    let service = world.start(&["--heartbeat-url", &secret]);
    service.wait_for_log("the heartbeat failed");
    world.failed_task("resnet50 baseline");
    world.wait_for_messages(1);
    let ended = service.stop();
    let told = ended.stderr.lines().filter(|line| line.contains("heartbeat")).collect::<HashSet<_>>();
    assert!(told.len() == 1 && !ended.stderr.contains("s3cret"), "{}", ended.stderr);
}

#[test]
fn no_heartbeat_while_slack_cannot_be_told() {
    let world = World::new();
    assert_eq!(world.once(&[]).code, 0);
    world.failed_task("told");
    assert_eq!(world.once(&[]).code, 0);
    world.slack.revoke_token("token_revoked");
    world.failed_task("held");
    assert_eq!(world.once(&["--deliver-timeout", "1s"]).code, 4);
    let receiver = Listener::start(200);
    let service = world.start(&["--heartbeat-url", &receiver.url()]);
    world.wait_for_polls(5);
    assert_eq!(receiver.asked(), [""; 0]);
    world.slack.restore_token();
    wait_until("a heartbeat", || !receiver.asked().is_empty());
    service.stop();
}
