//! What SQLite's writer promises for the moment in which the power fails: a disk in a file, of which only what was flushed
//! is there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use legwork_model::{ExecutionId, Ids};
use legwork_server::store::enqueue::Enqueue;
use legwork_server::store::{Durability, Store};

use crate::budgets::enqueue;
use crate::database::{Engine, TestDb};

/// Much longer than such a change waits for its flush, and shorter than the system leaves what is not flushed in memory.
const PATIENCE: Duration = Duration::from_secs(4);

/// A file system in a file.
struct Disk {
    image: PathBuf,
    place: PathBuf,
    _folder: tempfile::TempDir,
}

impl Disk {
    /// An empty one; `None` where none can be had.
    fn empty() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let image = folder.path().join("image");
        let file = fs::File::create(&image).expect("a file");
        file.set_len(48 * 1024 * 1024).expect("room");
        let made = run("mkfs.ext4", &["-q".as_ref(), "-F".as_ref(), &image]);
        let disk = made.then(|| Self::mounted(folder, image)).flatten();
        if disk.is_none() {
            eprintln!("SKIPPED: a disk in a file can't be made and mounted here");
        }
        disk
    }

    fn mounted(folder: tempfile::TempDir, image: PathBuf) -> Option<Self> {
        let place = folder.path().join("mounted");
        fs::create_dir(&place).expect("a folder");
        let mounted = run("mount", &["-o".as_ref(), "loop".as_ref(), &image, &place]);
        mounted.then_some(Self { image, place, _folder: folder })
    }

    /// The disk as it would be found if the power failed now.
    fn after_power_failure(&self) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let image = folder.path().join("image");
        fs::copy(&self.image, &image).expect("copies");
        Self::mounted(folder, image).expect("another one could be mounted")
    }

    async fn database(&self) -> TestDb {
        let store = Store::open_sqlite(&self.place.join("legwork.db")).await.expect("opens");
        TestDb { engine: Engine::Sqlite, store, url: String::new(), ids: Ids::from_system() }
    }

    /// Whether these would be on record.
    async fn would_keep(&self, jobs: &[ExecutionId]) -> bool {
        let disk = self.after_power_failure();
        let db = disk.database().await;
        for job in jobs {
            if db.store.execution(*job).await.expect("an answer").is_none() {
                return false;
            }
        }
        db.check_logs().await;
        true
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(&self.place, rustix::mount::UnmountFlags::DETACH);
    }
}

#[expect(clippy::disallowed_methods, reason = "they end at once")]
fn run(program: &str, args: &[&Path]) -> bool {
    let ran = Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
    ran.is_ok_and(|status| status.success())
}

async fn put(db: &TestDb, durability: Durability) -> ExecutionId {
    let job = db.job();
    let id = job.id;
    db.store.enqueue(Enqueue { durability, ..enqueue(job) }).await.expect("accepted");
    id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_counts_on_outlives_a_power_failure() {
    let Some(disk) = Disk::empty() else { return };
    let db = disk.database().await;
    let mut told = Vec::new();
    for _ in 0..5 {
        // The flush of the second takes the first one along.
        told.push(put(&db, Durability::Soon).await);
        told.push(put(&db, Durability::Now).await);
        assert!(disk.would_keep(&told).await, "{} jobs", told.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_counts_on_is_flushed_a_moment_later() {
    let Some(disk) = Disk::empty() else { return };
    let db = disk.database().await;
    let began = Instant::now();
    let alone = put(&db, Durability::Soon).await;
    while !disk.would_keep(&[alone]).await {
        assert!(began.elapsed() < PATIENCE, "it is not flushed");
    }
}
