//! Finding the run that an equal job need not repeat.

use legwork_model::{ExecutionState, Timestamp};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use super::connect::Store;
use super::entity::{execution, kept};
use super::error::StoreError;
use super::kept::Kept;
use super::record::ExecutionRecord;

impl Store {
    /// The newest run with `fingerprint` that succeeded at `since` or later, with all that it left. What is too large for a
    /// row, or was forgotten, is not there for every node, and then the run does not count.
    ///
    /// # Errors
    /// Where the database gives no answer.
    pub async fn cached(
        &self,
        fingerprint: &str,
        since: Timestamp,
    ) -> Result<Option<(ExecutionRecord, Kept)>, StoreError> {
        use execution::Column;
        let found = execution::Entity::find()
            .filter(Expr::col(kept::Column::Fingerprint).eq(fingerprint))
            .filter(Column::FinishedAt.gte(since.as_millis()))
            .filter(Column::State.eq(ExecutionState::Succeeded.as_str()))
            .filter(Expr::col(kept::Column::Output).is_not_null())
            .filter(Expr::col(kept::Column::Patch).is_not_null())
            .order_by_desc(Column::FinishedAt)
            .order_by_desc(Column::Id)
            .one(&self.reads)
            .await?;
        let Some(row) = found else { return Ok(None) };
        let record = ExecutionRecord::try_from(row)?;
        let kept = self.kept(record.id).await?;
        Ok(Some((record, kept)))
    }
}
