//! The group commit that makes durable changes cheap on SQLite.
//!
//! A durable commit costs a disk flush. SQLite has one writer, so one thread applies all changes that wait in one
//! transaction, and another flushes what was committed, while the first goes on. A change that nobody counts on yet does not
//! wait for its flush.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use futures::executor::block_on;
use sea_orm::{DbErr, RuntimeErr};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::checkpoint::Checkpoints;
use super::error::StoreError;
use super::sqlite::{SqliteWriter, start};
use super::transaction::Transaction;
use super::write::{Durability, Write};

/// How many changes share a commit at the most. Bounds how long the first of them waits.
const GROUP: usize = 128;
/// How many changes may wait for the writer before callers wait for room.
const BACKLOG: usize = 1024;
/// How long a change that nobody counts on yet may be without its flush.
const SOON: Duration = Duration::from_millis(10);

type Group = Vec<Box<dyn Pending>>;

/// The changes that wait for the writer.
#[derive(Clone)]
pub(super) struct Backlog {
    room: Arc<Semaphore>,
    queue: mpsc::Sender<Box<dyn Pending>>,
}

impl Backlog {
    /// The queue of a writer that owns `connection`. Its threads end when the last handle is dropped.
    pub(super) fn of(connection: SqliteWriter) -> Result<Self, StoreError> {
        let log = Log::of(connection.path());
        let checkpoints = Checkpoints::of(connection.path())?;
        let (queue, waiting) = mpsc::channel();
        let (committed, unflushed) = mpsc::channel();
        start("sqlite-flusher", move || flush_groups(log, &unflushed))?;
        start("sqlite-writer", move || commit_groups(&connection, &waiting, &committed, checkpoints))?;
        Ok(Self { room: Arc::new(Semaphore::new(BACKLOG)), queue })
    }

    pub(super) async fn write<W: Write>(&self, change: W) -> Result<W::Output, StoreError> {
        let room = Arc::clone(&self.room).acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let (done, outcome) = oneshot::channel();
        let waiting = Waiting { change, applied: None, done: Some(done), _room: room };
        self.queue.send(Box::new(waiting)).map_err(|_| StoreError::Closed)?;
        outcome.await.map_err(|_| StoreError::Closed)?
    }
}

/// A change in the queue, without its type.
trait Pending: Send {
    /// Applies the change and keeps what it gave.
    fn apply<'a>(&'a mut self, tx: &'a Transaction<'_>)
    -> Pin<Box<dyn Future<Output = Result<(), DbErr>> + Send + 'a>>;
    /// When it has to be there even if the power fails.
    fn durability(&self) -> Durability;
    /// It is there: tells the caller what the change gave.
    fn done(&mut self);
    /// The change failed on its own: tells the caller.
    fn failed(&mut self, error: DbErr);
}

struct Waiting<W: Write> {
    change: W,
    applied: Option<W::Output>,
    done: Option<oneshot::Sender<Result<W::Output, StoreError>>>,
    _room: OwnedSemaphorePermit,
}

impl<W: Write> Pending for Waiting<W> {
    fn apply<'a>(
        &'a mut self,
        tx: &'a Transaction<'_>,
    ) -> Pin<Box<dyn Future<Output = Result<(), DbErr>> + Send + 'a>> {
        Box::pin(async move {
            self.applied = Some(self.change.apply(tx).await?);
            Ok(())
        })
    }

    fn durability(&self) -> Durability {
        self.change.durability()
    }

    fn done(&mut self) {
        if let (Some(done), Some(output)) = (self.done.take(), self.applied.take()) {
            // The caller may have gone; what it asked for is done all the same.
            let _ = done.send(Ok(output));
        }
    }

    fn failed(&mut self, error: DbErr) {
        if let Some(done) = self.done.take() {
            let _ = done.send(Err(error.into()));
        }
    }
}

/// Commits what waits, and hands on what has to be flushed.
fn commit_groups(
    connection: &SqliteWriter,
    waiting: &mpsc::Receiver<Box<dyn Pending>>,
    committed: &mpsc::Sender<Group>,
    mut checkpoints: Checkpoints,
) {
    let mut group = Group::with_capacity(GROUP);
    // Since when there are changes that nobody flushes.
    let mut unflushed: Option<Instant> = None;
    loop {
        match next(waiting, unflushed) {
            Ok(first) => group.push(first),
            Err(reason) => {
                // It has ended only where it panicked; then nothing waits for it that is not told.
                let _ = committed.send(Group::new());
                unflushed = None;
                match reason {
                    RecvTimeoutError::Timeout => continue,
                    RecvTimeoutError::Disconnected => return,
                }
            }
        }
        group.extend(waiting.try_iter().take(GROUP - 1));
        commit_group(connection, &mut group);
        checkpoints.committed();
        let (now, soon): (Group, Group) = group.drain(..).partition(|change| change.durability() == Durability::Now);
        if !soon.is_empty() {
            unflushed = unflushed.or_else(|| Some(Instant::now()));
            soon.into_iter().for_each(|mut change| change.done());
        }
        let is_due = unflushed.is_some_and(|since| since.elapsed() >= SOON);
        if !now.is_empty() || is_due {
            unflushed = None;
            let _ = committed.send(now);
        }
    }
}

/// The next change; [`Timeout`](RecvTimeoutError::Timeout) where it is time to flush those before.
fn next(
    waiting: &mpsc::Receiver<Box<dyn Pending>>,
    unflushed: Option<Instant>,
) -> Result<Box<dyn Pending>, RecvTimeoutError> {
    match unflushed {
        Some(since) => waiting.recv_timeout(SOON.saturating_sub(since.elapsed())),
        None => waiting.recv().map_err(|_| RecvTimeoutError::Disconnected),
    }
}

/// Commits the changes of a group; those that failed leave it.
fn commit_group(connection: &SqliteWriter, group: &mut Group) {
    // The file is locked or gone, for each of them: that each waits for it alone would help nobody.
    if let Err(error) = connection.begin() {
        return group.drain(..).for_each(|mut change| change.failed(error.clone()));
    }
    if commit(connection, group).is_ok() {
        return;
    }
    // One of them (or the disk) is at fault. Alone, each gets its own answer and none spoils another's.
    group.retain_mut(|change| {
        let committed = connection.begin().and_then(|()| commit(connection, std::slice::from_mut(change)));
        committed.map_err(|error| change.failed(error)).is_ok()
    });
}

/// Applies the changes in the transaction that was begun, and ends it.
fn commit(connection: &SqliteWriter, group: &mut [Box<dyn Pending>]) -> Result<(), DbErr> {
    let tx = Transaction::Sqlite(connection);
    let apply = |change: &mut Box<dyn Pending>| block_on(change.apply(&tx));
    let committed = group.iter_mut().try_for_each(apply).and_then(|()| connection.commit());
    if committed.is_err() {
        connection.roll_back();
    }
    committed
}

/// Flushes all that was committed at once. Where that fails a change is there, but may not outlive a power failure: what its
/// caller learns is what it learns from a server whose answer to a commit got lost.
fn flush_groups(mut log: Log, unflushed: &mpsc::Receiver<Group>) {
    while let Ok(mut group) = unflushed.recv() {
        group.extend(unflushed.try_iter().flatten());
        match log.flush() {
            Ok(()) => group.iter_mut().for_each(|change| change.done()),
            Err(error) => {
                tracing::error!(%error, log = %log.path.display(), "the last changes may not outlive a power failure");
                let error = DbErr::Conn(RuntimeErr::Internal(format!("flushing failed: {error}")));
                group.iter_mut().for_each(|change| change.failed(error.clone()));
            }
        }
    }
}

/// The file that SQLite appends changes to. It is the same as long as there is a connection.
struct Log {
    path: PathBuf,
    file: Option<File>,
}

impl Log {
    fn of(database: &Path) -> Self {
        let mut path = database.as_os_str().to_owned();
        path.push("-wal");
        Self { path: path.into(), file: None }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &self.file {
            Some(file) => file.sync_data(),
            None => self.file.insert(File::open(&self.path)?).sync_data(),
        }
    }
}
