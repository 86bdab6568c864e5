//! Where the processes of a run live, and what they may use and reach: what was admitted, made real on this machine, or
//! refused. Nothing is ever weaker than it was asked for.

mod containers;
mod disk;
mod kinds;
mod model_api;
mod recording;
mod uplink;

use std::sync::Arc;

use legwork_agents::{Agent, Setup};
use legwork_model::{Container, Egress, Sandbox, SandboxKind, Task, Verdict};
use legwork_runner::{Confinement, Network, Resources, RunDirs};
use sha2::{Digest, Sha256};

pub use containers::docker;
pub(super) use disk::watch_disk;
pub use kinds::{Kinds, sandboxed};
pub(super) use recording::Recording;
pub(super) use uplink::RunUplink;
pub use uplink::Uplinks;

use super::Executor;
use crate::app::hex;

/// How one run is confined.
#[derive(Debug, Clone)]
pub(super) struct Confined {
    pub(super) confinement: Confinement,
    /// Its way out, where it has no other.
    pub(super) uplink: Option<Arc<RunUplink>>,
}

impl Executor {
    /// The kind of sandbox that a run gets, and what it may reach there.
    pub(super) async fn place(&self, sandbox: &Sandbox) -> Result<(SandboxKind, Egress), Verdict> {
        let egress = sandbox.egress.unwrap_or(self.config.sandbox.egress);
        // What a project that has to be cloned asks for is not settled yet.
        let kind = if sandbox.kind == SandboxKind::Auto { self.config.sandbox.kind } else { sandbox.kind };
        self.kinds.choose(&self.runner, &self.docker, kind, egress).await
    }

    /// Confines a run of `owner` that works in `setup.workspace`. `token` is that of its way out where an earlier server process gave it
    /// one.
    pub(super) async fn confine(
        &self,
        agent: &dyn Agent,
        task: &Task,
        setup: &Setup,
        home: &RunDirs,
        owner: &str,
        token: Option<String>,
    ) -> Result<Confined, Verdict> {
        let sandbox = &task.sandbox;
        let (kind, egress) = self.place(sandbox).await?;
        let uplink = match egress {
            Egress::Open => None,
            egress => Some(Arc::new(self.uplinks.uplink(agent, sandbox, egress, setup, token).await?)),
        };
        let network = uplink.clone().map_or(Network::Machine, |uplink| Network::Own(uplink));
        let pids = sandbox.pids.or_else(|| self.kinds.usual_pids(&self.runner, kind));
        let mut writable = vec![home.home()];
        if !setup.workspace.starts_with(home.home()) {
            writable.push(setup.workspace.clone());
        }
        let confinement = Confinement {
            kind,
            resources: Resources { memory: sandbox.memory, cpus: sandbox.cpus, pids },
            network,
            writable,
            readable: self.config.sandbox.readable.clone(),
            container: container_of(sandbox.container.clone().unwrap_or_default(), owner),
        };
        Ok(Confined { confinement, uplink })
    }
}

fn container_of(container: Container, owner: &str) -> Container {
    Container { keep: kept_by(&container, owner), ..container }
}

/// The name by which a container is kept: what two callers keep under one name is two containers.
pub(super) fn kept_by(container: &Container, owner: &str) -> Option<String> {
    let name = container.keep.as_ref()?;
    let owner = hex(&Sha256::digest(owner.as_bytes())[..6]);
    Some(format!("{owner}-{name}"))
}
