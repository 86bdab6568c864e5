//! Settings: `legwork.toml`, then the environment, then flags; each later one wins. The only place that reads the
//! environment.
//!
//! One file a section, defaults visible. An unknown key is an error that names the nearest known one.

mod agents;
mod approvals;
mod budgets;
mod credential;
mod custom_agent;
mod database;
mod docker;
mod doors;
mod duration;
mod environment;
mod gateway;
mod lanes;
mod limits;
mod load;
mod log;
mod mcp;
mod projects;
mod queue;
mod redis;
mod rehearsal;
mod repositories;
mod runs;
mod sandbox;
mod secret;
mod secret_store;
mod server;
mod shutdown;
mod ssh;
mod validate;
mod warm;
mod worker_variables;
mod workspaces;

use std::collections::BTreeMap;
use std::path::PathBuf;

use legwork_agents::Agents;
use legwork_gateway::model_proxy::{AllowedModels, Price};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use agents::AgentSettings;
pub use approvals::ApprovalSettings;
pub use budgets::BudgetSettings;
pub use credential::CredentialSettings;
pub use custom_agent::CustomAgentSettings;
pub use database::DatabaseSettings;
pub use docker::DockerSettings;
pub use doors::{
    ClaudeCodeSettings, DoorSettings, ExecuteSettings, GenerateSettings, RedisDoorSettings, UnifiedSettings,
};
pub use environment::Environment;
pub use gateway::GatewaySettings;
pub use lanes::{LaneSettings, default_lanes};
pub use limits::LimitSettings;
pub use load::{ConfigError, load, resolved};
pub use log::{LogFormat, LogSettings};
pub use mcp::{McpServerSettings, McpSettings};
pub use projects::ProjectSettings;
pub use queue::QueueSettings;
pub use redis::RedisSettings;
pub use rehearsal::RehearsalSettings;
pub use repositories::RepositorySettings;
pub use runs::RunSettings;
pub use sandbox::{BubblewrapSettings, SandboxSettings, reach};
pub use secret::Secret;
pub use secret_store::{SecretStoreSettings, key_bytes};
pub use server::ServerSettings;
pub use shutdown::ShutdownSettings;
pub use ssh::SshSettings;
pub use warm::WarmSettings;
pub use workspaces::WorkspaceSettings;

/// All settings. In `legwork.toml` each field is a section.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where everything is kept: the database, run directories, the node's id.
    pub data_dir: PathBuf,
    /// The HTTP server.
    pub server: ServerSettings,
    /// The database.
    pub database: DatabaseSettings,
    /// Redis, for callers that talk through it.
    pub redis: RedisSettings,
    /// The queue and its leases.
    pub queue: QueueSettings,
    /// Named queues, each with its own concurrency. There is always one named `default`.
    pub lanes: BTreeMap<String, LaneSettings>,
    /// Limits of executions that name none, and the most that callers may ask for.
    pub limits: LimitSettings,
    /// What may be spent.
    pub budgets: BudgetSettings,
    /// The ways in beside the native API.
    pub doors: DoorSettings,
    /// Agents by name (`claude-code`).
    pub agents: BTreeMap<String, AgentSettings>,
    /// All agents that there are: those that are known, and those that the settings describe.
    #[serde(skip)]
    pub known_agents: Agents,
    /// What jobs of one project may do, by the name that they give as `project`.
    pub projects: BTreeMap<String, ProjectSettings>,
    /// The proxy by which agents reach their models.
    pub gateway: GatewaySettings,
    /// What a million tokens of a model cost in US dollars, where the table that comes with this program does not say it, or
    /// not what you pay. `"*"` stands for every model without a price; else such a model is refused.
    pub prices: BTreeMap<String, Price>,
    /// Agents that are started ahead of their jobs.
    pub warm: WarmSettings,
    /// What people decide about calls of tools.
    pub approvals: ApprovalSettings,
    /// Servers of the Model Context Protocol.
    pub mcp: McpSettings,
    /// Secrets by name, for MCP servers and the variables of jobs: `${NAME}` stands for them.
    pub secrets: BTreeMap<String, Secret>,
    /// The same in the database, set by `legwork secret`.
    pub secret_store: SecretStoreSettings,
    /// Directories that agents may work in.
    pub workspaces: WorkspaceSettings,
    /// Git repositories that may be cloned.
    pub repositories: RepositorySettings,
    /// Where the processes of runs live, what they may use, and what they may reach.
    pub sandbox: SandboxSettings,
    /// Runs and the process that serves them.
    pub runs: RunSettings,
    /// The scripted model that stands in for a real one.
    pub rehearsal: RehearsalSettings,
    /// What happens on SIGTERM.
    pub shutdown: ShutdownSettings,
    /// The service's own log.
    pub log: LogSettings,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("legwork-data"),
            server: ServerSettings::default(),
            database: DatabaseSettings::default(),
            redis: RedisSettings::default(),
            queue: QueueSettings::default(),
            lanes: default_lanes(),
            limits: LimitSettings::default(),
            budgets: BudgetSettings::default(),
            doors: DoorSettings::default(),
            agents: BTreeMap::new(),
            known_agents: Agents::default(),
            projects: BTreeMap::new(),
            gateway: GatewaySettings::default(),
            prices: BTreeMap::new(),
            warm: WarmSettings::default(),
            approvals: ApprovalSettings::default(),
            mcp: McpSettings::default(),
            secrets: BTreeMap::new(),
            secret_store: SecretStoreSettings::default(),
            workspaces: WorkspaceSettings::default(),
            repositories: RepositorySettings::default(),
            sandbox: SandboxSettings::default(),
            runs: RunSettings::default(),
            rehearsal: RehearsalSettings::default(),
            shutdown: ShutdownSettings::default(),
            log: LogSettings::default(),
        }
    }
}

impl Config {
    /// The settings of that agent; the defaults where none are given.
    pub fn agent(&self, name: &str) -> AgentSettings {
        self.agents.get(name).cloned().unwrap_or_default()
    }

    /// The models that a job of that agent and project may use.
    pub fn allowed_models(&self, agent: &str, project: Option<&str>) -> AllowedModels {
        let of_agent = self.agents.get(agent).map(|agent| agent.models.clone());
        let of_project = project.and_then(|name| self.projects.get(name)).map(|project| project.models.clone());
        AllowedModels::new(of_agent.into_iter().chain(of_project))
    }

    /// The JSON Schema of `legwork.toml`.
    pub fn schema() -> serde_json::Value {
        schemars::schema_for!(Self).to_value()
    }
}
