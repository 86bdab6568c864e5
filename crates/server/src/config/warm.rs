//! Agents that are started ahead of their jobs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[warm]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WarmSettings {
    /// How many programs may wait for their jobs at once, of all kinds together; each takes 100 to 500 MB. As many are kept as
    /// jobs of a kind came at once lately. 0 keeps none.
    pub most: u32,
    /// Seconds after which a program that nobody took is replaced, and a kind of job that does not come any more is forgotten.
    pub max_age_seconds: u64,
    /// Megabytes of memory that have to be available beside what waits.
    pub reserve_memory_mb: u64,
}

impl Default for WarmSettings {
    fn default() -> Self {
        Self { most: 2, max_age_seconds: 600, reserve_memory_mb: 1024 }
    }
}
