//! Changes, and the group commit that makes them cheap.
//!
//! A durable commit costs a disk flush. On SQLite, which has one writer, all changes that wait are applied in one
//! transaction and share its flush. The other engines do that themselves, so there each change has a transaction of
//! its own.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use futures::executor::block_on;
use sea_orm::{DatabaseConnection, DbErr, TransactionTrait};
use tokio::sync::{mpsc, oneshot};

use super::error::StoreError;
use super::sqlite::SqliteWriter;
use super::transaction::Transaction;

/// How many changes share a commit at the most. Bounds how long the first of them waits.
const GROUP: usize = 128;
/// How many changes may wait for the writer before callers wait for room.
const BACKLOG: usize = 1024;
/// How often a change is tried again after the database chose it as a deadlock's victim.
const TRIES: u32 = 5;

/// One change. It is applied in a transaction and may be applied again after a rollback, so it must not have effects
/// outside the transaction. Either all of it is committed or nothing.
pub trait Write: Send + Sync + 'static {
    /// What the caller learns.
    type Output: Send + 'static;

    /// Applies the change.
    fn apply(&self, tx: &Transaction<'_>) -> impl Future<Output = Result<Self::Output, DbErr>> + Send;
}

/// The way all changes go.
#[derive(Clone)]
pub(super) enum Writer {
    /// Each in a transaction of its own.
    Direct(DatabaseConnection),
    /// All that wait in one transaction.
    Grouped(mpsc::Sender<Box<dyn Pending>>),
}

impl Writer {
    /// A writer that owns `connection`, on a thread of its own that ends when the last handle is dropped.
    pub(super) fn grouped(connection: SqliteWriter) -> Result<Self, StoreError> {
        let (sender, receiver) = mpsc::channel(BACKLOG);
        let thread = std::thread::Builder::new().name("sqlite-writer".into());
        let started = thread.spawn(move || commit_groups(&connection, receiver));
        started.map_err(|error| StoreError::Setup(format!("no thread could be started: {error}")))?;
        Ok(Self::Grouped(sender))
    }

    pub(super) async fn write<W: Write>(&self, change: W) -> Result<W::Output, StoreError> {
        match self {
            Self::Direct(connection) => write_alone(connection, &change).await,
            Self::Grouped(sender) => {
                let (done, outcome) = oneshot::channel();
                let waiting = Waiting { change, applied: None, done: Some(done) };
                sender.send(Box::new(waiting)).await.map_err(|_| StoreError::Closed)?;
                outcome.await.map_err(|_| StoreError::Closed)?
            }
        }
    }
}

async fn write_alone<W: Write>(connection: &DatabaseConnection, change: &W) -> Result<W::Output, StoreError> {
    let mut pause = Duration::from_millis(5);
    for _ in 1..TRIES {
        match transact(connection, change).await {
            Err(error) if is_conflict(&error) => tokio::time::sleep(pause).await,
            outcome => return outcome.map_err(StoreError::from),
        }
        pause *= 3;
    }
    transact(connection, change).await.map_err(StoreError::from)
}

async fn transact<W: Write>(connection: &DatabaseConnection, change: &W) -> Result<W::Output, DbErr> {
    let tx = connection.begin().await?;
    let output = change.apply(&Transaction::Server(&tx)).await?;
    tx.commit().await?;
    Ok(output)
}

/// Deadlocks and failed serialisations: the engine rolled one of two transactions back and expects it to be repeated.
fn is_conflict(error: &DbErr) -> bool {
    let text = error.to_string();
    ["Deadlock found", "deadlock detected", "could not serialize", "try restarting transaction", "Write conflict"]
        .iter()
        .any(|known| text.contains(known))
}

/// A change in the queue of the group commit, without its type.
pub(super) trait Pending: Send {
    /// Applies the change and keeps what it gave.
    fn apply<'a>(&'a mut self, tx: &'a Transaction<'_>)
    -> Pin<Box<dyn Future<Output = Result<(), DbErr>> + Send + 'a>>;
    /// The transaction was committed: tells the caller what the change gave.
    fn committed(&mut self);
    /// The change failed on its own: tells the caller.
    fn failed(&mut self, error: DbErr);
}

struct Waiting<W: Write> {
    change: W,
    applied: Option<W::Output>,
    done: Option<oneshot::Sender<Result<W::Output, StoreError>>>,
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

    fn committed(&mut self) {
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

fn commit_groups(connection: &SqliteWriter, mut waiting: mpsc::Receiver<Box<dyn Pending>>) {
    let mut group = Vec::with_capacity(GROUP);
    while let Some(first) = waiting.blocking_recv() {
        group.push(first);
        while group.len() < GROUP
            && let Ok(change) = waiting.try_recv()
        {
            group.push(change);
        }
        // The file is locked or gone, for each of them: that each waits for it alone would help nobody.
        if let Err(error) = connection.begin() {
            group.drain(..).for_each(|mut change| change.failed(error.clone()));
            continue;
        }
        if commit(connection, &mut group).is_ok() {
            group.drain(..).for_each(|mut change| change.committed());
            continue;
        }
        // One of them (or the disk) is at fault. Alone, each gets its own answer and none spoils another's.
        for mut change in group.drain(..) {
            match connection.begin().and_then(|()| commit(connection, std::slice::from_mut(&mut change))) {
                Ok(()) => change.committed(),
                Err(error) => change.failed(error),
            }
        }
    }
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
