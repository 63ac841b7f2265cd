//! The hand that moves the simulated ClearML server: methods for tests, the demo and the workload. They go past the
//! rules of transitions (as `force` does) and never past the way a stamp is written.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::wire::ApiError;
use super::world::World;
use super::{SimulatedClearml, TaskSeed, Transition, auth, metrics, tasks};
use crate::clock::Clock;
use crate::domain::{Stamp, Status, Task};

/// The server does not know this task.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the simulated ClearML server has no task {0}")]
pub struct NoSuchTask(pub String);

impl SimulatedClearml {
    fn with<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        change(&mut self.shared.world())
    }

    fn with_task(&self, id: &str, change: impl FnOnce(&mut World) -> Result<(), ApiError>) -> Result<(), NoSuchTask> {
        self.with(change).map_err(|_| NoSuchTask(id.to_owned()))
    }

    /// The server's time.
    pub fn now(&self) -> Stamp {
        self.with(|world| world.now())
    }

    /// Gives the server another clock.
    pub fn set_clock(&self, clock: Clock) {
        self.with(|world| world.clock = clock);
    }

    /// Stops the server's clock at this moment; from then on only this and [`SimulatedClearml::advance`] move it.
    pub fn set_time(&self, now: Stamp) {
        self.set_clock(Clock::manual(now));
    }

    /// Moves the server's clock forward; a running clock stops there.
    pub fn advance(&self, by: Duration) {
        self.with(|world| {
            let later = world.now().plus(by);
            world.clock = Clock::manual(later);
        });
    }

    /// Adds a user and returns the ID.
    pub fn add_user(&self, name: &str) -> String {
        self.with(|world| world.ensure_user(name))
    }

    /// Adds a project (and its parents) and returns its ID. A hidden one is left out of name searches.
    pub fn add_project(&self, name: &str, hidden: bool) -> String {
        self.with(|world| {
            let id = world.ensure_project(name);
            if let Some(project) = world.projects.iter_mut().find(|project| project.id == id && hidden) {
                project.system_tags = vec!["hidden".to_owned()];
            }
            id
        })
    }

    /// Renames a project: this one alone, not what lies below it.
    pub fn rename_project(&self, name: &str, new_name: &str) {
        self.with(|world| {
            if let Some(project) = world.projects.iter_mut().find(|project| project.name == name) {
                new_name.clone_into(&mut project.name);
            }
        });
    }

    /// The ID of a project, if there is one of this full name.
    pub fn project_id(&self, name: &str) -> Option<String> {
        self.with(|world| world.projects.iter().find(|project| project.name == name).map(|found| found.id.clone()))
    }

    /// Adds a queue and returns its ID.
    pub fn add_queue(&self, name: &str) -> String {
        self.with(|world| world.ensure_queue(name))
    }

    /// Puts a task in as it is and returns its ID; one with the same ID is replaced.
    pub fn add_task(&self, seed: TaskSeed) -> String {
        self.with(|world| seed.plant(world))
    }

    /// Puts many tasks in at once and returns their IDs.
    pub fn add_tasks(&self, seeds: impl IntoIterator<Item = TaskSeed>) -> Vec<String> {
        self.with(|world| seeds.into_iter().map(|seed| seed.plant(world)).collect())
    }

    /// Changes a task's status.
    pub fn transition(&self, id: &str, transition: Transition) -> Result<(), NoSuchTask> {
        self.with_task(id, |world| transition.carry_out(world, id))
    }

    /// Changes the status of many tasks in the same way, at once: with a stamp, all carry that one.
    pub fn transition_all(&self, ids: &[String], transition: &Transition) -> Result<(), NoSuchTask> {
        self.with(|world| {
            ids.iter().try_for_each(|id| transition.clone().carry_out(world, id).map_err(|_| NoSuchTask(id.clone())))
        })
    }

    /// Starts a task.
    pub fn start_task(&self, id: &str) -> Result<(), NoSuchTask> {
        self.transition(id, Transition::to(Status::InProgress))
    }

    /// Fails a task; on a failed one this is a re-stamp.
    pub fn fail(&self, id: &str, reason: &str, message: &str) -> Result<(), NoSuchTask> {
        self.transition(id, Transition::to(Status::Failed).because(reason, message))
    }

    /// Completes a task.
    pub fn complete(&self, id: &str) -> Result<(), NoSuchTask> {
        self.transition(id, Transition::to(Status::Completed))
    }

    /// Aborts a task, as a user does in the web pages.
    pub fn stop(&self, id: &str) -> Result<(), NoSuchTask> {
        let message = self.with(|world| format!("Stopped by {}", world.login.alias));
        self.transition(id, Transition::to(Status::Stopped).because("", &message))
    }

    /// Aborts a task as the server's watchdog does.
    pub fn stop_by_watchdog(&self, ids: &[String], at: Stamp) -> Result<(), NoSuchTask> {
        let reason = "Forced stop (non-responsive)";
        self.transition_all(ids, &Transition::to(Status::Stopped).because(reason, reason).at(at))
    }

    /// Resets a task: its run and its log are gone.
    pub fn reset(&self, id: &str) -> Result<(), NoSuchTask> {
        self.transition(id, Transition::to(Status::Created))
    }

    /// Queues a task.
    pub fn enqueue(&self, id: &str, queue: &str) -> Result<(), NoSuchTask> {
        self.transition(id, Transition::to(Status::Queued).into_queue(queue))
    }

    /// Publishes a task.
    pub fn publish(&self, id: &str) -> Result<(), NoSuchTask> {
        self.transition(id, Transition::to(Status::Published))
    }

    /// Archives a task, which leaves its status stamp alone.
    pub fn archive(&self, id: &str) -> Result<(), NoSuchTask> {
        self.with_task(id, |world| tasks::set_archived(world, id, true))
    }

    /// Takes a task out of the archive.
    pub fn unarchive(&self, id: &str) -> Result<(), NoSuchTask> {
        self.with_task(id, |world| tasks::set_archived(world, id, false))
    }

    /// Deletes a task.
    pub fn delete(&self, id: &str) -> Result<(), NoSuchTask> {
        self.with_task(id, |world| if world.remove(id) { Ok(()) } else { Err(ApiError::task_id(id)) })
    }

    /// Stamps a task's status anew, and nothing else of it.
    pub fn restamp(&self, id: &str, at: Stamp) -> Result<(), NoSuchTask> {
        self.with_task(id, |world| {
            world.change(id, |task| {
                (task.status_changed, task.last_update, task.last_change) = (Some(at), at, at);
            })
        })
    }

    /// Renames a task.
    pub fn rename(&self, id: &str, name: &str) -> Result<(), NoSuchTask> {
        self.with_task(id, |world| world.change(id, |task| name.clone_into(&mut task.name)))
    }

    /// Reports an iteration, with the sign of life that comes with it.
    pub fn report_iteration(&self, id: &str, iteration: i64) -> Result<(), NoSuchTask> {
        self.with_task(id, |world| {
            tasks::touch(world, id);
            world.change(id, |task| task.last_iteration = task.last_iteration.max(iteration))
        })
    }

    /// Reports a value of a metric's series, with the sign of life that comes with it.
    pub fn report_scalar(&self, id: &str, title: &str, series: &str, value: f64) -> Result<(), NoSuchTask> {
        self.with_task(id, |world| {
            tasks::touch(world, id);
            world.change(id, |task| metrics::report(&mut task.more, title, series, value))
        })
    }

    /// Appends one log event to a task's console; `text` may hold many lines. A sign of life, as any event is.
    pub fn log(&self, id: &str, text: &str) -> Result<(), NoSuchTask> {
        self.with_task(id, |world| append_log(world, id, text))
    }

    /// A task as the server would show it to a client with all its joins, if clients can see it.
    pub fn task(&self, id: &str) -> Option<Task> {
        self.with(|world| world.seen(id).map(|task| task.as_domain(world)))
    }

    /// The whole document of a task, with bare IDs.
    pub fn document(&self, id: &str) -> Option<Value> {
        self.with(|world| world.seen(id).map(|task| Value::Object(task.document())))
    }

    /// The IDs of all tasks, in the order of their creation.
    pub fn task_ids(&self) -> Vec<String> {
        self.with(|world| world.tasks().map(|task| task.id.clone()).collect())
    }

    /// Takes the event store away, or brings it back: logs cannot be read or written meanwhile.
    pub fn set_events_down(&self, down: bool) {
        self.with(|world| world.events_down = down);
    }

    /// Forgets a task's log.
    pub fn delete_log(&self, id: &str) {
        self.with(|world| world.events.remove(id));
    }

    /// A token that is good for so long, for clients that bring one instead of keys.
    pub fn issue_token(&self, life: Duration) -> String {
        let seconds = i64::try_from(life.as_secs()).unwrap_or(i64::MAX);
        self.with(|world| {
            let user = world.login.user.clone();
            auth::issue_token(world, &user, seconds)
        })
    }

    /// Revokes every token issued so far; keys go on working.
    pub fn revoke_tokens(&self) {
        self.with(|world| {
            let sessions = std::mem::take(&mut world.sessions);
            world.revoked.extend(sessions);
        });
    }

    /// Replaces the keys that may log in; tokens go on working.
    pub fn set_credentials(&self, access_key: &str, secret_key: &str) {
        self.with(|world| {
            access_key.clone_into(&mut world.login.access_key);
            secret_key.clone_into(&mut world.login.secret_key);
        });
    }

    /// Changes of status are stamped at once but become visible only so much later, as on a busy server.
    pub fn set_write_delay(&self, delay: Duration) {
        self.with(|world| world.write_delay = delay);
    }

    /// Changes of status are stamped at once but become visible only with [`SimulatedClearml::release_writes`].
    pub fn hold_writes(&self) {
        self.with(|world| world.writes_held = true);
    }

    /// Makes every change of status visible that was held or delayed.
    pub fn release_writes(&self) {
        self.with(World::release_writes);
    }
}

pub(crate) fn append_log(world: &mut World, id: &str, text: &str) -> Result<(), ApiError> {
    world.task(id)?;
    add_to_console(world, id, text);
    tasks::touch(world, id);
    Ok(())
}

/// Adds one log event to a task that there is, and leaves the task itself as it is.
pub(crate) fn add_to_console(world: &mut World, id: &str, text: &str) {
    let worker = world.task(id).ok().and_then(|task| task.last_worker.clone()).unwrap_or_else(|| "sandbox".to_owned());
    let now = world.now();
    let event = Map::from_iter([
        ("type".to_owned(), json!("log")),
        ("task".to_owned(), json!(id)),
        ("level".to_owned(), json!("info")),
        ("worker".to_owned(), json!(worker)),
        ("msg".to_owned(), json!(text)),
        ("timestamp".to_owned(), json!(now.as_millis())),
        ("@timestamp".to_owned(), json!(now.to_string())),
        ("metric".to_owned(), json!("")),
        ("variant".to_owned(), json!("")),
        ("model_event".to_owned(), json!(false)),
    ]);
    world.events.entry(id.to_owned()).or_default().push(event);
}
