//! What runs leave on disk.

use std::path::Path;

use bytes::Bytes;
use legwork_model::ExecutionId;
use legwork_runner::RunDirs;

use super::execute::Executor;

impl Executor {
    /// The agent's raw output as kept, without the service's secrets; `None` where nothing is kept.
    pub async fn output(&self, id: ExecutionId) -> Option<Bytes> {
        let bytes = read(&RunDirs::of(&self.runs, id).stdout()).await?;
        match String::from_utf8(bytes) {
            Ok(text) => Some(self.mask.apply(text).into()),
            Err(binary) => Some(binary.into_bytes().into()),
        }
    }

    /// What the run changed, as a git diff; `None` where the run never started here.
    pub async fn patch(&self, id: ExecutionId) -> Option<Bytes> {
        let dirs = RunDirs::of(&self.runs, id);
        match read(&dirs.patch()).await {
            Some(patch) => Some(patch.into()),
            // A run that changed nothing leaves no patch, but it has an output.
            None => tokio::fs::try_exists(dirs.stdout()).await.unwrap_or(false).then(Bytes::new),
        }
    }

    /// Whether the agent of that execution printed anything.
    pub async fn has_output(&self, id: ExecutionId) -> bool {
        let stdout = RunDirs::of(&self.runs, id).stdout();
        tokio::fs::metadata(stdout).await.is_ok_and(|file| file.len() > 0)
    }

    /// The executions whose directories are kept.
    pub async fn kept_runs(&self) -> Vec<ExecutionId> {
        let mut kept = Vec::new();
        let Ok(mut entries) = tokio::fs::read_dir(&self.runs).await else { return kept };
        while let Ok(Some(entry)) = entries.next_entry().await {
            kept.extend(entry.file_name().to_str().and_then(|name| name.parse::<ExecutionId>().ok()));
        }
        kept
    }

    /// Removes the directories of an execution.
    pub async fn remove_run(&self, id: ExecutionId) {
        let dirs = RunDirs::of(&self.runs, id);
        let removed = tokio::task::spawn_blocking(move || dirs.remove()).await;
        if let Ok(Err(error)) = removed {
            tracing::warn!(execution = %id, %error, "failed to remove an old run's directories");
        }
    }

    /// Kills what an earlier process of this node left running; says how many processes that were.
    pub async fn sweep(&self) -> usize {
        match self.runner.sweep(&self.node).await {
            Ok(leftovers) => leftovers.len(),
            Err(error) => {
                tracing::error!(%error, "failed to look for processes that an earlier server left");
                0
            }
        }
    }
}

async fn read(path: &Path) -> Option<Vec<u8>> {
    tokio::fs::read(path).await.ok()
}
