//! The directories that a run works in.

use legwork_model::ExecutionId;
use sea_orm::DbErr;
use sea_orm::sea_query::Expr;

use super::append::{Fenced, Lease, under_lease};
use super::entity::execution;
use super::transaction::Transaction;
use super::write::Write;

/// Notes that a run works in directories that were made ahead of it.
#[derive(Debug)]
pub struct MoveHome {
    /// The writer's lease.
    pub lease: Lease,
    /// The id that the directories are named by.
    pub home: ExecutionId,
}

impl Write for MoveHome {
    type Output = Fenced;

    async fn apply(&self, tx: &Transaction<'_>) -> Result<Fenced, DbErr> {
        let home = self.home.to_string();
        let update = under_lease(self.lease).col_expr(execution::Column::Home, Expr::value(home));
        Ok(if tx.execute(update).await? == 0 { Fenced::LeaseLost } else { Fenced::Applied })
    }
}
