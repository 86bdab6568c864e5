//! The secret store.

use sea_orm_migration::prelude::*;

use super::m0001_executions::{long_text, table};

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        let secrets = table(backend, "secrets")
            .col(ColumnDef::new("name").string_len(128).not_null().primary_key())
            .col(long_text(backend, "sealed").not_null())
            .col(ColumnDef::new("key_id").string_len(16).not_null())
            .col(ColumnDef::new("updated_at").big_integer().not_null())
            .take();
        manager.create_table(secrets).await
    }
}
