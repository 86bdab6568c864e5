//! A plain process: a group, an environment and directories of its own, but no isolation from the machine.

use futures::future::BoxFuture;
use legwork_model::SandboxKind;

use super::spawn::Planned;
use super::{Running, Sandbox, SpawnError, Start};
use crate::starter::Starter;

/// Starts plain processes.
#[derive(Debug)]
pub(crate) struct Plain {
    pub(crate) starter: Starter,
}

impl Sandbox for Plain {
    fn kind(&self) -> SandboxKind {
        SandboxKind::Process
    }

    fn probe(&self) -> BoxFuture<'_, Result<String, String>> {
        Box::pin(async { Ok("no isolation".to_owned()) })
    }

    fn start<'a>(&'a self, start: Start<'a>) -> BoxFuture<'a, Result<Running, SpawnError>> {
        Box::pin(async move { Planned::new(start)?.start(&self.starter).await })
    }
}
