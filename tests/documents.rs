//! README.md, docs/ and ARCHITECTURE.md tell what the program does now: every flag with its default, log lines that the
//! source really writes, every exit code and metric, links that lead somewhere, tests and files that really exist.

#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends where a document is wrong")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{Arg, Command, CommandFactory};
use clearml_alerts::cli::arguments::Arguments;
use regex::Regex;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn command() -> Command {
    let mut command = Arguments::command();
    command.build();
    command
}

/// Every command that does something, with the first word of its name.
fn leaves(command: &Command) -> Vec<(String, Command)> {
    let own = command.get_subcommands().filter(|each| each.get_name() != "help" && !each.is_hide_set());
    own.flat_map(|each| {
        let inner = if each.has_subcommands() { leaves(each) } else { vec![(String::new(), each.clone())] };
        inner.into_iter().map(|(_, leaf)| (each.get_name().to_owned(), leaf))
    })
    .collect()
}

fn flags(command: &Command) -> Vec<Arg> {
    command.get_arguments().filter(|arg| arg.get_long().is_some() && !arg.is_hide_set()).cloned().collect()
}

/// A row of a table about flags.
struct Row {
    heading: String,
    flag: String,
    line: String,
}

fn rows(readme: &str) -> Vec<Row> {
    let flag = Regex::new("^\\| `(?:-\\w, )?--([a-z0-9-]+)").unwrap();
    let mut heading = String::new();
    let mut rows = Vec::new();
    for line in readme.lines() {
        if line.starts_with('#') {
            line.clone_into(&mut heading);
        } else if let Some(found) = flag.captures(line) {
            rows.push(Row { heading: heading.clone(), flag: found[1].to_owned(), line: line.to_owned() });
        }
    }
    rows
}

/// The default that the help tells, if it tells one.
fn default_of(flag: &Arg) -> Option<String> {
    let told = flag.get_help().map(ToString::to_string).unwrap_or_default();
    let in_help = Regex::new(r"\[default: ([^\],]+)").unwrap().captures(&told).map(|found| found[1].to_owned());
    let is_shown = flag.get_action().takes_values() && !flag.is_hide_default_value_set();
    let by_clap = flag.get_default_values().first().filter(|_| is_shown);
    in_help.or_else(|| by_clap.map(|value| value.to_string_lossy().into_owned()))
}

#[test]
fn readme_has_a_row_for_every_flag_with_its_default() {
    let readme = read("README.md");
    let rows = rows(&readme);
    let mut missing = BTreeSet::new();
    for (name, command) in leaves(&command()) {
        for flag in flags(&command) {
            let long = flag.get_long().unwrap_or_default();
            if ["help", "version", "log-format"].contains(&long) {
                continue;
            }
            let is_its = |row: &&Row| row.flag == long && row.heading.contains(&format!("`{name}`"));
            match (rows.iter().find(is_its), default_of(&flag)) {
                (None, _) => {
                    missing.insert(format!("--{long} under a heading that names `{name}`"));
                }
                (Some(row), Some(default)) if !row.line.contains(&default) => {
                    missing.insert(format!("the default {default} in `{}`", row.line));
                }
                _ => {}
            }
        }
    }
    assert!(missing.is_empty(), "README.md lacks:\n{}", missing.into_iter().collect::<Vec<_>>().join("\n"));
}

/// README.md and the pages behind it.
fn pages() -> Vec<(String, String)> {
    let docs = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let docs = docs.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let names = docs.map(|path| format!("docs/{}", path.file_name().unwrap().to_string_lossy()));
    let pages: Vec<_> = names.chain(["README.md".to_owned()]).map(|name| (name.clone(), read(&name))).collect();
    assert!(pages.len() >= 5, "only {} pages", pages.len());
    pages
}

#[test]
fn no_page_names_a_command_or_a_flag_that_does_not_exist() {
    let command = command();
    let commands: BTreeSet<String> = command.get_subcommands().map(|each| each.get_name().to_owned()).collect();
    let mut known: BTreeSet<String> = BTreeSet::from(["help".to_owned(), "version".to_owned()]);
    for (_, leaf) in leaves(&command) {
        for flag in flags(&leaf) {
            known.extend(flag.get_long().map(str::to_owned));
            known.extend(flag.get_all_aliases().into_iter().flatten().map(str::to_owned));
        }
    }
    let flag = Regex::new("(?:^|[\\s`(|])--([a-z][a-z0-9_-]*)").unwrap();
    let called = Regex::new("(?:^|`|, |  )clearml-alerts ([a-z]+(?:-[a-z]+)*)").unwrap();
    let of_others = ["cargo ", "benches/", "clearml-agent ", "chown ", "systemd-run ", "Docker", "`--docker`"];
    for (page, text) in pages() {
        for line in text.lines().filter(|line| !of_others.iter().any(|other| line.contains(other))) {
            for found in flag.captures_iter(line) {
                let is_known = known.contains(&found[1].replace('_', "-"));
                assert!(is_known, "{page}: there is no --{} in the program: {line}", &found[1]);
            }
            for found in called.captures_iter(line) {
                assert!(commands.contains(&found[1]), "{page}: there is no command `{}`: {line}", &found[1]);
            }
        }
    }
}

/// A heading's anchor, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = words.chars().filter(|letter| letter.is_alphanumeric() || "-_ ".contains(*letter));
    kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let link = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    let mut links = 0;
    for (page, text) in pages() {
        let folder = root().join(&page).parent().unwrap().to_owned();
        for found in link.captures_iter(&text).filter(|found| !found[1].starts_with("http")) {
            let (path, heading) = found[1].split_once('#').map_or((&found[1], None), |(path, to)| (path, Some(to)));
            let target = if path.is_empty() { root().join(&page) } else { folder.join(path) };
            assert!(target.exists(), "{page}: there is no {path}");
            if let Some(heading) = heading {
                let there = fs::read_to_string(&target).unwrap();
                let is_there = there.lines().any(|line| line.starts_with('#') && anchor(line) == heading);
                assert!(is_there, "{page}: {path} has no heading for #{heading}");
            }
            links += 1;
        }
    }
    assert!(links > 20, "only {links} links");
}

#[test]
fn every_exit_code_is_explained() {
    let code = Regex::new(r"(?m)^    [A-Z][a-z]+ = (\d+),").unwrap();
    let source = read("src/cli/exit.rs");
    let codes: Vec<&str> = code.captures_iter(&source).map(|found| found.get(1).unwrap().as_str()).collect();
    assert!(codes.len() > 5, "{codes:?}");
    for page in ["README.md", "docs/operations.md"] {
        for code in &codes {
            assert!(read(page).contains(&format!("\n| {code} | ")), "{page} does not explain exit code {code}");
        }
    }
}

#[test]
fn every_metric_is_explained() {
    let metric = Regex::new(r#"teller\s*\.(?:counters?|gauges?|histogram)\(\s*"([a-z_]+)""#).unwrap();
    let (source, page) = (read("src/web/metrics.rs"), read("docs/operations.md"));
    let names: Vec<&str> = metric.captures_iter(&source).map(|found| found.get(1).unwrap().as_str()).collect();
    assert!(names.len() > 12, "{names:?}");
    for name in &names {
        assert!(page.contains(&format!("| `clearml_alerts_{name}")), "docs/operations.md does not explain {name}");
    }
}

#[test]
fn the_oldest_compiler_is_the_same_everywhere() {
    let version = Regex::new("(?m)^rust-version = \"([0-9.]+)\"").unwrap();
    let version = version.captures(&read("Cargo.toml")).expect("Cargo.toml states rust-version")[1].to_owned();
    for (file, words) in [
        ("README.md", format!("Rust {version} or newer")),
        ("docs/operations.md", format!("builds with: {version}.")),
        ("Dockerfile", format!("FROM rust:{version}-slim")),
    ] {
        assert!(read(file).contains(&words), "{file} does not say `{words}`");
    }
}

#[test]
fn every_flag_of_the_original_is_answered() {
    let page = read("docs/from-slack-alerts.md");
    for flag in [
        "channel",
        "slack_api",
        "message_prefix",
        "project",
        "min_num_iterations",
        "include_manual_experiments",
        "include_completed_experiments",
        "include_archived",
        "refresh_rate",
        "service_queue",
        "local",
        "verbose",
        "include_users",
        "exclude_users",
    ] {
        let is_answered = page.lines().any(|line| line.starts_with('|') && line.contains(&format!("`--{flag}`")));
        assert!(is_answered, "docs/from-slack-alerts.md says nothing of --{flag}");
    }
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

#[test]
fn operations_quotes_log_lines_that_the_program_writes() {
    let whole = sources(&root().join("src")).iter().map(|path| fs::read_to_string(path).unwrap()).collect::<String>();
    // A line that is broken in the source reads as one.
    let source = Regex::new(r"\\\n\s*").unwrap().replace_all(&whole, "").into_owned();
    let page = read("docs/operations.md");
    let (_, section) = page.split_once("## What the log says").expect("docs/operations.md has a section about the log");
    let table = section.split("\n#").next().unwrap();
    let quotes: Vec<&str> = table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    assert!(quotes.len() > 10, "too few log lines: {quotes:?}");
    for quote in quotes {
        assert!(source.contains(quote), "the program never logs `{quote}`");
    }
}

#[test]
fn architecture_names_tests_and_files_that_exist() {
    let architecture = Regex::new(r"\s+").unwrap().replace_all(&read("ARCHITECTURE.md"), " ").into_owned();
    let test = Regex::new("`([a-z_/]+\\.rs)`: `([a-z0-9_]+)`((?:, `[a-z0-9_]+`)*)").unwrap();
    let mut tests = 0;
    for found in test.captures_iter(&architecture) {
        let file = read(&found[1]);
        let more = found[3].split('`').filter(|word| word.len() > 2);
        for name in std::iter::once(&found[2]).chain(more) {
            assert!(file.contains(&format!("fn {name}(")), "{} has no test `{name}`", &found[1]);
            tests += 1;
        }
    }
    assert!(tests > 20, "only {tests} tests are named");
    let path = Regex::new("`((?:src|tests|fixtures|\\.ci)/[A-Za-z_/.-]*|schema\\.sql)`").unwrap();
    for found in path.captures_iter(&architecture) {
        assert!(root().join(&found[1]).exists(), "there is no {}", &found[1]);
    }
}

#[test]
fn architecture_says_what_each_dependency_is_for() {
    let (manifest, architecture) = (read("Cargo.toml"), read("ARCHITECTURE.md"));
    let name = Regex::new("(?m)^([a-z0-9_-]+) = ").unwrap();
    let (_, table) = architecture.split_once("## Dependencies").expect("ARCHITECTURE.md lists the dependencies");
    for section in ["dependencies", "dev-dependencies"] {
        let (_, rest) = manifest.split_once(&format!("\n[{section}]\n")).unwrap();
        let own = rest.split("\n[").next().unwrap();
        for found in name.captures_iter(own) {
            assert!(table.contains(&format!("`{}`", &found[1])), "what is {} for?", &found[1]);
        }
    }
}

#[test]
fn readme_has_a_row_for_every_parameter_of_the_task_with_its_type() {
    use clearml_alerts::settings::{AllFlags, ConfigFile, NotGiven, parameters_of};
    let readme = read("README.md");
    let (_, section) = readme.split_once("### Every parameter").expect("README.md has a section about the parameters");
    let table = section.split("\n#").next().unwrap();
    let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("| `")).collect();
    let first_cell = |row: &str| row.split('|').nth(1).unwrap_or_default().to_owned();
    let parameters = parameters_of(&AllFlags::default(), NotGiven::Shown(&ConfigFile::default()), true);
    for parameter in &parameters {
        let name = format!("`{}`", parameter.name);
        let row = rows.iter().find(|row| first_cell(row).contains(&name));
        let row = row.unwrap_or_else(|| panic!("no row for {name}"));
        assert!(row.contains(parameter.kind), "{name} is of type {}: {row}", parameter.kind);
        let default = &parameter.value;
        let is_told = default.is_empty() || row.contains(default.as_str()) || row.contains("of no effect");
        assert!(is_told, "{name} is {default} by default: {row}");
    }
    let name = Regex::new("`([a-z_]+)`").unwrap();
    for row in rows {
        for found in name.captures_iter(&first_cell(row)) {
            assert!(
                parameters.iter().any(|parameter| parameter.name == &found[1]),
                "there is no parameter {}",
                &found[1]
            );
        }
    }
}

#[test]
fn readme_shows_the_example_config_file_as_it_is() {
    let example = read("fixtures/config/example.toml");
    let readme = read("README.md");
    let (_, shown) = readme.split_once("```toml\n").unwrap();
    assert_eq!(shown.split("```\n").next().unwrap(), example);
}

fn without_code(text: &str) -> String {
    Regex::new("`[^`]*`").unwrap().replace_all(text, "").into_owned()
}

/// How many cells a row of a table has, to who reads it on a web page.
fn cells(row: &str) -> usize {
    let bare = without_code(row).replace("\\|", "");
    bare.trim().trim_matches('|').matches('|').count() + 1
}

/// A bad paste or replacement shows as a row that does not fit its table, or as a mark that is never closed.
fn damage(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut width = None;
    let (mut prose, mut in_code) = (String::new(), false);
    for line in text.lines() {
        in_code ^= line.trim_start().starts_with("```");
        if in_code || line.trim_start().starts_with("```") {
            continue;
        }
        prose.push_str(&format!("{line}\n"));
        if !line.starts_with('|') {
            width = None;
        } else if *width.get_or_insert_with(|| cells(line)) != cells(line) {
            found.push(format!("a row that does not fit its table: {line}"));
        }
    }
    for paragraph in prose.split("\n\n") {
        let is_open = |mark: &str, text: &str| !text.matches(mark).count().is_multiple_of(2);
        if is_open("`", paragraph) || is_open("**", &without_code(paragraph)) {
            found.push(format!("a mark that is not closed: {paragraph}"));
        }
    }
    found
}

#[test]
fn no_table_is_broken_and_no_mark_is_left_open() {
    let others = ["ARCHITECTURE.md", "CHANGELOG.md"].map(|name| (name.to_owned(), read(name)));
    for (page, text) in pages().into_iter().chain(others) {
        let found = damage(&text);
        assert!(found.is_empty(), "{page}:\n{}", found.join("\n"));
    }
    let pasted_into = "| you want | click |\n|---|---|\n| settings | **HYPER| `channel` | required |\n";
    assert_eq!(damage(pasted_into).len(), 2, "the damage that was there once is found");
}

#[test]
fn every_key_of_the_example_config_file_is_put_to_the_real_binary() {
    let example = read("fixtures/config/example.toml");
    let settings = example.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
    let key = Regex::new(r"(?m)(?:^|[{,] )([a-z_]+) = ").unwrap();
    let known: BTreeSet<&str> =
        key.captures_iter(&settings).map(|found| found.extract::<1>().1[0]).filter(|key| !key.is_empty()).collect();
    assert!(known.len() > 60, "{known:?}");
    let tests = sources(&root().join("tests/black_box"));
    // What Rust writes as \n is a new line of the file.
    let tests: String = tests.iter().map(|path| fs::read_to_string(path).unwrap().replace("\\n", "\n")).collect();
    let is_tested = |key: &str| Regex::new(&format!(r"\b{key} = ")).unwrap().is_match(&tests);
    let untested: Vec<&&str> = known.iter().filter(|key| !is_tested(key)).collect();
    assert!(untested.is_empty(), "no black-box test has {untested:?}");
}
