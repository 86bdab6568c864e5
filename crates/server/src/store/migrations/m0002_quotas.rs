//! Calls that count against a quota.

use sea_orm_migration::prelude::*;

use super::create_index;
use super::m0001_executions::table;

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        let quotas = table(backend, "quotas")
            .col(ColumnDef::new("scope").string_len(128).not_null().primary_key())
            .col(ColumnDef::new("called_at").big_integer().not_null())
            .take();
        let calls = table(backend, "quota_calls")
            .col(ColumnDef::new("scope").string_len(128).not_null())
            .col(ColumnDef::new("execution_id").string_len(30).not_null())
            .col(ColumnDef::new("at").big_integer().not_null())
            .primary_key(Index::create().col("scope").col("execution_id"))
            .take();
        manager.create_table(quotas).await?;
        manager.create_table(calls).await?;
        let (table, name) = ("quota_calls", "quota_calls_time");
        let by_time = Index::create().name(name).table(table).col("scope").col("at").take();
        create_index(manager, (table, name), by_time).await
    }
}
