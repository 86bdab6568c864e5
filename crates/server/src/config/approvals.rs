//! What people decide about calls of tools.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[approvals]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ApprovalSettings {
    /// Seconds that people have to decide, where the job does not say; then the call is refused.
    pub timeout_seconds: u64,
    /// Whether somebody else has to decide than whoever submitted the job.
    pub by_others: bool,
}

impl Default for ApprovalSettings {
    fn default() -> Self {
        Self { timeout_seconds: 300, by_others: false }
    }
}
