//! Git repositories that may be cloned.

use legwork_runner::workspace::RepositoryPolicy;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[repositories]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RepositorySettings {
    /// URL schemes: `https`, and where you trust every caller `http`, `ssh` or `file`.
    pub schemes: Vec<String>,
    /// Host names; any public one where empty.
    pub hosts: Vec<String>,
    /// Whether hosts with loopback, private or link-local addresses may be cloned from.
    pub allow_private_addresses: bool,
}

impl Default for RepositorySettings {
    fn default() -> Self {
        Self { schemes: vec!["https".into()], hosts: Vec::new(), allow_private_addresses: false }
    }
}

impl RepositorySettings {
    /// The rules as the runner takes them.
    pub fn policy(&self) -> RepositoryPolicy {
        RepositoryPolicy {
            schemes: self.schemes.clone(),
            allow_private_addresses: self.allow_private_addresses,
            allowed_hosts: (!self.hosts.is_empty()).then(|| self.hosts.clone()),
        }
    }
}
