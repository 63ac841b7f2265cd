//! The command line: a file per subcommand, with what it prints. Decisions live further down.

pub mod arguments;
mod assemble;
mod backup;
mod check;
mod dead;
#[cfg(feature = "sandbox")]
mod demo;
mod dry_run;
mod enqueue;
mod exit;
mod explain;
mod history;
mod logging;
mod manual;
mod once;
mod output;
mod own_task;
mod patience;
mod progress;
mod reload;
mod run;
#[cfg(feature = "sandbox")]
mod sandbox;
mod signals;
mod silence;
mod start;
mod supervisor;
mod test_knobs;
mod test_rules;
mod watched;

use std::ffi::OsString;
use std::process::ExitCode;

use arguments::{Arguments, Command};
use exit::Exit;

use crate::settings::{Environment, ProcessEnvironment};

/// What the user asked for cannot be.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// The user asked to stop before the command was done.
#[derive(Debug, thiserror::Error)]
#[error("stopped on request before it was done; nothing is lost, the next run goes on from here")]
pub struct Interrupted;

/// The whole program: from its arguments to its exit code.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::read(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are answers, not errors; a reader that has gone wants neither.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() };
        }
    };
    let environment = ProcessEnvironment;
    let is_set = |name: &str| environment.variable(name).is_some_and(|value| !value.is_empty());
    let rust_log = environment.variable("RUST_LOG").and_then(|value| value.into_string().ok());
    let level = logging::Level::of(&arguments);
    let log = logging::start(arguments.log_format, level, rust_log.as_deref(), is_set("NO_COLOR"));
    match execute(arguments, environment, log) {
        Ok(exit) => exit.into(),
        Err(error) => {
            report(&error);
            exit::of(&error).into()
        }
    }
}

#[expect(clippy::print_stderr, reason = "the last word of a command that failed, whatever the log level")]
fn report(error: &anyhow::Error) {
    progress::clear();
    let told = format!("error: {error:#}");
    eprintln!("{}", output::error_width().map_or_else(|| told.clone(), |width| output::wrap(&told, width)));
}

fn execute(arguments: Arguments, environment: ProcessEnvironment, log: logging::Log) -> anyhow::Result<Exit> {
    let context = test_knobs::context(environment, log);
    match arguments.command {
        Command::History(arguments) => history::run(&arguments, &context),
        Command::Silence { command } => block_on(silence::run(command, &context)),
        Command::Dead { command } => block_on(dead::run(command, &context)),
        Command::Backup(arguments) => block_on(backup::make(&arguments, &context)),
        Command::Restore(arguments) => backup::restore(&arguments, &context),
        Command::Completions { shell } => manual::completions(shell),
        Command::Man { command } => manual::page(&command),
        Command::Run(arguments) => block_on(run::run(*arguments, &context)),
        Command::Once(arguments) => block_on(once::run(*arguments, &context)),
        Command::Explain(arguments) => block_on(explain::run(*arguments, &context)),
        Command::TestRules(arguments) => block_on(test_rules::run(*arguments, &context)),
        Command::Check(arguments) => block_on(check::run(*arguments, &context)),
        #[cfg(feature = "sandbox")]
        Command::Demo(_) => block_on(demo::run(&context)),
        #[cfg(feature = "sandbox")]
        Command::Sandbox(arguments) => block_on(sandbox::run(&arguments)),
    }
}

fn block_on(command: impl Future<Output = anyhow::Result<Exit>>) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let result = runtime.block_on(command);
    // A blocking call that hangs (a dead network file system) must not keep a stopped service alive.
    runtime.shutdown_timeout(std::time::Duration::from_millis(500));
    result
}
