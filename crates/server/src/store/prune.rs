//! Forgetting what has served its time.

use legwork_model::Timestamp;
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter};

use super::entity::{idempotency_key, quota, quota_call};
use super::transaction::Transaction;
use super::write::Write;

/// Forgets idempotency keys older than a moment.
#[derive(Debug)]
pub struct PruneIdempotencyKeys {
    /// Keys made before this are forgotten.
    pub before: Timestamp,
}

impl Write for PruneIdempotencyKeys {
    /// How many were forgotten.
    type Output = u64;

    async fn apply(&self, tx: &Transaction<'_>) -> Result<u64, DbErr> {
        let old = idempotency_key::Entity::delete_many()
            .filter(idempotency_key::Column::CreatedAt.lt(self.before.as_millis()));
        tx.execute(old).await
    }
}

/// Forgets quotas that nobody used since a moment, and the calls that counted against them.
#[derive(Debug)]
pub struct PruneQuotas {
    /// Further back than any quota looks.
    pub before: Timestamp,
}

impl Write for PruneQuotas {
    type Output = ();

    async fn apply(&self, tx: &Transaction<'_>) -> Result<(), DbErr> {
        let before = self.before.as_millis();
        tx.execute(quota::Entity::delete_many().filter(quota::Column::CalledAt.lt(before))).await?;
        tx.execute(quota_call::Entity::delete_many().filter(quota_call::Column::At.lt(before))).await.map(drop)
    }
}
