//! Reading the log.

use legwork_model::ExecutionId;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::append::number;
use super::connect::Store;
use super::entity::event;
use super::error::StoreError;
use super::record::RecordedEvent;

impl Store {
    /// Up to `limit` events with a number above `after`, in order.
    ///
    /// # Errors
    /// Where the database gives no answer.
    pub async fn events_after(
        &self,
        id: ExecutionId,
        after: u64,
        limit: u64,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        let rows = event::Entity::find()
            .filter(event::Column::ExecutionId.eq(id.to_string()))
            .filter(event::Column::Seq.gt(number(after)?))
            .order_by_asc(event::Column::Seq)
            .limit(limit)
            .all(&self.reads)
            .await?;
        rows.into_iter().map(RecordedEvent::try_from).collect()
    }

    /// All events of one kind, in order. For kinds alone of which an execution has few.
    ///
    /// # Errors
    /// Where the database gives no answer.
    pub async fn events_of_kind(&self, id: ExecutionId, kind: &str) -> Result<Vec<RecordedEvent>, StoreError> {
        let rows = event::Entity::find()
            .filter(event::Column::ExecutionId.eq(id.to_string()))
            .filter(event::Column::Kind.eq(kind))
            .order_by_asc(event::Column::Seq)
            .all(&self.reads)
            .await?;
        rows.into_iter().map(RecordedEvent::try_from).collect()
    }
}
