//! Watches what a run takes on the disk.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use legwork_model::{ByteSize, Failure, FailureReason};
use legwork_runner::StopReason;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// The shortest time between two looks.
const PAUSE: Duration = Duration::from_secs(1);
/// Looking takes no more than this part of the time.
const SHARE: u32 = 20;

/// Stops a run whose directories take more than `most`, until this is dropped.
pub(in crate::executor) fn watch_disk(
    directories: Vec<PathBuf>,
    most: ByteSize,
    stop: watch::Sender<Option<StopReason>>,
) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(async move {
        let mut pause = PAUSE;
        loop {
            tokio::time::sleep(pause).await;
            let looked = directories.clone();
            let begun = Instant::now();
            let taken = tokio::task::spawn_blocking(move || taken(&looked, most.bytes())).await.unwrap_or_default();
            if taken > most.bytes() {
                let message = format!("The run took more than {most} on the disk, which is its limit.");
                let failure = Failure::new(FailureReason::DiskLimit, message);
                stop.send_if_modified(|reason| {
                    let first = reason.is_none();
                    reason.get_or_insert(StopReason::Failed(failure));
                    first
                });
                return;
            }
            pause = PAUSE.max(begun.elapsed() * SHARE);
        }
    }))
}

/// Bytes on the disk below these directories; no more is counted than tells that it is more than `most`. Links are not
/// followed, and a file with several names counts once.
fn taken(directories: &[PathBuf], most: u64) -> u64 {
    let mut count = Count { bytes: 0, most, seen: HashSet::new() };
    directories.iter().for_each(|directory| count.below(directory));
    count.bytes
}

struct Count {
    bytes: u64,
    most: u64,
    seen: HashSet<(u64, u64)>,
}

impl Count {
    fn below(&mut self, directory: &Path) {
        // What is gone by now takes nothing.
        let Ok(entries) = fs::read_dir(directory) else { return };
        for entry in entries.flatten() {
            let Ok(found) = entry.metadata() else { continue };
            if found.nlink() <= 1 || found.is_dir() || self.seen.insert((found.dev(), found.ino())) {
                self.bytes += found.blocks() * 512;
            }
            if self.bytes > self.most {
                return;
            }
            if found.is_dir() {
                self.below(&entry.path());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_on_the_disk_counts_once_and_links_lead_nowhere() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("a/b");
        fs::create_dir(dir.path().join("a")).expect("made");
        fs::write(&file, vec![1; 1024 * 1024]).expect("written");
        fs::hard_link(&file, dir.path().join("again")).expect("linked");
        std::os::unix::fs::symlink("/usr", dir.path().join("elsewhere")).expect("linked");
        let bytes = taken(&[dir.path().into()], u64::MAX);
        assert!((1024 * 1024..1200 * 1024).contains(&bytes), "{bytes}");
    }
}
