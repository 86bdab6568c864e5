//! What an agent writes, as far as it is used. Unknown fields are ignored.

use serde::Deserialize;
use serde_json::Value;

use crate::fields::{Fields, parse};
use crate::lenient::lenient;

/// One line.
#[derive(Debug)]
pub(super) enum Incoming {
    /// It answers a call of ours.
    Response { id: u64, result: Result<Value, RpcError> },
    /// It waits for an answer of ours.
    Request { id: Value, method: String, params: Value },
    /// It tells something.
    Notification { method: String, params: Value },
}

impl Incoming {
    /// `None` for what is no message of the protocol.
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        let mut fields: Fields = serde_json::from_slice(line).ok()?;
        let params = fields.remove("params").unwrap_or_default();
        match (fields.remove("method"), fields.remove("id")) {
            (Some(Value::String(method)), Some(id)) if is_id(&id) => Some(Self::Request { id, method, params }),
            (Some(Value::String(method)), None) => Some(Self::Notification { method, params }),
            (None, Some(id)) => Some(Self::Response { id: id.as_u64()?, result: result_of(fields)? }),
            _ => None,
        }
    }
}

fn is_id(id: &Value) -> bool {
    id.is_string() || id.is_number()
}

fn result_of(mut fields: Fields) -> Option<Result<Value, RpcError>> {
    match (fields.remove("error"), fields.remove("result")) {
        (Some(error), _) => Some(Err(parse(error)?)),
        (None, Some(result)) => Some(Ok(result)),
        (None, None) => None,
    }
}

/// Why the agent could not do what a call asked for.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct RpcError {
    /// A code of JSON-RPC, of the protocol, or of the agent.
    pub(crate) code: i64,
    /// What went wrong.
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) message: String,
    /// More about it.
    #[serde(default)]
    pub(crate) data: Value,
}

impl RpcError {
    /// All that it says, in one line.
    pub(crate) fn text(&self) -> String {
        let details = match &self.data {
            Value::Object(data) => data.get("details").or(data.get("message")).and_then(Value::as_str),
            Value::String(data) => Some(data.as_str()),
            _ => None,
        };
        let said = [Some(self.message.as_str()).filter(|message| !message.is_empty()), details];
        let said: Vec<_> = said.into_iter().flatten().collect();
        if said.is_empty() { format!("error {}", self.code) } else { said.join(": ") }
    }
}

/// The answer to `initialize`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Initialized {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) agent_info: AgentInfo,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct AgentInfo {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) version: Option<String>,
}

/// The answer to `session/new` and `session/load`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Opened {
    /// Absent where a session was loaded: it is the one that was asked for.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) session_id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) modes: Modes,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) models: Models,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Modes {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) available_modes: Vec<Mode>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Mode {
    pub(super) id: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Models {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) current_model_id: Option<String>,
}

/// The answer to `session/prompt`: a turn has ended.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Prompted {
    pub(super) stop_reason: String,
    /// Of the session so far, in Copilot's way.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) usage: Option<SessionUsage>,
    /// Of this prompt, in Gemini CLI's way.
    #[serde(default, rename = "_meta", deserialize_with = "lenient")]
    pub(super) meta: Meta,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct SessionUsage {
    /// With those of the cache.
    pub(super) input_tokens: u64,
    pub(super) output_tokens: u64,
    pub(super) cached_read_tokens: u64,
    pub(super) cached_write_tokens: u64,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Meta {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) quota: Option<Quota>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Quota {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) model_usage: Vec<ModelQuota>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ModelQuota {
    #[serde(default)]
    pub(super) model: Option<String>,
    pub(super) token_count: TokenCount,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub(super) struct TokenCount {
    pub(super) input_tokens: u64,
    pub(super) output_tokens: u64,
}

/// `session/update`, and its kind.
#[derive(Debug, Deserialize)]
pub(super) struct SessionUpdate {
    pub(super) update: Fields,
}

/// A piece of what somebody said.
#[derive(Debug, Deserialize)]
pub(super) struct Chunk {
    pub(super) content: Fields,
}

/// `session/request_permission`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PermissionAsked {
    pub(super) tool_call: Fields,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) options: Vec<PermissionOption>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PermissionOption {
    pub(super) option_id: String,
    /// `allow_once`, `allow_always`, `reject_once` or `reject_always`.
    pub(super) kind: String,
}

/// What is told of a tool call, at its start and later.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ToolFields {
    /// Joins what is told of one call.
    pub(crate) tool_call_id: String,
    /// For people.
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) title: Option<String>,
    /// What kind of thing it does, in the protocol's words: `read`, `edit`, `execute`, ….
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) kind: Option<String>,
    /// `pending`, `in_progress`, `completed` or `failed`.
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) status: Option<String>,
    /// What it printed, and what it changed.
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) content: Vec<Value>,
    /// The files it is about.
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) locations: Vec<Location>,
    /// What the tool is called with.
    #[serde(default)]
    pub(crate) raw_input: Value,
    /// What it answered.
    #[serde(default)]
    pub(crate) raw_output: Value,
}

/// A file that a tool call is about.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Location {
    pub(crate) path: String,
}
