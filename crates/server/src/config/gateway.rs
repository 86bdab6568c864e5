//! The model proxy, by which agents reach their models.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[gateway]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GatewaySettings {
    /// Whether agents reach their models by the proxy, which keeps the credentials and meters every request. Without it they are
    /// given the credentials, and what they cost is what they say.
    pub enabled: bool,
    /// The port of 127.0.0.1 that it listens on; a free one, kept in the data directory, where absent.
    pub port: Option<u16>,
    /// For how many hours a run waits at the most for a limit to end, all its waits together; then it fails. 0: it fails at once.
    pub wait_hours: u64,
    /// Bytes of one request to a model.
    pub max_body_bytes: usize,
}

impl Default for GatewaySettings {
    fn default() -> Self {
        Self { enabled: true, port: None, wait_hours: 8 * 24, max_body_bytes: 32 << 20 }
    }
}
