//! Changes, and the way they go into the database.

use std::future::Future;
use std::time::Duration;

use sea_orm::{DatabaseConnection, DbErr, TransactionTrait};

use super::error::StoreError;
use super::group_commit::Backlog;
use super::transaction::Transaction;

/// How often a change is tried again after the database chose it as a deadlock's victim.
const TRIES: u32 = 5;

/// One change. It is applied in a transaction and may be applied again after a rollback, so it must not have effects
/// outside the transaction. Either all of it is committed or nothing.
pub trait Write: Send + Sync + 'static {
    /// What the caller learns.
    type Output: Send + 'static;

    /// Applies the change.
    fn apply(&self, tx: &Transaction<'_>) -> impl Future<Output = Result<Self::Output, DbErr>> + Send;

    /// When it has to be there even if the power fails.
    fn durability(&self) -> Durability {
        Durability::Now
    }
}

/// When a change survives the death of the machine. That of the process it survives in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// With the next change that has to, or a moment later: nobody was told anything yet.
    Soon,
    /// Before its caller learns of it, who may tell others.
    Now,
}

/// The way all changes go.
#[derive(Clone)]
pub(super) enum Writer {
    /// Each in a transaction of its own.
    Direct(DatabaseConnection),
    /// All that wait in one transaction: an engine with one writer.
    Grouped(Backlog),
}

impl Writer {
    pub(super) async fn write<W: Write>(&self, change: W) -> Result<W::Output, StoreError> {
        match self {
            Self::Direct(connection) => write_alone(connection, &change).await,
            Self::Grouped(backlog) => backlog.write(change).await,
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
