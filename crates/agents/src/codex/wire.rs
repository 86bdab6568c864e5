//! The lines that the server prints, as far as they are used. Unknown fields are ignored; what is not needed for the verdict
//! may also have an unknown shape.

use serde::Deserialize;
use serde_json::Value;

use crate::fields::Fields;
use crate::lenient::lenient;

/// Any line: a notification has a method, a request of the program also an id, an answer an id alone.
#[derive(Debug, Deserialize)]
pub(super) struct Line {
    #[serde(default)]
    pub id: Option<Value>,
    #[serde(default)]
    pub method: Option<String>,
    #[serde(default)]
    pub params: Fields,
    #[serde(default)]
    pub result: Option<Value>,
    #[serde(default)]
    pub error: Option<RequestError>,
}

/// Why a request of ours was refused.
#[derive(Debug, Deserialize)]
pub(super) struct RequestError {
    pub message: String,
}

/// The answer to `thread/start`, `thread/resume` and `thread/fork`.
#[derive(Debug, Deserialize)]
pub(super) struct ThreadOpened {
    pub thread: Thread,
    #[serde(default, deserialize_with = "lenient")]
    pub model: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Thread {
    pub id: String,
    #[serde(default, deserialize_with = "lenient")]
    pub cli_version: Option<String>,
}

/// `turn/started` and `turn/completed`.
#[derive(Debug, Deserialize)]
pub(super) struct TurnChanged {
    pub turn: Turn,
}

#[derive(Debug, Deserialize)]
pub(super) struct Turn {
    pub id: String,
    /// `completed`, `interrupted`, `failed` or `inProgress`.
    #[serde(default)]
    pub status: String,
    #[serde(default)]
    pub error: Option<TurnError>,
}

/// What went wrong in a turn.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TurnError {
    #[serde(default)]
    pub message: String,
    /// A word, or an object of one field that is named with one (`CodexErrorInfo`).
    #[serde(default)]
    pub codex_error_info: Value,
    #[serde(default, deserialize_with = "lenient")]
    pub additional_details: Option<String>,
}

/// `error`: also what is tried again.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ErrorTold {
    pub error: TurnError,
    pub will_retry: bool,
}

/// `item/started` and `item/completed`.
#[derive(Debug, Deserialize)]
pub(super) struct ItemChanged {
    pub item: Fields,
}

/// `thread/tokenUsage/updated`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UsageUpdated {
    pub thread_id: String,
    pub turn_id: String,
    pub token_usage: TokenUsage,
}

#[derive(Debug, Deserialize)]
pub(super) struct TokenUsage {
    /// Of the last call to the model. Its counterpart `total` is of the whole thread, and is set anew where the
    /// conversation became too long.
    pub last: Tokens,
}

/// `TokenUsageBreakdown`, and in snake case the `usage` of the one-shot program's `turn.completed`.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Tokens {
    /// All of them, also those read from the cache or written to it.
    #[serde(alias = "input_tokens")]
    pub input_tokens: u64,
    #[serde(alias = "cached_input_tokens")]
    pub cached_input_tokens: u64,
    #[serde(alias = "cache_write_input_tokens")]
    pub cache_write_input_tokens: u64,
    /// With those it thought in.
    #[serde(alias = "output_tokens")]
    pub output_tokens: u64,
}
