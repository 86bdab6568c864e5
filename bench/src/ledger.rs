//! As little as keeps a job: it is on record before its agent starts, and what came of it is flushed before that is told.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use crate::error::BenchError;

/// One row and one directory for each job, in one folder. Used in place, by whoever has a job: at one caller that costs least.
#[derive(Debug)]
pub(crate) struct Ledger {
    connection: Mutex<Connection>,
    log: File,
    folder: PathBuf,
}

/// A job that is on record.
#[derive(Debug)]
pub(crate) struct Kept {
    id: i64,
    /// Where its agent works.
    pub(crate) directory: PathBuf,
}

impl Ledger {
    /// A new one.
    pub(crate) fn create(folder: &Path) -> Result<Self, BenchError> {
        let file = folder.join("jobs.db");
        let connection = Connection::open(&file)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection
            .execute("CREATE TABLE job (id INTEGER PRIMARY KEY, token TEXT UNIQUE, prompt BLOB, output BLOB)", [])?;
        let log = File::open(folder.join("jobs.db-wal"))?;
        Ok(Self { connection: Mutex::new(connection), log, folder: folder.to_owned() })
    }

    /// Puts a job on record, once for each `token`. Nobody was told of it, so it is not flushed yet.
    pub(crate) fn begin(&self, token: &str, prompt: &[u8]) -> Result<Kept, BenchError> {
        let id = {
            let connection = self.lock();
            connection
                .prepare_cached("INSERT INTO job (token, prompt) VALUES (?, ?)")?
                .insert(rusqlite::params![token, prompt])?
        };
        let directory = self.folder.join(id.to_string());
        fs::create_dir(&directory)?;
        Ok(Kept { id, directory })
    }

    /// Puts on record what came of it, and flushes that.
    pub(crate) fn end(&self, job: &Kept, output: &[u8]) -> Result<(), BenchError> {
        self.lock()
            .prepare_cached("UPDATE job SET output = ? WHERE id = ?")?
            .execute(rusqlite::params![output, job.id])?;
        Ok(self.log.sync_data()?)
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        // Nothing panics while it is held.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
