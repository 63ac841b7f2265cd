//! `sandbox`: the simulated servers by themselves, with a team at work, to point any client at.

use std::time::Duration;

use super::arguments::SandboxArguments;
use super::exit::Exit;
use super::{UsageError, output, signals};
use crate::sandbox::workload::What;
use crate::sandbox::{ClearmlOptions, SimulatedClearml, SimulatedSlack, SlackOptions, Workload, render};

/// Between two steps of the team.
const STEP: Duration = Duration::from_secs(2);
/// Columns of a drawn message where the output is no terminal.
const COLUMNS: usize = 80;

/// Runs the command until it is asked to stop.
pub(super) async fn run(arguments: &SandboxArguments) -> anyhow::Result<Exit> {
    let clearml = SimulatedClearml::start(ClearmlOptions { port: arguments.clearml_port, ..ClearmlOptions::default() })
        .map_err(|error| taken("--clearml-port", arguments.clearml_port, &error))?;
    let slack = SimulatedSlack::start(SlackOptions { port: arguments.slack_port, ..SlackOptions::default() })
        .map_err(|error| taken("--slack-port", arguments.slack_port, &error))?;
    if !output::text(&introduction(&clearml, &slack, arguments.idle))? {
        return Ok(Exit::Done);
    }
    let stop = signals::stop_on_request();
    if arguments.idle {
        stop.cancelled().await;
        return Ok(Exit::Done);
    }
    let mut team = Workload::new(fastrand::u64(..));
    let mut shown = 0;
    loop {
        let mut news = happenings(&mut team, &clearml)?;
        let messages = slack.all_messages();
        for message in messages.iter().skip(shown) {
            news.push_str(&format!("\n{}\n", render::message(message, COLUMNS)));
        }
        shown = messages.len();
        if !output::text(&news)? {
            return Ok(Exit::Done);
        }
        tokio::select! {
            () = tokio::time::sleep(STEP) => {}
            () = stop.cancelled() => return Ok(Exit::Done),
        }
    }
}

fn taken(flag: &str, port: u16, error: &std::io::Error) -> UsageError {
    UsageError(format!("cannot listen on 127.0.0.1:{port}: {error}; choose another port with {flag}"))
}

/// How to point this program, or the SDK, at the servers.
fn introduction(clearml: &SimulatedClearml, slack: &SimulatedSlack, is_idle: bool) -> String {
    let (key, secret) = clearml.credentials();
    let team = if is_idle {
        "Nobody is at work: POST /sandbox/tasks makes a task. Ctrl-C ends it."
    } else {
        "A team is at work; what fails, and what arrives in Slack, is shown here. Ctrl-C ends it."
    };
    format!(
        "A simulated ClearML is at {0}, a simulated Slack at {1}. In another terminal:\n\n\
         export CLEARML_API_HOST={0} CLEARML_WEB_HOST=https://app.example.com\n\
         export CLEARML_API_ACCESS_KEY={key} CLEARML_API_SECRET_KEY={secret}\n\
         export SLACK_API_URL={1} SLACK_API_TOKEN={2}\n\
         clearml-alerts run --local --channel '#ml-alerts' --db /tmp/sandbox-alerts.db\n\n\
         {3}\n\n",
        clearml.url(),
        slack.url(),
        slack.token(),
        team,
    )
}

fn happenings(team: &mut Workload, clearml: &SimulatedClearml) -> anyhow::Result<String> {
    let mut news = String::new();
    for happening in team.step(clearml)? {
        let what = match happening.what {
            What::Failed => "failed",
            What::Completed => "completed",
            What::Stopped => "was aborted",
            What::Started => "started",
            What::Queued | What::Progressed | What::Restamped => continue,
        };
        news.push_str(&format!("ClearML: {} {what}\n", happening.name));
    }
    Ok(news)
}
