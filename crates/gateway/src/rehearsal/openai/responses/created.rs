//! The response that is answered, whole or as the events of a stream.

use legwork_model::ModelApi;
use serde_json::{Value, json};

use super::super::super::frame::Frame;
use super::super::super::models::CREATED;
use super::super::super::refusal::Refusal;
use super::super::super::reply::{Block, Ending, Reply};
use super::super::super::stage::Answer;
use super::super::super::step::Mishap;
use super::super::super::tokens::Usage;
use super::super::super::wire::Wire;
use super::super::{BAD_KEY, error};
use super::event::Events;
use super::item::Item;
use super::request::Request;

/// What stands around the output of a response.
#[derive(Debug)]
pub(in super::super) struct Created {
    streamed: bool,
    model: String,
    suffix: String,
    usage: Usage,
}

impl Created {
    pub(in super::super) fn new(request: &Request<'_>, answer: &Answer) -> Self {
        let usage = request.usage().answered_by(&answer.reply);
        Self { streamed: request.stream, model: request.model.clone(), suffix: answer.suffix.clone(), usage }
    }

    fn item<'a>(&'a self, index: usize, block: &'a Block) -> Item<'a> {
        Item { block, index, suffix: &self.suffix }
    }

    fn envelope(&self, status: &str, output: &[Value]) -> Value {
        json!({
            "id": format!("resp_{}", self.suffix),
            "object": "response",
            "created_at": CREATED,
            "status": status,
            "error": null,
            "incomplete_details": null,
            "model": self.model,
            "output": output,
            "parallel_tool_calls": true,
            "tool_choice": "auto",
            "tools": [],
            "usage": null,
        })
    }

    /// The response with all its output.
    fn finished(&self, reply: &Reply) -> Value {
        let output: Vec<_> =
            reply.blocks.iter().enumerate().map(|(index, block)| self.item(index, block).whole()).collect();
        let status = if reply.ending == Ending::Truncated { "incomplete" } else { "completed" };
        let mut response = self.envelope(status, &output);
        if reply.ending == Ending::Truncated {
            response["incomplete_details"] = json!({ "reason": "max_output_tokens" });
        }
        response["usage"] = json!({
            "input_tokens": self.usage.input(),
            "input_tokens_details": { "cached_tokens": self.usage.cached },
            "output_tokens": self.usage.output,
            "output_tokens_details": { "reasoning_tokens": 0 },
            "total_tokens": self.usage.total(),
        });
        response
    }

    fn push_mishap(&self, mishap: Mishap, index: usize, events: &mut Events) {
        match mishap {
            Mishap::Error(status) => {
                let mut response = self.envelope("failed", &[]);
                response["error"] = error::failure(&Refusal::scripted(status, BAD_KEY));
                events.push("response.failed", json!({ "response": response }));
            }
            Mishap::Hang => events.frames.push(Frame::Hang),
            Mishap::Cut => {
                let unfinished = Block::Text(String::new());
                self.item(index, &unfinished).push_begun("The connection is cut in the", events);
                events.frames.push(Frame::Cut);
            }
        }
    }
}

impl Wire for Created {
    const API: ModelApi = ModelApi::Openai;
    const BAD_KEY: &str = BAD_KEY;

    fn streamed(&self) -> bool {
        self.streamed
    }

    fn whole(&self, reply: &Reply) -> Value {
        self.finished(reply)
    }

    fn frames(&self, reply: &Reply) -> Vec<Frame> {
        let mut events = Events::default();
        for kind in ["response.created", "response.in_progress"] {
            events.push(kind, json!({ "response": self.envelope("in_progress", &[]) }));
        }
        for (index, block) in reply.blocks.iter().enumerate() {
            self.item(index, block).push(&mut events);
        }
        match reply.ending {
            Ending::Mishap(mishap) => self.push_mishap(mishap, reply.blocks.len(), &mut events),
            Ending::Truncated => events.push("response.incomplete", json!({ "response": self.finished(reply) })),
            Ending::Done | Ending::ToolCall => {
                events.push("response.completed", json!({ "response": self.finished(reply) }));
            }
        }
        events.frames
    }
}
