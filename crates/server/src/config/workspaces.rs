//! Directories that agents may work in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// `[workspaces]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WorkspaceSettings {
    /// Directories in which a request's `workspace` may lie. None: every run gets a fresh one.
    pub roots: Vec<PathBuf>,
    /// Hours that the directory of a finished run is kept, for its patch, output and session.
    pub keep_hours: u64,
}

impl Default for WorkspaceSettings {
    fn default() -> Self {
        Self { roots: Vec::new(), keep_hours: 7 * 24 }
    }
}
