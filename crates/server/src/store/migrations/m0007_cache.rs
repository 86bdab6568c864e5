//! Finding the outcome of an equal job.

use sea_orm::DbBackend;
use sea_orm_migration::prelude::*;

use super::create_index;
use super::m0003_conversations::add_column;

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        add_column(manager, "executions", "fingerprint", ColumnDef::new("fingerprint").string_len(64)).await?;
        let mut index = Index::create()
            .name("executions_fingerprint")
            .table("executions")
            .col("fingerprint")
            .col("finished_at")
            .col("id")
            .take();
        // Most jobs have none, and an index that leaves them out costs them nothing. MySQL has no such indices.
        if manager.get_database_backend() != DbBackend::MySql {
            index.cond_where(Expr::col("fingerprint").is_not_null());
        }
        create_index(manager, ("executions", "executions_fingerprint"), index).await
    }
}
