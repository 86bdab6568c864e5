//! `legwork supervise`

use std::path::PathBuf;

use clap::Args;
use legwork_runner::supervisor;

use super::Failure;

/// Is the parent of a server's agents; started by the server, for itself
#[derive(Debug, Args)]
pub struct Supervise {
    /// Where its socket is.
    directory: PathBuf,
}

impl Supervise {
    /// Supervises runs until there are none left, and no server.
    ///
    /// # Errors
    /// Where the kernel does not let it.
    pub async fn run(self) -> Result<(), Failure> {
        supervisor::supervise(self.directory)
            .await
            .map_err(|error| Failure::new(format!("failed to supervise runs: {error}")))
    }
}
