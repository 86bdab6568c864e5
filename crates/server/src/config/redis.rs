//! Redis, for callers that talk through it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::secret::Secret;

/// `[redis]`
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RedisSettings {
    /// `redis://…`, or `rediss://…` with TLS. Also read from `REDIS_URL`.
    pub url: Option<Secret>,
}
