//! Runs and the process that serves them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[runs]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RunSettings {
    /// Whether runs outlive a server that is replaced or crashes, and are found again by the next one.
    pub detach: bool,
}

impl Default for RunSettings {
    fn default() -> Self {
        Self { detach: true }
    }
}
