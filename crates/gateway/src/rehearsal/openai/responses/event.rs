//! The events of a stream, numbered in their order.

use serde_json::{Value, json};

use super::super::super::frame::Frame;

/// What is streamed so far.
#[derive(Debug, Default)]
pub(super) struct Events {
    pub(super) frames: Vec<Frame>,
    number: u64,
}

impl Events {
    /// Adds an event with the fields of `event`.
    pub(super) fn push(&mut self, kind: &str, event: Value) {
        let frame = self.frame(kind, event);
        self.frames.push(frame);
    }

    /// The next event, not yet in its place.
    pub(super) fn frame(&mut self, kind: &str, mut event: Value) -> Frame {
        event["type"] = json!(kind);
        event["sequence_number"] = json!(self.number);
        self.number += 1;
        Frame::event(&event)
    }
}
