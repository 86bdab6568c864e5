//! The parts of messages as events: what OpenCode said, thought and did.

use std::collections::BTreeSet;

use legwork_model::{EventBody, Usage};

use super::wire::Part;
use crate::agent::Decoded;
use crate::lines::push;

/// The parts of one process, as far as they have to be remembered.
#[derive(Debug, Default)]
pub(super) struct Parts {
    /// The messages of the model, which is not the only one to have parts.
    of_model: BTreeSet<String>,
    /// The parts that were told of.
    told: BTreeSet<String>,
    said: Said,
    usage: Option<Usage>,
    calls: u32,
}

/// What a turn came to.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// What the agent said last.
    pub(super) words: Option<String>,
    /// Whether the model stopped for its length limit.
    pub(super) cut_off: bool,
}

impl Parts {
    /// A message is one of the model's.
    pub(super) fn of_model(&mut self, message: String) {
        self.of_model.insert(message);
    }

    /// The server told of a part, maybe again. What the user said is on record already.
    pub(super) fn told(&mut self, part: Part, model: Option<&String>, decoded: &mut Vec<Decoded>) {
        let complete = part.time.as_ref().is_some_and(|time| time.end.is_some());
        if !self.of_model.contains(&part.message) {
            return;
        }
        match part.kind.as_str() {
            "text" if complete && self.first_of(&part.id) => {
                self.said.words = Some(part.text.clone());
                push(decoded, EventBody::Text { text: part.text, parent_tool_call_id: None });
            }
            "reasoning" if complete && self.first_of(&part.id) => {
                push(decoded, EventBody::Thinking { text: part.text, parent_tool_call_id: None });
            }
            "tool" => self.tool(part, decoded),
            "step-finish" if self.first_of(&part.id) => {
                self.said.cut_off = part.reason == "length";
                let usage = self.used(&part);
                push(decoded, EventBody::Usage { model: model.cloned(), usage, call: None });
            }
            _ => {}
        }
    }

    /// The same, of another session's.
    pub(super) fn told_elsewhere(&mut self, part: &Part) {
        if part.kind == "step-finish" && self.first_of(&part.id) {
            self.used(part);
        }
    }

    /// The turn is over.
    pub(super) fn end_turn(&mut self) -> Said {
        std::mem::take(&mut self.said)
    }

    /// Tokens of all turns; `None` where none were told of.
    pub(super) fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// Calls to the model; `None` where none came to its end.
    pub(super) fn calls(&self) -> Option<u32> {
        self.usage.map(|_| self.calls)
    }

    fn first_of(&mut self, part: &str) -> bool {
        self.told.insert(part.to_owned())
    }

    fn tool(&mut self, part: Part, decoded: &mut Vec<Decoded>) {
        let (id, state) = (part.call, part.state);
        if state.status != "pending" && self.first_of(&part.id) {
            let (id, name, input) = (id.clone(), part.tool, state.input);
            push(decoded, EventBody::ToolCall { id, name, input, parent_tool_call_id: None });
        }
        let done = match state.status.as_str() {
            // A command that failed is no error to the program.
            "completed" => Some((state.output, state.metadata["exit"].as_i64().is_some_and(|code| code != 0))),
            "error" => Some((state.error, true)),
            _ => None,
        };
        if let Some((output, is_error)) = done.filter(|_| self.first_of(&format!("{}:done", part.id))) {
            push(decoded, EventBody::ToolResult { id, output, is_error, parent_tool_call_id: None });
        }
    }

    fn used(&mut self, part: &Part) -> Usage {
        let tokens = part.tokens;
        let usage = Usage {
            input_tokens: tokens.input,
            output_tokens: tokens.output.saturating_add(tokens.reasoning),
            cache_read_tokens: tokens.cache.read,
            cache_write_tokens: tokens.cache.write,
        };
        self.usage = Some(self.usage.unwrap_or_default() + usage);
        self.calls += 1;
        usage
    }
}
