//! The lines that Cursor's agent prints with `--output-format=stream-json`, as its reference of the format describes them.
//! Unknown fields are ignored.

use legwork_model::Usage;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::lenient::lenient;

/// `{"type":"system","subtype":"init"}`.
#[derive(Debug, Deserialize)]
pub(super) struct Init {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) session_id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) model: Option<String>,
}

/// `{"type":"user"}` and `{"type":"assistant"}`: a whole message.
#[derive(Debug, Deserialize)]
pub(super) struct Said {
    pub(super) message: Message,
}

#[derive(Debug, Deserialize)]
pub(super) struct Message {
    pub(super) content: Vec<Block>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Block {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) text: String,
}

/// `{"type":"tool_call"}`, with the subtype `started` or `completed`.
#[derive(Debug, Deserialize)]
pub(super) struct ToolCall {
    pub(super) subtype: String,
    pub(super) call_id: String,
    /// One field, whose name is the tool's and `ToolCall`; or `function`, with the name in it.
    pub(super) tool_call: Map<String, Value>,
}

/// `{"type":"result"}`: the run has ended. Comes after a success alone.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct RunResult {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) subtype: String,
    pub(super) is_error: Option<bool>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) result: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) session_id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) usage: Option<RunUsage>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RunUsage {
    /// Without those of the cache.
    input_tokens: u64,
    output_tokens: u64,
    cache_read_tokens: u64,
    cache_write_tokens: u64,
}

impl From<RunUsage> for Usage {
    fn from(usage: RunUsage) -> Self {
        Self {
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
            cache_read_tokens: usage.cache_read_tokens,
            cache_write_tokens: usage.cache_write_tokens,
        }
    }
}
