//! Everything that the simulated ClearML server knows, and the small operations on it that several services share. No
//! JSON of requests is read here.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::Duration;

use serde_json::{Map, Value};

use super::task::SimTask;
use super::wire::ApiError;
use crate::clock::Clock;
use crate::domain::Stamp;

/// A person (or service) with an account.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) created: Stamp,
}

/// A project; its name is its full path.
#[derive(Debug, Clone)]
pub(crate) struct Project {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) user: String,
    pub(crate) parent: Option<String>,
    pub(crate) created: Stamp,
    pub(crate) last_update: Stamp,
    pub(crate) tags: Vec<String>,
    pub(crate) system_tags: Vec<String>,
}

/// A queue and what waits in it.
#[derive(Debug, Clone)]
pub(crate) struct Queue {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) created: Stamp,
    pub(crate) last_update: Stamp,
    pub(crate) tags: Vec<String>,
    pub(crate) system_tags: Vec<String>,
    pub(crate) metadata: Value,
    pub(crate) entries: VecDeque<(String, Stamp)>,
}

/// An agent that registered itself.
#[derive(Debug, Clone)]
pub(crate) struct Worker {
    pub(crate) id: String,
    pub(crate) queues: Vec<String>,
    pub(crate) task: Option<String>,
    pub(crate) registered: Stamp,
    pub(crate) last_report: Stamp,
    pub(crate) timeout: i64,
    pub(crate) tags: Vec<String>,
    pub(crate) user: String,
}

/// A server-side scroll: an offset into a query.
#[derive(Debug, Clone)]
pub(crate) struct Scroll {
    pub(crate) position: usize,
    pub(crate) until: Stamp,
}

/// The credentials and the person they stand for.
#[derive(Debug, Clone)]
pub(crate) struct Login {
    pub(crate) access_key: String,
    pub(crate) secret_key: String,
    pub(crate) user: String,
    /// The name in the token and in "Stopped by …".
    pub(crate) alias: String,
}

/// The simulated server's memory.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) clock: Clock,
    pub(crate) ids: fastrand::Rng,
    pub(crate) login: Login,
    pub(crate) signing_key: String,
    /// The sessions that tokens were issued for, and those whose tokens are no longer good.
    pub(crate) sessions: Vec<String>,
    pub(crate) revoked: HashSet<String>,
    pub(crate) users: Vec<User>,
    pub(crate) projects: Vec<Project>,
    pub(crate) queues: Vec<Queue>,
    pub(crate) workers: BTreeMap<String, Worker>,
    pub(crate) events: HashMap<String, Vec<Map<String, Value>>>,
    /// What was uploaded, by path.
    pub(crate) files: HashMap<String, axum::body::Bytes>,
    pub(crate) events_down: bool,
    pub(crate) scrolls: HashMap<String, Scroll>,
    tasks: BTreeMap<u64, SimTask>,
    task_numbers: HashMap<String, u64>,
    next_task: u64,
    /// Writes whose stamp is taken but which nobody can see yet, oldest first.
    unseen: VecDeque<(Stamp, SimTask)>,
    pub(crate) write_delay: Duration,
    pub(crate) writes_held: bool,
}

impl World {
    pub(crate) fn new(clock: Clock, seed: u64, login: Login, user_name: &str) -> Self {
        let now = clock.now();
        let mut ids = fastrand::Rng::with_seed(seed);
        let signing_key = hex_id(&mut ids);
        let user = User { id: login.user.clone(), name: user_name.to_owned(), created: now };
        let mut world = Self {
            clock,
            ids,
            login,
            signing_key,
            sessions: Vec::new(),
            revoked: HashSet::new(),
            users: vec![user],
            projects: Vec::new(),
            queues: Vec::new(),
            workers: BTreeMap::new(),
            events: HashMap::new(),
            files: HashMap::new(),
            events_down: false,
            scrolls: HashMap::new(),
            tasks: BTreeMap::new(),
            task_numbers: HashMap::new(),
            next_task: 0,
            unseen: VecDeque::new(),
            write_delay: Duration::ZERO,
            writes_held: false,
        };
        let default = world.ensure_queue("default");
        if let Some(queue) = world.queues.iter_mut().find(|queue| queue.id == default) {
            queue.system_tags.push("default".to_owned());
        }
        world
    }

    pub(crate) fn now(&self) -> Stamp {
        self.clock.now()
    }

    pub(crate) fn new_id(&mut self) -> String {
        hex_id(&mut self.ids)
    }

    /// Makes writes visible whose delay is over; called before every request.
    pub(crate) fn settle(&mut self) {
        let now = self.now();
        while !self.writes_held && self.unseen.front().is_some_and(|(due, _)| *due <= now) {
            if let Some((_, task)) = self.unseen.pop_front() {
                self.replace(task);
            }
        }
    }

    /// Makes every held write visible at once.
    pub(crate) fn release_writes(&mut self) {
        self.writes_held = false;
        for (_, task) in std::mem::take(&mut self.unseen) {
            self.replace(task);
        }
    }

    /// Every task that can be seen, in the order of their creation.
    pub(crate) fn tasks(&self) -> impl Iterator<Item = &SimTask> {
        self.tasks.values()
    }

    /// A task as clients see it.
    pub(crate) fn seen(&self, id: &str) -> Option<&SimTask> {
        self.tasks.get(self.task_numbers.get(id)?)
    }

    /// A task as the next write finds it, held writes included.
    pub(crate) fn task(&self, id: &str) -> Result<&SimTask, ApiError> {
        let unseen = self.unseen.iter().rev().map(|(_, task)| task).find(|task| task.id == id);
        unseen.or_else(|| self.seen(id)).ok_or_else(|| ApiError::task_id(id))
    }

    /// Adds a task that is new.
    pub(crate) fn insert(&mut self, task: SimTask) {
        let number = self.next_task;
        self.next_task += 1;
        self.task_numbers.insert(task.id.clone(), number);
        self.tasks.insert(number, task);
    }

    /// Adds a task, or replaces the one with its ID.
    pub(crate) fn upsert(&mut self, task: SimTask) {
        if self.task_numbers.contains_key(&task.id) {
            self.replace(task);
        } else {
            self.insert(task);
        }
    }

    fn replace(&mut self, task: SimTask) {
        if let Some(number) = self.task_numbers.get(&task.id) {
            self.tasks.insert(*number, task);
        }
    }

    /// Writes a task whose stamp was taken at `stamped`: at once, or later where writes are delayed or held.
    pub(crate) fn write(&mut self, task: SimTask, stamped: Stamp) {
        if self.writes_held || self.write_delay > Duration::ZERO {
            self.unseen.push_back((stamped.plus(self.write_delay), task));
        } else {
            self.replace(task);
        }
    }

    /// Changes a task in place: what is not a change of status is never delayed.
    pub(crate) fn change<T>(&mut self, id: &str, change: impl FnOnce(&mut SimTask) -> T) -> Result<T, ApiError> {
        if let Some((_, task)) = self.unseen.iter_mut().rev().find(|(_, task)| task.id == id) {
            return Ok(change(task));
        }
        let number = self.task_numbers.get(id).ok_or_else(|| ApiError::task_id(id))?;
        self.tasks.get_mut(number).map(change).ok_or_else(|| ApiError::task_id(id))
    }

    /// Forgets a task and its events.
    pub(crate) fn remove(&mut self, id: &str) -> bool {
        self.unseen.retain(|(_, task)| task.id != id);
        self.events.remove(id);
        self.leave_queues(id);
        self.task_numbers.remove(id).and_then(|number| self.tasks.remove(&number)).is_some()
    }

    pub(crate) fn user(&self, id: &str) -> Option<&User> {
        self.users.iter().find(|user| user.id == id)
    }

    /// The ID of the user of this name, who is added where missing.
    pub(crate) fn ensure_user(&mut self, name: &str) -> String {
        if let Some(user) = self.users.iter().find(|user| user.name == name) {
            return user.id.clone();
        }
        let (id, created) = (self.new_id(), self.now());
        self.users.push(User { id: id.clone(), name: name.to_owned(), created });
        id
    }

    pub(crate) fn project(&self, id: &str) -> Option<&Project> {
        self.projects.iter().find(|project| project.id == id)
    }

    pub(crate) fn queue(&self, id: &str) -> Option<&Queue> {
        self.queues.iter().find(|queue| queue.id == id)
    }

    pub(crate) fn queue_named(&self, name: &str) -> Option<&Queue> {
        self.queues.iter().find(|queue| queue.name == name)
    }

    /// The ID of the project of this name; it and its parents are created where they are missing.
    pub(crate) fn ensure_project(&mut self, name: &str) -> String {
        if let Some(project) = self.projects.iter().find(|project| project.name == name) {
            return project.id.clone();
        }
        let parent = name.rsplit_once('/').map(|(parent, _)| self.ensure_project(parent));
        let (id, now) = (self.new_id(), self.now());
        self.projects.push(Project {
            id: id.clone(),
            name: name.to_owned(),
            description: String::new(),
            user: self.login.user.clone(),
            parent,
            created: now,
            last_update: now,
            tags: Vec::new(),
            system_tags: Vec::new(),
        });
        id
    }

    /// The ID of the queue of this name, created where it is missing.
    pub(crate) fn ensure_queue(&mut self, name: &str) -> String {
        if let Some(queue) = self.queue_named(name) {
            return queue.id.clone();
        }
        let (id, now) = (self.new_id(), self.now());
        self.queues.push(Queue {
            id: id.clone(),
            name: name.to_owned(),
            created: now,
            last_update: now,
            tags: Vec::new(),
            system_tags: Vec::new(),
            metadata: Value::Object(Map::new()),
            entries: VecDeque::new(),
        });
        id
    }

    /// Puts a task at the end of a queue.
    pub(crate) fn join_queue(&mut self, queue: &str, task: &str) {
        let now = self.now();
        if let Some(queue) = self.queues.iter_mut().find(|own| own.id == queue) {
            queue.entries.push_back((task.to_owned(), now));
            queue.last_update = now;
        }
    }

    /// Takes a task out of whatever queue it waits in; how many entries that were.
    pub(crate) fn leave_queues(&mut self, task: &str) -> usize {
        let mut removed = 0;
        for queue in &mut self.queues {
            let before = queue.entries.len();
            queue.entries.retain(|(waiting, _)| waiting != task);
            removed += before - queue.entries.len();
        }
        removed
    }

    /// Notes that something happened in a task's project.
    pub(crate) fn touch_project(&mut self, id: Option<&str>) {
        let now = self.now();
        if let Some(project) = self.projects.iter_mut().find(|project| Some(project.id.as_str()) == id) {
            project.last_update = now;
        }
    }
}

/// 32 hexadecimal digits, as ClearML's IDs are.
pub(crate) fn hex_id(rng: &mut fastrand::Rng) -> String {
    format!("{:032x}", rng.u128(..))
}
