//! Hands committed events to the readers that follow an execution on this node.
//!
//! Only what is on record already passes through here, so a reader that misses something reads the log.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use legwork_model::ExecutionId;
use tokio::sync::broadcast;

use crate::store::{ExecutionRecord, RecordedEvent};

/// How many signals a slow reader may fall behind before it has to read the log again.
const BACKLOG: usize = 64;

/// What a reader is told.
#[derive(Debug, Clone)]
pub enum Signal {
    /// These events were recorded, in order.
    Recorded(Arc<[RecordedEvent]>),
    /// The last event was recorded before this; the execution is now so.
    Ended(Arc<ExecutionRecord>),
    /// Something was recorded; the log says what.
    Changed,
}

/// The readers of this node, by execution.
#[derive(Debug, Clone, Default)]
pub struct Hub(Arc<Mutex<HashMap<ExecutionId, Readers>>>);

#[derive(Debug)]
struct Readers {
    sender: broadcast::Sender<Signal>,
    /// Those that want each event as it happens.
    live: usize,
}

impl Hub {
    /// Follows an execution from now on. To miss nothing, subscribe first and read the log afterwards.
    pub fn subscribe(&self, id: ExecutionId) -> Subscription {
        self.enter(id, true)
    }

    /// Follows an execution from now on for its end alone; nothing is written earlier for such a reader's sake.
    pub fn subscribe_to_end(&self, id: ExecutionId) -> Subscription {
        self.enter(id, false)
    }

    /// Whether somebody on this node wants each event as it happens.
    pub fn is_followed(&self, id: ExecutionId) -> bool {
        self.lock().get(&id).is_some_and(|readers| readers.live > 0)
    }

    /// Tells the readers of `id` of events, those that want each of them. Costs nothing where there are none.
    pub fn publish_events(&self, id: ExecutionId, events: impl FnOnce() -> Signal) {
        if self.is_followed(id) {
            self.publish(id, events);
        }
    }

    /// Tells all readers of `id`. Costs nothing where there are none.
    pub fn publish(&self, id: ExecutionId, signal: impl FnOnce() -> Signal) {
        if let Some(readers) = self.lock().get(&id) {
            // Readers that left since are no reason to fail.
            let _ = readers.sender.send(signal());
        }
    }

    fn enter(&self, id: ExecutionId, live: bool) -> Subscription {
        let mut all = self.lock();
        let readers = all.entry(id).or_insert_with(|| Readers { sender: broadcast::channel(BACKLOG).0, live: 0 });
        readers.live += usize::from(live);
        Subscription { receiver: readers.sender.subscribe(), hub: self.clone(), id, live }
    }

    fn leave(&self, id: ExecutionId, live: bool) {
        let mut all = self.lock();
        if let Some(readers) = all.get_mut(&id) {
            readers.live -= usize::from(live);
            if readers.sender.receiver_count() <= 1 {
                all.remove(&id);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ExecutionId, Readers>> {
        // Nothing panics while the lock is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One reader's place at the hub.
#[derive(Debug)]
pub struct Subscription {
    receiver: broadcast::Receiver<Signal>,
    hub: Hub,
    id: ExecutionId,
    live: bool,
}

impl Subscription {
    /// The next signal. A reader that fell behind gets [`Signal::Changed`].
    pub async fn next(&mut self) -> Signal {
        match self.receiver.recv().await {
            Ok(signal) => signal,
            Err(broadcast::error::RecvError::Lagged(_)) => Signal::Changed,
            // The sender lives as long as a subscription does; should that ever change, the reader polls the log.
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.hub.leave(self.id, self.live);
    }
}

#[cfg(test)]
mod tests {
    use legwork_model::{Ids, Timestamp};

    use super::*;

    #[tokio::test]
    async fn the_last_reader_takes_the_entry_with_it() {
        let hub = Hub::default();
        let id = Ids::from_seed([0; 32]).execution(Timestamp::from_millis(1));
        let (mut one, two) = (hub.subscribe(id), hub.subscribe_to_end(id));
        hub.publish_events(id, || Signal::Changed);
        assert!(matches!(one.next().await, Signal::Changed));
        assert!(hub.is_followed(id));
        drop(one);
        assert!(!hub.is_followed(id));
        hub.publish_events(id, || unreachable!("the other one waits for the end"));
        assert_eq!(hub.lock().len(), 1);
        drop(two);
        assert_eq!(hub.lock().len(), 0);
        hub.publish(id, || unreachable!("there is no reader"));
    }
}
