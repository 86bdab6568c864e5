//! What a run leaves beside its events.

use legwork_model::ExecutionId;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter};

use super::connect::Store;
use super::entity::kept;
use super::error::StoreError;
use super::transaction::Transaction;
use super::write::Write;

/// What a run leaves beside its events, packed. `None`: there is none, or it is too large to be in a row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// The agent's standard output.
    pub output: Option<Vec<u8>>,
    /// What it changed, as a git diff.
    pub patch: Option<Vec<u8>>,
    /// By which an equal job finds it, where its outcome may stand for that job's.
    pub fingerprint: Option<String>,
}

impl Store {
    /// What is kept of a run that has ended.
    ///
    /// # Errors
    /// Where the database gives no answer.
    pub async fn kept(&self, id: ExecutionId) -> Result<Kept, StoreError> {
        let row = kept::Entity::find_by_id(id.to_string()).one(&self.reads).await?;
        Ok(row
            .map(|row| Kept { output: row.output, patch: row.patch, fingerprint: row.fingerprint })
            .unwrap_or_default())
    }
}

/// Removes what is kept of a run.
#[derive(Debug)]
pub struct Forget {
    /// Which.
    pub id: ExecutionId,
}

impl Write for Forget {
    type Output = ();

    async fn apply(&self, tx: &Transaction<'_>) -> Result<(), DbErr> {
        let update = kept::Entity::update_many()
            .filter(kept::Column::Id.eq(self.id.to_string()))
            .col_expr(kept::Column::Output, Expr::value(Option::<Vec<u8>>::None))
            .col_expr(kept::Column::Patch, Expr::value(Option::<Vec<u8>>::None));
        tx.execute(update).await.map(drop)
    }
}
