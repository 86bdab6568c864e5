//! Who starts a program, and is its parent: this process, or a supervisor that outlives it.

mod here;

use std::io;
use std::sync::Arc;

use crate::pipes::Source;
use crate::process_tree::Registry;
use crate::sandbox::Process;
use crate::sandbox::spawn::Spawn;
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
