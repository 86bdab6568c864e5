//! The service's own log.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::secret::Secret;

/// `[log]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LogSettings {
    /// What is logged: `error`, `warn`, `info`, `debug`, or a filter such as `info,legwork_runner=debug`.
    pub filter: String,
    /// Text for people or JSON for machines.
    pub format: LogFormat,
    /// A Sentry project that is told of failed runs and of the service's own failures: which door, agent and execution,
    /// and why; never a prompt. Also read from `SENTRY_DSN`.
    pub sentry_dsn: Option<Secret>,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { filter: "info,sea_orm_migration=warn".into(), format: LogFormat::Text, sentry_dsn: None }
    }
}
