//! Git repositories that may be cloned.

use legwork_runner::workspace::RepositoryPolicy;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ssh::SshSettings;

/// `[repositories]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RepositorySettings {
    /// URL schemes: `https`, `ssh` with what is set under `[repositories.ssh]`, and where you trust every caller `http` or
    /// `file`.
    pub schemes: Vec<String>,
    /// Host names; any public one where empty.
    pub hosts: Vec<String>,
    /// Whether hosts with loopback, private or link-local addresses may be cloned from.
    pub allow_private_addresses: bool,
    /// Repositories over SSH.
    pub ssh: SshSettings,
}

impl Default for RepositorySettings {
    fn default() -> Self {
        Self {
            schemes: vec!["https".into()],
            hosts: Vec::new(),
            allow_private_addresses: false,
            ssh: SshSettings::default(),
        }
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

    /// Whether they may be cloned over SSH.
    pub fn over_ssh(&self) -> bool {
        self.schemes.iter().any(|scheme| scheme == "ssh")
    }

    /// The first setting that makes no sense, and what would be right.
    pub(super) fn problem(&self) -> Option<(&'static str, String)> {
        self.ssh.problem(self.over_ssh())
    }
}
