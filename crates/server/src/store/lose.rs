//! Deciding what becomes of a run whose worker was lost.

use legwork_model::{EventBody, ExecutionState, FailureReason, Outcome, Timestamp, Verdict};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter};

use super::append::{Lease, insert_events, under_lease};
use super::budgets::release;
use super::entity::{event, execution};
use super::finish::{end_waiting, ended, finished_event, row};
use super::record::{NewEvent, PINNED};
use super::transaction::Transaction;
use super::write::Write;

/// A job whose worker was lost so often is not tried again: the job may be what kills the workers.
const MAX_LOSSES: i32 = 2;

/// Kinds of events that say nothing about the agent. Any other one means that it had begun.
const BEFORE_THE_AGENT: [&str; 6] = ["queued", "claimed", "repository_progress", "workspace", "requeued", "stopping"];

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// It waits again.
    Requeued,
    /// It ended for this reason.
    Failed(FailureReason),
    /// It ended as somebody had asked.
    Cancelled,
    /// The lease had moved on: somebody else decided.
    NotOurs,
}

/// Takes a run from a worker that is gone. An agent's work can't be repeated blindly (it pushes, comments, spends), so
/// a run that had begun ends as lost unless its caller asked for a retry; one that had not waits again.
#[derive(Debug)]
pub struct Lose {
    /// The lease that was lost.
    pub lease: Lease,
    /// Whether the agent is known to have begun, beyond what the log says.
    pub began: bool,
    /// What happened to the worker, as a sentence.
    pub why: String,
    /// Whether the worker died; a planned shutdown doesn't count against the job.
    pub crashed: bool,
    /// The present time.
    pub now: Timestamp,
}

impl Write for Lose {
    type Output = Lost;

    async fn apply(&self, tx: &Transaction<'_>) -> Result<Lost, DbErr> {
        let id = self.lease.id.to_string();
        let Some(row) = row(tx, &id).await? else { return Ok(Lost::NotOurs) };
        if row.fence != self.lease.fence {
            return Ok(Lost::NotOurs);
        }
        if row.state == ExecutionState::Queued.as_str() && row.on_lost == PINNED {
            let ended = end_waiting(tx, &row, self.stranded(), self.now).await?;
            return Ok(if ended { Lost::Failed(FailureReason::Lost) } else { Lost::NotOurs });
        }
        if row.state == ExecutionState::Queued.as_str() {
            return self.free(tx, &row).await;
        }
        if row.state != ExecutionState::Running.as_str() {
            return Ok(Lost::NotOurs);
        }
        let losses = row.losses + i32::from(self.crashed);
        if let Some(message) = row.cancel_requested.clone() {
            return self.finish(tx, &row, Verdict::Cancelled { message }, losses).await;
        }
        if losses >= MAX_LOSSES {
            let message = format!("{losses} workers in a row died while they ran this job. {}", self.why);
            return self.finish(tx, &row, Verdict::failed(FailureReason::WorkerCrashed, message), losses).await;
        }
        if row.on_lost == PINNED {
            return self.finish(tx, &row, self.stranded(), losses).await;
        }
        if row.on_lost != "retry" && (self.began || has_begun(tx, &id).await?) {
            let message = format!(
                "{} The agent had begun, so the job was not started again by itself; retry it if that is safe.",
                self.why
            );
            return self.finish(tx, &row, Verdict::failed(FailureReason::Lost, message), losses).await;
        }
        self.requeue(tx, &row, losses).await
    }
}

impl Lose {
    async fn finish(
        &self,
        tx: &Transaction<'_>,
        row: &execution::Model,
        verdict: Verdict,
        losses: i32,
    ) -> Result<Lost, DbErr> {
        let lost = match &verdict {
            Verdict::Failed(failure) => Lost::Failed(failure.reason),
            _ => Lost::Cancelled,
        };
        let mut outcome = Outcome::without_run(verdict);
        outcome.session_id.clone_from(&row.session_id);
        let update = ended(under_lease(self.lease), ExecutionState::Running, &outcome, self.now)?;
        self.settle(tx, row, update, losses, finished_event(self.now, &outcome), lost).await
    }

    /// One that waits for the node that has its directories: others may take it now.
    async fn free(&self, tx: &Transaction<'_>, row: &execution::Model) -> Result<Lost, DbErr> {
        let update = execution::Entity::update_many()
            .filter(execution::Column::Id.eq(row.id.as_str()))
            .filter(execution::Column::State.eq(ExecutionState::Queued.as_str()))
            .filter(execution::Column::Fence.eq(row.fence))
            .filter(execution::Column::LeaseOwner.is_not_null())
            .col_expr(execution::Column::LeaseOwner, Expr::value(Option::<String>::None))
            .col_expr(execution::Column::LeaseUntil, Expr::value(Option::<i64>::None));
        Ok(if tx.execute(update).await? == 0 { Lost::NotOurs } else { Lost::Requeued })
    }

    /// The end of a job that no other worker can run.
    fn stranded(&self) -> Verdict {
        let message =
            format!("{} It had the job's own credentials, which are nowhere else; submit it again.", self.why);
        Verdict::failed(FailureReason::Lost, message)
    }

    async fn requeue(&self, tx: &Transaction<'_>, row: &execution::Model, losses: i32) -> Result<Lost, DbErr> {
        let update = under_lease(self.lease)
            .col_expr(execution::Column::State, Expr::value(ExecutionState::Queued.as_str()))
            .col_expr(execution::Column::LeaseOwner, Expr::value(Option::<String>::None))
            .col_expr(execution::Column::LeaseUntil, Expr::value(Option::<i64>::None));
        let event = NewEvent::new(self.now, &EventBody::Requeued { message: self.why.clone() });
        self.settle(tx, row, update, losses, event, Lost::Requeued).await
    }

    async fn settle(
        &self,
        tx: &Transaction<'_>,
        row: &execution::Model,
        update: sea_orm::UpdateMany<execution::Entity>,
        losses: i32,
        event: NewEvent,
        lost: Lost,
    ) -> Result<Lost, DbErr> {
        let update = update
            .col_expr(execution::Column::Losses, Expr::value(losses))
            .col_expr(execution::Column::LastSeq, Expr::value(row.last_seq + 1))
            // A late append of the old worker may have come between; its events must not be numbered twice.
            .filter(execution::Column::LastSeq.eq(row.last_seq));
        if tx.execute(update).await? == 0 {
            return Ok(Lost::NotOurs);
        }
        insert_events(tx, &row.id, u64::try_from(row.last_seq).unwrap_or(0), &[event]).await?;
        // One that waits again keeps what is left: it was accepted, and must not be refused now.
        if lost != Lost::Requeued {
            release(tx, &row.id).await?;
        }
        Ok(lost)
    }
}

async fn has_begun(tx: &Transaction<'_>, id: &str) -> Result<bool, DbErr> {
    let sign = event::Entity::find()
        .filter(event::Column::ExecutionId.eq(id))
        .filter(event::Column::Kind.is_not_in(BEFORE_THE_AGENT));
    tx.exists(sign).await
}
