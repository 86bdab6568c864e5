//! Putting a job on record.

use std::sync::Arc;

use legwork_model::{Cost, EventBody, ExecutionId, ExecutionState, Task, Timestamp};
use sea_orm::{
    ActiveModelTrait, ActiveValue, ColumnTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect,
};
use serde_json::{Map, Value};

use super::append::insert_events;
use super::budgets::{ExceededBudget, Labels, Room, record_refusal, reserve, room};
use super::claim::{Claimed, claimed, waits};
use super::connect::Store;
use super::entity::{execution, idempotency_key, labels};
use super::error::StoreError;
use super::executions::uses_home;
use super::park::is_ready;
use super::quota::Quota;
use super::record::{ExecutionRecord, NewEvent, PINNED};
use super::transaction::Transaction;
use super::write::{Durability, Write};

/// A job as admitted.
#[derive(Debug, Clone)]
pub struct NewExecution {
    /// Its id.
    pub id: ExecutionId,
    /// What the agent is asked to do.
    pub task: Task,
    /// The lane it waits in.
    pub lane: String,
    /// Higher is claimed earlier.
    pub priority: i32,
    /// The caller's own JSON object.
    pub metadata: Map<String, Value>,
    /// The API key that submitted it.
    pub created_by: Option<String>,
    /// The execution that this one repeats.
    pub retry_of: Option<ExecutionId>,
    /// Whether it is run again when its worker is lost after it began.
    pub retry_when_lost: bool,
    /// Whether only the node that took it can run it, having what the record does not.
    pub pinned: bool,
    /// The execution whose run directory it uses, where it continues a session.
    pub home: ExecutionId,
    /// The execution that began its session: itself, or an earlier one.
    pub session_root: ExecutionId,
    /// The caller's name for what it belongs to.
    pub project: Option<String>,
    /// The caller's name for whom it is.
    pub user: Option<String>,
    /// What is set aside for it in the budgets that are about it.
    pub reserve: Cost,
    /// When it was accepted.
    pub at: Timestamp,
}

/// The caller's promise that requests with this key are one and the same.
#[derive(Debug, Clone)]
pub struct Idempotency {
    /// Whose key it is.
    pub scope: String,
    /// The key.
    pub key: String,
    /// SHA-256 of the request, in hex.
    pub fingerprint: String,
    /// Whether the key is most likely new: then it is only looked for when it turns out not to be.
    pub fresh: bool,
}

/// A node that has a free slot for the job, or alone can run it.
#[derive(Debug, Clone)]
pub struct ClaimAtOnce {
    /// The node.
    pub node: String,
    /// Until when the job is its own, unless renewed.
    pub lease_until: Timestamp,
}

/// What became of the job.
#[derive(Debug)]
pub enum Enqueued {
    /// It is on record and waits.
    Waiting,
    /// It is on record, and claimed for the node that had a slot.
    Claimed(Box<Claimed>),
    /// The same request was accepted before, as this execution.
    Replayed(ExecutionId),
    /// The idempotency key was used for another request.
    KeyReused,
    /// As many jobs wait as may.
    QueueFull,
    /// Another execution works in the session to continue.
    SessionBusy,
    /// A quota is used up until then.
    QuotaReached(Timestamp),
    /// A budget has no room for it.
    BudgetExceeded(Box<ExceededBudget>),
}

/// Puts a job, its first event and its idempotency key on record together.
#[derive(Debug, Clone)]
pub struct Enqueue {
    /// The job.
    pub execution: NewExecution,
    /// Its idempotency key, where the caller sent one.
    pub idempotency: Option<Idempotency>,
    /// How many jobs may wait, this one included.
    pub max_queued: u64,
    /// Who takes it at once, unless others wait in its lane.
    pub claim: Option<ClaimAtOnce>,
    /// Who alone may take it later, where it is pinned.
    pub pin: Option<ClaimAtOnce>,
    /// What it counts against.
    pub quota: Option<Quota>,
    /// When the job is there even if the power fails.
    pub durability: Durability,
}

impl NewExecution {
    fn labels(&self) -> Labels {
        Labels {
            agent: self.task.agent.clone(),
            project: self.project.clone(),
            user: self.user.clone(),
            key: self.created_by.clone(),
            session: self.session_root.to_string(),
        }
    }

    const fn on_lost(&self) -> &'static str {
        match (self.pinned, self.retry_when_lost) {
            (true, _) => PINNED,
            (false, true) => "retry",
            (false, false) => "fail",
        }
    }
}

impl Store {
    /// Puts a job on record.
    ///
    /// # Errors
    /// Where the database does not take it; then nothing was written.
    pub async fn enqueue(&self, enqueue: Enqueue) -> Result<Enqueued, StoreError> {
        let enqueue = Arc::new(enqueue);
        match self.write(Arc::clone(&enqueue)).await {
            // The idempotency key is not as fresh as it seemed, or another request with it was faster by a moment; now its
            // row is there to be found.
            Err(error) if error.is_duplicate() => {
                self.write(Arc::new(Arc::unwrap_or_clone(enqueue).with_known_key())).await
            }
            outcome => outcome,
        }
    }
}

impl Write for Arc<Enqueue> {
    type Output = Enqueued;

    async fn apply(&self, tx: &Transaction<'_>) -> Result<Enqueued, DbErr> {
        if let Some(earlier) = self.earlier(tx).await? {
            return Ok(earlier);
        }
        if self.is_session_busy(tx).await? {
            return Ok(Enqueued::SessionBusy);
        }
        let claim = match &self.claim {
            Some(claim) if !self.others_wait(tx).await? => Some(claim),
            _ if self.is_full(tx).await? => return Ok(Enqueued::QueueFull),
            _ => None,
        };
        let (id, labels) = (self.execution.id.to_string(), self.execution.labels());
        let amount = self.execution.reserve.as_micros();
        let counters = match room(tx, &id, &labels, amount, self.execution.at).await? {
            Room::Held(counters) => counters,
            Room::None(exceeded) => return self.refuse(tx, &labels, exceeded).await,
        };
        if let Some(quota) = &self.quota
            && let Some(at) = quota.count(tx, self.execution.id, self.execution.at).await?
        {
            return Ok(Enqueued::QuotaReached(at));
        }
        reserve(tx, counters, &id, &labels, amount).await?;
        self.reserve_key(tx).await?;
        let mut row = self.row()?;
        let mut events = vec![NewEvent::new(self.execution.at, &EventBody::Queued { lane: row.lane.clone() })];
        if let Some(claim) = claim {
            events.push(claimed(&mut row, &claim.node, self.execution.at, claim.lease_until));
        }
        insert_events(tx, &row.id, 0, &events).await?;
        let new = &self.execution;
        let record = || ExecutionRecord::of(row.clone(), new.task.clone(), new.metadata.clone());
        let record = claim.map(|_| Claimed::new(record(), &events[1])).transpose()?;
        tx.insert(vec![row.into_active_model().reset_all()]).await?;
        Ok(record.map_or(Enqueued::Waiting, |record| Enqueued::Claimed(Box::new(record))))
    }

    fn durability(&self) -> Durability {
        self.durability
    }
}

impl Enqueue {
    fn with_known_key(mut self) -> Self {
        self.idempotency.iter_mut().for_each(|idempotency| idempotency.fresh = false);
        self
    }

    /// Puts on record that a budget had no room. Unless it was the same request before that took the last of it: then this
    /// one waited for it a moment ago, and finds it now.
    async fn refuse(
        &self,
        tx: &Transaction<'_>,
        labels: &Labels,
        exceeded: Box<ExceededBudget>,
    ) -> Result<Enqueued, DbErr> {
        if let Some(earlier) = self.known(tx).await? {
            return Ok(earlier);
        }
        record_refusal(tx, self.execution.id, None, labels, &exceeded, self.execution.at).await?;
        Ok(Enqueued::BudgetExceeded(exceeded))
    }

    /// What the idempotency key led to before, unless it seems to be new.
    async fn earlier(&self, tx: &Transaction<'_>) -> Result<Option<Enqueued>, DbErr> {
        let seems_new = self.idempotency.as_ref().is_none_or(|idempotency| idempotency.fresh);
        if seems_new { Ok(None) } else { self.known(tx).await }
    }

    /// What the idempotency key led to before.
    async fn known(&self, tx: &Transaction<'_>) -> Result<Option<Enqueued>, DbErr> {
        let Some(idempotency) = &self.idempotency else { return Ok(None) };
        let row =
            tx.one(idempotency_key::Entity::find_by_id((idempotency.scope.clone(), idempotency.key.clone()))).await?;
        let Some(row) = row else { return Ok(None) };
        if row.fingerprint != idempotency.fingerprint {
            return Ok(Some(Enqueued::KeyReused));
        }
        let earlier =
            row.execution_id.parse().map_err(|_| DbErr::Custom("an idempotency key names no execution".into()))?;
        Ok(Some(Enqueued::Replayed(earlier)))
    }

    async fn reserve_key(&self, tx: &Transaction<'_>) -> Result<(), DbErr> {
        let Some(idempotency) = &self.idempotency else { return Ok(()) };
        let row = idempotency_key::ActiveModel {
            scope: ActiveValue::Set(idempotency.scope.clone()),
            idempotency_key: ActiveValue::Set(idempotency.key.clone()),
            execution_id: ActiveValue::Set(self.execution.id.to_string()),
            fingerprint: ActiveValue::Set(idempotency.fingerprint.clone()),
            created_at: ActiveValue::Set(self.execution.at.as_millis()),
        };
        tx.insert(vec![row]).await.map(drop)
    }

    /// Looks for the row that would be the last one allowed, so the cost is that of the queue's length, not the table's.
    async fn is_full(&self, tx: &Transaction<'_>) -> Result<bool, DbErr> {
        if self.max_queued == 0 {
            return Ok(true);
        }
        let last_allowed = labels::Entity::find().filter(waits()).offset(self.max_queued - 1);
        tx.exists(last_allowed).await
    }

    /// Whether jobs of the same lane wait already; then it is their turn.
    async fn others_wait(&self, tx: &Transaction<'_>) -> Result<bool, DbErr> {
        // Of the entities of these rows the one with few columns, for whose names this is called most.
        let waiting =
            labels::Entity::find().filter(waits()).filter(execution::Column::Lane.eq(self.execution.lane.as_str()));
        tx.exists(waiting.filter(is_ready(self.execution.at))).await
    }

    async fn is_session_busy(&self, tx: &Transaction<'_>) -> Result<bool, DbErr> {
        if self.execution.home == self.execution.id {
            return Ok(false);
        }
        let active = [ExecutionState::Queued.as_str(), ExecutionState::Running.as_str()];
        let other = execution::Entity::find()
            .filter(execution::Column::State.is_in(active))
            .filter(uses_home(self.execution.home));
        tx.exists(other).await
    }

    fn row(&self) -> Result<execution::Model, DbErr> {
        let json = |error: serde_json::Error| DbErr::Custom(error.to_string());
        let new = &self.execution;
        Ok(execution::Model {
            id: new.id.to_string(),
            state: ExecutionState::Queued.as_str().into(),
            lane: new.lane.clone(),
            priority: new.priority,
            agent: new.task.agent.clone(),
            task: serde_json::to_string(&new.task).map_err(json)?,
            metadata: serde_json::to_string(&new.metadata).map_err(json)?,
            created_by: new.created_by.clone(),
            retry_of: new.retry_of.map(|id| id.to_string()),
            on_lost: new.on_lost().into(),
            home: new.home.to_string(),
            created_at: new.at.as_millis(),
            started_at: None,
            finished_at: None,
            attempt: 0,
            losses: 0,
            fence: 0,
            lease_owner: self.pin.as_ref().map(|pin| pin.node.clone()),
            lease_until: self.pin.as_ref().map(|pin| pin.lease_until.as_millis()),
            last_seq: 1,
            cancel_requested: None,
            session_id: None,
            failure_reason: None,
            outcome: None,
            orders: 0,
            project: new.project.clone(),
            user_label: new.user.clone(),
            wait_reason: None,
            wait_until: None,
            parks: 0,
            heard: 0,
            session_root: Some(new.session_root.to_string()),
        })
    }
}
