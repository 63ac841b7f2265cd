//! How long the console of a task that has ended may still be on its way to the server.
//!
//! Under an agent, which looks at what a program printed every 5 seconds. Where the program crashes, the agent tells it,
//! after it has sent the last lines; where the program itself says how it ended (`task.mark_failed()`), the traceback comes
//! with the agent's next look. Without an agent the SDK sends everything before it tells the end. (Read in clearml-agent
//! 3.0.3 and clearml 2.1.12, and held by `tests/interop/last_lines.rs`.)

use std::time::Duration;

use super::task::Task;

/// Who an agent says has changed a status, in its message.
const BY_AGENT: &str = "Changed by clearml-agent";
/// Why an agent ends a task, in its own words.
const AGENTS_REASONS: [&str; 2] = ["worker execution", "task was stopped by tasks.stop"];
/// The server's watchdog ends what has been silent for hours.
const BY_WATCHDOG: &str = "non-responsive";

/// How much longer the console of `task`, which has ended, may lack its last lines, `age` after its end and if an agent
/// takes no longer than `longest`; `None` where it is complete.
pub fn console_lag(task: &Task, age: Duration, longest: Duration) -> Option<Duration> {
    let reason = task.status_reason.as_deref().unwrap_or_default();
    let message = task.status_message.as_deref().unwrap_or_default();
    let is_said_by_agent = message.starts_with(BY_AGENT) || AGENTS_REASONS.iter().any(|own| reason.starts_with(own));
    // One that runs and is stuck has no last lines on their way.
    let is_complete =
        task.outcome().is_none() || task.is_run_by_hand() || is_said_by_agent || reason.contains(BY_WATCHDOG);
    let left = longest.saturating_sub(age);
    (!is_complete && !left.is_zero()).then_some(left)
}

#[cfg(test)]
mod tests {
    use super::super::stamp::Stamp;
    use super::super::task::Status;
    use super::*;

    const LONGEST: Duration = Duration::from_secs(6);

    fn failed(reason: &str, message: &str, system_tags: &[&str]) -> Task {
        Task {
            id: "0123456789abcdef0123456789abcdef".to_owned(),
            name: "train".to_owned(),
            kind: Some("training".to_owned()),
            status: Status::Failed,
            status_changed: Stamp::from_millis(1_000),
            status_reason: Some(reason.to_owned()),
            status_message: Some(message.to_owned()),
            started: None,
            completed: None,
            active_duration: None,
            last_update: None,
            last_iteration: 0,
            project: None,
            user: None,
            tags: Vec::new(),
            system_tags: system_tags.iter().map(ToString::to_string).collect(),
            parent: None,
            worker: None,
            queue: None,
            metrics: Vec::new(),
        }
    }

    #[test]
    fn a_failure_that_the_program_itself_told_is_young_for_a_while() {
        let task = failed("Exception CUDA out of memory", "", &[]);
        let lag = |seconds| console_lag(&task, Duration::from_secs(seconds), LONGEST);
        assert_eq!((lag(0), lag(4)), (Some(LONGEST), Some(Duration::from_secs(2))));
        assert_eq!((lag(6), lag(7_200)), (None, None));
    }

    #[test]
    fn what_nobody_sends_any_more_is_not_waited_for() {
        for complete in [
            failed("worker execution exit code 1", "", &[]),
            failed("", "Changed by clearml-agent host:0", &[]),
            failed("task was stopped by tasks.stop", "", &[]),
            failed("Forced stop (non-responsive)", "Forced stop (non-responsive)", &[]),
            failed("Exception CUDA out of memory", "", &["development"]),
        ] {
            assert_eq!(console_lag(&complete, Duration::ZERO, LONGEST), None, "{complete:?}");
        }
    }
}
