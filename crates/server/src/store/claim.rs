//! Taking jobs from a lane.

use legwork_model::{EventBody, ExecutionState, FailureReason, Outcome, Timestamp, Verdict};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::append::insert_events;
use super::budgets::release;
use super::entity::execution;
use super::error::StoreError;
use super::finish::{ended, finished_event};
use super::park::is_ready;
use super::record::{ExecutionRecord, NewEvent, RecordedEvent};
use super::transaction::Transaction;
use super::write::{Durability, Write};

/// Takes the oldest jobs of the highest priority.
#[derive(Debug)]
pub struct Claim {
    /// From which lane.
    pub lane: String,
    /// How many at the most.
    pub limit: u64,
    /// For which node.
    pub node: String,
    /// The present time.
    pub now: Timestamp,
    /// Until when they are its own, unless renewed.
    pub lease_until: Timestamp,
    /// Agents that are left alone for now.
    pub held: Vec<String>,
}

/// A job taken.
#[derive(Debug)]
pub struct Claimed {
    /// The job as it stands after the claim.
    pub record: ExecutionRecord,
    /// The event that tells of it.
    pub event: RecordedEvent,
}

impl Write for Claim {
    type Output = Vec<Claimed>;

    async fn apply(&self, tx: &Transaction<'_>) -> Result<Self::Output, DbErr> {
        let waiting = execution::Entity::find()
            .filter(waits())
            .filter(execution::Column::Lane.eq(self.lane.as_str()))
            .filter(is_free().or(execution::Column::LeaseOwner.eq(self.node.as_str())))
            .filter(is_ready(self.now))
            .filter(execution::Column::Agent.is_not_in(self.held.iter().map(String::as_str)))
            .order_by_desc(execution::Column::Priority)
            .order_by_asc(execution::Column::Id)
            .limit(self.limit);
        let mut taken = Vec::new();
        for row in tx.all(waiting).await? {
            taken.extend(self.take(tx, row).await?);
        }
        Ok(taken)
    }

    /// Without it the job waits again. What its agent says is on record durably.
    fn durability(&self) -> Durability {
        Durability::Soon
    }
}

/// Those that wait. The state is spelled out in the statement, for only then engines use the index of just these.
pub(super) fn waits() -> Expr {
    Expr::col(execution::Column::State).eq(Expr::Constant(ExecutionState::Queued.as_str().into()))
}

/// Those that are pinned to no node.
fn is_free() -> Expr {
    execution::Column::LeaseOwner.is_null()
}

impl Claim {
    /// Takes one job, unless another node was faster.
    async fn take(&self, tx: &Transaction<'_>, mut row: execution::Model) -> Result<Option<Claimed>, DbErr> {
        let before = row.fence;
        let event = claimed(&mut row, &self.node, self.now, self.lease_until);
        let update = execution::Entity::update_many()
            .col_expr(execution::Column::State, Expr::value(row.state.as_str()))
            .col_expr(execution::Column::Fence, Expr::value(row.fence))
            .col_expr(execution::Column::Attempt, Expr::value(row.attempt))
            .col_expr(execution::Column::LastSeq, Expr::value(row.last_seq))
            .col_expr(execution::Column::StartedAt, Expr::value(row.started_at))
            .col_expr(execution::Column::LeaseOwner, Expr::value(row.lease_owner.as_deref()))
            .col_expr(execution::Column::LeaseUntil, Expr::value(row.lease_until))
            .col_expr(execution::Column::WaitReason, Expr::value(row.wait_reason.as_deref()))
            .col_expr(execution::Column::WaitUntil, Expr::value(row.wait_until))
            .filter(execution::Column::Id.eq(row.id.as_str()))
            .filter(execution::Column::State.eq(ExecutionState::Queued.as_str()))
            .filter(execution::Column::Fence.eq(before));
        if tx.execute(update).await? == 0 {
            return Ok(None);
        }
        let after = u64::try_from(row.last_seq - 1).unwrap_or(0);
        insert_events(tx, &row.id, after, std::slice::from_ref(&event)).await?;
        match Claimed::new(ExecutionRecord::try_from(row.clone()), &event) {
            Ok(claimed) => Ok(Some(claimed)),
            Err(error) => self.end_unreadable(tx, &row, &error).await.map(|()| None),
        }
    }

    /// Ends a job that this version can't read: left in its lane it would hold up all that wait behind it.
    async fn end_unreadable(&self, tx: &Transaction<'_>, row: &execution::Model, error: &DbErr) -> Result<(), DbErr> {
        tracing::error!(execution = row.id, %error, "a job that can't be read is ended");
        let message = format!("The job can't be read by this version of the server: {error}.");
        let outcome = Outcome::without_run(Verdict::failed(FailureReason::Internal, message));
        let update = execution::Entity::update_many()
            .filter(execution::Column::Id.eq(row.id.as_str()))
            .filter(execution::Column::Fence.eq(row.fence))
            .col_expr(execution::Column::LastSeq, Expr::value(row.last_seq + 1));
        tx.execute(ended(update, ExecutionState::Running, &outcome, self.now)?).await?;
        let after = u64::try_from(row.last_seq).unwrap_or(0);
        insert_events(tx, &row.id, after, &[finished_event(self.now, &outcome)]).await?;
        release(tx, &row.id).await
    }
}

/// Changes a row as a claim does; gives the event that tells of it.
pub(super) fn claimed(row: &mut execution::Model, node: &str, now: Timestamp, lease_until: Timestamp) -> NewEvent {
    row.state = ExecutionState::Running.as_str().into();
    row.fence += 1;
    row.attempt += 1;
    row.last_seq += 1;
    row.started_at.get_or_insert(now.as_millis());
    row.lease_owner = Some(node.to_owned());
    row.lease_until = Some(lease_until.as_millis());
    (row.wait_reason, row.wait_until) = (None, None);
    let attempt = u32::try_from(row.attempt).unwrap_or(1);
    NewEvent::new(now, &EventBody::Claimed { attempt, node: node.to_owned() })
}

impl Claimed {
    pub(super) fn new(record: Result<ExecutionRecord, StoreError>, event: &NewEvent) -> Result<Self, DbErr> {
        let unreadable = |error: StoreError| DbErr::Custom(error.to_string());
        let record = record.map_err(unreadable)?;
        let event = RecordedEvent::numbered(record.last_seq, event).map_err(unreadable)?;
        Ok(Self { record, event })
    }
}
