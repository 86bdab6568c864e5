//! Events on their way to whoever records them. A slow reader must not keep a run from being stopped, so events wait
//! here, and only the agent's output is left unread meanwhile.

use std::collections::VecDeque;

use legwork_model::EventBody;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

/// How many events may wait before the agent's output is left unread.
const ROOM: usize = 256;

/// Hands events over in order.
#[derive(Debug)]
pub(crate) struct EventQueue {
    waiting: VecDeque<EventBody>,
    reader: mpsc::Sender<EventBody>,
}

impl EventQueue {
    pub(crate) fn new(reader: mpsc::Sender<EventBody>) -> Self {
        Self { waiting: VecDeque::new(), reader }
    }

    /// Hands the event over, now or in a later [`flush`](Self::flush). Without a reader it is dropped.
    pub(crate) fn push(&mut self, event: EventBody) {
        if !self.waiting.is_empty() {
            self.waiting.push_back(event);
        } else if let Err(TrySendError::Full(event)) = self.reader.try_send(event) {
            self.waiting.push_back(event);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(crate) fn has_room(&self) -> bool {
        self.waiting.len() < ROOM
    }

    /// Waits until the reader took all events. Nothing is lost where this is given up half-way.
    pub(crate) async fn flush(&mut self) {
        while !self.waiting.is_empty() {
            let Ok(place) = self.reader.reserve().await else {
                self.waiting.clear();
                return;
            };
            if let Some(event) = self.waiting.pop_front() {
                place.send(event);
            }
        }
    }
}
