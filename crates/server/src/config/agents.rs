//! How agents are started.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

use super::credential::CredentialSettings;
use super::custom_agent::CustomAgentSettings;
use super::secret::Secret;

/// `[agents.NAME]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AgentSettings {
    /// The program; the one of that name on `PATH` where absent.
    pub program: Option<PathBuf>,
    /// How much the agent may do without asking: `plan` (only look), `default` (ask before it changes something),
    /// `acceptEdits` (change files), `bypassPermissions` (everything), or a word of the agent's own.
    pub permission_mode: Option<String>,
    /// Tools that every run may use without asking, in addition to those the caller allows.
    pub allow_tools: Vec<String>,
    /// The base URL of the model API, where it is not the vendor's own. Also read from `ANTHROPIC_BASE_URL`.
    pub base_url: Option<String>,
    /// An API key. Also read from `ANTHROPIC_API_KEY`.
    pub api_key: Option<Secret>,
    /// A bearer token of a router in front of the API. Also read from `ANTHROPIC_AUTH_TOKEN`.
    pub auth_token: Option<Secret>,
    /// The token of a subscription login. Also read from `CLAUDE_CODE_OAUTH_TOKEN`.
    pub oauth_token: Option<Secret>,
    /// The file of a subscription login as the program writes it, a JSON object (`file:/run/secrets/x`). Also read from
    /// `CLAUDE_CODE_CREDENTIALS_JSON`, and from the file that `CLAUDE_CODE_CREDENTIALS_SECRET` names.
    pub login_file: Option<Secret>,
    /// Several credentials instead of one: runs are spread over them, and one that is refused or at its limit is left alone for
    /// as long as its API says.
    pub credentials: Vec<CredentialSettings>,
    /// Where the file of a login is renewed, where that is not the vendor's own address.
    pub login_url: Option<String>,
    /// The models that it may use, exact or with one `*` for any text; any where empty.
    pub models: Vec<String>,
    /// Models to go on with, in this order, where the one before is not available.
    pub fallback: Vec<String>,
    /// How often the agent may repeat a failed call to its model.
    pub max_retries: u32,
    /// Which API the model speaks, for agents that know several: `openai` or `anthropic`.
    pub model_api: Option<String>,
    /// The model that jobs use which name none.
    pub model: Option<String>,
    /// Whether each job has a process of its own that takes one prompt, where the agent would otherwise be a server (Codex):
    /// nobody can talk to it then, and nothing can be decided while it works.
    pub one_shot: bool,
    /// Whether Claude Code is started in its bare mode: sooner, and with less. It reads no `CLAUDE.md`, has no skills and few tools, and
    /// takes an API key or a token of a router alone. Jobs with `permissions` are not started so.
    pub bare: bool,
    /// Whether Claude Code may load what a repository brings for it: settings, hooks, MCP servers (`.mcp.json`). They can do
    /// whatever the agent can, and send its key elsewhere. Other agents never load them.
    pub trust_repository: bool,
    /// Makes this an agent of your own.
    pub custom: Option<CustomAgentSettings>,
}

impl Default for AgentSettings {
    fn default() -> Self {
        Self {
            program: None,
            permission_mode: Some("acceptEdits".into()),
            allow_tools: Vec::new(),
            base_url: None,
            api_key: None,
            auth_token: None,
            oauth_token: None,
            login_file: None,
            credentials: Vec::new(),
            login_url: None,
            models: Vec::new(),
            fallback: Vec::new(),
            max_retries: 3,
            model_api: None,
            model: None,
            one_shot: false,
            bare: false,
            trust_repository: false,
            custom: None,
        }
    }
}
