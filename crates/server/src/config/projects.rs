//! What jobs of one project may do.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[projects.NAME]`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProjectSettings {
    /// The models that its jobs may use, exact or with one `*` for any text, of those that their agent may; any where empty.
    pub models: Vec<String>,
}
