//! Where executions are recorded.

use super::secret::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[database]`
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DatabaseSettings {
    /// `mysql://…` or `postgres://…`; the SQLite file in the data directory where absent. Also read from `DATABASE_URL`.
    pub url: Option<Secret>,
}
