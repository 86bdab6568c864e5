//! Who starts a program, and is its parent: this process, or a supervisor that outlives it.

mod here;

use std::io;
use std::sync::Arc;

use crate::bridge::{Bridge, Bridged, Served};
use crate::network::RunNetwork;
use crate::pipes::Source;
use crate::process_tree::Registry;
use crate::sandbox::spawn::Spawn;
use crate::sandbox::{Process, Running};
use crate::stdin::Stdin;
use crate::supervisor::{Link, Supervisor};

/// Starts programs.
#[derive(Debug, Clone)]
pub(crate) enum Starter {
    /// As children of this process.
    Here(Arc<Registry>),
    /// As children of the supervisor, which keeps so many bytes of what either stream of the program says.
    Supervised(Arc<Supervisor>, u64),
}

/// A program that was started.
pub(crate) struct Started {
    pub(crate) process: Box<dyn Process>,
    pub(crate) stdin: Stdin,
    pub(crate) stdout: Option<Source>,
    pub(crate) stderr: Option<Source>,
    /// What is between the program and these streams, where it serves HTTP.
    pub(crate) bridge: Option<Bridge>,
}

impl Started {
    /// With a bridge between the program, which serves HTTP, and its run, which says `said` first.
    pub(crate) fn bridged(self, served: Served, said: Vec<u8>, stays_open: bool) -> io::Result<Self> {
        let printed = self.stdout.unwrap_or_else(|| Box::new(tokio::io::empty()));
        let Bridged { stdin, stdout, bridge } = served.bridge(printed, said, stays_open)?;
        Ok(Self { stdin, stdout: Some(stdout), bridge: Some(bridge), ..self })
    }

    /// The program has this network.
    pub(crate) fn running_in(self, network: RunNetwork) -> Running {
        let Self { process, stdin, stdout, stderr, mut bridge } = self;
        if let Some(bridge) = &mut bridge {
            bridge.leads_to(network);
        }
        Running { process, stdin, stdout, stderr, bridge }
    }
}

impl Starter {
    /// Starts a program.
    pub(crate) async fn start(&self, spawn: Spawn) -> io::Result<Started> {
        match self {
            Self::Here(registry) => here::start(registry, spawn).await,
            Self::Supervised(supervisor, most_output) => Link::start(supervisor, spawn, *most_output).await,
        }
    }
}
