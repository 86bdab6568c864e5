//! Executions, their events, idempotency keys and API keys.

use sea_orm::DbBackend;
use sea_orm_migration::prelude::*;

use super::create_index;

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        for table in [executions(backend), events(backend), idempotency_keys(backend), api_keys(backend)] {
            manager.create_table(table).await?;
        }
        for (name, index) in indices(backend) {
            create_index(manager, name, index).await?;
        }
        Ok(())
    }
}

/// On MySQL ids are compared byte by byte and a prompt may hold any character, whatever the server's own defaults are.
pub(super) fn table(backend: DbBackend, name: &'static str) -> TableCreateStatement {
    let mut table = Table::create();
    table.table(name).if_not_exists();
    if backend == DbBackend::MySql {
        table.character_set("utf8mb4").collate("utf8mb4_bin");
    }
    table
}

/// Text without a limit of its own. MySQL's `text` ends at 64 KiB.
pub(super) fn long_text(backend: DbBackend, name: &'static str) -> ColumnDef {
    match backend {
        DbBackend::MySql => ColumnDef::new(name).custom("longtext").take(),
        _ => ColumnDef::new(name).text().take(),
    }
}

/// Bytes without a limit of their own. MySQL's `blob` ends at 64 KiB.
pub(super) fn bytes(backend: DbBackend, name: &'static str) -> ColumnDef {
    match backend {
        DbBackend::MySql => ColumnDef::new(name).custom("longblob").take(),
        _ => ColumnDef::new(name).blob().take(),
    }
}

/// On SQLite: the rows are in their key's index, and in nothing else.
pub(super) fn without_rowid(backend: DbBackend) -> &'static str {
    if backend == DbBackend::Sqlite { "WITHOUT ROWID" } else { "" }
}

fn executions(backend: DbBackend) -> TableCreateStatement {
    table(backend, "executions")
        .col(ColumnDef::new("id").string_len(30).not_null().primary_key())
        .col(ColumnDef::new("state").string_len(16).not_null())
        .col(ColumnDef::new("lane").string_len(64).not_null())
        .col(ColumnDef::new("priority").integer().not_null())
        .col(ColumnDef::new("agent").string_len(64).not_null())
        .col(long_text(backend, "task").not_null())
        .col(long_text(backend, "metadata").not_null())
        .col(ColumnDef::new("created_by").string_len(64))
        .col(ColumnDef::new("retry_of").string_len(30))
        .col(ColumnDef::new("on_lost").string_len(8).not_null())
        .col(ColumnDef::new("home").string_len(30).not_null())
        .col(ColumnDef::new("created_at").big_integer().not_null())
        .col(ColumnDef::new("started_at").big_integer())
        .col(ColumnDef::new("finished_at").big_integer())
        .col(ColumnDef::new("attempt").integer().not_null())
        .col(ColumnDef::new("losses").integer().not_null())
        .col(ColumnDef::new("fence").big_integer().not_null())
        .col(ColumnDef::new("lease_owner").string_len(64))
        .col(ColumnDef::new("lease_until").big_integer())
        .col(ColumnDef::new("last_seq").big_integer().not_null())
        .col(long_text(backend, "cancel_requested"))
        .col(ColumnDef::new("session_id").string_len(128))
        .col(ColumnDef::new("failure_reason").string_len(32))
        .col(long_text(backend, "outcome"))
        .col(bytes(backend, "output"))
        .col(bytes(backend, "patch"))
        .take()
}

fn events(backend: DbBackend) -> TableCreateStatement {
    table(backend, "events")
        .col(ColumnDef::new("execution_id").string_len(30).not_null())
        .col(ColumnDef::new("seq").big_integer().not_null())
        .col(ColumnDef::new("at").big_integer().not_null())
        .col(ColumnDef::new("kind").string_len(32).not_null())
        .col(long_text(backend, "data").not_null())
        .primary_key(Index::create().col("execution_id").col("seq"))
        .extra(without_rowid(backend))
        .take()
}

fn idempotency_keys(backend: DbBackend) -> TableCreateStatement {
    table(backend, "idempotency_keys")
        .col(ColumnDef::new("scope").string_len(64).not_null())
        .col(ColumnDef::new("idempotency_key").string_len(255).not_null())
        .col(ColumnDef::new("execution_id").string_len(30).not_null())
        .col(ColumnDef::new("fingerprint").string_len(64).not_null())
        .col(ColumnDef::new("created_at").big_integer().not_null())
        .primary_key(Index::create().col("scope").col("idempotency_key"))
        .extra(without_rowid(backend))
        .take()
}

fn api_keys(backend: DbBackend) -> TableCreateStatement {
    table(backend, "api_keys")
        .col(ColumnDef::new("id").string_len(64).not_null().primary_key())
        .col(ColumnDef::new("name").string_len(128).not_null())
        .col(ColumnDef::new("hash").string_len(64).not_null())
        .col(ColumnDef::new("permissions").string_len(64).not_null())
        .col(ColumnDef::new("created_at").big_integer().not_null())
        .col(ColumnDef::new("expires_at").big_integer())
        .col(ColumnDef::new("revoked_at").big_integer())
        .take()
}

/// Most executions are neither waiting nor continue a session, and an index that leaves them out costs them nothing.
/// MySQL has no such indices and takes them all in.
fn indices(backend: DbBackend) -> [((&'static str, &'static str), IndexCreateStatement); 7] {
    let index = |table: &'static str, name: &'static str, columns: Vec<(&'static str, IndexOrder)>| {
        let mut index = Index::create().name(name).table(table).take();
        for column in columns {
            index.col(column);
        }
        ((table, name), index)
    };
    let only = |(name, mut index): (_, IndexCreateStatement), which: Expr| match backend {
        DbBackend::MySql => (name, index),
        _ => (name, index.cond_where(which).take()),
    };
    let unique = |(name, mut index): (_, IndexCreateStatement)| (name, index.unique().take());
    let asc = |column| (column, IndexOrder::Asc);
    [
        // The claim: the oldest of the highest priority of a lane.
        only(
            index(
                "executions",
                "executions_queue",
                vec![asc("state"), asc("lane"), ("priority", IndexOrder::Desc), asc("id")],
            ),
            Expr::col("state").eq("queued"),
        ),
        // Lists of one state, newest first.
        index("executions", "executions_state", vec![asc("state"), asc("id")]),
        only(
            index("executions", "executions_session", vec![asc("session_id"), asc("id")]),
            Expr::col("session_id").is_not_null(),
        ),
        only(index("executions", "executions_home", vec![asc("home"), asc("id")]), Expr::col("home").not_equals("id")),
        index("idempotency_keys", "idempotency_keys_age", vec![asc("created_at")]),
        unique(index("api_keys", "api_keys_hash", vec![asc("hash")])),
        unique(index("api_keys", "api_keys_name", vec![asc("name")])),
    ]
}
