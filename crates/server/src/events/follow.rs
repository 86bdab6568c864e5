//! Reading an execution's events: what is on record first, then what is recorded as it happens.

use std::collections::VecDeque;
use std::time::Duration;

use futures::stream::{self, Stream};
use legwork_model::ExecutionId;

use super::hub::{Hub, Signal, Subscription};
use crate::store::{RecordedEvent, Store, StoreError};

/// Events of one read from the log.
const PAGE: u64 = 500;
/// How long a reader waits for the hub before it looks into the log by itself: the run may be on another node.
const LOOK: Duration = Duration::from_secs(1);

/// All events with a number above `after`, each once and in order, to the last one. The reader's pace has no effect on
/// the run: one that is slow is served from the log.
pub fn follow(
    store: Store,
    hub: &Hub,
    id: ExecutionId,
    after: u64,
) -> impl Stream<Item = Result<RecordedEvent, StoreError>> + Send + use<> {
    // Subscribed before the first read, so that nothing falls between the two.
    let reader =
        Reader { store, id, cursor: after, ready: VecDeque::new(), caught_up: false, subscription: hub.subscribe(id) };
    stream::try_unfold(Some(reader), |reader| async {
        let Some(mut reader) = reader else { return Ok(None) };
        let event = reader.next().await?;
        let rest = (!event.is_last()).then_some(reader);
        Ok(Some((event, rest)))
    })
}

struct Reader {
    store: Store,
    id: ExecutionId,
    /// The number of the last event handed out.
    cursor: u64,
    ready: VecDeque<RecordedEvent>,
    /// Whether the log held nothing more when it was last read.
    caught_up: bool,
    subscription: Subscription,
}

impl Reader {
    async fn next(&mut self) -> Result<RecordedEvent, StoreError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.cursor = event.seq;
                return Ok(event);
            }
            if self.caught_up {
                self.wait().await;
            }
            if self.ready.is_empty() {
                self.read_log().await?;
            }
        }
    }

    /// Waits for something new; takes it where it follows directly on what was handed out.
    async fn wait(&mut self) {
        if let Ok(Signal::Recorded(events)) = tokio::time::timeout(LOOK, self.subscription.next()).await {
            let fresh = events.iter().filter(|event| event.seq > self.cursor);
            self.ready.extend(fresh.cloned());
            if self.ready.front().is_some_and(|event| event.seq != self.cursor + 1) {
                self.ready.clear();
            }
        }
    }

    async fn read_log(&mut self) -> Result<(), StoreError> {
        let page = self.store.events_after(self.id, self.cursor, PAGE).await?;
        self.caught_up = (page.len() as u64) < PAGE;
        self.ready.extend(page);
        Ok(())
    }
}
