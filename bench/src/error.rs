//! Why a measurement can't be had.

use sea_orm::DbErr;

/// Why a measurement can't be had.
#[derive(thiserror::Error)]
pub(crate) enum BenchError {
    /// Something this needs is not there.
    #[error("{0}")]
    Setup(String),
    /// A service does not come up.
    #[error("{name} was not ready after {seconds} s; its log: {log}")]
    NotReady {
        /// Which one.
        name: &'static str,
        /// How long it was waited for.
        seconds: u64,
        /// Where it wrote what went wrong.
        log: String,
    },
    /// A service answered something else than a measurement needs.
    #[error("{request} answered {status}: {body}")]
    Answer {
        /// What was asked.
        request: String,
        /// The HTTP status.
        status: u16,
        /// The beginning of the answer.
        body: String,
    },
    /// The connection broke.
    #[error("the connection to the service broke: {0}")]
    Connection(#[from] hyper::Error),
    /// The operating system refused.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The big database can't be made.
    #[error("failed to fill the database: {0}")]
    Database(#[from] DbErr),
    /// The ledger of the worker that keeps its jobs does not work.
    #[error("the ledger: {0}")]
    Ledger(#[from] rusqlite::Error),
}

/// `main` prints an error by its `Debug` text.
impl std::fmt::Debug for BenchError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}
