//! What the store promises, on every engine: each test runs on SQLite, MariaDB (or MySQL) and PostgreSQL.
#![expect(clippy::expect_used, clippy::panic, reason = "a test may panic, also in its helpers")]

mod database;

mod api_keys;
mod approvals;
mod budget_walk;
mod budgets;
mod cached;
mod cancelling;
mod claiming;
mod durability;
mod enqueueing;
mod fencing;
mod leases;
mod listing;
mod losing;
mod opening;
mod payloads;
mod power;
mod random_walk;
mod secrets;
mod tool_uses;
