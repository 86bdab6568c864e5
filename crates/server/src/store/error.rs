//! Why the database did not do as asked.

use sea_orm::{DbErr, SqlErr};

/// The database did not do as asked; nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Locked, full, gone or too slow: the same call may succeed later.
    #[error("the database can't be used right now: {0}")]
    Unavailable(#[source] DbErr),
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
        Self::Unavailable(error)
    }
}

impl StoreError {
    /// Whether the failure is a broken uniqueness rule.
    pub fn is_duplicate(&self) -> bool {
        matches!(self, Self::Unavailable(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))))
    }

    /// A row that can't be read.
    pub(super) fn unreadable(what: &'static str, why: &impl ToString) -> Self {
        Self::Unreadable { what, why: why.to_string() }
    }
}
