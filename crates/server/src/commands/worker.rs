//! `legwork worker`

use clap::Args;

use super::Failure;
use super::serve::Serve;
use crate::config::Environment;

/// Serves like `serve`, as one of several workers.
#[derive(Debug, Args)]
pub struct Worker {
    /// Do one job, refuse others meanwhile, and leave with exit code 0; something else starts a fresh worker
    #[arg(long)]
    ephemeral: bool,
    #[command(flatten)]
    serve: Serve,
}

impl Worker {
    /// Runs until its job is done, or a signal ends the process.
    ///
    /// # Errors
    /// Where the service can't start.
    pub async fn run(self, environment: Environment) -> Result<(), Failure> {
        let ephemeral = self.ephemeral;
        self.serve.run_with(environment, |config| config.server.ephemeral |= ephemeral).await
    }
}
