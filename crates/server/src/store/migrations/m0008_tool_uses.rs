//! What agents did with their tools, and who let them.

use sea_orm_migration::prelude::*;

use super::create_index;
use super::m0001_executions::{table, without_rowid};

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        let tool_uses = table(backend, "tool_uses")
            .col(ColumnDef::new("execution_id").string_len(30).not_null())
            .col(ColumnDef::new("seq").big_integer().not_null())
            .col(ColumnDef::new("at").big_integer().not_null())
            .col(ColumnDef::new("turn").integer())
            .col(ColumnDef::new("tool").string_len(200).not_null())
            .col(ColumnDef::new("risk").string_len(16))
            .col(ColumnDef::new("digest").string_len(64))
            .col(ColumnDef::new("decision").string_len(16).not_null())
            .col(ColumnDef::new("decided_by").string_len(64))
            .col(ColumnDef::new("decided_at").big_integer())
            .col(ColumnDef::new("approval_id").string_len(40))
            .primary_key(Index::create().col("execution_id").col("seq"))
            .extra(without_rowid(backend))
            .take();
        manager.create_table(tool_uses).await?;
        let mut index = Index::create().name("tool_uses_time").table("tool_uses").take();
        for column in ["at", "execution_id", "seq"] {
            index.col(column);
        }
        create_index(manager, ("tool_uses", "tool_uses_time"), index).await
    }
}
