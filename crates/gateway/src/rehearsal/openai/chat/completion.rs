//! The completion that is answered, whole or as the chunks of a stream.

use legwork_model::ModelApi;
use serde_json::{Value, json};

use super::super::super::frame::{Frame, spoken};
use super::super::super::models::CREATED;
use super::super::super::refusal::Refusal;
use super::super::super::reply::{Block, Ending, Reply, Speech};
use super::super::super::stage::Answer;
use super::super::super::step::Mishap;
use super::super::super::tokens::Usage;
use super::super::super::tool::{Input, ToolCall};
use super::super::super::wire::Wire;
use super::super::BAD_KEY;
use super::request::Request;

/// What stands around the content of a completion.
#[derive(Debug)]
pub(in super::super) struct Completion {
    streamed: bool,
    wants_usage: bool,
    model: String,
    suffix: String,
    usage: Usage,
}

impl Completion {
    pub(in super::super) fn new(request: &Request<'_>, answer: &Answer) -> Self {
        Self {
            streamed: request.stream,
            wants_usage: request.wants_usage(),
            model: request.model.clone(),
            suffix: answer.suffix.clone(),
            usage: request.usage().answered_by(&answer.reply),
        }
    }

    fn envelope(&self, kind: &str, choices: &Value) -> Value {
        json!({
            "id": format!("chatcmpl-{}", self.suffix),
            "object": kind,
            "created": CREATED,
            "model": self.model,
            "choices": choices,
        })
    }

    fn usage(&self) -> Value {
        json!({
            "prompt_tokens": self.usage.input(),
            "completion_tokens": self.usage.output,
            "total_tokens": self.usage.total(),
            "prompt_tokens_details": { "cached_tokens": self.usage.cached },
        })
    }

    fn call(&self, call: &ToolCall) -> Value {
        let id = format!("call_{}", self.suffix);
        match &call.input {
            Input::Object(_) => json!({
                "id": id, "type": "function",
                "function": { "name": call.name, "arguments": call.input.to_string() },
            }),
            Input::Text(text) => {
                json!({ "id": id, "type": "custom", "custom": { "name": call.name, "input": text } })
            }
        }
    }

    fn chunk(&self, delta: &Value, finish_reason: Option<&str>) -> Frame {
        let choices = json!([{ "index": 0, "delta": delta, "finish_reason": finish_reason }]);
        Frame::data(&self.envelope("chat.completion.chunk", &choices))
    }

    fn push_block(&self, block: &Block, frames: &mut Vec<Frame>) {
        let said = |text: &str| self.chunk(&json!({ "content": text }), None);
        match block {
            Block::Thinking(text) => frames.push(self.chunk(&json!({ "reasoning_content": text }), None)),
            Block::Text(text) => frames.extend(spoken(Speech::Fluent(text), said)),
            Block::SlowText(tokens) => frames.extend(spoken(Speech::Slow(*tokens), said)),
            Block::Call(call) => {
                let mut call = self.call(call);
                call["index"] = json!(0);
                frames.push(self.chunk(&json!({ "tool_calls": [call] }), None));
            }
        }
    }

    fn push_end(&self, ending: Ending, frames: &mut Vec<Frame>) {
        frames.push(self.chunk(&json!({}), finish_reason(ending)));
        if self.wants_usage {
            let mut last = self.envelope("chat.completion.chunk", &json!([]));
            last["usage"] = self.usage();
            frames.push(Frame::data(&last));
        }
        frames.push(Frame::data(&"[DONE]"));
    }

    fn push_mishap(&self, mishap: Mishap, frames: &mut Vec<Frame>) {
        match mishap {
            Mishap::Error(status) => {
                frames.push(Frame::data(&Refusal::scripted(status, BAD_KEY).shape(Self::API)));
            }
            Mishap::Hang => frames.push(Frame::Hang),
            Mishap::Cut => {
                frames.push(self.chunk(&json!({ "content": "The connection is cut in the" }), None));
                frames.push(Frame::Cut);
            }
        }
    }
}

impl Wire for Completion {
    const API: ModelApi = ModelApi::Openai;
    const BAD_KEY: &str = BAD_KEY;

    fn streamed(&self) -> bool {
        self.streamed
    }

    fn whole(&self, reply: &Reply) -> Value {
        let mut message = json!({ "role": "assistant", "content": text_of(reply), "refusal": null });
        for block in &reply.blocks {
            match block {
                Block::Thinking(text) => message["reasoning_content"] = json!(text),
                Block::Call(call) => message["tool_calls"] = json!([self.call(call)]),
                Block::Text(_) | Block::SlowText(_) => {}
            }
        }
        let choice = json!({ "index": 0, "message": message, "finish_reason": finish_reason(reply.ending) });
        let mut completion = self.envelope("chat.completion", &json!([choice]));
        completion["usage"] = self.usage();
        completion
    }

    fn frames(&self, reply: &Reply) -> Vec<Frame> {
        let mut frames = vec![self.chunk(&json!({ "role": "assistant", "content": "" }), None)];
        for block in &reply.blocks {
            self.push_block(block, &mut frames);
        }
        match reply.ending {
            Ending::Mishap(mishap) => self.push_mishap(mishap, &mut frames),
            ending => self.push_end(ending, &mut frames),
        }
        frames
    }
}

/// All that is said; an answer that only calls a tool has none.
fn text_of(reply: &Reply) -> Option<String> {
    let texts = reply.blocks.iter().filter_map(|block| match block {
        Block::Text(text) => Some(text.clone()),
        Block::SlowText(tokens) => Some(Speech::Slow(*tokens).text()),
        Block::Thinking(_) | Block::Call(_) => None,
    });
    texts.reduce(|all, text| all + &text)
}

fn finish_reason(ending: Ending) -> Option<&'static str> {
    match ending {
        Ending::Done => Some("stop"),
        Ending::ToolCall => Some("tool_calls"),
        Ending::Truncated => Some("length"),
        Ending::Mishap(_) => None,
    }
}
