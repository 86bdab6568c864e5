//! Opening a database that somebody else opens, too.

use futures::future::join_all;
use legwork_server::store::Store;

use crate::database::{Engine, TestDb, on_every_engine};

on_every_engine!(
    servers_that_start_at_the_same_moment_do_not_get_in_each_others_way,
    what_a_server_that_died_left_half_done_is_done_by_the_next,
);

async fn servers_that_start_at_the_same_moment_do_not_get_in_each_others_way(db: &TestDb) {
    // A data directory has one server; only databases on a server are shared.
    if db.engine == Engine::Sqlite {
        return;
    }
    let tables = ["seaql_migrations", "executions", "events", "idempotency_keys", "api_keys", "quotas", "quota_calls"];
    for table in tables {
        db.tamper(&format!("DROP TABLE {table}")).await;
    }
    let opened = join_all((0..6).map(|_| Store::connect(&db.url))).await;
    for store in opened {
        store.expect("opens").ping().await.expect("answers");
    }
    db.put(db.job()).await;
}

async fn what_a_server_that_died_left_half_done_is_done_by_the_next(db: &TestDb) {
    // MySQL keeps what was made before the end of a change of tables, and knows no index "if it does not exist".
    if db.engine == Engine::Sqlite {
        return;
    }
    db.tamper("DELETE FROM seaql_migrations").await;
    db.tamper("DROP TABLE api_keys").await;
    Store::connect(&db.url).await.expect("opens").ping().await.expect("answers");
    assert!(!db.store.has_api_keys().await.expect("the table is there again"));
}
