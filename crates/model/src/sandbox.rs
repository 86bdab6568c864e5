//! Where the processes of a run live, what they may use, and what they may reach.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::quantity::{ByteSize, Cpus};

/// The sandbox of one run. What is absent is the operator's to say.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sandbox {
    /// Which one.
    #[serde(default, skip_serializing_if = "SandboxKind::is_auto")]
    pub kind: SandboxKind,
    /// Memory of all its processes together (`memory_limit`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<ByteSize>,
    /// Processors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpus: Option<Cpus>,
    /// Processes and threads at once (`pids_limit`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pids: Option<u32>,
    /// What its home and its workspace may take on the disk (`disk_limit`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<ByteSize>,
    /// What it may reach.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub egress: Option<Egress>,
    /// The hosts that it may reach, each exact or as `*.suffix`. Given, an empty list too, `egress` is `enforce` where it
    /// is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_domains: Option<Vec<String>>,
    /// What only a container has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<Container>,
}

impl Sandbox {
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A kind of sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SandboxKind {
    /// The strongest that works where the run is.
    #[default]
    Auto,
    /// Plain processes: directories and an environment of their own, limits, and an end for all of them, but no
    /// isolation.
    Process,
    /// Namespaces of its own, made by bubblewrap.
    Bubblewrap,
    /// A container of a Docker engine.
    Docker,
}

impl SandboxKind {
    fn is_auto(&self) -> bool {
        *self == Self::Auto
    }

    /// As it is written in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Process => "process",
            Self::Bubblewrap => "bubblewrap",
            Self::Docker => "docker",
        }
    }
}

/// What a run may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Egress {
    /// The hosts of `allowedDomains`, by way of the egress proxy, and nothing else.
    Enforce,
    /// Every public host, by way of the egress proxy, which tells of those that are not among `allowedDomains`.
    Observe,
    /// Every public host, by way of the egress proxy.
    #[default]
    Public,
    /// What the machine reaches, its own network included.
    Open,
}

/// What only a container has.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Container {
    /// Its image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "legwork-agents:latest")]
    pub image: Option<String>,
    /// A shell script that is run once on top of the image; what comes of it is kept as an image of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup: Option<String>,
    /// The id of the user that its processes run as; the operator's choice where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<u32>,
    /// Whether its own files, beside the workspace, the home and temporary files, can't be changed; so where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_only_root: Option<bool>,
    /// How it sees the workspace.
    #[serde(default, skip_serializing_if = "WorkspaceMount::is_default")]
    pub workspace: WorkspaceMount,
    /// The name by which it is kept for the next job that names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<String>,
}

/// How a container sees the workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WorkspaceMount {
    /// As it is, and may change it.
    #[default]
    Rw,
    /// As it is, and may not change it.
    Ro,
    /// A copy of its own, which is gone with it.
    Copy,
}

impl WorkspaceMount {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
