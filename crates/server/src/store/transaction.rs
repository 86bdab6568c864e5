//! The transaction that a change is applied in.

use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, EntityTrait, QuerySelect, QueryTrait,
    Select, TryIntoModel,
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

    /// Puts rows down of which every column is set.
    pub(super) async fn insert<A>(&self, rows: Vec<A>) -> Result<u64, DbErr>
    where
        A: ActiveModelTrait + 'static,
    {
        match self {
            Self::Server(_) => self.execute(A::Entity::insert_many(rows)).await,
            Self::Sqlite(sqlite) => sqlite.insert(rows),
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

    /// The sum of a column of whole numbers in all rows that `select` finds.
    pub(super) async fn sum<E: EntityTrait>(&self, select: Select<E>, column: &str) -> Result<i64, DbErr> {
        let sum = |backend| select.select_only().expr(sum_of(backend, column)).build(backend);
        match self {
            Self::Server(tx) => match tx.query_one_raw(sum(tx.get_database_backend())).await? {
                Some(row) => row.try_get_by_index(0),
                None => Ok(0),
            },
            Self::Sqlite(sqlite) => sqlite.number(&sum(DbBackend::Sqlite)),
        }
    }
}

/// The sum of a column as the type that the column has: engines have wider ones for sums.
pub(super) fn sum_of(backend: DbBackend, column: &str) -> Expr {
    let whole = if backend == DbBackend::MySql { "SIGNED" } else { "BIGINT" };
    Expr::cust(format!("COALESCE(CAST(SUM({column}) AS {whole}), 0)"))
}
