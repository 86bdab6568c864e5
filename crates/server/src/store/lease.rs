//! Keeping leases, and finding those that were not kept.

use legwork_model::{ExecutionId, ExecutionState, Timestamp};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, QuerySelect};

use super::append::Lease;
use super::claim::waits;
use super::connect::Store;
use super::entity::execution;
use super::error::StoreError;
use super::record::PINNED;
use super::transaction::Transaction;
use super::write::Write;

/// One execution that a node still owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The lease.
    pub lease: Lease,
    /// Whose directories it has.
    pub home: ExecutionId,
    /// Who asked to cancel it, if anybody did.
    pub cancel_requested: Option<String>,
    /// How many orders were given to it.
    pub orders: u64,
}

/// Renews all leases of a node and tells which ones it still has.
#[derive(Debug)]
pub struct Renew {
    /// The node.
    pub node: String,
    /// Until when they are renewed.
    pub until: Timestamp,
}

impl Write for Renew {
    type Output = ();

    async fn apply(&self, tx: &Transaction<'_>) -> Result<(), DbErr> {
        let renewed = execution::Entity::update_many()
            .filter(execution::Column::State.eq(ExecutionState::Running.as_str()))
            .filter(execution::Column::LeaseOwner.eq(self.node.as_str()))
            .col_expr(execution::Column::LeaseUntil, Expr::value(self.until.as_millis()));
        tx.execute(renewed).await?;
        let pinned = execution::Entity::update_many()
            .filter(waits())
            .filter(execution::Column::LeaseOwner.eq(self.node.as_str()))
            .col_expr(execution::Column::LeaseUntil, Expr::value(self.until.as_millis()));
        tx.execute(pinned).await.map(drop)
    }
}

impl Store {
    /// What `node` owns.
    ///
    /// # Errors
    /// Where the database gives no answer.
    pub async fn held_by(&self, node: &str) -> Result<Vec<Held>, StoreError> {
        let rows = execution::Entity::find()
            .select_only()
            .column(execution::Column::Id)
            .column(execution::Column::Fence)
            .column(execution::Column::Home)
            .column(execution::Column::CancelRequested)
            .column(execution::Column::Orders)
            .filter(execution::Column::State.eq(ExecutionState::Running.as_str()))
            .filter(execution::Column::LeaseOwner.eq(node))
            .into_tuple::<(String, i64, String, Option<String>, i64)>()
            .all(&self.reads)
            .await?;
        let held = |(id, fence, home, cancel_requested, orders): (String, _, String, _, i64)| {
            let orders = u64::try_from(orders).unwrap_or(0);
            Ok(Held { lease: lease(&id, fence)?, home: proper(&home)?, cancel_requested, orders })
        };
        rows.into_iter().map(held).collect()
    }

    /// Executions whose lease ended before `now`: of those that run, and of those that wait for one node.
    ///
    /// # Errors
    /// Where the database gives no answer.
    pub async fn expired_leases(&self, now: Timestamp) -> Result<Vec<Lease>, StoreError> {
        let expired = execution::Column::LeaseUntil.lt(now.as_millis());
        let mut leases = self.leases(runs().and(expired.clone())).await?;
        leases.extend(self.leases(waits().and(expired)).await?);
        Ok(leases)
    }

    /// Executions that only `node` can ever run.
    ///
    /// # Errors
    /// Where the database gives no answer.
    pub async fn pinned_to(&self, node: &str) -> Result<Vec<Lease>, StoreError> {
        let pinned = execution::Column::OnLost.eq(PINNED);
        self.leases(waits().and(execution::Column::LeaseOwner.eq(node)).and(pinned)).await
    }

    async fn leases(&self, which: Expr) -> Result<Vec<Lease>, StoreError> {
        let rows = execution::Entity::find()
            .select_only()
            .column(execution::Column::Id)
            .column(execution::Column::Fence)
            .filter(which)
            .into_tuple::<(String, i64)>()
            .all(&self.reads)
            .await?;
        rows.into_iter().map(|(id, fence)| lease(&id, fence).map_err(StoreError::from)).collect()
    }
}

fn runs() -> Expr {
    execution::Column::State.eq(ExecutionState::Running.as_str())
}

fn lease(id: &str, fence: i64) -> Result<Lease, DbErr> {
    Ok(Lease { id: proper(id)?, fence })
}

fn proper(id: &str) -> Result<ExecutionId, DbErr> {
    id.parse().map_err(|_| DbErr::Custom("an execution without a proper id".into()))
}
