//! The message that is answered, whole or as the events of a stream.

use legwork_model::ModelApi;
use serde_json::{Value, json};

use super::super::frame::{Frame, spoken};
use super::super::refusal::Refusal;
use super::super::reply::{Block, Ending, Reply, Speech};
use super::super::stage::Answer;
use super::super::step::Mishap;
use super::super::tokens::Usage;
use super::super::wire::Wire;
use super::request::Request;

/// What stands around the content of an answer.
#[derive(Debug)]
pub(super) struct Message {
    streamed: bool,
    model: String,
    suffix: String,
    usage: Usage,
}

impl Message {
    pub(super) fn new(request: &Request<'_>, answer: &Answer) -> Self {
        let usage = request.usage().answered_by(&answer.reply);
        Self { streamed: request.stream, model: request.model.clone(), suffix: answer.suffix.clone(), usage }
    }
}

impl Wire for Message {
    const API: ModelApi = ModelApi::Anthropic;
    const BAD_KEY: &str = "invalid x-api-key";

    fn streamed(&self) -> bool {
        self.streamed
    }

    fn whole(&self, reply: &Reply) -> Value {
        let content: Vec<_> = reply.blocks.iter().map(|block| self.whole_block(block)).collect();
        self.envelope(&content, stop_reason(reply.ending), self.usage.output)
    }

    fn frames(&self, reply: &Reply) -> Vec<Frame> {
        let start = json!({ "type": "message_start", "message": self.envelope(&[], None, 1) });
        let mut frames = vec![Frame::event(&start)];
        for (index, block) in reply.blocks.iter().enumerate() {
            self.push_block(index, block, &mut frames);
        }
        match reply.ending {
            Ending::Mishap(mishap) => push_mishap(mishap, reply.blocks.len(), &mut frames),
            ending => push_end(ending, self.usage.output, &mut frames),
        }
        frames
    }
}

impl Message {
    fn envelope(&self, content: &[Value], stop_reason: Option<&str>, output_tokens: u64) -> Value {
        json!({
            "id": format!("msg_{}", self.suffix),
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": content,
            "stop_reason": stop_reason,
            "stop_sequence": null,
            "usage": {
                "input_tokens": self.usage.fresh,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": self.usage.cached,
                "output_tokens": output_tokens,
            },
        })
    }

    fn whole_block(&self, block: &Block) -> Value {
        match block {
            Block::Thinking(text) => json!({ "type": "thinking", "thinking": text, "signature": "cmVoZWFyc2Fs" }),
            Block::Text(text) => json!({ "type": "text", "text": text }),
            Block::SlowText(tokens) => json!({ "type": "text", "text": Speech::Slow(*tokens).text() }),
            Block::Call(call) => json!({
                "type": "tool_use",
                "id": format!("toolu_{}", self.suffix),
                "name": call.name,
                "input": call.input.to_json(),
            }),
        }
    }

    fn push_block(&self, index: usize, block: &Block, frames: &mut Vec<Frame>) {
        let start = |block: Value| json!({ "type": "content_block_start", "index": index, "content_block": block });
        let delta = |delta: Value| json!({ "type": "content_block_delta", "index": index, "delta": delta });
        let said = |text: &str| Frame::event(&delta(text_delta(text)));
        frames.push(Frame::event(&start(emptied(self.whole_block(block)))));
        if index == 0 {
            frames.push(Frame::event(&json!({ "type": "ping" })));
        }
        match block {
            Block::Thinking(text) => {
                frames.push(Frame::event(&delta(json!({ "type": "thinking_delta", "thinking": text }))));
                frames.push(Frame::event(&delta(json!({ "type": "signature_delta", "signature": "cmVoZWFyc2Fs" }))));
            }
            Block::Text(text) => frames.extend(spoken(Speech::Fluent(text), said)),
            Block::SlowText(tokens) => frames.extend(spoken(Speech::Slow(*tokens), said)),
            Block::Call(call) => {
                let input = call.input.to_string();
                frames.push(Frame::event(&delta(json!({ "type": "input_json_delta", "partial_json": input }))));
            }
        }
        frames.push(Frame::event(&json!({ "type": "content_block_stop", "index": index })));
    }
}

/// A block as it stands in its start event: the deltas bring what is missing.
fn emptied(mut block: Value) -> Value {
    for (key, empty) in [("text", json!("")), ("thinking", json!("")), ("signature", json!("")), ("input", json!({}))] {
        if let Some(value) = block.get_mut(key) {
            *value = empty;
        }
    }
    block
}

fn text_delta(text: &str) -> Value {
    json!({ "type": "text_delta", "text": text })
}

fn push_end(ending: Ending, output_tokens: u64, frames: &mut Vec<Frame>) {
    let delta = json!({ "stop_reason": stop_reason(ending), "stop_sequence": null });
    let usage = json!({ "output_tokens": output_tokens });
    frames.push(Frame::event(&json!({ "type": "message_delta", "delta": delta, "usage": usage })));
    frames.push(Frame::event(&json!({ "type": "message_stop" })));
}

/// An answer that is cut breaks off within a text, not between two.
fn push_mishap(mishap: Mishap, index: usize, frames: &mut Vec<Frame>) {
    match mishap {
        Mishap::Error(status) => {
            frames.push(Frame::event(&Refusal::scripted(status, Message::BAD_KEY).shape(Message::API)));
        }
        Mishap::Hang => frames.push(Frame::Hang),
        Mishap::Cut => {
            let block = json!({ "type": "text", "text": "" });
            let start = json!({ "type": "content_block_start", "index": index, "content_block": block });
            let delta = json!({ "type": "content_block_delta", "index": index, "delta": text_delta("The connection is cut in the") });
            frames.extend([Frame::event(&start), Frame::event(&delta), Frame::Cut]);
        }
    }
}

fn stop_reason(ending: Ending) -> Option<&'static str> {
    match ending {
        Ending::Done => Some("end_turn"),
        Ending::ToolCall => Some("tool_use"),
        Ending::Truncated => Some("max_tokens"),
        Ending::Mishap(_) => None,
    }
}
