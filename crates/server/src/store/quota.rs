//! How many jobs are taken in a rolling time, exactly, on all nodes together and over restarts.

use legwork_model::{ExecutionId, Timestamp};
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveValue, ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::connect::Store;
use super::entity::{quota, quota_call};
use super::error::StoreError;
use super::transaction::Transaction;

/// As many jobs of one kind as are taken in any stretch of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quota {
    /// What is limited, such as `door:generate`; 128 characters at the most.
    pub scope: String,
    /// How many.
    pub limit: u64,
    /// In how many milliseconds.
    pub window_millis: i64,
}

/// What is left of a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaLeft {
    /// How many more jobs are taken now.
    pub remaining: u64,
    /// When the next one is given back; `None` where none was used.
    pub next_at: Option<Timestamp>,
}

impl Store {
    /// What is left of `quota`.
    ///
    /// # Errors
    /// Where the database gives no answer.
    pub async fn quota_left(&self, quota: &Quota, now: Timestamp) -> Result<QuotaLeft, StoreError> {
        let used: Vec<i64> = quota
            .calls(now)
            .select_only()
            .column(quota_call::Column::At)
            .order_by_asc(quota_call::Column::At)
            .into_tuple()
            .all(&self.reads)
            .await?;
        let next_at = used.first().map(|at| Timestamp::from_millis(at + quota.window_millis));
        Ok(QuotaLeft { remaining: quota.limit.saturating_sub(used.len() as u64), next_at })
    }
}

impl Quota {
    /// Counts a job in; where there is no room for it, tells when there will be and counts nothing.
    pub(super) async fn count(
        &self,
        tx: &Transaction<'_>,
        id: ExecutionId,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, DbErr> {
        self.wait_for_turn(tx, now).await?;
        let newest_first = self.calls(now).order_by_desc(quota_call::Column::At);
        // The one that has to go before there is room for one more.
        let in_the_way = match self.limit.checked_sub(1) {
            Some(others) => tx.one(newest_first.offset(others)).await?.map(|call| call.at),
            None => Some(now.as_millis()),
        };
        if let Some(at) = in_the_way {
            return Ok(Some(Timestamp::from_millis(at + self.window_millis)));
        }
        let old = quota_call::Entity::delete_many()
            .filter(quota_call::Column::Scope.eq(self.scope.as_str()))
            .filter(quota_call::Column::At.lte(self.begin(now)));
        tx.execute(old).await?;
        let call = quota_call::ActiveModel {
            scope: ActiveValue::Set(self.scope.clone()),
            execution_id: ActiveValue::Set(id.to_string()),
            at: ActiveValue::Set(now.as_millis()),
        };
        tx.execute(quota_call::Entity::insert(call)).await?;
        Ok(None)
    }

    /// Other calls that count against this quota wait until this transaction has ended.
    async fn wait_for_turn(&self, tx: &Transaction<'_>, now: Timestamp) -> Result<(), DbErr> {
        let touch = quota::Entity::update_many()
            .filter(quota::Column::Scope.eq(self.scope.as_str()))
            .col_expr(quota::Column::CalledAt, Expr::value(now.as_millis()));
        if tx.execute(touch).await? == 0 && !tx.exists(quota::Entity::find_by_id(self.scope.clone())).await? {
            let row = quota::ActiveModel {
                scope: ActiveValue::Set(self.scope.clone()),
                called_at: ActiveValue::Set(now.as_millis()),
            };
            tx.execute(quota::Entity::insert(row)).await?;
        }
        Ok(())
    }

    fn calls(&self, now: Timestamp) -> sea_orm::Select<quota_call::Entity> {
        quota_call::Entity::find()
            .filter(quota_call::Column::Scope.eq(self.scope.as_str()))
            .filter(quota_call::Column::At.gt(self.begin(now)))
    }

    fn begin(&self, now: Timestamp) -> i64 {
        now.as_millis() - self.window_millis
    }
}
