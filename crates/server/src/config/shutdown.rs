//! What happens on SIGTERM.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[shutdown]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ShutdownSettings {
    /// Seconds that running executions may go on after the first signal. A second signal ends them at once.
    pub drain_seconds: u64,
}

impl Default for ShutdownSettings {
    fn default() -> Self {
        Self { drain_seconds: 30 }
    }
}
