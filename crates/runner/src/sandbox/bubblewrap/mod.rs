//! Namespaces of its own for each run, made by the program `bwrap`: a run sees the programs of the machine, its own
//! directories and its own processes, and with a network of its own nothing but what listens in there.
//!
//! Everything is done from outside, through the pid that `bwrap` tells, so it does not matter whose child that is. Nothing
//! of the run is among the arguments of `bwrap` but the command line of the agent, which holds no secrets: its environment is
//! handed on as an environment, and the rest is in files without names.

mod mount;
mod program_files;
mod seccomp;
mod system;
mod view;

mod confined;
mod gate;
mod probe;
mod wrapping;

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use legwork_model::SandboxKind;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::AsyncReadExt;
use tokio::sync::OnceCell;
use tokio::time::{Instant, timeout, timeout_at};

use super::control_group::{ControlGroup, ControlGroups};
use super::limited::{curb, limited};
use super::spawn::Planned;
use super::{Adopted, Again, Confinement, Network, Process, Running, Sandbox, SpawnError, Start, Uplink, Works};
use crate::network::RunNetwork;
use crate::process_tree::children;
use crate::starter::{Started, Starter};
use confined::Confined;
use gate::Gate;
use probe::Used;
use wrapping::{wrap, wrappable};

/// A sandbox stands in a few milliseconds; this long on a machine that is very busy.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long to listen to what a `bwrap` that failed says about it.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Starts programs in sandboxes.
#[derive(Debug)]
pub(crate) struct Bubblewrap {
    program: PathBuf,
    probed_by: Starter,
    control_groups: Arc<ControlGroups>,
    /// What was found to work; looked for again as long as nothing does.
    used: OnceCell<Used>,
}

impl Bubblewrap {
    pub(crate) fn new(program: PathBuf, probed_by: Starter, control_groups: Arc<ControlGroups>) -> Self {
        Self { program, probed_by, control_groups, used: OnceCell::new() }
    }

    async fn start(&self, start: Start<'_>) -> Result<Running, SpawnError> {
        let used = self.used().await.map_err(SpawnError::sandbox)?;
        let group = self.control_groups.create(start.cookie, &start.confinement.resources)?;
        self.start_with(used.users, start, group).await
    }

    async fn start_with(
        &self,
        users: probe::Users,
        start: Start<'_>,
        group: Option<ControlGroup>,
    ) -> Result<Running, SpawnError> {
        let (confinement, starter) = (start.confinement, start.starter);
        let mut planned = Planned::new(start)?;
        wrappable(&planned)?;
        let (gate, inside) = Gate::new().map_err(SpawnError::sandbox)?;
        planned.spawn = wrap(planned.spawn, &self.program, users, confinement, inside)?;
        let mut started = planned.start(starter).await?;
        match confine(gate, confinement, group.as_ref()).await {
            Ok(stands) => Ok(connected(started, stands, confinement, group)),
            Err(error) => Err(given_up(&mut started, error).await),
        }
    }
}

impl Sandbox for Bubblewrap {
    fn kind(&self) -> SandboxKind {
        SandboxKind::Bubblewrap
    }

    fn probe(&self) -> BoxFuture<'_, Result<Works, String>> {
        Box::pin(async { self.used().await.map(Used::in_words) })
    }

    fn adopt<'a>(&'a self, adopted: Adopted<'a>) -> BoxFuture<'a, Result<Again, SpawnError>> {
        Box::pin(async move {
            let Adopted { again, cookie, confinement, .. } = adopted;
            let Again { started, .. } = again;
            let group = self.control_groups.create(cookie, &confinement.resources)?;
            let process = match first_inside(started.process.as_ref()) {
                Some(first) => {
                    let handle = handle_of(first).map_err(SpawnError::sandbox)?;
                    serve(first, confinement, Instant::now() + PATIENCE).await?;
                    Box::new(Confined::new(started.process, handle, uplink_of(confinement)))
                }
                // It has ended meanwhile; what is left to be told of it needs no sandbox.
                None => started.process,
            };
            let started = Started { process: limited(process, group), ..started };
            Ok(Again { started, ..again })
        })
    }

    fn start<'a>(&'a self, start: Start<'a>) -> BoxFuture<'a, Result<Running, SpawnError>> {
        Box::pin(self.start(start))
    }
}

/// A sandbox whose program has begun.
struct Stands {
    /// A handle of the first process inside.
    first: OwnedFd,
    network: RunNetwork,
}

/// Sets up what a sandbox needs from outside, and lets its program begin.
async fn confine(
    mut gate: Gate,
    confinement: &Confinement,
    group: Option<&ControlGroup>,
) -> Result<Stands, SpawnError> {
    let deadline = Instant::now() + PATIENCE;
    let late = |_| SpawnError::Sandbox(format!("it did not stand within {} seconds", PATIENCE.as_secs()));
    let first = timeout_at(deadline, gate.first_process()).await.map_err(late)?.map_err(SpawnError::sandbox)?;
    let handle = handle_of(first).map_err(SpawnError::sandbox)?;
    curb(first).map_err(SpawnError::sandbox)?;
    group.map_or(Ok(()), |group| group.add(first)).map_err(SpawnError::sandbox)?;
    let network = serve(first, confinement, deadline).await?;
    timeout_at(deadline, gate.open()).await.map_err(late)?.map_err(SpawnError::sandbox)?;
    Ok(Stands { first: handle, network })
}

/// Serves what a run is connected with; gives its network.
async fn serve(first: i32, confinement: &Confinement, deadline: Instant) -> Result<RunNetwork, SpawnError> {
    let Network::Own(uplink) = &confinement.network else { return Ok(RunNetwork::Machine) };
    let network = RunNetwork::of(first).map_err(|error| not_entered(&error))?;
    let listeners = network.listen(uplink.addresses(), deadline).await;
    uplink.serve(listeners.map_err(|error| not_entered(&error))?);
    Ok(network)
}

/// The first process inside, the only child of `bwrap` itself.
fn first_inside(process: &dyn Process) -> Option<i32> {
    let bwrap = i32::try_from(process.pid()?).ok()?;
    children(bwrap).ok()?.first().copied()
}

fn uplink_of(confinement: &Confinement) -> Option<Arc<dyn Uplink>> {
    match &confinement.network {
        Network::Machine => None,
        Network::Own(uplink) => Some(Arc::clone(uplink)),
    }
}

fn handle_of(pid: i32) -> io::Result<OwnedFd> {
    let pid = Pid::from_raw(pid).ok_or(io::ErrorKind::InvalidData)?;
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}

fn not_entered(error: &io::Error) -> SpawnError {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            SpawnError::sandbox("a network of its own takes a server that may enter it: run it as root")
        }
        _ => SpawnError::sandbox(format!("nothing could listen in the network of the run: {error}")),
    }
}

fn connected(started: Started, stands: Stands, confinement: &Confinement, group: Option<ControlGroup>) -> Running {
    let mut running = started.running_in(stands.network);
    let confined = Confined::new(running.process, stands.first, uplink_of(confinement));
    running.process = limited(Box::new(confined), group);
    running
}

/// Ends what was started of a sandbox that does not stand, and finds out what `bwrap` said about it.
async fn given_up(started: &mut Started, error: SpawnError) -> SpawnError {
    started.process.terminate(Duration::ZERO).await;
    // It was killed.
    _ = started.process.wait().await;
    let mut said = Vec::new();
    if let Some(stderr) = &mut started.stderr {
        _ = timeout(LAST_WORDS, stderr.take(4096).read_to_end(&mut said)).await;
    }
    match String::from_utf8_lossy(&said).trim() {
        "" => error,
        said => SpawnError::sandbox(said),
    }
}
