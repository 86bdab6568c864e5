//! What an agent is asked to do.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::limits::Limits;
use crate::mcp::McpServer;
use crate::permission::PermissionPolicy;
use crate::sandbox::Sandbox;
use crate::waiting::OnLimit;

/// One job for one agent, as admitted: every default is filled in.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    /// The name of the agent, such as `claude-code`.
    pub agent: String,
    /// What to do. Reaches the agent by its standard input, never by its command line.
    pub prompt: String,
    /// The model to use; the agent's own choice where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The agent's own session to continue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume_session: Option<String>,
    /// Whether the session is left as it is and a copy of it continued.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fork_session: bool,
    /// What becomes of the run where the agent does not find its session any more.
    #[serde(default, skip_serializing_if = "OnSessionLost::is_default")]
    pub on_session_lost: OnSessionLost,
    /// How many seconds the run stays open for a further message after a turn; it ends with its turn where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_idle_seconds: Option<u64>,
    /// For how many seconds the outcome of an equal job stands for this one's; never where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_ttl_seconds: Option<u64>,
    /// What the agent is told beside its own system prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_prompt: Option<String>,
    /// A directory of the operator's to work in; a fresh one where neither this nor `repository` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<String>,
    /// A git repository to clone into a fresh workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<Repository>,
    /// When the run is stopped.
    pub limits: Limits,
    /// What the agent may use.
    #[serde(default)]
    pub tools: ToolPolicy,
    /// What it may do, decided call by call; the agent's own rules alone where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<PermissionPolicy>,
    /// The MCP servers it may use, by name. Secrets of the operator stand in them as `${NAME}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub mcp_servers: BTreeMap<String, McpServer>,
    /// How much the agent may do without asking, in the agent's own word; the operator's setting where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permission_mode: Option<String>,
    /// What becomes of the run at a limit that ends by itself.
    #[serde(default, skip_serializing_if = "OnLimit::is_default")]
    pub on_limit: OnLimit,
    /// Where its processes live, and what they may use and reach.
    #[serde(default, skip_serializing_if = "Sandbox::is_default")]
    pub sandbox: Sandbox,
    /// The door it came in by, where that is not the native API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub door: Option<String>,
    /// Additional environment variables of the agent.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

impl Task {
    /// Whether somebody may talk to the agent while it works: to give it a further message, or to decide what it may do.
    pub fn is_conversation(&self) -> bool {
        self.session_idle_seconds.is_some() || self.permissions.is_some()
    }
}

/// What becomes of a run whose agent does not find the session that it is to continue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnSessionLost {
    /// It fails as `session_lost`.
    #[default]
    Fail,
    /// It begins a new session, and says so.
    Fresh,
}

impl OnSessionLost {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A git repository to work on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Repository {
    /// Where to clone from; `https` unless the operator allows more, such as `ssh` (`git@host:owner/name.git`, too).
    #[schema(example = "https://github.com/octocat/Hello-World.git")]
    pub url: String,
    /// The branch to check out; the repository's default branch where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
}

/// Which tools an agent may use without asking, in the agent's own pattern language (`Bash(git status:*)`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ToolPolicy {
    /// Allowed in addition to what the operator allows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
    /// Never allowed; wins over `allow`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<String>,
}
