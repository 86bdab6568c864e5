//! The transaction that a change is applied in.

use sea_orm::sea_query::Expr;
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, EntityTrait, QuerySelect, QueryTrait, Select, TryIntoModel,
};

use super::sqlite::SqliteWriter;

/// A transaction on whatever engine it is.
#[derive(Clone, Copy)]
pub enum Transaction<'a> {
    /// On a database server.
    Server(&'a DatabaseTransaction),
    /// On SQLite.
    Sqlite(&'a SqliteWriter),
}

impl Transaction<'_> {
    /// Runs a statement that changes rows; tells how many it changed.
    pub(super) async fn execute(&self, statement: impl QueryTrait) -> Result<u64, DbErr> {
        match self {
            Self::Server(tx) => {
                let statement = statement.build(tx.get_database_backend());
                Ok(tx.execute_raw(statement).await?.rows_affected())
            }
            Self::Sqlite(sqlite) => sqlite.execute(&statement.build(DbBackend::Sqlite)),
        }
    }

    /// The rows that `select` finds.
    pub(super) async fn all<E>(&self, select: Select<E>) -> Result<Vec<E::Model>, DbErr>
    where
        E: EntityTrait,
        E::ActiveModel: TryIntoModel<E::Model>,
    {
        match self {
            Self::Server(tx) => select.all(*tx).await,
            Self::Sqlite(sqlite) => sqlite.all::<E>(&select.build(DbBackend::Sqlite)),
        }
    }

    /// The first row that `select` finds.
    pub(super) async fn one<E>(&self, select: Select<E>) -> Result<Option<E::Model>, DbErr>
    where
        E: EntityTrait,
        E::ActiveModel: TryIntoModel<E::Model>,
    {
        Ok(self.all(select.limit(1)).await?.pop())
    }

    /// Whether `select` finds any row.
    pub(super) async fn exists<E: EntityTrait>(&self, select: Select<E>) -> Result<bool, DbErr> {
        let select = select.select_only().expr(Expr::val(1)).limit(1);
        match self {
            Self::Server(tx) => Ok(tx.query_one_raw(select.build(tx.get_database_backend())).await?.is_some()),
            Self::Sqlite(sqlite) => sqlite.exists(&select.build(DbBackend::Sqlite)),
        }
    }
}
