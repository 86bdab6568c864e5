//! Labels of executions, budgets with what counts against them, and the ledger of calls to models.

use sea_orm::{ConnectionTrait, DbBackend};
use sea_orm_migration::prelude::*;

use super::create_index;
use super::m0001_executions::table;
use super::m0003_conversations::add_column;
use crate::store::budgets::STRIPES;

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        for (name, length) in [("project", 128), ("user_label", 128), ("session_root", 30)] {
            add_column(manager, "executions", name, ColumnDef::new(name).string_len(length)).await?;
        }
        for table in [
            budgets(backend),
            budget_states(backend),
            budget_gates(backend),
            reservations(backend),
            model_calls(backend),
            budget_refusals(backend),
        ] {
            manager.create_table(table).await?;
        }
        for (table, name, columns) in INDICES {
            let mut index = Index::create().name(name).table(table).take();
            for column in columns {
                index.col(*column);
            }
            if name == "budgets_subject" {
                index.unique();
            }
            create_index(manager, (table, name), only_labelled(backend, columns[0], index)).await?;
        }
        open_gates(manager).await
    }
}

/// Index, its table, its columns.
const INDICES: [(&str, &str, &[&str]); 9] = [
    ("budgets", "budgets_subject", &["scope", "name", "period"]),
    ("model_calls", "model_calls_time", &["at"]),
    ("model_calls", "model_calls_project", &["project", "at"]),
    ("model_calls", "model_calls_user", &["user_label", "at"]),
    ("model_calls", "model_calls_key", &["api_key", "at"]),
    ("model_calls", "model_calls_session", &["session", "at"]),
    ("budget_refusals", "budget_refusals_time", &["at"]),
    ("executions", "executions_project", &["project", "id"]),
    ("executions", "executions_user", &["user_label", "id"]),
];

/// Most jobs have no labels, and an index that leaves them out costs them nothing.
/// MySQL has no such indices and takes them all in.
fn only_labelled(backend: DbBackend, first: &'static str, mut index: IndexCreateStatement) -> IndexCreateStatement {
    let is_label = ["project", "user_label", "api_key"].contains(&first);
    if is_label && backend != DbBackend::MySql {
        index.cond_where(Expr::col(first).is_not_null()).take()
    } else {
        index
    }
}

fn budgets(backend: DbBackend) -> TableCreateStatement {
    table(backend, "budgets")
        .col(ColumnDef::new("id").string_len(40).not_null().primary_key())
        .col(ColumnDef::new("scope").string_len(16).not_null())
        .col(ColumnDef::new("name").string_len(128).not_null())
        .col(ColumnDef::new("period").string_len(8).not_null())
        .col(ColumnDef::new("limit_micros").big_integer().not_null())
        .col(ColumnDef::new("alert_at_percent").integer())
        .col(ColumnDef::new("pause_on_exceed").integer().not_null())
        .col(ColumnDef::new("time_zone").string_len(64).not_null())
        .col(ColumnDef::new("updated_at").big_integer().not_null())
        .col(ColumnDef::new("updated_by").string_len(64))
        .take()
}

fn budget_states(backend: DbBackend) -> TableCreateStatement {
    table(backend, "budget_states")
        .col(ColumnDef::new("budget_id").string_len(40).not_null())
        .col(ColumnDef::new("subject").string_len(128).not_null())
        .col(ColumnDef::new("period_start").big_integer().not_null())
        .col(ColumnDef::new("spent").big_integer().not_null())
        .col(ColumnDef::new("reserved").big_integer().not_null())
        .col(ColumnDef::new("alerted_at").big_integer())
        .primary_key(Index::create().col("budget_id").col("subject"))
        .take()
}

fn budget_gates(backend: DbBackend) -> TableCreateStatement {
    table(backend, "budget_gates")
        .col(ColumnDef::new("stripe").integer().not_null().primary_key())
        .col(ColumnDef::new("budgets").big_integer().not_null())
        .take()
}

fn reservations(backend: DbBackend) -> TableCreateStatement {
    table(backend, "reservations")
        .col(ColumnDef::new("execution_id").string_len(30).not_null().primary_key())
        .col(ColumnDef::new("outstanding").big_integer().not_null())
        .col(ColumnDef::new("project").string_len(128))
        .col(ColumnDef::new("user_label").string_len(128))
        .col(ColumnDef::new("api_key").string_len(64))
        .col(ColumnDef::new("session").string_len(30).not_null())
        .take()
}

fn model_calls(backend: DbBackend) -> TableCreateStatement {
    table(backend, "model_calls")
        .col(ColumnDef::new("id").string_len(128).not_null().primary_key())
        .col(ColumnDef::new("execution_id").string_len(30).not_null())
        .col(ColumnDef::new("at").big_integer().not_null())
        .col(ColumnDef::new("agent").string_len(64).not_null())
        .col(ColumnDef::new("model").string_len(200).not_null())
        .col(ColumnDef::new("api").string_len(16).not_null())
        .col(ColumnDef::new("credential").string_len(128).not_null())
        .col(ColumnDef::new("project").string_len(128))
        .col(ColumnDef::new("user_label").string_len(128))
        .col(ColumnDef::new("api_key").string_len(64))
        .col(ColumnDef::new("session").string_len(30).not_null())
        .col(ColumnDef::new("input_tokens").big_integer().not_null())
        .col(ColumnDef::new("output_tokens").big_integer().not_null())
        .col(ColumnDef::new("cache_read_tokens").big_integer().not_null())
        .col(ColumnDef::new("cache_write_tokens").big_integer().not_null())
        .col(ColumnDef::new("cost").big_integer().not_null())
        .col(ColumnDef::new("estimated").integer().not_null())
        .col(ColumnDef::new("imputed").integer().not_null())
        .col(ColumnDef::new("status").integer().not_null())
        .col(ColumnDef::new("first_byte_ms").big_integer().not_null())
        .col(ColumnDef::new("duration_ms").big_integer().not_null())
        .take()
}

fn budget_refusals(backend: DbBackend) -> TableCreateStatement {
    table(backend, "budget_refusals")
        .col(ColumnDef::new("id").string_len(30).not_null().primary_key())
        .col(ColumnDef::new("at").big_integer().not_null())
        .col(ColumnDef::new("execution_id").string_len(30))
        .col(ColumnDef::new("budget_id").string_len(40).not_null())
        .col(ColumnDef::new("scope").string_len(16).not_null())
        .col(ColumnDef::new("name").string_len(128).not_null())
        .col(ColumnDef::new("period").string_len(8).not_null())
        .col(ColumnDef::new("subject").string_len(128).not_null())
        .col(ColumnDef::new("limit_micros").big_integer().not_null())
        .col(ColumnDef::new("spent").big_integer().not_null())
        .col(ColumnDef::new("reserved").big_integer().not_null())
        .col(ColumnDef::new("requested").big_integer().not_null())
        .col(ColumnDef::new("resets_at").big_integer())
        .col(ColumnDef::new("agent").string_len(64).not_null())
        .col(ColumnDef::new("project").string_len(128))
        .col(ColumnDef::new("user_label").string_len(128))
        .col(ColumnDef::new("api_key").string_len(64))
        .take()
}

async fn open_gates(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let connection = manager.get_connection();
    // An earlier, unfinished attempt may have made some.
    connection.execute(Query::delete().from_table("budget_gates")).await?;
    let mut insert = Query::insert().into_table("budget_gates").columns(["stripe", "budgets"]).take();
    for stripe in 0..STRIPES {
        insert.values_panic([stripe.into(), 0_i64.into()]);
    }
    connection.execute(&insert).await.map(drop)
}
