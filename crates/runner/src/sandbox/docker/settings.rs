//! What the operator says about containers.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use legwork_model::{Clock, SystemClock};

/// How containers are made on this machine.
#[derive(Clone)]
pub struct DockerSettings {
    /// Where the engine listens: Docker, or Podman with its compatible API.
    pub socket: PathBuf,
    /// The id of this node, by which it tells its own containers from those of others on the same engine.
    pub node: String,
    /// The image of a container that names none.
    pub image: Option<String>,
    /// Who runs in a container whose workspace belongs to root, unless it is asked for somebody.
    pub user: u32,
    /// The network of a container that may reach what the machine reaches.
    pub network: String,
    /// The network of a setup script; the engine's own choice where absent.
    pub build_network: Option<String>,
    /// Where each run has a directory of its own. The engine has to see it by the same path, and the next one, too.
    pub runs: PathBuf,
    /// Where the copies of workspaces are that are gone with their container.
    pub copies: PathBuf,
    /// What `/tmp` of a container may hold.
    pub tmp_bytes: u64,
    /// A file with a filter of system calls, which takes the place of the engine's own in containers of runs.
    pub seccomp_profile: Option<PathBuf>,
    /// How long an image may take to be pulled. Nothing is pulled where absent.
    pub pull: Option<Duration>,
    /// How long a setup script may take.
    pub build: Duration,
    /// How long a kept container waits for its next job.
    pub sleep_after: Duration,
    /// The time, for what has to be over by when.
    pub clock: Arc<dyn Clock>,
}

impl DockerSettings {
    /// The defaults, for a node that has the directories of its runs in `runs`, and copies of workspaces in `copies`.
    pub fn new(node: impl Into<String>, runs: impl Into<PathBuf>, copies: impl Into<PathBuf>) -> Self {
        Self {
            socket: "/var/run/docker.sock".into(),
            node: node.into(),
            image: None,
            user: 10_001,
            network: "host".into(),
            build_network: None,
            runs: runs.into(),
            copies: copies.into(),
            tmp_bytes: 512 << 20,
            seccomp_profile: None,
            pull: Some(Duration::from_secs(300)),
            build: Duration::from_secs(900),
            sleep_after: Duration::from_secs(600),
            clock: Arc::new(SystemClock),
        }
    }
}

impl fmt::Debug for DockerSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("DockerSettings");
        shown.field("socket", &self.socket).field("node", &self.node).finish_non_exhaustive()
    }
}
