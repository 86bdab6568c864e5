//! How often a group that somebody else made, as an engine for a container, refused to start a process.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::hierarchy::Hierarchy;
use super::setting::refused_processes;

/// How often to look. The group goes with its last process, so what it refused in its last moments may stay unknown. The kernel
/// would say so at once, but only in the second version.
const EVERY: Duration = Duration::from_millis(25);

/// Counts, from the outside and for as long as there is this.
#[derive(Debug)]
pub(crate) struct Refusals {
    group: PathBuf,
    seen: Arc<AtomicU64>,
    before: AtomicU64,
    watching: JoinHandle<()>,
}

impl Refusals {
    /// Of the group that a process is in; nothing where it can't be seen from here.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        let read = |file: &str| std::fs::read_to_string(file).ok();
        let all = Hierarchy::all(&read("/proc/self/mountinfo")?, &read(&format!("/proc/{pid}/cgroup"))?);
        let group = all.into_iter().find(|hierarchy| hierarchy.controls("pids"))?.own;
        let seen = Arc::default();
        let watching = tokio::spawn(watch(group.clone(), Arc::clone(&seen)));
        group.join("pids.events").exists().then_some(Self { group, seen, before: AtomicU64::new(0), watching })
    }

    /// How often since it was last forgotten.
    pub(crate) fn count(&self) -> u64 {
        self.all().saturating_sub(self.before.load(Ordering::Relaxed))
    }

    /// What was until now is of no interest.
    pub(crate) fn forget(&self) {
        self.before.store(self.all(), Ordering::Relaxed);
    }

    fn all(&self) -> u64 {
        look(&self.group, &self.seen)
    }
}

impl Drop for Refusals {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

/// Ends with the group.
async fn watch(group: PathBuf, seen: Arc<AtomicU64>) {
    while group.exists() {
        look(&group, &seen);
        sleep(EVERY).await;
    }
}

/// A group that is gone refused as many as it last said.
fn look(group: &Path, seen: &AtomicU64) -> u64 {
    let found = refused_processes(group);
    seen.fetch_max(found, Ordering::Relaxed).max(found)
}
