//! A change of status as tests and the demo ask for it: past the rules of transitions, as with `force`.

use super::tasks;
use super::transitions::{self, Move};
use super::wire::ApiError;
use super::world::World;
use crate::domain::{Stamp, Status};

/// A change of status, as a test asks for it.
#[derive(Debug, Clone)]
pub struct Transition {
    to: Status,
    reason: String,
    message: String,
    at: Option<Stamp>,
    queue: String,
}

impl Transition {
    /// To this status, stamped with the server's clock.
    pub fn to(status: Status) -> Self {
        Self { to: status, reason: String::new(), message: String::new(), at: None, queue: "default".to_owned() }
    }

    /// With this reason and message.
    #[must_use]
    pub fn because(mut self, reason: &str, message: &str) -> Self {
        reason.clone_into(&mut self.reason);
        message.clone_into(&mut self.message);
        self
    }

    /// Stamped so, whatever the server's clock says.
    #[must_use]
    pub fn at(mut self, stamp: Stamp) -> Self {
        self.at = Some(stamp);
        self
    }

    /// Into the queue of this name, for a transition to `queued`.
    #[must_use]
    pub fn into_queue(mut self, name: &str) -> Self {
        name.clone_into(&mut self.queue);
        self
    }

    pub(crate) fn carry_out(self, world: &mut World, id: &str) -> Result<(), ApiError> {
        let by = world.login.user.clone();
        let change = Move {
            to: self.to.clone(),
            reason: self.reason,
            message: self.message,
            force: true,
            by: by.clone(),
            at: self.at,
        };
        match self.to {
            Status::Queued if world.task(id)?.status != Status::Queued => {
                let queue = world.ensure_queue(&self.queue);
                tasks::enqueue_one(world, id, &queue, &change).map(|_| ())
            }
            Status::Created => transitions::reset_one(world, id, true, &by, self.at).map(|_| ()),
            Status::Completed | Status::Stopped => {
                transitions::apply(world, id, &change)?;
                let stamp = world.task(id)?.status_changed;
                world.change(id, |task| task.completed = stamp)
            }
            _ => transitions::apply(world, id, &change).map(|_| ()),
        }
    }
}
