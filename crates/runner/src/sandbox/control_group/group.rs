//! The control group of one run: a directory in each hierarchy that one of its limits needs.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use legwork_model::{Failure, FailureReason};
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::super::Resources;
use super::hierarchy::Version;
use super::setting::{killed_for_memory, refused_processes};
use crate::pause::Pauses;

/// How long a group may stay in use after its run. What is left then, the next sweep removes.
const PATIENCE: Duration = Duration::from_secs(10);

/// A control group; removed with this, as soon as none of its processes is left.
#[derive(Debug)]
pub(crate) struct ControlGroup {
    resources: Resources,
    directories: Vec<(Version, PathBuf)>,
}

impl ControlGroup {
    pub(super) fn new(resources: Resources) -> Self {
        Self { resources, directories: Vec::new() }
    }

    pub(super) fn make(&mut self, version: Version, directory: &Path) -> io::Result<()> {
        if !self.directories.iter().any(|(_, made)| made == directory) {
            super::make(directory)?;
            self.directories.push((version, directory.to_owned()));
        }
        Ok(())
    }

    /// Moves a process in; what it starts from now on is born there.
    pub(crate) fn add(&self, pid: i32) -> io::Result<()> {
        self.directories
            .iter()
            .try_for_each(|(_, directory)| std::fs::write(directory.join("cgroup.procs"), pid.to_string()))
    }

    /// The limit that was reached, if one was.
    pub(crate) fn limit_reached(&self) -> Option<Failure> {
        let Resources { memory, pids, .. } = self.resources;
        let killed: u64 = self.directories.iter().map(|(version, path)| killed_for_memory(*version, path)).sum();
        let refused: u64 = self.directories.iter().map(|(_, path)| refused_processes(path)).sum();
        match (memory, pids) {
            (Some(memory), _) if killed > 0 => {
                let message = format!(
                    "Its processes needed more than {} bytes of memory, and {killed} of them were killed. Give it more (`sandbox.memory`).",
                    memory.bytes()
                );
                Some(Failure::new(FailureReason::MemoryLimit, message))
            }
            (_, Some(pids)) if refused > 0 => {
                let message = format!(
                    "It wanted more than {pids} processes and threads at once. Allow it more (`sandbox.pids`)."
                );
                Some(Failure::new(FailureReason::PidsLimit, message))
            }
            _ => None,
        }
    }
}

impl Drop for ControlGroup {
    fn drop(&mut self) {
        let mut left = std::mem::take(&mut self.directories);
        left.retain(|(_, directory)| std::fs::remove_dir(directory).is_err());
        if let (false, Ok(runtime)) = (left.is_empty(), Handle::try_current()) {
            runtime.spawn(remove(left));
        }
    }
}

/// Removes what is still in use for a moment: the last process of a run may be dead and not yet gone.
async fn remove(mut left: Vec<(Version, PathBuf)>) {
    let deadline = Instant::now() + PATIENCE;
    let mut pauses = Pauses::new();
    while !left.is_empty() && Instant::now() < deadline {
        pauses.next(deadline).await;
        left.retain(|(_, directory)| directory.exists() && std::fs::remove_dir(directory).is_err());
    }
    for (_, directory) in left {
        tracing::warn!(directory = %directory.display(), "a control group is still in use after its run");
    }
}
