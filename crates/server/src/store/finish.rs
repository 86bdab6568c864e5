//! Ending an execution.

use legwork_model::execution::Transition;
use legwork_model::{EventBody, ExecutionState, Outcome, Timestamp, Verdict};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, UpdateMany};

use super::append::{Fenced, Lease, insert_events, number, recordable_session, under_lease};
use super::budgets::release;
use super::entity::{execution, kept};
use super::kept::Kept;
use super::record::NewEvent;
use super::transaction::Transaction;
use super::write::Write;

/// Ends a running execution: the last events, the outcome and the final state, together.
#[derive(Debug)]
pub struct Finish {
    /// The writer's lease.
    pub lease: Lease,
    /// The number of the log's last event, as far as the writer knows.
    pub after: u64,
    /// Events that are not on record yet; the last one is the `finished` event.
    pub events: Vec<NewEvent>,
    /// How it ended.
    pub outcome: Outcome,
    /// What is kept of it.
    pub kept: Kept,
    /// How many orders it has heard. Where there are more, it is not ended.
    pub orders: u64,
    /// When.
    pub now: Timestamp,
}

impl Write for Finish {
    type Output = Fenced;

    async fn apply(&self, tx: &Transaction<'_>) -> Result<Fenced, DbErr> {
        let last = number(self.after)? + i64::try_from(self.events.len()).unwrap_or(i64::MAX);
        let update = ended(under_lease(self.lease), ExecutionState::Running, &self.outcome, self.now)?
            .col_expr(execution::Column::LastSeq, Expr::value(last))
            .col_expr(kept::Column::Output, Expr::value(self.kept.output.clone()))
            .col_expr(kept::Column::Patch, Expr::value(self.kept.patch.clone()))
            .col_expr(kept::Column::Fingerprint, Expr::value(self.kept.fingerprint.clone()));
        let update = update
            .filter(execution::Column::LastSeq.eq(number(self.after)?))
            .filter(execution::Column::Orders.lte(number(self.orders)?));
        if tx.execute(update).await? == 0 {
            // Or the same end was committed before, and only its answer did not arrive.
            let ours = serde_json::to_string(&self.outcome).ok();
            let Some(row) = row(tx, &self.lease.id.to_string()).await? else { return Ok(Fenced::LeaseLost) };
            let own = row.fence == self.lease.fence;
            return Ok(match own && row.outcome == ours && row.last_seq == last {
                true => Fenced::Applied,
                false if own && row.outcome.is_none() && row.orders > number(self.orders)? => Fenced::OrdersWait,
                false => Fenced::LeaseLost,
            });
        }
        insert_events(tx, &self.lease.id.to_string(), self.after, &self.events).await?;
        release(tx, &self.lease.id.to_string()).await?;
        Ok(Fenced::Applied)
    }
}

/// The event that ends every log.
pub(crate) fn finished_event(now: Timestamp, outcome: &Outcome) -> NewEvent {
    NewEvent::new(now, &EventBody::Finished { outcome: outcome.clone() })
}

/// Sets the columns of an execution that ends.
pub(super) fn ended(
    update: UpdateMany<execution::Entity>,
    from: ExecutionState,
    outcome: &Outcome,
    now: Timestamp,
) -> Result<UpdateMany<execution::Entity>, DbErr> {
    let state = from.after(Transition::Finish(&outcome.verdict)).map_err(|error| DbErr::Custom(error.to_string()))?;
    let json = serde_json::to_string(outcome).map_err(|error| DbErr::Custom(error.to_string()))?;
    let reason = match &outcome.verdict {
        Verdict::Failed(failure) => Some(failure.reason.as_str()),
        _ => None,
    };
    let mut update = update
        .col_expr(execution::Column::State, Expr::value(state.as_str()))
        .col_expr(execution::Column::Outcome, Expr::value(json))
        .col_expr(execution::Column::FailureReason, Expr::value(reason))
        .col_expr(execution::Column::FinishedAt, Expr::value(now.as_millis()))
        .col_expr(execution::Column::LeaseOwner, Expr::value(Option::<String>::None))
        .col_expr(execution::Column::LeaseUntil, Expr::value(Option::<i64>::None));
    if let Some(session) = recordable_session(outcome.session_id.as_deref()) {
        update = update.col_expr(execution::Column::SessionId, Expr::value(session));
    }
    Ok(update)
}

/// Ends an execution that waits, unless it was claimed meanwhile; tells whether it did.
pub(super) async fn end_waiting(
    tx: &Transaction<'_>,
    row: &execution::Model,
    verdict: Verdict,
    now: Timestamp,
) -> Result<bool, DbErr> {
    let outcome = Outcome::without_run(verdict);
    let update = execution::Entity::update_many()
        .filter(execution::Column::Id.eq(row.id.as_str()))
        .filter(execution::Column::State.eq(ExecutionState::Queued.as_str()))
        .filter(execution::Column::Fence.eq(row.fence))
        .col_expr(execution::Column::LastSeq, Expr::value(row.last_seq + 1));
    if tx.execute(ended(update, ExecutionState::Queued, &outcome, now)?).await? == 0 {
        return Ok(false);
    }
    let after = u64::try_from(row.last_seq).unwrap_or(0);
    insert_events(tx, &row.id, after, &[finished_event(now, &outcome)]).await?;
    release(tx, &row.id).await?;
    Ok(true)
}

/// The row as it is, for a decision in the same transaction.
pub(super) async fn row(tx: &Transaction<'_>, id: &str) -> Result<Option<execution::Model>, DbErr> {
    tx.one(execution::Entity::find_by_id(id)).await
}
