//! What a run may use and reach.

use std::fmt::Debug;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;

use legwork_model::{ByteSize, Container, Cpus, SandboxKind};

/// What a run may use and reach, decided: nothing in here is left to be found out.
#[derive(Debug, Clone)]
pub struct Confinement {
    /// The kind of its sandbox; `auto` is decided before.
    pub kind: SandboxKind,
    /// What all its processes together may use.
    pub resources: Resources,
    /// What it may reach.
    pub network: Network,
    /// Directories that it may change: its home and its workspace. They have the same paths inside.
    pub writable: Vec<PathBuf>,
    /// What it may read beside the system's programs and libraries.
    pub readable: Vec<PathBuf>,
    /// What only a container has; but `bubblewrap` also takes its user, who is nobody of the machine.
    pub container: Container,
}

impl Default for Confinement {
    /// A plain process without limits.
    fn default() -> Self {
        Self {
            kind: SandboxKind::Process,
            resources: Resources::default(),
            network: Network::Machine,
            writable: Vec::new(),
            readable: Vec::new(),
            container: Container::default(),
        }
    }
}

/// What all processes of a run together may use; without a limit where absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Resources {
    /// Memory.
    pub memory: Option<ByteSize>,
    /// Processors.
    pub cpus: Option<Cpus>,
    /// Processes and threads.
    pub pids: Option<u32>,
}

/// What a run may reach.
#[derive(Debug, Clone, Default)]
pub enum Network {
    /// What the machine reaches.
    #[default]
    Machine,
    /// Nothing but what listens on its own loopback interface.
    Own(Arc<dyn Uplink>),
}

/// What a run without a route is connected with: sockets that listen on the loopback interface of the run, and are served
/// from outside. They are open before the first instruction of the run.
pub trait Uplink: Debug + Send + Sync {
    /// Where to listen, inside.
    fn addresses(&self) -> Vec<SocketAddr>;

    /// Serves the sockets, which are in the order of the addresses and do not block, until this is dropped. Called once for
    /// each run that has it, inside a tokio runtime.
    fn serve(&self, listeners: Vec<TcpListener>);

    /// Serves them no longer: the run is over before it began, and somebody else is to listen there.
    fn stop(&self) {}
}
