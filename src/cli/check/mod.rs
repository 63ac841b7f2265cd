//! `check`: one line per thing that must be right, with what was found and how to mend it. Changes nothing, and posts
//! nothing unless `--send-test` asks for it.

mod clearml;
mod database;
mod item;
mod people;
mod settings;
mod slack;
#[cfg(test)]
mod tests;

use serde::Serialize;

use super::arguments::{CheckArguments, ReportFormat};
use super::exit::Exit;
use super::output;
use super::start::Context;
use crate::domain::text::single_line;
use item::{Grade, Item, exit_of};

/// What `--format json` prints.
#[derive(Debug, Serialize)]
struct Report<'a> {
    /// The worst of them.
    worst: Grade,
    /// The exit code.
    exit: u8,
    items: &'a [Item],
}

/// Runs the command.
pub(super) async fn run(arguments: CheckArguments, context: &Context) -> anyhow::Result<Exit> {
    let (settled, mut items) = settings::settle(&arguments, context.environment());
    items.extend(clearml::look(&settled, context).await);
    items.extend(slack::look(&settled, context, arguments.send_test).await);
    items.extend(database::look(&settled, context, arguments.deep).await);
    let exit = exit_of(&items);
    match arguments.format {
        ReportFormat::Text => output::report(&text(&items))?,
        ReportFormat::Json => output::text(&json(&items, exit)?)?,
    };
    Ok(exit)
}

fn json(items: &[Item], exit: Exit) -> serde_json::Result<String> {
    let worst = items.iter().map(|item| item.grade).max().unwrap_or(Grade::Ok);
    Ok(serde_json::to_string_pretty(&Report { worst, exit: exit as u8, items })? + "\n")
}

/// One line an item, and how many are not as they should be.
fn text(items: &[Item]) -> String {
    let mut text: String = items.iter().map(line).collect();
    let count = |grade| items.iter().filter(|item| item.grade == grade).count();
    let (failed, warnings) = (count(Grade::Failed), count(Grade::Warning));
    text.push_str(&match (failed, warnings) {
        (0, 0) => "\nAll is well.\n".to_owned(),
        (0, warnings) => format!("\nIt works; {warnings} to look at.\n"),
        (failed, 0) => format!("\n{failed} failed: mend the first one first.\n"),
        (failed, warnings) => format!("\n{failed} failed, {warnings} to look at: mend the first failure first.\n"),
    });
    text
}

fn line(item: &Item) -> String {
    let mend = item.mend.as_ref().map(|mend| format!(" -> {mend}")).unwrap_or_default();
    let found = single_line(&item.found);
    format!("{:<8} {:<9} {}: {found}{mend}\n", item.grade.as_str(), item.area.as_str(), item.item)
}
