//! A plain process: a group, an environment and directories of its own, but no isolation from the machine.

use std::io;
use std::sync::Arc;

use futures::future::BoxFuture;
use legwork_model::SandboxKind;

use super::control_group::{ControlGroup, ControlGroups};
use super::limited::{curb, limited};
use super::spawn::Planned;
use super::{Adopted, Again, Running, Sandbox, SpawnError, Start, Works};
use crate::network::RunNetwork;
use crate::process_tree::descendants;

/// Starts plain processes.
///
/// Limits hold from just after its first instruction: it is started, and put into its control group then, with what it
/// has started meanwhile. One that got away in between (a process without a parent) is not limited.
#[derive(Debug)]
pub(crate) struct Plain {
    pub(crate) control_groups: Arc<ControlGroups>,
}

impl Sandbox for Plain {
    fn kind(&self) -> SandboxKind {
        SandboxKind::Process
    }

    fn probe(&self) -> BoxFuture<'_, Result<Works, String>> {
        let no_network = Some("a plain process shares the machine's".to_owned());
        Box::pin(async { Ok(Works { made_of: "no isolation".to_owned(), no_network }) })
    }

    fn adopt<'a>(&'a self, adopted: Adopted<'a>) -> BoxFuture<'a, Result<Again, SpawnError>> {
        Box::pin(async move {
            let Adopted { mut again, cookie, confinement, .. } = adopted;
            let group = self.control_groups.create(cookie, &confinement.resources)?;
            again.started.process = limited(again.started.process, group);
            Ok(again)
        })
    }

    fn start<'a>(&'a self, start: Start<'a>) -> BoxFuture<'a, Result<Running, SpawnError>> {
        Box::pin(async move {
            let group = self.control_groups.create(start.cookie, &start.confinement.resources)?;
            let starter = start.starter;
            let started = Planned::new(start)?.start(starter).await?;
            let mut running = started.running_in(RunNetwork::Machine);
            let pid = running.process.pid().and_then(|pid| i32::try_from(pid).ok());
            if let Some(pid) = pid {
                unless_gone(curb(pid)).map_err(SpawnError::sandbox)?;
                if let Some(group) = &group {
                    move_in(group, pid).map_err(SpawnError::sandbox)?;
                }
                running.process = limited(running.process, group);
            }
            Ok(running)
        })
    }
}

/// Moves a process into its group with all that descends from it, until there is none that was started before its parent
/// was moved.
fn move_in(group: &ControlGroup, pid: i32) -> io::Result<()> {
    let mut moved = Vec::new();
    let mut found = vec![pid];
    while !found.is_empty() {
        found.iter().try_for_each(|pid| unless_gone(group.add(*pid)))?;
        moved.append(&mut found);
        found = descendants(pid)?;
        found.retain(|pid| !moved.contains(pid));
    }
    Ok(())
}

/// A program may be so short that it has ended by now.
fn unless_gone(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => Ok(()),
        done => done,
    }
}
