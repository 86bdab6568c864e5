//! What to measure, and with what.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Parser, ValueEnum};
use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};
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
    /// Measure nothing but this; may be given more than once.
    #[arg(long, value_enum)]
    pub(crate) only: Vec<Part>,
    /// Be the worker that does nothing but start the agent, on this port.
    #[arg(long, hide = true)]
    pub(crate) bare_worker: Option<u16>,
    /// Be one that also checks signatures and keeps its jobs.
    #[arg(long, hide = true)]
    pub(crate) keeps: bool,
    /// Keep the table in the document, all of it.
    #[arg(long, conflicts_with = "only")]
    pub(crate) write: bool,
}

/// A part of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// The native API, and memory.
    Native,
    /// `POST /execute`.
    Execute,
    /// Calls by Redis.
    Redis,
    /// The real Claude Code.
    Claude,
    /// Processes and sandboxes.
    Sandboxes,
    /// From start to ready.
    Start,
    /// The delay of live events.
    Events,
    /// Submissions to a big database.
    Submission,
}

impl Args {
    /// Whether this part is asked for.
    pub(crate) fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    /// How long a turn takes.
    pub(crate) fn seconds(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    /// Writes everything to a fresh folder, which is removed when it is dropped. What a measurement leaves stays until
    /// then: where thousands of directories were removed a moment ago, ext4 takes several times as long to make one. What an
    /// earlier one removed is elsewhere on the disk.
    pub(crate) fn write_to_fresh_scratch(&mut self) -> Result<TempDir, BenchError> {
        let failed =
            |error| BenchError::Setup(format!("failed to make a folder in {}: {error}", self.scratch.display()));
        std::fs::create_dir_all(&self.scratch).map_err(failed)?;
        // Other file systems have no such thing, and no need of it.
        let _ = spread(&self.scratch);
        let fresh = TempDir::with_prefix_in("bench-", &self.scratch).map_err(failed)?;
        self.scratch = fresh.path().into();
        Ok(fresh)
    }

    /// A fresh folder.
    pub(crate) fn folder(&self) -> Result<PathBuf, BenchError> {
        let made = TempDir::new_in(&self.scratch);
        made.map(TempDir::keep).map_err(|error| BenchError::Setup(format!("failed to make a folder: {error}")))
    }
}

/// Has ext4 place what is made in `folder` far apart, each with all that is below it (`chattr +T`).
fn spread(folder: &Path) -> io::Result<()> {
    let folder = File::open(folder)?;
    Ok(ioctl_setflags(&folder, ioctl_getflags(&folder)? | IFlags::TOPDIR)?)
}
