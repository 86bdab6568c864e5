//! The slot of one run, which gives it back while its agent has nothing to do.

use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::future::BoxFuture;
use tokio::sync::mpsc;

use super::lanes::{Lanes, Slot};
use super::scheduler_loop::Command;
use crate::executor::Seat;

/// The slot of one run.
#[derive(Debug)]
pub(super) struct RunSlot {
    lanes: Lanes,
    lane: String,
    slot: Mutex<Option<Slot>>,
    scheduler: mpsc::UnboundedSender<Command>,
}

impl RunSlot {
    pub(super) fn new(
        lanes: Lanes,
        lane: String,
        slot: Option<Slot>,
        scheduler: mpsc::UnboundedSender<Command>,
    ) -> Self {
        Self { lanes, lane, slot: Mutex::new(slot), scheduler }
    }

    fn held(&self) -> MutexGuard<'_, Option<Slot>> {
        // Nothing panics while the lock is held.
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat for RunSlot {
    fn release(&self) {
        drop(self.held().take());
        let _ = self.scheduler.send(Command::SlotFree);
    }

    fn take(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            if self.held().is_none() {
                let slot = self.lanes.wait(&self.lane).await;
                *self.held() = slot;
            }
        })
    }
}
