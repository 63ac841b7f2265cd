//! Requests to webhooks, each on a task of its own, so that a slow one holds up its own lane and no other. Only the
//! request is out there: whatever is recorded, is recorded by the one deliverer.

use std::collections::HashSet;
use std::future::Future;

use tokio::task::{JoinError, JoinSet};

use super::deliver::Deliverer;
use super::error::MonitorError;
use super::tried::Tried;
use crate::store::Delivery;

/// What is under way, and what has come back and is not recorded yet.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    requests: JoinSet<Landed>,
    /// Lanes with a request under way, or with an answer that is not recorded.
    lanes: HashSet<String>,
    landed: Vec<Landed>,
}

/// A request that was answered, or was not.
#[derive(Debug)]
struct Landed {
    delivery: Delivery,
    attempt: i64,
    tried: Tried,
}

impl InFlight {
    /// Whether something of this lane is under way.
    pub(super) fn has(&self, lane: &str) -> bool {
        self.lanes.contains(lane)
    }

    /// Whether nothing is under way.
    pub(super) fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// Sends a request off.
    pub(super) fn begin(
        &mut self,
        delivery: Delivery,
        attempt: i64,
        request: impl Future<Output = Tried> + Send + 'static,
    ) {
        self.lanes.insert(delivery.channel.clone());
        self.requests.spawn(async move { Landed { delivery, attempt, tried: request.await } });
    }

    fn take_in(&mut self, landed: Result<Landed, JoinError>) {
        match landed {
            Ok(landed) => self.landed.push(landed),
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // Nobody aborts one of them alone: the program ends.
            Err(_) => {}
        }
    }
}

impl Deliverer {
    /// Whether a request to a webhook is under way: then it is worth waiting for [`Deliverer::landed`].
    pub fn is_sending(&self) -> bool {
        !self.in_flight.is_empty()
    }

    /// Waits until a request to a webhook comes back; for ever where none is under way. The next
    /// [`Deliverer::deliver_due`] records it. It may be dropped at any time.
    pub async fn landed(&mut self) {
        match self.in_flight.requests.join_next().await {
            Some(landed) => self.in_flight.take_in(landed),
            None => std::future::pending().await,
        }
    }

    /// Waits for everything that is under way, and records it. What the caller does not wait for is found out by the next
    /// start.
    pub async fn settle(&mut self) -> Result<(), MonitorError> {
        self.record_again().await?;
        self.record_landed().await?;
        while let Some(landed) = self.in_flight.requests.join_next().await {
            self.in_flight.take_in(landed);
            self.record_landed().await?;
        }
        Ok(())
    }

    /// Records what has come back. Returns whether anything had.
    pub(super) async fn record_landed(&mut self) -> Result<bool, MonitorError> {
        while let Some(landed) = self.in_flight.requests.try_join_next() {
            self.in_flight.take_in(landed);
        }
        let any = !self.in_flight.landed.is_empty();
        while let Some(Landed { delivery, attempt, tried }) = self.in_flight.landed.pop() {
            self.in_flight.lanes.remove(&delivery.channel);
            crate::crash::point("answer_not_recorded");
            self.record(delivery, attempt, tried).await?;
        }
        Ok(any)
    }
}
