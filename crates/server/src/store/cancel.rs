//! Asking for the end of an execution.

use legwork_model::{ExecutionId, ExecutionState, Timestamp, Verdict};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter};

use super::entity::execution;
use super::finish::{end_waiting, row};
use super::transaction::Transaction;
use super::write::Write;

/// What became of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cancelled {
    /// It had not begun and is cancelled.
    Ended,
    /// It runs; its owner is to stop it.
    Requested,
    /// It had ended before, in this state.
    AlreadyFinished(ExecutionState),
    /// There is none of that id.
    Unknown,
}

/// Cancels an execution that waits; leaves a request for the owner of one that runs.
#[derive(Debug)]
pub struct Cancel {
    /// Which execution.
    pub id: ExecutionId,
    /// Who or what asks, as a sentence.
    pub message: String,
    /// The present time.
    pub now: Timestamp,
}

impl Write for Cancel {
    type Output = Cancelled;

    async fn apply(&self, tx: &Transaction<'_>) -> Result<Cancelled, DbErr> {
        let id = self.id.to_string();
        // A claim may come between the look and the update; then the second look finds it running.
        for _ in 0..3 {
            let Some(row) = row(tx, &id).await? else { return Ok(Cancelled::Unknown) };
            match ExecutionState::parse(&row.state) {
                Some(ExecutionState::Queued) if self.end(tx, &row).await? => return Ok(Cancelled::Ended),
                Some(ExecutionState::Running) if self.request(tx, &row).await? => return Ok(Cancelled::Requested),
                Some(state) if state.is_finished() => return Ok(Cancelled::AlreadyFinished(state)),
                _ => {}
            }
        }
        Err(DbErr::Custom(format!("{id} changes faster than it can be cancelled")))
    }
}

impl Cancel {
    async fn end(&self, tx: &Transaction<'_>, row: &execution::Model) -> Result<bool, DbErr> {
        end_waiting(tx, row, Verdict::Cancelled { message: self.message.clone() }, self.now).await
    }

    async fn request(&self, tx: &Transaction<'_>, row: &execution::Model) -> Result<bool, DbErr> {
        let update = execution::Entity::update_many()
            .filter(execution::Column::Id.eq(row.id.as_str()))
            .filter(execution::Column::State.eq(ExecutionState::Running.as_str()))
            .col_expr(execution::Column::CancelRequested, Expr::value(self.message.as_str()));
        Ok(tx.execute(update).await? > 0)
    }
}
