//! Fills a database with copies of the finished execution that is in it. Works on the file, while no server has it: a
//! million jobs through the door would take an hour.

use std::path::Path;

use sea_orm::{ConnectionTrait, Database, DatabaseConnection, DbBackend, DbErr, QueryResult, Statement};

use crate::error::BenchError;

/// Rows in one transaction.
const BATCH: u32 = 50_000;

/// Makes `count` copies of the one finished execution and of its last event.
pub(crate) async fn fill(database: &Path, count: u32) -> Result<(), BenchError> {
    let connection = Database::connect(format!("sqlite://{}?mode=rw", database.display())).await?;
    // Nobody else has the file, and if the machine dies it is thrown away anyhow.
    connection.execute_unprepared("PRAGMA synchronous = OFF").await?;
    let executions = columns(&connection, "executions").await?;
    let events = columns(&connection, "events").await?;
    let finished = template(&connection).await?;
    for first in (0..count).step_by(BATCH as usize) {
        let last = (first + BATCH).min(count);
        connection.execute_unprepared(&copies("executions", &executions, &finished, first, last)).await?;
        connection.execute_unprepared(&copies("events", &events, &finished, first, last)).await?;
    }
    connection.execute_unprepared("PRAGMA wal_checkpoint(TRUNCATE)").await?;
    Ok(connection.close().await?)
}

async fn template(connection: &DatabaseConnection) -> Result<String, BenchError> {
    let row = one(connection, "SELECT id FROM executions WHERE state = 'succeeded'").await?;
    Ok(row.ok_or_else(|| DbErr::RecordNotFound("a succeeded execution to copy".into()))?.try_get("", "id")?)
}

async fn columns(connection: &DatabaseConnection, table: &str) -> Result<Vec<String>, DbErr> {
    let statement = sqlite(&format!("SELECT name FROM pragma_table_info('{table}')"));
    connection.query_all_raw(statement).await?.iter().map(|row| row.try_get("", "name")).collect()
}

/// The statement that copies the rows numbered `first..last`. Ids count up from zero, so that every copy is older than
/// what the server makes itself.
fn copies(table: &str, columns: &[String], template: &str, first: u32, last: u32) -> String {
    let id = "printf('exe_%026d', i)";
    let values = columns.iter().map(|column| match column.as_str() {
        "id" | "execution_id" | "home" => id.to_owned(),
        "session_id" => "printf('%032d', i)".to_owned(),
        other => format!("\"{other}\""),
    });
    let values: Vec<String> = values.collect();
    let chosen = if table == "events" {
        format!("execution_id = '{template}' AND kind = 'finished'")
    } else {
        format!("id = '{template}'")
    };
    format!(
        "WITH RECURSIVE number(i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM number WHERE i + 1 < {last}) \
         INSERT INTO {table} (\"{}\") SELECT {} FROM {table}, number WHERE {chosen}",
        columns.join("\", \""),
        values.join(", "),
    )
}

async fn one(connection: &DatabaseConnection, query: &str) -> Result<Option<QueryResult>, DbErr> {
    connection.query_one_raw(sqlite(query)).await
}

fn sqlite(query: &str) -> Statement {
    Statement::from_string(DbBackend::Sqlite, query)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL_SCHEMA: &str = "
        CREATE TABLE executions (id TEXT PRIMARY KEY, state TEXT, home TEXT, session_id TEXT, task TEXT);
        CREATE TABLE events (execution_id TEXT, seq INTEGER, kind TEXT, PRIMARY KEY (execution_id, seq));
        INSERT INTO executions VALUES ('exe_01', 'succeeded', 'exe_01', 'a', '{}');
        INSERT INTO events VALUES ('exe_01', 1, 'queued'), ('exe_01', 2, 'finished');";

    #[tokio::test]
    async fn every_copy_is_an_execution_of_its_own_with_its_last_event() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("legwork.db");
        let connection = Database::connect(format!("sqlite://{}?mode=rwc", path.display())).await.unwrap();
        connection.execute_unprepared(SMALL_SCHEMA).await.unwrap();

        let copies = BATCH + 2;
        fill(&path, copies).await.unwrap();

        let query =
            "SELECT count(DISTINCT home) FROM executions JOIN events ON id = execution_id WHERE kind = 'finished'";
        let counted: u32 = one(&connection, query).await.unwrap().unwrap().try_get_by_index(0).unwrap();
        assert_eq!(counted, copies + 1);
        let events: u32 =
            one(&connection, "SELECT count(*) FROM events").await.unwrap().unwrap().try_get_by_index(0).unwrap();
        assert_eq!(events, copies + 2);
    }
}
