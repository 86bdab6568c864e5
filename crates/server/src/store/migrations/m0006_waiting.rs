//! Executions that wait for more than a slot, and then go on where they were.

use sea_orm_migration::prelude::*;

use super::m0003_conversations::add_column;

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let count = |name: &'static str| ColumnDef::new(name).big_integer().not_null().default(0).take();
        for (name, column) in [
            ("wait_reason", ColumnDef::new("wait_reason").string_len(32).take()),
            ("wait_until", ColumnDef::new("wait_until").big_integer().take()),
            ("parks", count("parks")),
            ("heard", count("heard")),
        ] {
            add_column(manager, "executions", name, column).await?;
        }
        Ok(())
    }
}
