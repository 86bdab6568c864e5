//! The content that is answered, whole or as the chunks of a stream.

use std::time::Duration;

use legwork_model::ModelApi;
use serde_json::{Value, json};

use super::super::frame::{Frame, spoken};
use super::super::refusal::Refusal;
use super::super::reply::{Block, Ending, Reply, Speech};
use super::super::stage::Answer;
use super::super::step::Mishap;
use super::super::tokens::Usage;
use super::super::tool::Input;
use super::super::wire::Wire;
use super::request::Request;

/// Google's client reads an error only where it is all that arrives at once.
const ALONE: Duration = Duration::from_millis(100);

/// What stands around the parts of an answer.
#[derive(Debug)]
pub(super) struct Content {
    streamed: bool,
    model: String,
    suffix: String,
    usage: Usage,
}

impl Content {
    pub(super) fn new(request: &Request<'_>, answer: &Answer, model: &str, streamed: bool) -> Self {
        let usage = request.usage().answered_by(&answer.reply);
        Self { streamed, model: model.to_owned(), suffix: answer.suffix.clone(), usage }
    }

    fn response(&self, parts: &[Value]) -> Value {
        json!({
            "candidates": [{ "content": { "role": "model", "parts": parts }, "index": 0 }],
            "modelVersion": self.model,
            "responseId": self.suffix,
        })
    }

    fn finished(&self, parts: &[Value], ending: Ending) -> Value {
        let mut response = self.response(parts);
        response["candidates"][0]["finishReason"] = json!(finish_reason(ending));
        response["usageMetadata"] = json!({
            "promptTokenCount": self.usage.input(),
            "cachedContentTokenCount": self.usage.cached,
            "candidatesTokenCount": self.usage.output,
            "totalTokenCount": self.usage.total(),
        });
        response
    }

    fn push_block(&self, block: &Block, frames: &mut Vec<Frame>) {
        let chunk = |part: Value| Frame::data(&self.response(&[part]));
        let said = |text: &str| chunk(json!({ "text": text }));
        match block {
            Block::Text(text) => frames.extend(spoken(Speech::Fluent(text), said)),
            Block::SlowText(tokens) => frames.extend(spoken(Speech::Slow(*tokens), said)),
            Block::Thinking(_) | Block::Call(_) => frames.push(chunk(part(block))),
        }
    }

    fn push_mishap(&self, mishap: Mishap, frames: &mut Vec<Frame>) {
        match mishap {
            Mishap::Error(status) => {
                let error = Refusal::scripted(status, Self::BAD_KEY).shape(Self::API);
                frames.extend([Frame::Pause(ALONE), Frame::Data(error.to_string().into())]);
            }
            Mishap::Hang => frames.push(Frame::Hang),
            Mishap::Cut => {
                let begun = json!({ "text": "The connection is cut in the" });
                frames.extend([Frame::data(&self.response(&[begun])), Frame::Cut]);
            }
        }
    }
}

impl Wire for Content {
    const API: ModelApi = ModelApi::Gemini;
    const BAD_KEY: &str = "API key not valid. Please pass a valid API key.";

    fn streamed(&self) -> bool {
        self.streamed
    }

    fn whole(&self, reply: &Reply) -> Value {
        let parts: Vec<_> = reply.blocks.iter().map(part).collect();
        self.finished(&parts, reply.ending)
    }

    fn frames(&self, reply: &Reply) -> Vec<Frame> {
        let mut frames = Vec::new();
        for block in &reply.blocks {
            self.push_block(block, &mut frames);
        }
        match reply.ending {
            Ending::Mishap(mishap) => self.push_mishap(mishap, &mut frames),
            ending => frames.push(Frame::data(&self.finished(&[json!({ "text": "" })], ending))),
        }
        frames
    }
}

fn part(block: &Block) -> Value {
    match block {
        Block::Thinking(text) => json!({ "text": text, "thought": true }),
        Block::Text(text) => json!({ "text": text }),
        Block::SlowText(tokens) => json!({ "text": Speech::Slow(*tokens).text() }),
        Block::Call(call) => {
            let args = match &call.input {
                Input::Object(_) => call.input.to_json(),
                Input::Text(text) => json!({ "input": text }),
            };
            json!({ "functionCall": { "name": call.name, "args": args } })
        }
    }
}

fn finish_reason(ending: Ending) -> Option<&'static str> {
    match ending {
        Ending::Done | Ending::ToolCall => Some("STOP"),
        Ending::Truncated => Some("MAX_TOKENS"),
        Ending::Mishap(_) => None,
    }
}
