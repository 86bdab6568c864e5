//! What comes over the bridge, as far as it is used. Unknown fields are ignored.

use serde::Deserialize;
use serde_json::Value;

use crate::fields::Fields;

/// A line of the bridge.
#[derive(Debug, Deserialize)]
pub(super) struct Told {
    #[serde(default)]
    pub event: Option<Event>,
    #[serde(default)]
    pub id: Option<String>,
    #[serde(default)]
    pub status: Option<u16>,
    #[serde(default)]
    pub body: Value,
    #[serde(default)]
    pub error: Option<String>,
    /// What the program printed.
    #[serde(default)]
    pub line: Option<String>,
}

/// A server-sent event.
#[derive(Debug, Deserialize)]
pub(super) struct Event {
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub properties: Fields,
}

/// The body of the answer to a request for a session.
#[derive(Debug, Deserialize)]
pub(super) struct Session {
    pub id: String,
    #[serde(default)]
    pub version: Option<String>,
    /// Where it began.
    #[serde(default)]
    pub directory: Option<String>,
}

/// `message.updated`.
#[derive(Debug, Deserialize)]
pub(super) struct MessageUpdated {
    pub info: MessageInfo,
}

#[derive(Debug, Deserialize)]
pub(super) struct MessageInfo {
    pub id: String,
    pub role: String,
    #[serde(default, rename = "modelID")]
    pub model: Option<String>,
}

/// `message.part.updated`.
#[derive(Debug, Deserialize)]
pub(super) struct PartUpdated {
    pub part: Part,
}

#[derive(Debug, Deserialize)]
pub(super) struct Part {
    pub id: String,
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(rename = "messageID")]
    pub message: String,
    #[serde(default)]
    pub text: String,
    #[serde(default)]
    pub time: Option<PartTime>,
    #[serde(default)]
    pub tool: String,
    #[serde(default, rename = "callID")]
    pub call: String,
    #[serde(default)]
    pub state: ToolState,
    #[serde(default)]
    pub tokens: Tokens,
    #[serde(default)]
    pub reason: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct PartTime {
    /// Absent while more of the part may come.
    #[serde(default)]
    pub end: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ToolState {
    /// `pending` (without its input), `running`, `completed` or `error`.
    pub status: String,
    pub input: Value,
    pub output: String,
    pub error: String,
    pub metadata: Value,
}

/// Of one call to the model. `input` is without what was read from the cache.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub(super) struct Tokens {
    pub input: u64,
    pub output: u64,
    pub reasoning: u64,
    pub cache: Cache,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub(super) struct Cache {
    pub read: u64,
    pub write: u64,
}

/// `session.status`.
#[derive(Debug, Deserialize)]
pub(super) struct StatusChanged {
    pub status: Status,
}

#[derive(Debug, Deserialize)]
pub(super) struct Status {
    /// `busy`, `idle` or `retry`.
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub attempt: u32,
    #[serde(default)]
    pub message: String,
}

/// `session.error`.
#[derive(Debug, Deserialize)]
pub(super) struct SessionError {
    pub error: NamedError,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub(super) struct NamedError {
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub data: ErrorData,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ErrorData {
    pub message: String,
    pub status_code: Option<u16>,
}

/// `permission.asked`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct PermissionAsked {
    pub id: String,
    pub permission: String,
    #[serde(default)]
    pub patterns: Vec<String>,
    #[serde(default)]
    pub metadata: Value,
    #[serde(default)]
    pub tool: Option<AskedFor>,
}

/// The call that a permission is asked for.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct AskedFor {
    #[serde(rename = "callID")]
    pub call: String,
}
