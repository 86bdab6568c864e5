//! The scripted model that stands in for a real one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// `[rehearsal]`
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RehearsalSettings {
    /// Whether agents talk to the rehearsal model instead of a real one.
    pub enabled: bool,
    /// A script file; without it the prompt itself holds the script.
    pub script: Option<PathBuf>,
}
