//! Letting a run wait for what ends by itself, or by somebody's doing: its slot is free, its session and directories are kept.

use legwork_model::{ExecutionState, Timestamp, WaitReason, Waiting};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::append::{Fenced, Lease, insert_events, number, recordable_session, under_lease};
use super::budgets::release;
use super::claim::waits;
use super::connect::Store;
use super::entity::execution;
use super::error::StoreError;
use super::record::NewEvent;
use super::transaction::Transaction;
use super::write::Write;

/// Lets a running execution wait.
#[derive(Debug)]
pub struct Park {
    /// The writer's lease.
    pub lease: Lease,
    /// The number of the log's last event, as far as the writer knows.
    pub after: u64,
    /// Events that are not on record yet.
    pub events: Vec<NewEvent>,
    /// The session to continue.
    pub session_id: Option<String>,
    /// What it waits for.
    pub waiting: Waiting,
    /// How many orders its agent has heard.
    pub heard: u64,
    /// The node that has its directories, and until when nobody else may take it.
    pub node: String,
    /// Renewed for as long as the node lives.
    pub lease_until: Timestamp,
}

impl Write for Park {
    type Output = Fenced;

    async fn apply(&self, tx: &Transaction<'_>) -> Result<Fenced, DbErr> {
        let id = self.lease.id.to_string();
        let last = number(self.after)? + i64::try_from(self.events.len()).unwrap_or(i64::MAX);
        let mut update = under_lease(self.lease)
            .col_expr(execution::Column::State, Expr::value(ExecutionState::Queued.as_str()))
            .col_expr(execution::Column::LeaseOwner, Expr::value(self.node.as_str()))
            .col_expr(execution::Column::LeaseUntil, Expr::value(self.lease_until.as_millis()))
            .col_expr(execution::Column::WaitReason, Expr::value(self.waiting.reason.as_str()))
            .col_expr(execution::Column::WaitUntil, Expr::value(self.waiting.until.map(Timestamp::as_millis)))
            .col_expr(execution::Column::Parks, Expr::col(execution::Column::Parks).add(1))
            .col_expr(execution::Column::Heard, Expr::value(number(self.heard)?))
            .col_expr(execution::Column::LastSeq, Expr::value(last))
            .filter(execution::Column::LastSeq.eq(number(self.after)?));
        if let Some(session) = recordable_session(self.session_id.as_deref()) {
            update = update.col_expr(execution::Column::SessionId, Expr::value(session));
        }
        if tx.execute(update).await? == 0 {
            // Or the same change was committed before, and only its answer did not arrive.
            let row = tx.one(execution::Entity::find_by_id(id.as_str())).await?;
            let committed = row
                .is_some_and(|row| row.fence == self.lease.fence && row.last_seq == last && row.wait_reason.is_some());
            return Ok(if committed { Fenced::Applied } else { Fenced::LeaseLost });
        }
        insert_events(tx, &id, self.after, &self.events).await?;
        // What it may spend is asked for again when it goes on.
        release(tx, &id).await?;
        Ok(Fenced::Applied)
    }
}

/// Lets executions go on that wait for a budget: somebody changed one.
#[derive(Debug)]
pub struct UnparkBudgets {
    /// The present time.
    pub now: Timestamp,
}

impl Write for UnparkBudgets {
    type Output = u64;

    async fn apply(&self, tx: &Transaction<'_>) -> Result<u64, DbErr> {
        let update = execution::Entity::update_many()
            .filter(waits())
            .filter(execution::Column::WaitReason.eq(WaitReason::Budget.as_str()))
            .col_expr(execution::Column::WaitUntil, Expr::value(self.now.as_millis()));
        tx.execute(update).await
    }
}

/// Those that wait for nothing but a slot.
pub(super) fn is_ready(now: Timestamp) -> Expr {
    execution::Column::WaitReason.is_null().or(execution::Column::WaitUntil.lte(now.as_millis()))
}

impl Store {
    /// When the next execution that waits may go on.
    ///
    /// # Errors
    /// Where the database gives no answer.
    pub async fn next_wait(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let next: Option<Option<i64>> = execution::Entity::find()
            .select_only()
            .column(execution::Column::WaitUntil)
            .filter(waits())
            .filter(execution::Column::WaitUntil.gt(now.as_millis()))
            .order_by_asc(execution::Column::WaitUntil)
            .limit(1)
            .into_tuple()
            .one(&self.reads)
            .await?;
        Ok(next.flatten().map(Timestamp::from_millis))
    }
}
