//! The ways in beside the native API: contracts of workers that Legwork takes the place of.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::secret::Secret;

/// `[doors.…]`
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DoorSettings {
    /// `POST /generate`
    pub generate: GenerateSettings,
    /// `POST /claude-code`
    pub claude_code: ClaudeCodeSettings,
    /// `POST /execute`
    pub execute: ExecuteSettings,
    /// Requests by Redis.
    pub redis: RedisDoorSettings,
    /// `POST /execute` with `userRequest`
    pub unified: UnifiedSettings,
}

/// `[doors.generate]`: signed prompts, one answer each. Open where it has a secret.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GenerateSettings {
    /// What callers sign with. Also read from `SHARED_SECRET`.
    pub secret: Option<Secret>,
    /// Jobs in any hour, of all callers together. Also read from `MAX_GLOBAL_CALLS_PER_HR`.
    pub calls_per_hour: u64,
    /// Seconds a job may take.
    pub timeout_seconds: u64,
    /// Refuse requests whose signature does not cover a time (`x-sheen-timestamp`): these can be sent again by anybody
    /// who saw them.
    pub require_timestamp: bool,
    /// Seconds that a signed time may be off.
    pub window_seconds: u64,
    /// The lane of its jobs.
    pub lane: String,
}

impl Default for GenerateSettings {
    fn default() -> Self {
        Self {
            secret: None,
            calls_per_hour: 100,
            timeout_seconds: 120,
            require_timestamp: false,
            window_seconds: 300,
            lane: "generate".into(),
        }
    }
}

/// `[doors.claude_code]`: prompts answered line by line, for callers of the native API.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClaudeCodeSettings {
    /// Whether it is open.
    pub enabled: bool,
    /// The prompt of requests without one. Also read from `CLAUDE_PROMPT`.
    pub prompt: Option<String>,
    /// The model of requests without one. Also read from `ANTHROPIC_MODEL`.
    pub model: Option<String>,
    /// Whether answers are streamed where a request does not say. Also read from `CLAUDE_STREAM`.
    pub stream: bool,
    /// Whether whole answers hold all messages where a request does not say. Also read from `CLAUDE_VERBOSE`.
    pub verbose: bool,
    /// Turns where a request does not say. Also read from `CLAUDE_MAX_TURNS`.
    pub max_turns: u32,
    /// Flags of the CLI that requests may use beside the harmless ones (`--dangerously-skip-permissions`).
    pub allow_flags: Vec<String>,
    /// Whether requests that continue a session share a container, where jobs run in those. It is put away after
    /// `sandbox.docker.sleep_after` without one.
    pub keep_containers: bool,
    /// The lane of its jobs.
    pub lane: String,
}

impl Default for ClaudeCodeSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            prompt: None,
            model: None,
            stream: true,
            verbose: false,
            max_turns: 3,
            allow_flags: Vec::new(),
            keep_containers: true,
            lane: "default".into(),
        }
    }
}

/// `[doors.execute]`: signed calls of the CLI. Open where it has a secret.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ExecuteSettings {
    /// What callers sign with. Also read from `CLAUDE_SERVICE_SECRET`.
    pub secret: Option<Secret>,
    /// Seconds that a signed time may be off.
    pub window_seconds: u64,
    /// Jobs in any minute from one address.
    pub calls_per_minute: u64,
    /// Whether this machine's own calls count, too.
    pub limit_loopback: bool,
    /// Flags of the CLI that requests may use beside the harmless ones (`--dangerously-skip-permissions`).
    pub allow_flags: Vec<String>,
    /// The lane of its jobs.
    pub lane: String,
}

impl Default for ExecuteSettings {
    fn default() -> Self {
        Self {
            secret: None,
            window_seconds: 30,
            calls_per_minute: 100,
            limit_loopback: false,
            allow_flags: Vec::new(),
            lane: "execute".into(),
        }
    }
}

/// `[doors.redis]`: calls of the CLI that come and are answered by Redis. Open where `[redis]` has a URL.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RedisDoorSettings {
    /// What the names of its channels and streams begin with: `PREFIX:requests`, `PREFIX:responses`,
    /// `PREFIX:requests:stream`.
    pub prefix: String,
    /// Flags of the CLI that requests may use beside the harmless ones (`--dangerously-skip-permissions`).
    pub allow_flags: Vec<String>,
    /// The lane of its jobs.
    pub lane: String,
}

impl Default for RedisDoorSettings {
    fn default() -> Self {
        Self { prefix: "claude:cli".into(), allow_flags: Vec::new(), lane: "redis".into() }
    }
}

/// `[doors.unified]`: jobs that bring their own credentials, answered by events, for callers of the native API.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UnifiedSettings {
    /// Whether it is open.
    pub enabled: bool,
    /// Where a request's `workspace` is, which is made where it is not there yet. Also read from `WORKSPACE_DIR`.
    pub workspace_dir: PathBuf,
    /// The URL that the events of jobs are posted to whose request has a `database`. Also read from `DB_BASE_URL`.
    pub db_base_url: Option<Secret>,
    /// The lane of its jobs.
    pub lane: String,
}

impl Default for UnifiedSettings {
    fn default() -> Self {
        Self { enabled: true, workspace_dir: "/workspace".into(), db_base_url: None, lane: "default".into() }
    }
}

impl DoorSettings {
    /// Whether a door is open that has a lock of its own, so that the server may be reached from other machines.
    pub fn any_signed(&self) -> bool {
        self.generate.secret.is_some() || self.execute.secret.is_some()
    }
}
