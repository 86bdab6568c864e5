//! The message that is answered, whole or as the events of a stream.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::{Value, json};

use super::super::reply::{Block, Ending, Reply, TOKEN_INTERVAL, slow_token};
use super::super::step::{Call, Mishap, TokenCounts};
use super::error::ApiError;
use super::request::{Request, RequestTokens, tokens_in};
use super::stream::Frame;

/// A stream gives a text in about this many pieces, however long it is.
const PIECES: usize = 200;

/// But in pieces of at least this many characters.
const SHORTEST_PIECE: usize = 16;

/// What stands around the content of an answer.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) streamed: bool,
    model: String,
    /// Makes ids unlike those of any other answer: of this server by the number in it, of an earlier one by the hash.
    suffix: String,
    tokens: RequestTokens,
}

impl Message {
    pub(super) fn new(request: &Request<'_>, reply: &Reply, number: u64) -> Self {
        let mut hasher = DefaultHasher::new();
        (request.user(), request.turns().len()).hash(&mut hasher);
        let suffix = format!("rehearsal{:08x}{number:06}", hasher.finish() >> 32);
        let tokens = match reply.tokens {
            Some(TokenCounts { input, .. }) => RequestTokens { cached: 0, fresh: input },
            None => request.tokens(),
        };
        Self { streamed: request.stream, model: request.model.clone(), suffix, tokens }
    }

    /// The body of an answer that is not streamed.
    pub(super) fn whole(&self, reply: &Reply) -> Value {
        let content: Vec<_> = reply.blocks.iter().map(|block| self.whole_block(block)).collect();
        self.envelope(&content, stop_reason(reply.ending), output_tokens(reply))
    }

    /// The events of a streamed answer.
    pub(super) fn frames(&self, reply: &Reply) -> Vec<Frame> {
        let start = json!({ "type": "message_start", "message": self.envelope(&[], None, 1) });
        let mut frames = vec![Frame::event(&start)];
        for (index, block) in reply.blocks.iter().enumerate() {
            self.push_block(index, block, &mut frames);
        }
        match reply.ending {
            Ending::Mishap(mishap) => push_mishap(mishap, reply.blocks.len(), &mut frames),
            ending => push_end(ending, output_tokens(reply), &mut frames),
        }
        frames
    }

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
                "input_tokens": self.tokens.fresh,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": self.tokens.cached,
                "output_tokens": output_tokens,
            },
        })
    }

    fn whole_block(&self, block: &Block) -> Value {
        match block {
            Block::Thinking(text) => json!({ "type": "thinking", "thinking": text, "signature": "cmVoZWFyc2Fs" }),
            Block::Text(text) => json!({ "type": "text", "text": text }),
            Block::SlowText(tokens) => {
                json!({ "type": "text", "text": (1..=*tokens).map(slow_token).collect::<String>() })
            }
            Block::Call(call) => {
                let (name, input) = tool_use(call);
                json!({ "type": "tool_use", "id": format!("toolu_{}", self.suffix), "name": name, "input": input })
            }
        }
    }

    fn push_block(&self, index: usize, block: &Block, frames: &mut Vec<Frame>) {
        let start = |block: Value| json!({ "type": "content_block_start", "index": index, "content_block": block });
        let delta = |delta: Value| json!({ "type": "content_block_delta", "index": index, "delta": delta });
        frames.push(Frame::event(&start(emptied(self.whole_block(block)))));
        if index == 0 {
            frames.push(Frame::event(&json!({ "type": "ping" })));
        }
        match block {
            Block::Thinking(text) => {
                frames.push(Frame::event(&delta(json!({ "type": "thinking_delta", "thinking": text }))));
                frames.push(Frame::event(&delta(json!({ "type": "signature_delta", "signature": "cmVoZWFyc2Fs" }))));
            }
            Block::Text(text) => frames.extend(pieces(text).map(|piece| Frame::event(&delta(text_delta(piece))))),
            Block::SlowText(tokens) => frames.extend((1..=*tokens).flat_map(|number| {
                [Frame::Pause(TOKEN_INTERVAL), Frame::event(&delta(text_delta(&slow_token(number))))]
            })),
            Block::Call(call) => {
                let input = tool_use(call).1.to_string();
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
        Mishap::Error(status) => frames.push(Frame::event(&ApiError::scripted(status).to_json())),
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

/// Claude Code's tools: <https://docs.anthropic.com/en/docs/claude-code/settings#tools-available-to-claude>.
fn tool_use(call: &Call) -> (&str, Value) {
    match call {
        Call::Bash { command } => ("Bash", json!({ "command": command, "description": "Rehearse a command" })),
        Call::Write { path, content } => ("Write", json!({ "file_path": path, "content": content })),
        Call::Edit { path, old, new } => ("Edit", json!({ "file_path": path, "old_string": old, "new_string": new })),
        Call::Read { path } => ("Read", json!({ "file_path": path })),
        Call::Tool { name, input } => (name, Value::Object(input.clone())),
    }
}

fn output_tokens(reply: &Reply) -> u64 {
    let tokens = |block: &Block| match block {
        Block::Thinking(text) | Block::Text(text) => tokens_in(text.len()),
        Block::SlowText(tokens) => u64::from(*tokens),
        Block::Call(call) => tokens_in(tool_use(call).1.to_string().len()),
    };
    reply.tokens.map_or_else(|| reply.blocks.iter().map(tokens).sum::<u64>().max(1), |tokens| tokens.output)
}

fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let length = (text.len() / PIECES).max(SHORTEST_PIECE);
    let mut rest = text;
    std::iter::from_fn(move || {
        let end = (length..rest.len()).find(|at| rest.is_char_boundary(*at)).unwrap_or(rest.len());
        let (piece, after) = rest.split_at(end);
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_make_up_the_text_and_stay_few() {
        for text in ["", "é", "short", &"öäü€".repeat(40), &"x".repeat(300_000)] {
            assert_eq!(pieces(text).collect::<String>(), text);
            assert!(pieces(text).count() <= PIECES + 1);
        }
    }
}
