//! What only SQLite has to prove: the group commit, and a file that is locked, full or cut off.

use std::fs;
use std::path::Path;
use std::time::Duration;

use futures::future::join_all;
use legwork_model::{ExecutionId, Ids};
use legwork_server::admission::{Permissions, new_key};
use legwork_server::store::api_keys::AddApiKey;
use legwork_server::store::enqueue::NewExecution;
use legwork_server::store::{Store, StoreError};
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sea_orm::sqlx::{self, Connection};

use crate::database::{Answer, Engine, NOW, TestDb, append, assert_applied, text, variable_of_process};

/// Long enough for anything here, and much shorter than one lock timeout for each of many changes.
const DEADLINE: Duration = Duration::from_secs(25);

fn file(folder: &Path) -> std::path::PathBuf {
    folder.join("legwork.db")
}

async fn open(folder: &Path) -> TestDb {
    let store = Store::open_sqlite(&file(folder)).await.expect("opens");
    TestDb { engine: Engine::Sqlite, store, url: String::new(), ids: Ids::from_system() }
}

/// Another program that uses the file.
async fn other_program(folder: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(file(folder));
    SqliteConnection::connect_with(&options).await.expect("connects")
}

async fn run(connection: &mut SqliteConnection, statement: &'static str) {
    sqlx::query(statement).execute(connection).await.expect(statement);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_fails_spoils_none_of_its_group() {
    let folder = tempfile::tempdir().expect("a folder");
    let db = open(folder.path()).await;
    let mut other = other_program(folder.path()).await;
    let permissions = Permissions::all();
    let key = || AddApiKey(new_key(&db.ids, "the same name", &permissions, NOW, None).record);

    // While another program writes, everything waits and becomes one group.
    run(&mut other, "BEGIN IMMEDIATE").await;
    let keys = join_all((0..10).map(|_| db.store.write(key())));
    let jobs = join_all((0..50).map(|_| db.enqueue(db.job(), None, 1_000)));
    let release = run(&mut other, "COMMIT");
    let (keys, jobs, ()) = tokio::join!(keys, jobs, release);

    assert!(jobs.iter().all(|answer| matches!(answer, Ok(Answer::Waiting))), "{jobs:?}");
    let (added, refused): (Vec<_>, Vec<_>) = keys.into_iter().partition(Result::is_ok);
    assert_eq!(added.len(), 1);
    assert!(refused.iter().all(|refused| refused.as_ref().is_err_and(StoreError::is_duplicate)), "{refused:?}");
    db.check_logs().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_file_is_an_error_in_time_and_nothing_is_half_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let db = open(folder.path()).await;
    let lease = db.running().await;
    let mut other = other_program(folder.path()).await;
    run(&mut other, "BEGIN EXCLUSIVE").await;

    let jobs: Vec<_> = (0..40).map(|_| db.job()).collect();
    let ids: Vec<ExecutionId> = jobs.iter().map(|job| job.id).collect();
    let writes = async {
        let appended = db.store.write(append(lease, 2, vec![text("x")]));
        tokio::join!(join_all(jobs.into_iter().map(|job| db.enqueue(job, None, 1_000))), appended)
    };
    let (enqueued, appended) = tokio::time::timeout(DEADLINE, writes).await.expect("all have an answer in time");
    assert!(enqueued.iter().all(|answer| matches!(answer, Err(StoreError::Unavailable(_)))), "{enqueued:?}");
    assert!(matches!(appended, Err(StoreError::Unavailable(_))), "{appended:?}");
    assert_eq!(db.record(lease.id).await.last_seq, 2, "reads go on");

    run(&mut other, "ROLLBACK").await;
    for id in ids {
        assert!(db.store.execution(id).await.expect("an answer").is_none());
    }
    db.put(db.job()).await;
    db.check_logs().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_an_error_and_when_there_is_room_again_all_goes_on() {
    let Some(disk) = SmallDisk::mount() else { return };
    let ballast = disk.path().join("ballast");
    fs::write(&ballast, vec![1; 512 * 1024]).expect("there is room at first");
    let db = open(disk.path()).await;
    let lease = db.running().await;

    let long = text(&"x".repeat(64 * 1024));
    let mut after = 2;
    let mut refusals = 0;
    // The last free pages come and go with checkpoints, so one refusal does not mean that the disk is full.
    while refusals < 20 {
        match db.store.write(append(lease, after, vec![long.clone()])).await {
            Ok(_) => after += 1,
            Err(StoreError::Unavailable(_)) => refusals += 1,
            Err(other) => panic!("{other:?}"),
        }
        assert!(after < 1_000, "a disk of 2 MB took 60 MB");
    }
    let refused = join_all((0..5).map(|_| db.enqueue(large_job(&db), None, 1_000))).await;
    assert!(refused.iter().all(|answer| matches!(answer, Err(StoreError::Unavailable(_)))), "{refused:?}");
    assert_eq!(db.record(lease.id).await.last_seq, after);
    db.check_logs().await;

    fs::remove_file(&ballast).expect("the ballast");
    assert_applied(db.write(append(lease, after, vec![long])).await);
    db.put(large_job(&db)).await;
    db.check_logs().await;
    check_integrity(disk.path()).await;
}

fn large_job(db: &TestDb) -> NewExecution {
    let mut job = db.job();
    job.task.prompt = "x".repeat(256 * 1024);
    job
}

/// A file system of 2 MB.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let options = c"size=2m";
        match rustix::mount::mount("tmpfs", folder.path(), "tmpfs", rustix::mount::MountFlags::empty(), options) {
            Ok(()) => Some(Self(folder)),
            Err(error) => {
                assert_ne!(variable_of_process("CI").as_deref(), Some("true"), "a disk can't be mounted: {error}");
                eprintln!("SKIPPED: only root can mount a small disk to fill ({error})");
                None
            }
        }
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(self.0.path(), rustix::mount::UnmountFlags::DETACH);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_was_confirmed_is_there_when_the_file_ends_anywhere_behind_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let wal = folder.path().join("legwork.db-wal");
    let db = open(folder.path()).await;
    // The length of the log of changes at the moment each job was confirmed.
    let mut confirmed: Vec<(ExecutionId, usize)> = Vec::new();
    for _ in 0..30 {
        let id = db.put(db.job()).await;
        let length = fs::metadata(&wal).expect("the log").len();
        confirmed.push((id, usize::try_from(length).expect("a length")));
    }
    let (database, changes) = (fs::read(file(folder.path())).expect("the file"), fs::read(&wal).expect("the log"));
    let first = confirmed[0].1;
    for cut in (first..=changes.len()).step_by((changes.len() - first) / 25) {
        let copy = tempfile::tempdir().expect("a folder");
        fs::write(file(copy.path()), &database).expect("copies");
        fs::write(copy.path().join("legwork.db-wal"), &changes[..cut]).expect("copies");
        let survivor = open(copy.path()).await;
        for (id, _) in confirmed.iter().filter(|(_, length)| *length <= cut) {
            assert_eq!(survivor.kinds(*id).await, ["queued"], "cut at {cut} of {}", changes.len());
        }
        survivor.check_logs().await;
        check_integrity(copy.path()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_can_be_opened_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let id = {
        let db = open(folder.path()).await;
        db.running().await.id
    };
    let again = open(folder.path()).await;
    assert_eq!(again.kinds(id).await, ["queued", "claimed"]);
    again.put(again.job()).await;
}

async fn check_integrity(folder: &Path) {
    let mut connection = other_program(folder).await;
    let found: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut connection).await.expect("a check");
    assert_eq!(found, "ok");
}
