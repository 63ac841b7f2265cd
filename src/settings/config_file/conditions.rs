//! What a rule asks of a task: the keys of `[[rule]]` that are conditions.

use std::collections::HashSet;

use super::nearest::nearest;
use super::problem::shown;
use super::projects;
use super::table::{At, Table};
use crate::domain::rule::{MetricCondition, MetricValue, Operator, Pattern, TagFilter};
use crate::domain::{Cause, Conditions, Outcome, OutcomeSet, ProjectFilter, UserFilter};
use crate::settings::defaults;

/// The types of tasks that ClearML knows.
const TASK_TYPES: [&str; 16] = [
    "training",
    "testing",
    "inference",
    "data_processing",
    "application",
    "monitor",
    "controller",
    "optimizer",
    "service",
    "qc",
    "custom",
    "dataset_import",
    "annotation",
    "annotation_manual",
    "report",
    "dataset",
];

const VALUES: [(&str, MetricValue); 3] =
    [("last", MetricValue::Last), ("min", MetricValue::Min), ("max", MetricValue::Max)];

const OPERATORS: [(&str, Operator); 6] = [
    ("<", Operator::Less),
    ("<=", Operator::AtMost),
    (">", Operator::Greater),
    (">=", Operator::AtLeast),
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
];

pub(super) fn read(table: &Table<'_>) -> Conditions {
    let asked = Conditions::default();
    Conditions {
        outcomes: statuses(table).unwrap_or(asked.outcomes),
        projects: projects(table),
        name: table.text("task_name").and_then(|at| pattern(table, &at)),
        kinds: words(table, "types", &TASK_TYPES, "every type"),
        tags: tags(table, "tags"),
        system_tags: tags(table, "system_tags"),
        users: users(table),
        queues: names(table, "queues", "every queue"),
        workers: workers(table),
        min_iterations: table
            .whole("min_iterations", &defaults::ITERATIONS_RANGE)
            .map_or(asked.min_iterations, |at| at.value),
        min_run_time: table.duration("min_run_time").map_or(asked.min_run_time, |at| at.value),
        include_manual: is_on(table, "include_manual"),
        include_archived: is_on(table, "include_archived"),
        include_hidden: is_on(table, "include_hidden"),
        metric: table.table("metric").and_then(|metric| self::metric(&metric)),
        causes: causes(table),
    }
}

fn is_on(table: &Table<'_>, key: &'static str) -> bool {
    table.switch(key).is_some_and(|at| at.value)
}

fn statuses(table: &Table<'_>) -> Option<OutcomeSet> {
    let words = table.some_texts("statuses", "failed tasks only")?;
    let outcome = |at: &At<String>| {
        Outcome::parse(at.value.trim()).filter(|outcome| Outcome::ENDS.contains(outcome)).or_else(|| {
            table.refuse(at, &at.value, "is no status a rule can speak of", "write failed, completed or stopped")
        })
    };
    Some(words.value.iter().filter_map(outcome).collect())
}

/// Words of a list that is known.
fn words(table: &Table<'_>, key: &'static str, known: &[&str], without: &str) -> HashSet<String> {
    let Some(texts) = table.some_texts(key, without) else { return HashSet::new() };
    let mut words = HashSet::new();
    for at in texts.value {
        let word = at.value.trim().to_lowercase();
        if !known.contains(&word.as_str()) {
            let remedy = nearest(&word, known.iter().copied())
                .map_or_else(|| format!("known are {}", known.join(", ")), |meant| format!("did you mean `{meant}`?"));
            table.refuse::<_, ()>(&at, &at.value, "is not known", &remedy);
        }
        words.insert(word);
    }
    words
}

/// Names that only ClearML knows.
fn names(table: &Table<'_>, key: &'static str, without: &str) -> HashSet<String> {
    let texts = table.some_texts(key, without).map(|at| at.value).unwrap_or_default();
    texts.iter().filter_map(|at| name(table, at)).collect()
}

fn name(table: &Table<'_>, at: &At<String>) -> Option<String> {
    match at.value.trim() {
        "" => table.refuse(at, &at.value, "names nothing", "write a name or an ID, or leave it out"),
        name => Some(name.to_owned()),
    }
}

fn users(table: &Table<'_>) -> UserFilter {
    let only = table.some_texts("users", "everybody's tasks");
    let except = table.texts("exclude_users").filter(|at| !at.value.is_empty());
    let named = |at: &At<Vec<At<String>>>| at.value.iter().filter_map(|at| name(table, at)).collect();
    match (&only, &except) {
        (None, None) => UserFilter::Everyone,
        (Some(only), None) => UserFilter::Only(named(only)),
        (None, Some(except)) => UserFilter::Except(named(except)),
        (Some(only), Some(except)) => {
            let remedy = "name the users to watch, or the users to leave out, not both";
            table.refuse::<_, ()>(except, "", "and users are both given", remedy);
            UserFilter::Only(named(only))
        }
    }
}

fn workers(table: &Table<'_>) -> Vec<Pattern> {
    let texts = table.some_texts("workers", "every worker").map(|at| at.value).unwrap_or_default();
    texts.iter().filter_map(|at| pattern(table, at)).collect()
}

/// A regular expression of ours.
fn pattern(table: &Table<'_>, at: &At<String>) -> Option<Pattern> {
    if at.value.is_empty() {
        return table.refuse(at, "", "is empty and would match everything", "leave it out");
    }
    match Pattern::new(&at.value) {
        Ok(pattern) => Some(pattern),
        Err(error) => {
            // The last line says what is wrong; those before it draw the pattern.
            let told = error.to_string();
            let why = told.lines().last().unwrap_or_default().trim().trim_start_matches("error: ").to_owned();
            let problem = format!("is no regular expression ({})", shown(&why));
            table.refuse(at, &at.value, &problem, "correct it; \\ makes a special character a plain one")
        }
    }
}

fn tags(table: &Table<'_>, key: &'static str) -> TagFilter {
    let Some(filter) = table.table(key) else { return TagFilter::default() };
    let list = |key, without| {
        let texts = if key == "not" { filter.texts(key) } else { filter.some_texts(key, without) };
        texts.map(|at| at.value).unwrap_or_default().iter().filter_map(|at| name(&filter, at)).collect()
    };
    let tags = TagFilter { any: list("any", "any tag"), all: list("all", "any tag"), not: list("not", "any tag") };
    filter.finish();
    tags
}

fn metric(table: &Table<'_>) -> Option<MetricCondition> {
    let title = required(table, "title", table.text("title"));
    let series = required(table, "series", table.text("series"));
    let value = table.text("value").map_or(Some(MetricValue::Last), |at| choice(table, &at, &VALUES));
    let operator = required(table, "operator", table.text("operator"));
    let operator = operator.and_then(|at| choice(table, &at, &OPERATORS));
    let threshold = required(table, "threshold", table.number("threshold"));
    table.finish();
    let (title, series) = (name(table, &title?)?, name(table, &series?)?);
    Some(MetricCondition { title, series, value: value?, operator: operator?, threshold: threshold?.value })
}

fn required<T>(table: &Table<'_>, key: &'static str, found: Option<At<T>>) -> Option<At<T>> {
    if found.is_none() && !table.has(key) {
        table.reading.problem(table.line, format!("{} is not set: a condition on a metric needs it", table.place(key)));
    }
    found
}

fn choice<T: Copy>(table: &Table<'_>, at: &At<String>, choices: &[(&str, T)]) -> Option<T> {
    let found = choices.iter().find(|(word, _)| *word == at.value.trim()).map(|(_, choice)| *choice);
    found.or_else(|| {
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        table.refuse(at, &at.value, "is none of the choices", &format!("write one of {}", words.join(" ")))
    })
}

fn causes(table: &Table<'_>) -> HashSet<String> {
    words(table, "causes", &Cause::ALL.map(Cause::as_str), "every cause")
}

/// The projects that a rule watches.
fn projects(table: &Table<'_>) -> ProjectFilter {
    let read = |at: Option<At<Vec<At<String>>>>| {
        let texts = at.map(|at| at.value).unwrap_or_default();
        texts.iter().filter_map(|at| projects::read(table, at)).collect()
    };
    ProjectFilter {
        only: read(table.some_texts("projects", "every project")),
        except: read(table.texts("exclude_projects")),
    }
}
