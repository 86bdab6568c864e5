//! A plain process: a group, an environment and directories of its own, but no isolation from the machine.

use futures::future::BoxFuture;
use legwork_model::SandboxKind;

use super::spawn::Planned;
use super::{Running, Sandbox, SpawnError, Start};

/// Starts plain processes.
#[derive(Debug)]
pub(crate) struct Plain;

impl Sandbox for Plain {
    fn kind(&self) -> SandboxKind {
        SandboxKind::Process
    }

    fn probe(&self) -> BoxFuture<'_, Result<String, String>> {
        Box::pin(async { Ok("no isolation".to_owned()) })
    }

    fn start<'a>(&'a self, start: Start<'a>) -> BoxFuture<'a, Result<Running, SpawnError>> {
        Box::pin(async move {
            let starter = start.starter;
            Planned::new(start)?.start(starter).await
        })
    }
}
