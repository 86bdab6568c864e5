//! Named queues.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The lane of executions that name none.
pub(super) const DEFAULT_LANE: &str = "default";

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

/// The one lane that always exists.
pub fn default_lanes() -> BTreeMap<String, LaneSettings> {
    BTreeMap::from([(DEFAULT_LANE.to_owned(), LaneSettings::default())])
}
