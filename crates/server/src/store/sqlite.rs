//! SQLite's writing connection.
//!
//! One thread makes all changes, and on it the statements that SeaORM builds are run in place. The driver for reading
//! hands each statement to a thread of its own and waits for the answer, which costs more than most statements.

use std::any::TypeId;
use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::types::ValueRef;
use rusqlite::{CachedStatement, Connection, ErrorCode, OpenFlags, Row};
use sea_orm::{
    ActiveModelTrait, ActiveValue, ColumnTrait, ColumnType, DbBackend, DbErr, EntityTrait, IdenStatic, Iterable,
    QueryTrait, RuntimeErr, Statement, TryIntoModel, Value,
};

use super::error::StoreError;

/// Pages of the log at which the writer makes a [checkpoint](super::checkpoint) itself.
const MOST_PAGES: u32 = 4_000;
/// Statements that stay prepared: every change has a few, some of them in several lengths.
const PREPARED: usize = 128;

/// Starts a thread for what waits for the disk.
pub(super) fn start(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), StoreError> {
    let started = std::thread::Builder::new().name(name.into()).spawn(work);
    started.map(drop).map_err(|error| StoreError::Setup(format!("no thread could be started: {error}")))
}

/// The connection.
pub struct SqliteWriter {
    connection: Mutex<Connection>,
    path: PathBuf,
    /// The texts that insert one row, by entity: to build one takes longer than to run it.
    insertions: Mutex<HashMap<TypeId, Arc<str>>>,
}

impl SqliteWriter {
    /// Opens an existing file. `patience` is how long to wait for a lock that another process holds.
    ///
    /// `synchronous = NORMAL`: whoever commits also sees to it that what was committed is flushed.
    pub(super) fn open(path: &Path, patience: Duration) -> Result<Self, DbErr> {
        let open = || {
            // It has a lock around it here.
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(path, flags)?;
            connection.busy_timeout(patience)?;
            connection.pragma_update(None, "synchronous", "NORMAL")?;
            connection.pragma_update(None, "foreign_keys", false)?;
            connection.pragma_update(None, "wal_autocheckpoint", MOST_PAGES)?;
            // Else a statement with `LIMIT ?` is compiled anew each time, as its plan might be another for another number.
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
            connection.set_prepared_statement_cache_capacity(PREPARED);
            Ok(connection)
        };
        let connection = Mutex::new(open().map_err(failed)?);
        Ok(Self { connection, path: path.to_owned(), insertions: Mutex::default() })
    }

    /// The database's file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Begins a transaction that writes.
    pub(super) fn begin(&self) -> Result<(), DbErr> {
        self.run("BEGIN IMMEDIATE")
    }

    /// Commits it.
    pub(super) fn commit(&self) -> Result<(), DbErr> {
        self.run("COMMIT")
    }

    /// Undoes it, unless SQLite did so already (as it does when the disk is full).
    pub(super) fn roll_back(&self) {
        if !self.connection().is_autocommit()
            && let Err(error) = self.run("ROLLBACK")
        {
            tracing::error!(%error, "failed to roll back");
        }
    }

    pub(super) fn execute(&self, statement: &Statement) -> Result<u64, DbErr> {
        let connection = self.connection();
        let changed = prepare(&connection, statement)?.raw_execute().map_err(failed)?;
        Ok(changed as u64)
    }

    /// Puts rows down of which every column is set. One by one: for several in one statement SQLite keeps a journal of its own.
    pub(super) fn insert<A>(&self, rows: Vec<A>) -> Result<u64, DbErr>
    where
        A: ActiveModelTrait + 'static,
    {
        let Some(first) = rows.first() else { return Ok(0) };
        let sql = self.insertion(first);
        let connection = self.connection();
        let mut prepared = connection.prepare_cached(&sql).map_err(failed)?;
        let mut inserted = 0;
        for mut row in rows {
            for (index, column) in (1..).zip(<A::Entity as EntityTrait>::Column::iter()) {
                let ActiveValue::Set(value) = row.take(column) else {
                    return Err(DbErr::Type(format!("column {} is not set", column.as_str())));
                };
                bind(&mut prepared, index, &value)?;
            }
            inserted += prepared.raw_execute().map_err(failed)?;
        }
        Ok(inserted as u64)
    }

    /// The text that inserts a row such as this one.
    fn insertion<A>(&self, row: &A) -> Arc<str>
    where
        A: ActiveModelTrait + 'static,
    {
        let build = || A::Entity::insert(row.clone()).build(DbBackend::Sqlite).sql.into();
        let mut insertions = self.insertions.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(insertions.entry(TypeId::of::<A>()).or_insert_with(build))
    }

    pub(super) fn all<E>(&self, statement: &Statement) -> Result<Vec<E::Model>, DbErr>
    where
        E: EntityTrait,
        E::ActiveModel: TryIntoModel<E::Model>,
    {
        let connection = self.connection();
        let mut prepared = prepare(&connection, statement)?;
        let mut rows = prepared.raw_query();
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            found.push(model::<E>(row)?);
        }
        Ok(found)
    }

    pub(super) fn exists(&self, statement: &Statement) -> Result<bool, DbErr> {
        let connection = self.connection();
        let mut prepared = prepare(&connection, statement)?;
        Ok(prepared.raw_query().next().map_err(failed)?.is_some())
    }

    /// The number that is all of the first row.
    pub(super) fn number(&self, statement: &Statement) -> Result<i64, DbErr> {
        let connection = self.connection();
        let mut prepared = prepare(&connection, statement)?;
        let mut rows = prepared.raw_query();
        let row = rows.next().map_err(failed)?;
        row.map_or(Ok(0), |row| row.get(0).map_err(failed))
    }

    fn run(&self, sql: &str) -> Result<(), DbErr> {
        let connection = self.connection();
        connection.prepare_cached(sql).and_then(|mut statement| statement.raw_execute()).map_err(failed)?;
        Ok(())
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // SQLite keeps its own state sound; what a panic left half-done is rolled back.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for SqliteWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteWriter").finish_non_exhaustive()
    }
}

fn prepare<'a>(connection: &'a Connection, statement: &Statement) -> Result<CachedStatement<'a>, DbErr> {
    let mut prepared = connection.prepare_cached(&statement.sql).map_err(failed)?;
    let values = statement.values.iter().flat_map(|values| &values.0);
    for (index, value) in (1..).zip(values) {
        bind(&mut prepared, index, value)?;
    }
    Ok(prepared)
}

/// The kinds of values that our tables hold.
fn bind(statement: &mut CachedStatement<'_>, index: usize, value: &Value) -> Result<(), DbErr> {
    let bound = match value {
        Value::Int(value) => statement.raw_bind_parameter(index, value),
        Value::BigInt(value) => statement.raw_bind_parameter(index, value),
        Value::BigUnsigned(value) => {
            statement.raw_bind_parameter(index, value.map(|value| i64::try_from(value).unwrap_or(i64::MAX)))
        }
        Value::String(value) => statement.raw_bind_parameter(index, value),
        Value::Bytes(value) => statement.raw_bind_parameter(index, value),
        other => return Err(DbErr::Type(format!("no column holds a value such as {other:?}"))),
    };
    bound.map_err(failed)
}

/// A row of an entity's own columns, in their order, as a select without further columns finds it.
fn model<E>(row: &Row<'_>) -> Result<E::Model, DbErr>
where
    E: EntityTrait,
    E::ActiveModel: TryIntoModel<E::Model>,
{
    let mut model = E::ActiveModel::default();
    for (index, column) in E::Column::iter().enumerate() {
        let value = value(row.get_ref(index).map_err(failed)?, column)?;
        model.set(column, value);
    }
    model.try_into_model()
}

fn value(value: ValueRef<'_>, column: impl ColumnTrait) -> Result<Value, DbErr> {
    let misfit = |found: &dyn fmt::Display| DbErr::Type(format!("column {} holds {found}", column.as_str()));
    let definition = column.def();
    Ok(match (definition.get_column_type(), value) {
        (ColumnType::Integer, ValueRef::Null) => Value::Int(None),
        (ColumnType::Integer, ValueRef::Integer(number)) => {
            Value::Int(Some(i32::try_from(number).map_err(|error| misfit(&error))?))
        }
        (ColumnType::BigInteger, ValueRef::Null) => Value::BigInt(None),
        (ColumnType::BigInteger, ValueRef::Integer(number)) => Value::BigInt(Some(number)),
        (ColumnType::String(_), ValueRef::Null) => Value::String(None),
        (ColumnType::String(_), ValueRef::Text(bytes)) => {
            Value::String(Some(String::from_utf8(bytes.to_vec()).map_err(|error| misfit(&error))?))
        }
        (_, other) => return Err(misfit(&other.data_type())),
    })
}

/// As a failed query where the values are at fault; where the file is locked, full or gone, as a failed connection.
#[expect(clippy::needless_pass_by_value, reason = "it goes into `map_err`")]
pub(super) fn failed(error: rusqlite::Error) -> DbErr {
    let message = RuntimeErr::Internal(error.to_string());
    match error.sqlite_error_code() {
        None
        | Some(
            ErrorCode::ConstraintViolation
            | ErrorCode::TooBig
            | ErrorCode::TypeMismatch
            | ErrorCode::ParameterOutOfRange,
        ) => DbErr::Query(message),
        Some(_) => DbErr::Conn(message),
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;

    #[test]
    fn a_statement_is_compiled_once_whatever_its_values_are() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("a.db");
        Connection::open(&file).and_then(|db| db.execute_batch("CREATE TABLE numbers (one)")).expect("a database");
        let writer = SqliteWriter::open(&file, Duration::from_secs(1)).expect("a connection");
        let connection = writer.connection();
        for limit in 1..5 {
            let statement =
                Statement::from_sql_and_values(DbBackend::Sqlite, "SELECT one FROM numbers LIMIT ?", [limit.into()]);
            let mut prepared = prepare(&connection, &statement).expect("prepared");
            assert!(prepared.raw_query().next().expect("an answer").is_none());
            assert_eq!(prepared.get_status(StatementStatus::RePrepare), 0);
        }
    }
}
