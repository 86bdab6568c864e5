//! The lines that Gemini CLI prints with `--output-format=stream-json`. Unknown fields are ignored.

use std::collections::BTreeMap;

use legwork_model::Usage;
use serde::Deserialize;
use serde_json::Value;

use crate::lenient::lenient;

/// `{"type":"init"}`.
#[derive(Debug, Deserialize)]
pub(super) struct Init {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) session_id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) model: Option<String>,
}

/// `{"type":"message"}`: of the assistant always a piece (`"delta":true`).
#[derive(Debug, Deserialize)]
pub(super) struct Said {
    pub(super) role: String,
    pub(super) content: String,
}

/// `{"type":"tool_use"}`.
#[derive(Debug, Deserialize)]
pub(super) struct ToolUse {
    pub(super) tool_name: String,
    pub(super) tool_id: String,
    #[serde(default)]
    pub(super) parameters: Value,
}

/// `{"type":"tool_result"}`.
#[derive(Debug, Deserialize)]
pub(super) struct ToolResult {
    pub(super) tool_id: String,
    /// `success`, also for a command that failed; or `error`.
    pub(super) status: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) output: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) error: Option<Failed>,
}

/// Why something failed.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Failed {
    #[serde(default, rename = "type", deserialize_with = "lenient")]
    pub(super) kind: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) message: String,
}

/// `{"type":"error"}`: mostly a warning.
#[derive(Debug, Deserialize)]
pub(super) struct Warning {
    pub(super) message: String,
}

/// `{"type":"result"}`: the run has ended.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct RunResult {
    /// `success` or `error`.
    pub(super) status: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) error: Option<Failed>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) stats: Stats,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Stats {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) models: BTreeMap<String, ModelStats>,
}

/// Of this process alone, also after a resume. What the model thought is in none but the total.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub(super) struct ModelStats {
    /// With those of the cache.
    input_tokens: u64,
    output_tokens: u64,
    cached: u64,
}

impl From<ModelStats> for Usage {
    fn from(stats: ModelStats) -> Self {
        Self {
            input_tokens: stats.input_tokens.saturating_sub(stats.cached),
            output_tokens: stats.output_tokens,
            cache_read_tokens: stats.cached,
            cache_write_tokens: 0,
        }
    }
}
