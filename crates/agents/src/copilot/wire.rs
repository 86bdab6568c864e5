//! The lines that Copilot CLI prints with `--output-format=json`. Unknown fields are ignored.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::lenient::lenient;

/// A line of any type but `result`.
#[derive(Debug, Deserialize)]
pub(super) struct Told {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) data: Map<String, Value>,
    /// Whether it is for whoever looks on, and not kept by the program itself.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) ephemeral: bool,
}

/// `assistant.message`: all that the model said and wants in one call.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Message {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) content: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) reasoning_text: Option<String>,
    /// The call of the sub-agent that speaks.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) parent_tool_call_id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) tool_requests: Vec<Value>,
}

/// `tool.execution_start`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolStart {
    pub(super) tool_call_id: String,
    pub(super) tool_name: String,
    #[serde(default)]
    pub(super) arguments: Value,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) parent_tool_call_id: Option<String>,
}

/// `tool.execution_complete`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolEnd {
    pub(super) tool_call_id: String,
    /// Also for a command that failed.
    pub(super) success: bool,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) result: Option<ToolOutput>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) error: Option<ToolError>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) shell_execution: Option<ShellExecution>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) parent_tool_call_id: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct ToolOutput {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) content: String,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct ToolError {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) message: String,
    /// `denied`, `failure`, `rejected`.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) code: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ShellExecution {
    pub(super) exit_code: i64,
}

/// `model.call_failure`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CallFailure {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) status_code: Option<u16>,
    /// How many tries came before it.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) retry_attempt: u32,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) error_message: String,
}

/// `session.error`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SessionError {
    /// `authentication`, `query`, `rate_limit`, ….
    #[serde(default, deserialize_with = "lenient")]
    pub(super) error_type: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) message: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) status_code: Option<u16>,
}

/// `{"type":"result"}`: the run has ended. The only line that names the session.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RunResult {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) session_id: Option<String>,
    /// Also 0 where the run was aborted.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) exit_code: Option<i64>,
}
