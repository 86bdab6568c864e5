//! Changes, and the group commit that makes them cheap.
//!
//! A durable commit costs a disk flush. On SQLite, which has one writer, all changes that wait are applied in one
//! transaction and share its flush. The other engines do that themselves, so there each change has a transaction of
//! its own.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use sea_orm::{
    DatabaseConnection, DatabaseTransaction, DbErr, SqliteTransactionMode, TransactionOptions, TransactionTrait,
};
use tokio::sync::{mpsc, oneshot};

use super::error::StoreError;

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
    fn apply(&self, tx: &DatabaseTransaction) -> impl Future<Output = Result<Self::Output, DbErr>> + Send;
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
    /// A writer that owns `connection` and ends when its last handle is dropped.
    pub(super) fn grouped(connection: DatabaseConnection) -> Self {
        let (sender, receiver) = mpsc::channel(BACKLOG);
        tokio::spawn(commit_groups(connection, receiver));
        Self::Grouped(sender)
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
    let output = change.apply(&tx).await?;
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
    fn apply<'a>(
        &'a mut self,
        tx: &'a DatabaseTransaction,
    ) -> Pin<Box<dyn Future<Output = Result<(), DbErr>> + Send + 'a>>;
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
        tx: &'a DatabaseTransaction,
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

async fn commit_groups(connection: DatabaseConnection, mut waiting: mpsc::Receiver<Box<dyn Pending>>) {
    let mut group = Vec::with_capacity(GROUP);
    while waiting.recv_many(&mut group, GROUP).await > 0 {
        // Changes that are just being made join this group instead of waiting for its flush.
        tokio::task::yield_now().await;
        while group.len() < GROUP
            && let Ok(change) = waiting.try_recv()
        {
            group.push(change);
        }
        let tx = match begin(&connection).await {
            Ok(tx) => tx,
            // The file is locked or gone, for each of them: that each waits for it alone would help nobody.
            Err(error) => {
                group.drain(..).for_each(|mut change| change.failed(error.clone()));
                continue;
            }
        };
        if commit(tx, &mut group).await.is_ok() {
            group.drain(..).for_each(|mut change| change.committed());
            continue;
        }
        // One of them (or the disk) is at fault. Alone, each gets its own answer and none spoils another's.
        for mut change in group.drain(..) {
            match commit_alone(&connection, &mut change).await {
                Ok(()) => change.committed(),
                Err(error) => change.failed(error),
            }
        }
    }
}

async fn begin(connection: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let options =
        TransactionOptions { sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate), ..Default::default() };
    connection.begin_with_options(options).await
}

async fn commit(tx: DatabaseTransaction, group: &mut [Box<dyn Pending>]) -> Result<(), DbErr> {
    for change in group {
        change.apply(&tx).await?;
    }
    tx.commit().await
}

async fn commit_alone(connection: &DatabaseConnection, change: &mut Box<dyn Pending>) -> Result<(), DbErr> {
    commit(begin(connection).await?, std::slice::from_mut(change)).await
}
