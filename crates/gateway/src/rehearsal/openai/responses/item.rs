//! One item of a response's output, whole or as the events that build it up.

use serde_json::{Value, json};

use super::super::super::frame::{Frame, spoken};
use super::super::super::reply::{Block, Speech};
use super::super::super::tool::{Input, ToolCall};
use super::event::Events;

/// An item: its content, its place in the output, and what makes its ids its own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item<'a> {
    pub(super) block: &'a Block,
    pub(super) index: usize,
    pub(super) suffix: &'a str,
}

impl Item<'_> {
    fn id(self) -> String {
        let kind = match self.block {
            Block::Thinking(_) => "rs",
            Block::Text(_) | Block::SlowText(_) => "msg",
            Block::Call(_) => "fc",
        };
        format!("{kind}_{}_{}", self.suffix, self.index)
    }

    /// As it stands in a finished response.
    pub(super) fn whole(self) -> Value {
        match self.block {
            Block::Thinking(text) => json!({
                "type": "reasoning",
                "id": self.id(),
                "summary": [{ "type": "summary_text", "text": text }],
                "encrypted_content": "cmVoZWFyc2Fs",
            }),
            Block::Text(text) => self.message("completed", &[output_text(text)]),
            Block::SlowText(tokens) => self.message("completed", &[output_text(&Speech::Slow(*tokens).text())]),
            Block::Call(call) => self.call(call, "completed", &call.input.to_string()),
        }
    }

    fn message(self, status: &str, content: &[Value]) -> Value {
        json!({ "type": "message", "id": self.id(), "status": status, "role": "assistant", "content": content })
    }

    fn call(self, call: &ToolCall, status: &str, input: &str) -> Value {
        let (kind, field) = match call.input {
            Input::Object(_) => ("function_call", "arguments"),
            Input::Text(_) => ("custom_tool_call", "input"),
        };
        let mut item = json!({
            "type": kind,
            "id": self.id(),
            "status": status,
            "call_id": format!("call_{}", self.suffix),
            "name": call.name,
        });
        item[field] = json!(input);
        if let Some(namespace) = &call.namespace {
            item["namespace"] = json!(namespace);
        }
        item
    }

    /// The events from its start to its end.
    pub(super) fn push(self, events: &mut Events) {
        match self.block {
            Block::Thinking(text) => self.push_thinking(text, events),
            Block::Text(text) => self.push_text(Speech::Fluent(text), events),
            Block::SlowText(tokens) => self.push_text(Speech::Slow(*tokens), events),
            Block::Call(call) => self.push_call(call, events),
        }
        events.push("response.output_item.done", json!({ "output_index": self.index, "item": self.whole() }));
    }

    /// The events of a text that is never finished.
    pub(super) fn push_begun(self, text: &str, events: &mut Events) {
        events.push("response.output_item.added", self.added(&self.message("in_progress", &[])));
        events.push("response.content_part.added", self.within("content_index", "part", output_text("")));
        events.push("response.output_text.delta", self.within("content_index", "delta", json!(text)));
    }

    fn push_text(self, speech: Speech<'_>, events: &mut Events) {
        let text = speech.text();
        events.push("response.output_item.added", self.added(&self.message("in_progress", &[])));
        events.push("response.content_part.added", self.within("content_index", "part", output_text("")));
        self.push_deltas(speech, events);
        events.push("response.output_text.done", self.within("content_index", "text", json!(text)));
        events.push("response.content_part.done", self.within("content_index", "part", output_text(&text)));
    }

    fn push_deltas(self, speech: Speech<'_>, events: &mut Events) {
        // The events are numbered as they are made, so the pieces come first.
        let pieces = spoken(speech, |piece| Frame::Data(piece.to_owned().into()));
        for piece in pieces {
            let frame = match piece {
                Frame::Data(text) => {
                    let text = String::from_utf8_lossy(&text).into_owned();
                    events.frame("response.output_text.delta", self.within("content_index", "delta", json!(text)))
                }
                other => other,
            };
            events.frames.push(frame);
        }
    }

    fn push_thinking(self, text: &str, events: &mut Events) {
        let part = |text: &str| json!({ "type": "summary_text", "text": text });
        let mut item = self.whole();
        item["summary"] = json!([]);
        events.push("response.output_item.added", self.added(&item));
        events.push("response.reasoning_summary_part.added", self.within("summary_index", "part", part("")));
        events.push("response.reasoning_summary_text.delta", self.within("summary_index", "delta", json!(text)));
        events.push("response.reasoning_summary_text.done", self.within("summary_index", "text", json!(text)));
        events.push("response.reasoning_summary_part.done", self.within("summary_index", "part", part(text)));
    }

    fn push_call(self, call: &ToolCall, events: &mut Events) {
        let (kind, field) = match call.input {
            Input::Object(_) => ("response.function_call_arguments", "arguments"),
            Input::Text(_) => ("response.custom_tool_call_input", "input"),
        };
        let input = call.input.to_string();
        let event = |field: &str| {
            let mut event = json!({ "item_id": self.id(), "output_index": self.index });
            event[field] = json!(input);
            event
        };
        events.push("response.output_item.added", self.added(&self.call(call, "in_progress", "")));
        events.push(&format!("{kind}.delta"), event("delta"));
        events.push(&format!("{kind}.done"), event(field));
    }

    fn added(self, item: &Value) -> Value {
        json!({ "output_index": self.index, "item": item })
    }

    /// An event about the only part of this item.
    fn within(self, part_index: &str, field: &str, value: Value) -> Value {
        let mut event = json!({ "item_id": self.id(), "output_index": self.index });
        event[part_index] = json!(0);
        event[field] = value;
        event
    }
}

fn output_text(text: &str) -> Value {
    json!({ "type": "output_text", "text": text, "annotations": [] })
}
