//! Named queues.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The lane of executions that name none.
const DEFAULT_LANE: &str = "default";

/// `[lanes.NAME]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LaneSettings {
    /// How many of its executions run at once on one node.
    pub concurrency: u32,
}

impl Default for LaneSettings {
    fn default() -> Self {
        Self { concurrency: 8 }
    }
}

/// The lanes that always exist: the one of jobs that name none, and those of the doors.
pub fn default_lanes() -> BTreeMap<String, LaneSettings> {
    let lane = |name: &str, concurrency| (name.to_owned(), LaneSettings { concurrency });
    BTreeMap::from([lane(DEFAULT_LANE, 8), lane("execute", 5), lane("generate", 1), lane("redis", 5)])
}
