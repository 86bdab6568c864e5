//! Who starts a program, and is its parent: this process.

mod here;

use std::io;
use std::sync::Arc;

use crate::pipes::Source;
use crate::process_tree::Registry;
use crate::sandbox::Process;
use crate::sandbox::spawn::Spawn;
use crate::stdin::Stdin;

/// Starts programs.
#[derive(Debug, Clone)]
pub(crate) enum Starter {
    /// As children of this process.
    Here(Arc<Registry>),
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
        }
    }
}
