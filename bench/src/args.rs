//! What to measure, and with what.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use tempfile::TempDir;

use crate::error::BenchError;

/// Load before the measured load, so that nobody is measured while it opens its first connections and files.
pub(crate) const WARM_UP: Duration = Duration::from_secs(2);

/// Measures Legwork beside a Node worker. `make bench` builds and names everything that this needs.
#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// The release binary of Legwork.
    #[arg(long)]
    pub(crate) legwork: PathBuf,
    /// The agent that answers at once, built from instant_agent.c.
    #[arg(long)]
    pub(crate) agent: PathBuf,
    /// The Node worker.
    #[arg(long)]
    pub(crate) peer: PathBuf,
    /// The real Claude Code; what it is measured for is left out without it.
    #[arg(long)]
    pub(crate) claude: Option<PathBuf>,
    /// The document that keeps the last table.
    #[arg(long)]
    pub(crate) readme: PathBuf,
    /// A folder on a real disk for everything that is written: on a RAM disk, durability would cost nothing.
    #[arg(long)]
    pub(crate) scratch: PathBuf,
    /// Seconds of load in each turn.
    #[arg(long, default_value_t = 8)]
    pub(crate) seconds: u64,
    /// Turns of each contender.
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: u32,
    /// Callers at once, each waiting for its answer before it asks again.
    #[arg(long, default_value_t = 5)]
    pub(crate) callers: usize,
    /// Starts of each contender.
    #[arg(long, default_value_t = 10)]
    pub(crate) starts: u32,
    /// Finished executions in the big database; 0 leaves that comparison out.
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) seed: u32,
    /// Keep the table in the document.
    #[arg(long)]
    pub(crate) write: bool,
}

impl Args {
    /// How long a turn takes.
    pub(crate) fn seconds(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    /// A fresh folder, removed when dropped.
    pub(crate) fn scratch(&self) -> Result<TempDir, BenchError> {
        std::fs::create_dir_all(&self.scratch).map_err(|error| cannot_make(&self.scratch, &error))?;
        TempDir::with_prefix_in("bench-", &self.scratch).map_err(|error| cannot_make(&self.scratch, &error))
    }
}

fn cannot_make(folder: &Path, error: &std::io::Error) -> BenchError {
    BenchError::Setup(format!("failed to make a folder in {}: {error}", folder.display()))
}
