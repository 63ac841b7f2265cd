//! What every page is made from: the service's notes, the database, the time, and who may read.

use std::sync::{Arc, OnceLock};

use tokio::sync::Semaphore;

use super::guard::Guard;
use crate::clock::Clock;
use crate::domain::Stamp;
use crate::monitor::{Figures, Health, Status, health};
use crate::settings::Readers;
use crate::store::Store;

/// Pages that ask the database at the same time; others wait their turn, so that readers never crowd out the service.
const QUESTIONS_AT_ONCE: usize = 3;

/// The pages of one service. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Site {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    guard: Guard,
    status: Status,
    clock: Clock,
    opened: OnceLock<Opened>,
    turns: Semaphore,
}

/// What is there once the service has started.
#[derive(Debug)]
pub struct Opened {
    /// The service's own database: asked only whether it can be written.
    pub own: Store,
    /// The same file, opened to look only.
    pub reader: Store,
    /// What the pages say about the service.
    pub facts: Facts,
}

/// What the pages say about the service, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The ClearML server.
    pub server: String,
    /// What is watched.
    pub watches: String,
    /// Where alerts go, as the user named it.
    pub channel: String,
}

impl Site {
    /// The pages of a service that is starting.
    pub fn new(readers: &Readers, status: Status, clock: Clock) -> Self {
        let shared = Shared {
            guard: Guard::new(readers),
            status,
            clock,
            opened: OnceLock::new(),
            turns: Semaphore::new(QUESTIONS_AT_ONCE),
        };
        Self { shared: Arc::new(shared) }
    }

    /// The service has started: from now on there is something to show.
    pub fn open(&self, opened: Opened) {
        // It starts once; a second call would change nothing.
        let _ = self.shared.opened.set(opened);
    }

    pub(super) fn guard(&self) -> &Guard {
        &self.shared.guard
    }

    pub(super) fn now(&self) -> Stamp {
        self.shared.clock.now()
    }

    pub(super) fn figures(&self) -> Figures {
        self.shared.status.figures()
    }

    /// The started service; `None` while it starts.
    pub(super) fn opened(&self) -> Option<&Opened> {
        self.shared.opened.get()
    }

    /// Whether the service does its work; `None` while it starts.
    pub(super) async fn health(&self) -> Option<Health> {
        let opened = self.opened()?;
        Some(health(&self.shared.status, &opened.own, self.now()).await)
    }

    /// A turn to ask the database; held until dropped.
    pub(super) async fn turn(&self) -> Option<tokio::sync::SemaphorePermit<'_>> {
        // It fails only where the semaphore is closed, which nobody does.
        self.shared.turns.acquire().await.ok()
    }
}
