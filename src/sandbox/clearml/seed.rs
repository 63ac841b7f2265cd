//! A task to be put into the simulated server, described by what tells it apart.

use std::time::Duration;

use serde::Deserialize;

use super::control::add_to_console;
use super::metrics;
use super::task::SimTask;
use super::world::World;
use crate::domain::{Stamp, Status};

/// A task to be put into the simulated server as it is, whatever the rules of transitions say. What is not given is what
/// a new task has; a status other than `created` is stamped with the server's clock unless a stamp is given.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct TaskSeed {
    id: Option<String>,
    name: String,
    project: Option<String>,
    user: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    status: Option<String>,
    status_changed: Option<Stamp>,
    status_reason: Option<String>,
    status_message: Option<String>,
    created: Option<Stamp>,
    started: Option<Stamp>,
    completed: Option<Stamp>,
    active_duration: Option<i64>,
    last_iteration: i64,
    tags: Vec<String>,
    system_tags: Vec<String>,
    parent: Option<String>,
    queue: Option<String>,
    worker: Option<String>,
    /// By title and series, the values that were reported, in order.
    metrics: Vec<(String, String, Vec<f64>)>,
    console: Option<String>,
}

impl TaskSeed {
    /// A draft of this name, in no project, of the sandbox's own user.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// With this ID; a task that has it already is replaced.
    #[must_use]
    pub fn id(mut self, id: &str) -> Self {
        self.id = Some(id.to_owned());
        self
    }

    /// In the project of this full name, which is created where it is missing.
    #[must_use]
    pub fn project(mut self, name: &str) -> Self {
        self.project = Some(name.to_owned());
        self
    }

    /// Of the user of this name, who is added where missing.
    #[must_use]
    pub fn user(mut self, name: &str) -> Self {
        self.user = Some(name.to_owned());
        self
    }

    /// Of this type (`training` otherwise).
    #[must_use]
    pub fn kind(mut self, kind: &str) -> Self {
        self.kind = Some(kind.to_owned());
        self
    }

    /// With this status.
    #[must_use]
    pub fn status(mut self, status: &Status) -> Self {
        self.status = Some(status.as_str().to_owned());
        self
    }

    /// Its status stamped so.
    #[must_use]
    pub fn status_changed(mut self, stamp: Stamp) -> Self {
        self.status_changed = Some(stamp);
        self
    }

    /// With this reason and message for its status.
    #[must_use]
    pub fn because(mut self, reason: &str, message: &str) -> Self {
        self.status_reason = Some(reason.to_owned());
        self.status_message = Some(message.to_owned());
        self
    }

    /// Created then.
    #[must_use]
    pub fn created(mut self, stamp: Stamp) -> Self {
        self.created = Some(stamp);
        self
    }

    /// First started then.
    #[must_use]
    pub fn started(mut self, stamp: Stamp) -> Self {
        self.started = Some(stamp);
        self
    }

    /// Completed then.
    #[must_use]
    pub fn completed(mut self, stamp: Stamp) -> Self {
        self.completed = Some(stamp);
        self
    }

    /// Active for so long, in whole seconds.
    #[must_use]
    pub fn active(mut self, duration: Duration) -> Self {
        self.active_duration = i64::try_from(duration.as_secs()).ok();
        self
    }

    /// With this last iteration.
    #[must_use]
    pub fn iterations(mut self, last: i64) -> Self {
        self.last_iteration = last;
        self
    }

    /// With these users' tags.
    #[must_use]
    pub fn tags(mut self, tags: &[&str]) -> Self {
        self.tags.extend(tags.iter().map(|tag| (*tag).to_owned()));
        self
    }

    /// With these system tags (`development`, `archived`, …).
    #[must_use]
    pub fn system_tags(mut self, tags: &[&str]) -> Self {
        self.system_tags.extend(tags.iter().map(|tag| (*tag).to_owned()));
        self
    }

    /// Hidden: found only by those who search for hidden tasks.
    #[must_use]
    pub fn hidden(self) -> Self {
        self.system_tags(&["hidden"])
    }

    /// A child of this task.
    #[must_use]
    pub fn parent(mut self, id: &str) -> Self {
        self.parent = Some(id.to_owned());
        self
    }

    /// Last sent to the queue of this name, which is created where it is missing.
    #[must_use]
    pub fn queue(mut self, name: &str) -> Self {
        self.queue = Some(name.to_owned());
        self
    }

    /// Last run by this worker.
    #[must_use]
    pub fn worker(mut self, worker: &str) -> Self {
        self.worker = Some(worker.to_owned());
        self
    }

    /// With these values of a metric's series, reported in this order.
    #[must_use]
    pub fn metric(mut self, title: &str, series: &str, values: &[f64]) -> Self {
        self.metrics.push((title.to_owned(), series.to_owned(), values.to_vec()));
        self
    }

    /// With this on its console.
    #[must_use]
    pub fn console(mut self, text: &str) -> Self {
        self.console = Some(text.to_owned());
        self
    }

    /// Puts it into the world and returns its ID.
    pub(crate) fn plant(self, world: &mut World) -> String {
        let now = world.now();
        let id = self.id.unwrap_or_else(|| world.new_id());
        let user = match self.user {
            Some(name) => world.ensure_user(&name),
            None => world.login.user.clone(),
        };
        let kind = self.kind.as_deref().unwrap_or("training");
        let mut task = SimTask::new(id.clone(), &self.name, kind, &user, self.created.unwrap_or(now));
        task.project = self.project.map(|name| world.ensure_project(&name));
        task.queue = self.queue.map(|name| world.ensure_queue(&name));
        task.parent = self.parent;
        task.last_worker = self.worker;
        task.tags = self.tags;
        task.system_tags = self.system_tags;
        task.last_iteration = self.last_iteration;
        task.started = self.started;
        task.completed = self.completed;
        task.active_duration = self.active_duration;
        for (title, series, values) in &self.metrics {
            for value in values {
                metrics::report(&mut task.more, title, series, *value);
            }
        }
        task.status = self.status.as_deref().map_or(Status::Created, Status::parse);
        task.status_changed = self.status_changed.or_else(|| (task.status != Status::Created).then_some(now));
        let reason = self.status_reason.or_else(|| task.status_changed.map(|_| String::new()));
        let message = self.status_message.or_else(|| task.status_changed.map(|_| String::new()));
        (task.status_reason, task.status_message) = (reason, message);
        if let Some(stamp) = task.status_changed {
            (task.last_update, task.last_change) = (stamp, stamp);
        }
        world.upsert(task);
        if let Some(text) = self.console {
            add_to_console(world, &id, &text);
        }
        id
    }
}
