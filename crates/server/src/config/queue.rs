//! The queue and its leases.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[queue]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct QueueSettings {
    /// Jobs that may wait; past it submissions are refused with 503.
    pub max_queued: u64,
    /// Seconds after which a run whose worker was not heard of is taken from it.
    pub lease_seconds: u64,
    /// Seconds between the beats that renew leases.
    pub beat_seconds: u64,
    /// Hours that an `Idempotency-Key` is remembered.
    pub idempotency_hours: u64,
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self { max_queued: 10_000, lease_seconds: 30, beat_seconds: 10, idempotency_hours: 24 }
    }
}
