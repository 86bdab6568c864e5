//! Orders to running agents, what people decide for them, and the turn of each event.

use sea_orm_migration::prelude::*;

use super::create_index;
use super::m0001_executions::{bytes, long_text, table};

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        add_column(manager, "events", "turn", ColumnDef::new("turn").integer()).await?;
        let orders = ColumnDef::new("orders").big_integer().not_null().default(0).take();
        add_column(manager, "executions", "orders", orders).await?;
        let orders = table(backend, "orders")
            .col(ColumnDef::new("execution_id").string_len(30).not_null())
            .col(ColumnDef::new("number").big_integer().not_null())
            .col(long_text(backend, "body").not_null())
            .col(ColumnDef::new("created_by").string_len(64))
            .col(ColumnDef::new("idempotency_key").string_len(255))
            .col(ColumnDef::new("at").big_integer().not_null())
            .primary_key(Index::create().col("execution_id").col("number"))
            .take();
        let approvals = table(backend, "approvals")
            .col(ColumnDef::new("id").string_len(40).not_null().primary_key())
            .col(ColumnDef::new("execution_id").string_len(30).not_null())
            .col(ColumnDef::new("request_id").string_len(128).not_null())
            .col(ColumnDef::new("tool").string_len(200).not_null())
            .col(long_text(backend, "input").not_null())
            .col(ColumnDef::new("risk").string_len(16).not_null())
            .col(ColumnDef::new("digest").string_len(64).not_null())
            .col(ColumnDef::new("state").string_len(16).not_null())
            .col(ColumnDef::new("created_at").big_integer().not_null())
            .col(ColumnDef::new("expires_at").big_integer().not_null())
            .col(ColumnDef::new("decided_at").big_integer())
            .col(ColumnDef::new("decided_by").string_len(64))
            .take();
        let sessions = table(backend, "sessions")
            .col(ColumnDef::new("agent").string_len(64).not_null())
            .col(ColumnDef::new("session_id").string_len(128).not_null())
            .col(bytes(backend, "files").not_null())
            .col(ColumnDef::new("at").big_integer().not_null())
            .primary_key(Index::create().col("agent").col("session_id"))
            .take();
        for table in [orders, approvals, sessions] {
            manager.create_table(table).await?;
        }
        for (name, column) in [("approvals_state", "state"), ("approvals_execution", "execution_id")] {
            let index = Index::create().name(name).table("approvals").col(column).col("id").take();
            create_index(manager, ("approvals", name), index).await?;
        }
        Ok(())
    }
}

/// Adds a column that an earlier, unfinished attempt may have added.
pub(super) async fn add_column(
    manager: &SchemaManager<'_>,
    table: &'static str,
    name: &str,
    column: impl IntoColumnDef,
) -> Result<(), DbErr> {
    if manager.has_column(table, name).await? {
        return Ok(());
    }
    manager.alter_table(Table::alter().table(table).add_column(column).take()).await
}
