//! Brings what was committed from SQLite's log into the database.
//!
//! A checkpoint takes milliseconds, and the writer would have to wait for it. So a thread does most of it beside the writer,
//! and the writer itself finishes it now and then: only when nothing is left to do can the log begin anew.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use rusqlite::{Connection, OpenFlags};

use super::error::StoreError;
use super::sqlite::{failed, start};

/// Groups of changes between two checkpoints; a group is some ten pages.
const GROUPS: u32 = 64;

/// The way to the thread that makes checkpoints. It ends when this is dropped.
pub(super) struct Checkpoints {
    due: SyncSender<()>,
    groups: u32,
}

impl Checkpoints {
    /// Starts the thread, for this database.
    pub(super) fn of(database: &Path) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(database, flags).map_err(failed)?;
        let (due, wanted) = sync_channel(1);
        start("sqlite-checkpoint", move || checkpoint(&connection, &wanted))?;
        Ok(Self { due, groups: 0 })
    }

    /// A group was committed.
    pub(super) fn committed(&mut self) {
        self.groups += 1;
        // One that goes on takes along most of what has come since.
        if self.groups >= GROUPS && self.due.try_send(()).is_ok() {
            self.groups = 0;
        }
    }
}

fn checkpoint(connection: &Connection, wanted: &Receiver<()>) {
    while wanted.recv().is_ok() {
        // Gives way to everybody.
        if let Err(error) = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
            tracing::warn!(%error, "what was committed stays in the log of the database for now");
        }
    }
}
