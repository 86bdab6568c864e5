//! What a door makes of a request.

use std::collections::BTreeMap;
use std::path::PathBuf;

use legwork_model::{
    Cost, OnLimit, OnSessionLost, PermissionPolicy, Repository, Sandbox, Seconds, ToolPolicy, WrittenCost,
};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::executor::RunSecrets;
use crate::mcp::McpRequest;
use crate::parse::{object, optional_object};

/// A job as a caller asks for it. Only the prompt is needed.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Submission {
    /// What the agent is to do.
    #[schema(example = "Write a haiku about queues to haiku.txt")]
    pub prompt: String,
    /// The agent; `claude-code` where absent.
    #[serde(default)]
    pub agent: Option<String>,
    /// The model, in the agent's own naming; passed on untouched.
    #[serde(default)]
    pub model: Option<String>,
    /// A directory to work in, inside one of the configured roots. A fresh one where absent.
    #[serde(default)]
    pub workspace: Option<String>,
    /// A git repository to clone and work on, instead of `workspace`.
    #[serde(default, deserialize_with = "optional_object")]
    pub repository: Option<Repository>,
    /// The agent's session to continue, as an earlier execution told it (`sessionId`).
    #[serde(default)]
    pub resume_session: Option<String>,
    /// Whether that session is left as it is, and a copy of it continued.
    #[serde(default)]
    pub fork_session: bool,
    /// What becomes of the run where the agent does not find that session any more.
    #[serde(default)]
    pub on_session_lost: OnSessionLost,
    /// Seconds for which the execution stays open for a further message after each turn of the agent; it ends with the first
    /// turn where absent.
    #[serde(default)]
    #[schema(minimum = 1)]
    pub session_idle_timeout: Option<u64>,
    /// For how long the outcome of an equal job of the same API key may stand for this one's, at no cost; from a second to 30
    /// days. Every job runs where absent.
    #[serde(default)]
    #[schema(value_type = Option<Seconds>)]
    pub cache_ttl: Option<Seconds>,
    /// What the agent is told beside its own system prompt.
    #[serde(default)]
    pub system_prompt: Option<String>,
    /// What the agent may do, decided call by call; the agent's own rules alone where absent.
    #[serde(default, deserialize_with = "optional_object")]
    pub permissions: Option<PermissionPolicy>,
    /// MCP servers that the agent may use, by name: `{}` for one that is known here, else a definition.
    #[serde(default)]
    pub mcp_servers: BTreeMap<String, McpRequest>,
    /// When to stop the run.
    #[serde(default, deserialize_with = "object")]
    pub limits: LimitRequest,
    /// Tools the agent may or may not use without asking.
    #[serde(default, deserialize_with = "object")]
    pub tools: ToolPolicy,
    /// Where its processes live, and what they may use and reach.
    #[serde(default, deserialize_with = "object")]
    pub sandbox: Sandbox,
    /// Further environment variables of the agent. `${NAME}` stands for a secret that the operator lets callers use, `$${` for `${`.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// What the job belongs to, in the caller's words: what is spent is counted by it. A session's, where that is continued.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 128, example = "website")]
    pub project: Option<String>,
    /// For whom the job is, in the caller's words: what is spent is counted by it. A session's, where that is continued.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 128, example = "ada@example.com")]
    pub user: Option<String>,
    /// Anything of the caller's own; kept and returned.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub metadata: Map<String, Value>,
    /// How much the agent may do without asking, where a door's callers may say so; the operator's setting where absent.
    #[serde(skip)]
    pub permission_mode: Option<String>,
    /// The door it came in by, where that is not the native API.
    #[serde(skip)]
    pub door: Option<&'static str>,
    /// What the run authenticates with, where a door's callers bring that along.
    #[serde(skip)]
    pub secrets: RunSecrets,
    /// A directory in which workspaces are made that are not there yet, and kept with their clone of `repository`, where
    /// a door's callers name workspaces so.
    #[serde(skip)]
    pub workspace_root: Option<PathBuf>,
    /// From -100 to 100; higher runs earlier.
    #[serde(default)]
    pub priority: i32,
    /// The lane to wait in; `default` where absent.
    #[serde(default)]
    pub lane: Option<String>,
    /// What becomes of the run when its worker is lost after the agent began.
    #[serde(default)]
    pub on_lost: OnLost,
    /// What becomes of the run at a limit that ends by itself: the usage limit of the model's API, or an API that is not
    /// available.
    #[serde(default)]
    pub on_limit: OnLimit,
}

/// What becomes of a run whose worker is lost after the agent began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnLost {
    /// It ends as `lost`: an agent's work can't be repeated blindly.
    #[default]
    Fail,
    /// It is run again from the start.
    Retry,
}

/// Limits that a caller asks for; the operator's defaults where absent.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LimitRequest {
    /// Wall-clock seconds of the run.
    #[schema(minimum = 1)]
    pub timeout_seconds: Option<u64>,
    /// Seconds to prepare the workspace and start the process.
    #[schema(minimum = 1)]
    pub start_seconds: Option<u64>,
    /// Seconds to the first line that the agent prints.
    #[schema(minimum = 1)]
    pub first_event_seconds: Option<u64>,
    /// Seconds without any output while the agent works.
    #[schema(minimum = 1)]
    pub silence_seconds: Option<u64>,
    /// Seconds the process may take to leave after its answer.
    #[schema(minimum = 1)]
    pub exit_seconds: Option<u64>,
    /// Bytes of standard output.
    #[schema(minimum = 1)]
    pub max_output_bytes: Option<u64>,
    /// Turns of the agent.
    #[schema(minimum = 1)]
    pub max_turns: Option<u32>,
    /// US dollars of the run.
    #[schema(value_type = Option<WrittenCost>)]
    pub max_cost_usd: Option<Cost>,
}
