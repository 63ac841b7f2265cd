//! A small team at work: tasks are created, queued, started, report progress, and end well or badly, over and over. Driven
//! step by step, so that the demo and the `sandbox` command decide how fast time goes. The same seed tells the same story.

use super::clearml::{NoSuchTask, SimulatedClearml, TaskSeed, Transition};
use super::stories::{FAILURES, Failure, PEOPLE, QUEUES, RECIPES, WORKERS};
use crate::domain::Status;

/// As many tasks as run at the same time.
const CROWD: usize = 5;

/// Something that a step did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happening {
    /// The task's ID.
    pub task: String,
    /// Its name.
    pub name: String,
    /// What became of it.
    pub what: What,
}

/// What became of a task in a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// It was created and queued.
    Queued,
    /// An agent took it.
    Started,
    /// It reported progress.
    Progressed,
    /// It ended well.
    Completed,
    /// It failed.
    Failed,
    /// The agent stamped the failure again, with a poorer reason.
    Restamped,
    /// Somebody aborted it.
    Stopped,
}

struct Job {
    id: String,
    name: String,
    epoch: i64,
    epochs: i64,
    /// What the agent sees its program end with.
    exit_code: i32,
}

/// The team and what it is running at the moment.
pub struct Workload {
    rng: fastrand::Rng,
    running: Vec<Job>,
    queued: Vec<Job>,
    /// Failures that an agent is yet to stamp again.
    to_restamp: Vec<Job>,
    made: usize,
}

impl Workload {
    /// A team whose story this seed tells.
    pub fn new(seed: u64) -> Self {
        let rng = fastrand::Rng::with_seed(seed);
        Self { rng, running: Vec::new(), queued: Vec::new(), to_restamp: Vec::new(), made: 0 }
    }

    /// One step of everybody: failures of the last step are stamped again, a task is queued where few run, one starts,
    /// and every running one goes on or ends. Fails where somebody else deleted one of its tasks.
    pub fn step(&mut self, clearml: &SimulatedClearml) -> Result<Vec<Happening>, NoSuchTask> {
        let mut happenings = self.restamp(clearml)?;
        if self.running.len() + self.queued.len() < CROWD {
            happenings.push(self.queue_one(clearml)?);
        }
        if self.running.len() < CROWD && !self.queued.is_empty() {
            happenings.push(self.start_one(clearml)?);
        }
        for job in std::mem::take(&mut self.running) {
            let happening = self.go_on(clearml, job)?;
            happenings.push(happening);
        }
        Ok(happenings)
    }

    /// Makes one running task fail now; one is created and started where none runs.
    pub fn fail_one(&mut self, clearml: &SimulatedClearml) -> Result<Happening, NoSuchTask> {
        let job = self.any_running(clearml)?;
        self.fail(clearml, job)
    }

    /// Makes one running task complete now; one is created and started where none runs.
    pub fn complete_one(&mut self, clearml: &SimulatedClearml) -> Result<Happening, NoSuchTask> {
        let job = self.any_running(clearml)?;
        complete(clearml, job)
    }

    /// Makes one running task be aborted now; one is created and started where none runs.
    pub fn stop_one(&mut self, clearml: &SimulatedClearml) -> Result<Happening, NoSuchTask> {
        let job = self.any_running(clearml)?;
        clearml.stop(&job.id)?;
        Ok(told(job, What::Stopped))
    }

    fn any_running(&mut self, clearml: &SimulatedClearml) -> Result<Job, NoSuchTask> {
        loop {
            if let Some(job) = self.running.pop() {
                return Ok(job);
            }
            if self.queued.is_empty() {
                self.queue_one(clearml)?;
            }
            self.start_one(clearml)?;
        }
    }

    fn queue_one(&mut self, clearml: &SimulatedClearml) -> Result<Happening, NoSuchTask> {
        let recipe = &RECIPES[self.rng.usize(..RECIPES.len())];
        self.made += 1;
        let name = format!("{} #{}", recipe.name, self.made);
        let seed = TaskSeed::new(&name)
            .project(recipe.project)
            .user(self.pick(&PEOPLE))
            .worker(self.pick(&WORKERS))
            .tags(recipe.tags);
        let id = clearml.add_task(seed);
        clearml.enqueue(&id, self.pick(&QUEUES))?;
        let happening = Happening { task: id.clone(), name: name.clone(), what: What::Queued };
        self.queued.push(Job { id, name, epoch: 0, epochs: recipe.epochs, exit_code: 0 });
        Ok(happening)
    }

    fn start_one(&mut self, clearml: &SimulatedClearml) -> Result<Happening, NoSuchTask> {
        let job = self.queued.remove(0);
        let message = "Changed by clearml-agent";
        let start = Transition::to(Status::InProgress).because("worker starting task execution", message);
        clearml.transition(&job.id, start)?;
        clearml.log(&job.id, &format!("Starting Task Execution:\n\n{}: loading data", job.name))?;
        let happening = Happening { task: job.id.clone(), name: job.name.clone(), what: What::Started };
        self.running.push(job);
        Ok(happening)
    }

    fn go_on(&mut self, clearml: &SimulatedClearml, mut job: Job) -> Result<Happening, NoSuchTask> {
        if job.epoch >= job.epochs {
            return complete(clearml, job);
        }
        match self.rng.u32(..100) {
            0..8 => self.fail(clearml, job),
            8..10 => {
                clearml.stop(&job.id)?;
                Ok(told(job, What::Stopped))
            }
            _ => {
                job.epoch += 1;
                clearml.log(&job.id, &progress(&mut self.rng, job.epoch, job.epochs))?;
                clearml.report_iteration(&job.id, job.epoch * 100)?;
                let happening = Happening { task: job.id.clone(), name: job.name.clone(), what: What::Progressed };
                self.running.push(job);
                Ok(happening)
            }
        }
    }

    fn fail(&mut self, clearml: &SimulatedClearml, mut job: Job) -> Result<Happening, NoSuchTask> {
        let Failure { reason, traceback, exit_code } = &FAILURES[self.rng.usize(..FAILURES.len())];
        clearml.log(&job.id, traceback)?;
        let is_agents = reason.starts_with("worker execution");
        clearml.fail(&job.id, reason, if is_agents { "Changed by clearml-agent" } else { "" })?;
        job.exit_code = *exit_code;
        let happening = Happening { task: job.id.clone(), name: job.name.clone(), what: What::Failed };
        self.to_restamp.push(job);
        Ok(happening)
    }

    fn restamp(&mut self, clearml: &SimulatedClearml) -> Result<Vec<Happening>, NoSuchTask> {
        let mut happenings = Vec::new();
        for job in std::mem::take(&mut self.to_restamp) {
            let reason = format!("worker execution exit code {}", job.exit_code);
            clearml.fail(&job.id, &reason, "Changed by clearml-agent")?;
            happenings.push(told(job, What::Restamped));
        }
        Ok(happenings)
    }

    fn pick<'t>(&mut self, from: &[&'t str]) -> &'t str {
        self.rng.choice(from).copied().unwrap_or_default()
    }
}

fn complete(clearml: &SimulatedClearml, job: Job) -> Result<Happening, NoSuchTask> {
    clearml.log(&job.id, "Saved checkpoint to model-final.pt\nDone.")?;
    clearml.complete(&job.id)?;
    Ok(told(job, What::Completed))
}

fn told(job: Job, what: What) -> Happening {
    Happening { task: job.id, name: job.name, what }
}

/// A progress bar as it comes through a console: overwritten in place, with carriage returns.
fn progress(rng: &mut fastrand::Rng, epoch: i64, epochs: i64) -> String {
    let loss = 2.0 / (1.0 + 0.3 * f64::from(u32::try_from(epoch).unwrap_or(0))) + rng.f64() * 0.05;
    let bar = |percent: usize| {
        format!("Epoch {epoch}/{epochs}: {percent:3}%|{}{}|", "#".repeat(percent / 10), " ".repeat(10 - percent / 10))
    };
    format!("{}\r{}\r{} loss={loss:.4}", bar(10), bar(50), bar(100))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::domain::Stamp;
    use crate::sandbox::clearml::ClearmlOptions;

    fn server() -> SimulatedClearml {
        let clock = Clock::manual(Stamp::from_millis(1_795_386_448_000));
        SimulatedClearml::start(ClearmlOptions { clock, ..ClearmlOptions::default() }).unwrap()
    }

    fn story(seed: u64) -> Vec<Happening> {
        let (clearml, mut workload) = (server(), Workload::new(seed));
        (0..200)
            .flat_map(|_| {
                clearml.advance(std::time::Duration::from_secs(1));
                workload.step(&clearml).unwrap()
            })
            .collect()
    }

    #[test]
    fn the_same_seed_tells_the_same_story_and_everything_happens_in_it() {
        let told = story(1);
        assert_eq!(told, story(1));
        assert_ne!(told, story(2));
        let everything = [
            What::Queued,
            What::Started,
            What::Progressed,
            What::Completed,
            What::Failed,
            What::Restamped,
            What::Stopped,
        ];
        for what in everything {
            assert!(told.iter().any(|happening| happening.what == what), "{what:?}");
        }
    }

    #[test]
    fn a_failure_can_be_had_at_once() {
        let (clearml, mut workload) = (server(), Workload::new(3));
        let failed = workload.fail_one(&clearml).unwrap();
        let task = clearml.task(&failed.task).unwrap();
        assert_eq!((task.status, failed.what), (Status::Failed, What::Failed));
        assert!(task.started.is_some() && task.worker.is_some() && task.queue.is_some());
    }
}
