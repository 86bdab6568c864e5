//! The only place with SQL. Plain async functions over SQLite (inside the binary), MySQL, MariaDB, TiDB or Postgres.
//!
//! Every change is one small struct with a [`Write`] implementation, applied by [`Store::write`] in one transaction.
//! Statements keep to what all engines have: conditional updates and their row counts, no `SKIP LOCKED`, no
//! `RETURNING`.

mod checkpoint;
mod connect;
mod entity;
mod error;
mod group_commit;
mod migrations;
mod sqlite;
mod transaction;
mod write;

pub mod api_keys;
pub mod append;
pub mod approvals;
pub mod budgets;
pub mod cached;
pub mod cancel;
pub mod charge;
pub mod claim;
pub mod enqueue;
pub mod events;
pub mod executions;
pub mod finish;
pub mod home;
pub mod kept;
pub mod lease;
pub mod lose;
pub mod orders;
pub mod park;
pub mod prune;
pub mod quota;
pub mod record;
pub mod secrets;
pub mod sessions;
pub mod tool_uses;
pub mod usage;

pub use connect::Store;
pub use error::StoreError;
pub use record::{ExecutionRecord, NewEvent, RecordedEvent};
pub use transaction::Transaction;
pub use write::{Durability, Write};
