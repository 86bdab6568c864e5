//! Why the database did not do as asked.

use sea_orm::sqlx::mysql::MySqlDatabaseError;
use sea_orm::{DbErr, RuntimeErr, SqlErr, sqlx};

/// The database did not do as asked; nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Locked, full, gone or too slow: the same call may succeed later.
    #[error("the database can't be used right now: {0}")]
    Unavailable(#[source] DbErr),
    /// It never takes this, however often it is asked.
    #[error("the database does not take this: {0}")]
    Rejected(#[source] DbErr),
    /// A row holds what this version can't read.
    #[error("the database holds {what} that this version can't read: {why}")]
    Unreadable {
        /// Which value.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The connection settings are wrong.
    #[error("{0}")]
    Setup(String),
    /// The writer has ended: the process is about to exit.
    #[error("the database is closed")]
    Closed,
}

impl From<DbErr> for StoreError {
    fn from(error: DbErr) -> Self {
        if is_permanent(&error) { Self::Rejected(error) } else { Self::Unavailable(error) }
    }
}

/// Whether the values are at fault, not the moment.
fn is_permanent(error: &DbErr) -> bool {
    match error {
        DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error)) => match &**error {
            sqlx::Error::Database(error) => is_permanent_on_server(&**error),
            sqlx::Error::Encode(_) | sqlx::Error::ColumnDecode { .. } | sqlx::Error::TypeNotFound { .. } => true,
            _ => false,
        },
        DbErr::Query(RuntimeErr::Internal(_)) | DbErr::Type(_) | DbErr::Json(_) | DbErr::Custom(_) => true,
        _ => false,
    }
}

/// SQLSTATE classes 21 (cardinality), 22 (data), 23 (constraints), 42 (syntax, names); and MySQL's 1153, for which its
/// class is the one of a lost connection: a packet that is too large.
fn is_permanent_on_server(error: &dyn sqlx::error::DatabaseError) -> bool {
    let state = error.code().unwrap_or_default();
    let too_large = error.try_downcast_ref::<MySqlDatabaseError>().is_some_and(|error| error.number() == 1153);
    too_large || ["21", "22", "23", "42"].iter().any(|class| state.len() == 5 && state.starts_with(class))
}

impl StoreError {
    /// Whether the failure is a broken uniqueness rule.
    pub fn is_duplicate(&self) -> bool {
        let Self::Rejected(error) = self else { return false };
        let by_driver = matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_)));
        by_driver || error.to_string().contains("UNIQUE constraint failed")
    }

    /// A row that can't be read.
    pub(super) fn unreadable(what: &'static str, why: &impl ToString) -> Self {
        Self::Unreadable { what, why: why.to_string() }
    }
}
