//! The tables' history. A migration that was released is never edited; a new one follows it.

use sea_orm_migration::{MigrationTrait, MigratorTrait};

mod m0001_executions;

pub(super) struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(m0001_executions::Migration)]
    }
}
