//! The pages in a real browser: a headless Chromium, driven from `pages.test.mjs`, looks at the pages of a real service.
//!
//! Needs `node`, `chromium` and `npm ci --prefix tests/browser`. Where one of them is missing the test says so and
//! passes, unless `CLEARML_ALERTS_REQUIRE_BROWSER` is 1.

#![cfg(feature = "sandbox")]
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test ends where its world is not as declared, and says what it skips; its harness is shared"
)]

#[path = "../black_box/http.rs"]
mod http;
mod seeded;
#[path = "../black_box/world.rs"]
mod world;

use std::path::{Path, PathBuf};
use std::process::Command;

use http::Pages;
use world::{World, wait_until};

const HOSTILE: &str =
    "<script>document.title='stolen'</script><img src=x onerror=\"document.title='stolen'\"> & friends";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser")
}

/// The browser, or what is missing.
fn browser() -> Result<PathBuf, String> {
    if Command::new("node").arg("--version").output().is_err() {
        return Err("node is not installed".to_owned());
    }
    if !folder().join("node_modules/playwright-core").exists() || !folder().join("node_modules/axe-core").exists() {
        return Err("`npm ci --prefix tests/browser` has not been run".to_owned());
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let mut found = std::env::split_paths(&folders).flat_map(|folder| names.map(|name| folder.join(name)));
    found.find(|path| path.exists()).ok_or_else(|| "chromium is not installed".to_owned())
}

#[test]
fn pages_in_a_real_browser() {
    let browser = match browser() {
        Ok(browser) => browser,
        Err(missing) => {
            let is_required = std::env::var_os("CLEARML_ALERTS_REQUIRE_BROWSER").is_some_and(|value| value == "1");
            assert!(!is_required, "the pages cannot be tested in a browser: {missing}");
            println!("SKIPPED: the pages were not tested in a browser: {missing}");
            return;
        }
    };
    let world = World::new();
    assert_eq!(world.once(&[]).code, 0);
    seeded::fill(&world.database(), 700, 7, world.clearml.now().as_millis());
    let flags = ["--listen", "127.0.0.1:0", "--digest-above", "0", "--include-completed-experiments"];
    let service = world.start(&[&flags[..], &["--include-aborted-experiments"]].concat());
    let pages = Pages::of(&service);
    wait_until("the service to be ready", || pages.get("/readyz").status == 200);
    let task = populate(&world, &pages);
    let tested = Command::new("node")
        .args(["--test", "--test-reporter=spec", "pages.test.mjs"])
        .current_dir(folder())
        .env("PAGES_URL", pages.url())
        .env("PAGES_TASK", task)
        .env("PAGES_HOSTILE", HOSTILE)
        .env("PAGES_BROWSER", browser)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&tested.stdout).into_owned() + &String::from_utf8_lossy(&tested.stderr);
    println!("{told}");
    assert!(tested.status.success(), "{told}");
    service.stop();
}

/// A week of alerts before, and 14 alerts in three outcomes, one of them hostile. Returns the task with the longest story.
fn populate(world: &World, pages: &Pages) -> String {
    let clearml = &world.clearml;
    let story = world.running_task("bert-large fine-tuning on the quarterly corpus");
    world.wait_for_polls(2);
    let console: Vec<String> = (0..30).map(|epoch| format!("epoch {epoch}: loss 0.{}", 999 - epoch * 31)).collect();
    clearml.log(&story, &console.join("\n")).unwrap();
    clearml
        .fail(&story, "RuntimeError: CUDA out of memory. Tried to allocate 2.00 GiB", "Execution ended with error")
        .unwrap();
    for number in 0..8 {
        world.failed_task(&format!("resnet50 sweep {number}"));
    }
    for number in 0..3 {
        let id = world.running_task(&format!("nightly evaluation {number}"));
        clearml.complete(&id).unwrap();
    }
    let stopped = world.running_task("distributed training, 8 × A100");
    clearml.stop(&stopped).unwrap();
    wait_for_alerts(pages, 13);
    // After the others, so that it is the newest.
    world.failed_task(HOSTILE);
    wait_for_alerts(pages, 14);
    story
}

/// Waits until so many of the new alerts are sent.
fn wait_for_alerts(pages: &Pages, count: usize) {
    wait_until("the alerts", || {
        let names = ["bert-large fine", "friends", "sweep ", "nightly evaluation", "distributed training"];
        let sent =
            |name: &&str| pages.get(&format!("/alerts?state=sent&limit=500&task={}", name.replace(' ', "+"))).body;
        names.iter().map(sent).map(|page| page.matches("state-sent").count()).sum::<usize>() == count
    });
}
