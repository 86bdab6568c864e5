//! Opening a database that somebody else opens, too.

use futures::future::join_all;
use legwork_server::store::Store;

use crate::database::{Engine, TestDb, on_every_engine};

on_every_engine!(servers_that_start_at_the_same_moment_do_not_get_in_each_others_way);

async fn servers_that_start_at_the_same_moment_do_not_get_in_each_others_way(db: &TestDb) {
    // A data directory has one server; only databases on a server are shared.
    if db.engine == Engine::Sqlite {
        return;
    }
    let tables = ["seaql_migrations", "executions", "events", "idempotency_keys", "api_keys"];
    for table in tables {
        db.tamper(&format!("DROP TABLE {table}")).await;
    }
    let opened = join_all((0..6).map(|_| Store::connect(&db.url))).await;
    for store in opened {
        store.expect("opens").ping().await.expect("answers");
    }
    db.put(db.job()).await;
}
