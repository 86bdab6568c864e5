//! The lines that Claude Code prints, as far as they are used. Unknown fields are ignored; what is not needed for the
//! verdict may also have an unknown shape.

use std::collections::BTreeMap;

use legwork_model::Usage;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::lenient::lenient;

/// `{"type":"system","subtype":"init"}`: a turn begins. Printed once for each message the program takes up.
#[derive(Debug, Deserialize)]
pub(super) struct Init {
    #[serde(default)]
    pub session_id: Option<String>,
    #[serde(default)]
    pub model: Option<String>,
    #[serde(default)]
    pub tools: Vec<String>,
    #[serde(default)]
    pub claude_code_version: Option<String>,
}

/// `{"type":"system","subtype":"api_retry"}`.
#[derive(Debug, Deserialize)]
pub(super) struct ApiRetry {
    /// The number of the retry, from 1.
    pub attempt: u32,
    #[serde(default)]
    pub max_retries: Option<u32>,
    #[serde(default)]
    pub retry_delay_ms: f64,
    #[serde(default, deserialize_with = "lenient")]
    pub error_status: Option<u16>,
    #[serde(default, deserialize_with = "lenient")]
    pub error: Option<String>,
}

/// `{"type":"system","subtype":"permission_denied"}`, and an entry of [`TurnResult::permission_denials`].
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Denial {
    pub tool_name: String,
    pub tool_use_id: String,
}

/// `{"type":"assistant"}` and `{"type":"user"}`: a message of the conversation.
#[derive(Debug, Deserialize)]
pub(super) struct Turn {
    pub message: Message,
    /// Set where a sub-agent is speaking.
    #[serde(default)]
    pub parent_tool_use_id: Option<String>,
    /// A word for what the model's API refused (`rate_limit`); the message is then the program's own.
    #[serde(default, deserialize_with = "lenient")]
    pub error: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Message {
    pub content: Content,
}

#[derive(Debug)]
pub(super) enum Content {
    Text(String),
    Blocks(Vec<Value>),
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self::Text(text)),
            Value::Array(blocks) => Ok(Self::Blocks(blocks)),
            _ => Err(serde::de::Error::custom("expected a text or a list of content blocks")),
        }
    }
}

/// A block of a message. Its kind is a string of an open set, so that it is looked up before this is read.
#[derive(Debug, Deserialize)]
pub(super) struct TextBlock {
    pub text: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct ThinkingBlock {
    pub thinking: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct ToolUseBlock {
    pub id: String,
    pub name: String,
    #[serde(default)]
    pub input: Value,
}

#[derive(Debug, Deserialize)]
pub(super) struct ToolResultBlock {
    pub tool_use_id: String,
    #[serde(default)]
    pub content: Value,
    #[serde(default)]
    pub is_error: bool,
}

/// `{"type":"control_request"}` with the subtype `can_use_tool`.
#[derive(Debug, Deserialize)]
pub(super) struct ControlRequest {
    pub request_id: String,
    pub request: CanUseTool,
}

#[derive(Debug, Deserialize)]
pub(super) struct CanUseTool {
    pub tool_name: String,
    #[serde(default)]
    pub input: Value,
    #[serde(default)]
    pub tool_use_id: Option<String>,
}

/// `{"type":"control_request"}` with the subtype `hook_callback`, before a tool is used.
#[derive(Debug, Deserialize)]
pub(super) struct HookRequest {
    pub request_id: String,
    pub request: HookCallback,
}

#[derive(Debug, Deserialize)]
pub(super) struct HookCallback {
    pub input: HookInput,
}

#[derive(Debug, Deserialize)]
pub(super) struct HookInput {
    pub tool_name: String,
    #[serde(default)]
    pub tool_input: Value,
    #[serde(default)]
    pub tool_use_id: Option<String>,
}

/// `{"type":"result"}`: a turn has ended.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct TurnResult {
    /// `success`, also where the model's API failed; or `error_…`.
    pub subtype: String,
    pub is_error: Option<bool>,
    #[serde(default, deserialize_with = "lenient")]
    pub api_error_status: Option<u16>,
    #[serde(default, deserialize_with = "lenient")]
    pub result: Option<String>,
    /// Why the model stopped (`end_turn`, `max_tokens`).
    #[serde(default, deserialize_with = "lenient")]
    pub stop_reason: Option<String>,
    /// Why the program stopped (`completed`, `aborted_tools`, `api_error`).
    #[serde(default, deserialize_with = "lenient")]
    pub terminal_reason: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub errors: Vec<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub permission_denials: Vec<Denial>,
    /// Of this turn alone.
    #[serde(default, deserialize_with = "lenient")]
    pub num_turns: Option<u32>,
    /// Of this turn alone, and of the main model alone; all zero where the budget is exceeded.
    #[serde(default, deserialize_with = "lenient")]
    pub usage: TurnUsage,
    /// Running total of the process; since 2.1.329 of the whole session, with what it used before a resume.
    #[serde(default, deserialize_with = "lenient")]
    pub total_cost_usd: Option<f64>,
    /// Running total by model, as `total_cost_usd`.
    #[serde(default, deserialize_with = "lenient", rename = "modelUsage")]
    pub model_usage: BTreeMap<String, ModelUsage>,
    /// Of this turn alone, by model; since 2.1.329.
    #[serde(default, deserialize_with = "lenient")]
    pub model_usage_since_last_result: Option<BTreeMap<String, ModelUsage>>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub(super) struct TurnUsage {
    input_tokens: u64,
    output_tokens: u64,
    cache_read_input_tokens: u64,
    cache_creation_input_tokens: u64,
}

impl From<TurnUsage> for Usage {
    fn from(usage: TurnUsage) -> Self {
        Self {
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
            cache_read_tokens: usage.cache_read_input_tokens,
            cache_write_tokens: usage.cache_creation_input_tokens,
        }
    }
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ModelUsage {
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub cache_read_input_tokens: u64,
    pub cache_creation_input_tokens: u64,
    #[serde(rename = "costUSD")]
    pub cost_usd: f64,
}

impl From<ModelUsage> for Usage {
    fn from(usage: ModelUsage) -> Self {
        Self {
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
            cache_read_tokens: usage.cache_read_input_tokens,
            cache_write_tokens: usage.cache_creation_input_tokens,
        }
    }
}
