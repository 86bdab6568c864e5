//! The tables' history. A migration that was released is never edited; a new one follows it.

use sea_orm_migration::prelude::{DbErr, IndexCreateStatement, SchemaManager};
use sea_orm_migration::{MigrationTrait, MigratorTrait};

mod m0001_executions;
mod m0002_quotas;
mod m0003_conversations;
mod m0004_secrets;
mod m0005_budgets;
mod m0006_waiting;
mod m0007_cache;
mod m0008_tool_uses;

pub(super) struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_executions::Migration),
            Box::new(m0002_quotas::Migration),
            Box::new(m0003_conversations::Migration),
            Box::new(m0004_secrets::Migration),
            Box::new(m0005_budgets::Migration),
            Box::new(m0006_waiting::Migration),
            Box::new(m0007_cache::Migration),
            Box::new(m0008_tool_uses::Migration),
        ]
    }
}

/// Makes an index that an earlier, unfinished attempt may have made: MySQL can't be told to leave it then.
async fn create_index(
    manager: &SchemaManager<'_>,
    (table, name): (&str, &str),
    index: IndexCreateStatement,
) -> Result<(), DbErr> {
    if manager.has_index(table, name).await? { Ok(()) } else { manager.create_index(index).await }
}
