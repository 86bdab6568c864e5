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
    /// Nobody yet, where they are only collected.
    reader: Option<mpsc::Sender<EventBody>>,
}

impl EventQueue {
    pub(crate) fn new(reader: mpsc::Sender<EventBody>) -> Self {
        Self { waiting: VecDeque::new(), reader: Some(reader) }
    }

    /// Hands nothing over.
    pub(crate) fn collecting() -> Self {
        Self { waiting: VecDeque::new(), reader: None }
    }

    /// What was collected.
    pub(crate) fn collected(self) -> Vec<EventBody> {
        self.waiting.into()
    }

    /// Hands the event over, now or in a later [`flush`](Self::flush). Without a reader it is dropped.
    pub(crate) fn push(&mut self, event: EventBody) {
        match &self.reader {
            Some(reader) if self.waiting.is_empty() => {
                if let Err(TrySendError::Full(event)) = reader.try_send(event) {
                    self.waiting.push_back(event);
                }
            }
            _ => self.waiting.push_back(event),
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
            let Some(reader) = &self.reader else { return };
            let Ok(place) = reader.reserve().await else {
                self.waiting.clear();
                return;
            };
            if let Some(event) = self.waiting.pop_front() {
                place.send(event);
            }
        }
    }
}
