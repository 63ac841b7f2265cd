//! A task that runs: it asks for time to end gracefully, shows a sign of life, and notices when somebody ends it.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::console::ConsoleTap;
use super::error::AgentError;
use crate::clearml::{ClearmlError, Client, OwnTask, TaskEnd, TaskState};
use crate::domain::{Repeats, Status, Worth};

/// The variables that tell a program which task it is, the current one first.
pub const TASK_VARIABLES: [&str; 2] = ["CLEARML_TASK_ID", "TRAINS_TASK_ID"];

/// How long an agent is asked to wait after an abort, in seconds, and how often the program looks; both are ClearML's
/// conventions, found in the task's `runtime`.
const ABORT_TIMEOUT: (&str, &str) = ("_abort_callback_timeout", "30");
const ABORT_POLL: (&str, &str) = ("_abort_poll_freq", "2");
const ABORT_DONE: &str = "_abort_callback_completed";
/// The agent's patience after an abort: the two together, and a look of its own.
const AGENT_PATIENCE: Duration = Duration::from_secs(40);
/// The last word may not keep a stopped service alive.
const LAST_WORD: Duration = Duration::from_secs(2);

/// Who runs the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host {
    /// A ClearML agent: it captures the console and sets the status.
    Agent,
    /// Somebody else: console and status are for the program to tell.
    Ourselves,
}

/// How a life came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The program was asked to stop (a signal), and did.
    Stopped,
    /// It did all it was to do.
    Done,
    /// It could not go on, because of this.
    Failed(String),
}

/// What a life needs to be told.
#[derive(Debug, Clone)]
pub struct LifeConfig {
    /// Who runs the program.
    pub host: Host,
    /// This machine's name, as the console shows it.
    pub worker: String,
    /// How often the own task is looked at, and the console sent.
    pub every: Duration,
    /// How often a sign of life is given: the server's watchdog ends tasks that are silent for 2 hours.
    pub ping_every: Duration,
    /// The program's log lines.
    pub console: ConsoleTap,
}

/// A running task's life beside the program's own work.
#[derive(Debug)]
pub struct Life {
    client: Client,
    task: String,
    host: Host,
    every: Duration,
    over: CancellationToken,
    watching: JoinHandle<Option<Asked>>,
    sending: Option<JoinHandle<()>>,
}

/// Why the program should end, as its task tells.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Asked {
    /// An abort, and the agent waits for our word.
    Abort,
    /// It is over already.
    Over(String),
}

/// What is left after the last word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    All,
    AgentEndsUs,
}

/// What a look at the task means.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Look {
    GoOn,
    StartAgain,
    Forget(&'static str),
    End(Asked),
}

impl Life {
    /// Begins to live as `task`: it is in progress from here on, and `stop` is set when somebody ends it.
    pub async fn begin(
        client: Client,
        task: &OwnTask,
        config: LifeConfig,
        stop: CancellationToken,
    ) -> Result<Self, AgentError> {
        let id = task.id.clone();
        if task.state.status != Status::InProgress {
            client.start_task(&id).await.map_err(AgentError::while_doing("starting the task"))?;
        }
        let LifeConfig { host, worker, every, ping_every, console } = config;
        if host == Host::Agent {
            console.close();
            ask_for_time(&client, &id).await;
        }
        let over = CancellationToken::new();
        let sending = (host == Host::Ourselves)
            .then(|| tokio::spawn(console.send_until(client.clone(), id.clone(), worker, every, over.clone())));
        let watching = tokio::spawn(watch(client.clone(), id.clone(), host, (every, ping_every), over.clone(), stop));
        Ok(Self { client, task: id, host, every, over, watching, sending })
    }

    /// The task's ID.
    pub fn task(&self) -> &str {
        &self.task
    }

    /// Says how it ended, where that is for the program to say. After an abort under an agent this returns only when
    /// the agent does not end the program as it should.
    pub async fn end(self, ending: Ending) {
        let (client, task, every) = (self.client.clone(), self.task.clone(), self.every);
        match tokio::time::timeout(LAST_WORD, self.last_word(ending)).await {
            Ok(Said::AgentEndsUs) => wait_for_the_agent(&client, &task, every).await,
            Ok(Said::All) => {}
            Err(_) => tracing::warn!("ClearML did not hear in time that this task ended"),
        }
    }

    async fn last_word(self, ending: Ending) -> Said {
        self.over.cancel();
        if let Some(sending) = self.sending {
            let _ = sending.await;
        }
        let asked = self.watching.await.ok().flatten();
        let (said, rest) = match (self.host, asked) {
            (Host::Agent, Some(Asked::Abort)) => {
                (self.client.note_runtime(&self.task, &[(ABORT_DONE, Some("1"))]).await, Said::AgentEndsUs)
            }
            (Host::Ourselves, Some(Asked::Abort)) => {
                (self.client.end_task(&self.task, &TaskEnd::Stopped).await, Said::All)
            }
            (Host::Agent, _) | (_, Some(Asked::Over(_))) => (Ok(()), Said::All),
            (Host::Ourselves, None) => (self.client.end_task(&self.task, &end_of(ending)).await, Said::All),
        };
        if let Err(error) = said {
            tracing::warn!(%error, "ClearML could not be told that this task ended");
        }
        rest
    }
}

/// Waits to be killed. An agent looks for an abort every few seconds only; a program that ended before it looked would be
/// taken for one that did all it was to do, and its task would stand there as completed.
async fn wait_for_the_agent(client: &Client, task: &str, every: Duration) {
    let is_waiting = async || {
        let state = client.task_state(task).await;
        state.is_ok_and(|state| state.is_some_and(|state| state.is_asked_to_stop()))
    };
    let killed = async {
        while is_waiting().await {
            tokio::time::sleep(every).await;
        }
    };
    let _ = tokio::time::timeout(AGENT_PATIENCE, killed).await;
}

fn end_of(ending: Ending) -> TaskEnd {
    match ending {
        Ending::Stopped => TaskEnd::Stopped,
        Ending::Done => TaskEnd::Completed,
        Ending::Failed(reason) => TaskEnd::Failed { reason },
    }
}

/// Asks the agent to wait after an abort instead of killing at once. A kill loses nothing, so not being heard is no error.
async fn ask_for_time(client: &Client, task: &str) {
    let notes = [
        (ABORT_TIMEOUT.0, Some(ABORT_TIMEOUT.1)),
        (ABORT_POLL.0, Some(ABORT_POLL.1)),
        // Left over from an earlier run it would say that this one has ended already.
        (ABORT_DONE, None),
    ];
    if let Err(error) = client.note_runtime(task, &notes).await {
        tracing::warn!(%error, "the agent could not be asked to wait after an abort; it will kill instead, which loses nothing");
    }
}

/// Looks at the own task until it is over or `over` is set; sets `stop` where somebody ended it.
async fn watch(
    client: Client,
    task: String,
    host: Host,
    (every, ping_every): (Duration, Duration),
    over: CancellationToken,
    stop: CancellationToken,
) -> Option<Asked> {
    let mut pinged = Instant::now();
    let mut is_away = false;
    let mut restarts = Repeats::default();
    loop {
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            () = over.cancelled() => return None,
        }
        let seen = tokio::select! {
            seen = client.task_state(&task) => seen,
            () = over.cancelled() => return None,
        };
        is_away = note_absence(is_away, seen.as_ref().err());
        match seen.map_or(Look::GoOn, |state| look(state.as_ref(), host)) {
            Look::GoOn => {}
            Look::StartAgain => start_again(&client, &task, &mut restarts).await,
            Look::Forget(what) => {
                tracing::warn!(task, "this monitor's task in ClearML was {what}; the monitor works on without it");
                // Its console is no place for lines any more.
                over.cancel();
                return Some(Asked::Over(what.to_owned()));
            }
            Look::End(asked) => {
                match &asked {
                    Asked::Abort => tracing::info!(task, "aborted in ClearML; finishing what is under way"),
                    Asked::Over(status) => tracing::info!(task, status, "this task was ended in ClearML; ending too"),
                }
                stop.cancel();
                return Some(asked);
            }
        }
        if pinged.elapsed() >= ping_every {
            pinged = Instant::now();
            let _ = client.ping_task(&task).await;
        }
    }
}

async fn start_again(client: &Client, task: &str, restarts: &mut Repeats) {
    match client.start_task(task).await {
        Ok(()) => {
            restarts.succeeded();
            tracing::info!(task, "ClearML had given this task up as silent; it is started again");
        }
        Err(error) if restarts.failed(&error.to_string()) != Worth::Nothing => {
            tracing::warn!(%error, "ClearML has given this task up as silent, and it could not be started again; trying on");
        }
        Err(_) => {}
    }
}

/// Logs the first of several failures.
fn note_absence(was_away: bool, error: Option<&ClearmlError>) -> bool {
    if let (false, Some(error)) = (was_away, error) {
        tracing::debug!(%error, "the own task cannot be looked at");
    }
    error.is_some()
}

fn look(state: Option<&TaskState>, host: Host) -> Look {
    let Some(state) = state else {
        return match host {
            Host::Agent => Look::End(Asked::Over("deleted".to_owned())),
            Host::Ourselves => Look::Forget("deleted"),
        };
    };
    if state.is_asked_to_stop() {
        return Look::End(Asked::Abort);
    }
    if state.is_given_up_by_watchdog() {
        return Look::StartAgain;
    }
    match (&state.status, host) {
        (Status::Created, Host::Ourselves) => Look::Forget("reset"),
        // Somebody reset it and enqueued it again between two looks: an agent starts it anew.
        (Status::Queued, Host::Ourselves) => Look::Forget("enqueued"),
        (Status::Created, Host::Agent) => Look::End(Asked::Over("reset".to_owned())),
        (
            Status::Queued
            | Status::Stopped
            | Status::Failed
            | Status::Completed
            | Status::Closed
            | Status::Published
            | Status::Publishing,
            _,
        ) => Look::End(Asked::Over(state.status.to_string())),
        _ => Look::GoOn,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looked(status: Status, reason: &str, message: &str, host: Host) -> Look {
        look(Some(&TaskState { status, reason: reason.to_owned(), message: message.to_owned() }), host)
    }

    #[test]
    fn only_what_ends_a_task_ends_the_program() {
        let over = |status: &str| Look::End(Asked::Over(status.to_owned()));
        for host in [Host::Agent, Host::Ourselves] {
            assert_eq!(looked(Status::InProgress, "", "Changed by clearml-agent", host), Look::GoOn);
            assert_eq!(looked(Status::InProgress, "", "stopping", host), Look::End(Asked::Abort));
            assert_eq!(looked(Status::Completed, "", "", host), over("completed"));
            assert_eq!(looked(Status::Stopped, "", "Stopped by alice", host), over("stopped"));
            let watchdog = "Forced stop (non-responsive)";
            assert_eq!(looked(Status::Stopped, watchdog, watchdog, host), Look::StartAgain);
        }
    }

    #[test]
    fn a_monitor_outside_of_an_agent_outlives_its_registration() {
        assert_eq!(look(None, Host::Ourselves), Look::Forget("deleted"));
        assert_eq!(looked(Status::Created, "reset", "reset", Host::Ourselves), Look::Forget("reset"));
        assert_eq!(looked(Status::Queued, "", "", Host::Ourselves), Look::Forget("enqueued"));
        assert!(matches!(look(None, Host::Agent), Look::End(_)));
        assert!(matches!(looked(Status::Queued, "", "", Host::Agent), Look::End(_)), "the next run is under way");
        assert!(matches!(looked(Status::Created, "reset", "reset", Host::Agent), Look::End(_)));
    }
}
