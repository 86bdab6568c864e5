//! Opening the database.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use sea_orm::sqlx::mysql::MySqlConnection;
use sea_orm::sqlx::postgres::PgConnection;
use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sea_orm::sqlx::{self, Executor};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend};
use sea_orm_migration::MigratorTrait;

use super::error::StoreError;
use super::group_commit::Backlog;
use super::migrations::Migrator;
use super::sqlite::SqliteWriter;
use super::write::{Write, Writer};

/// How long a statement may wait for a lock or a connection before the call fails as unavailable.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a group of changes may wait while another process holds SQLite's lock. A change may have to wait for the group
/// before it, too, and is to be refused within two seconds.
const LOCK_PATIENCE: Duration = Duration::from_millis(900);
const SQLITE_READERS: u32 = 4;
const POOL: u32 = 16;

/// The database: reads go to a pool, changes through the writer.
#[derive(Clone)]
pub struct Store {
    pub(super) reads: DatabaseConnection,
    writer: Writer,
}

impl Store {
    /// Opens the SQLite file at `path`, makes it where it does not exist, and brings its tables up to date.
    ///
    /// # Errors
    /// Where the file can't be opened or its tables can't be brought up to date.
    pub async fn open_sqlite(path: &Path) -> Result<Self, StoreError> {
        let url = format!("sqlite://{}?mode=rwc", path.display());
        let reads = Database::connect(sqlite_options(&url)).await?;
        Migrator::up(&reads, None).await?;
        let writer = SqliteWriter::open(path, LOCK_PATIENCE)?;
        Ok(Self { reads, writer: Writer::Grouped(Backlog::of(writer)?) })
    }

    /// Connects to the MySQL, MariaDB, TiDB or Postgres server at `url` and brings its tables up to date.
    ///
    /// # Errors
    /// Where the server can't be reached or refuses.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        if !["mysql://", "mariadb://", "postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
            let message = "the database URL must start with mysql://, postgres:// or be absent (SQLite inside)";
            return Err(StoreError::Setup(message.into()));
        }
        let url = url.replacen("mariadb://", "mysql://", 1);
        let mut options = ConnectOptions::new(&url);
        options
            .max_connections(POOL)
            .min_connections(1)
            .acquire_timeout(PATIENCE)
            .connect_timeout(PATIENCE)
            .sqlx_logging(false)
            .map_sqlx_mysql_pool_opts(|pool| pool.after_connect(|connection, _| Box::pin(prepare_mysql(connection))))
            .map_sqlx_postgres_pool_opts(|pool| {
                pool.after_connect(|connection, _| Box::pin(prepare_postgres(connection)))
            });
        migrate_alone(&url).await?;
        let connection = Database::connect(options).await?;
        Ok(Self { reads: connection.clone(), writer: Writer::Direct(connection) })
    }

    /// Applies `change`: once this returns `Ok`, it survives the death of the process and, as its
    /// [durability](Write::durability) says, of the machine.
    ///
    /// # Errors
    /// Where the database does not take it; then nothing was written.
    pub async fn write<W: Write>(&self, change: W) -> Result<W::Output, StoreError> {
        self.writer.write(change).await
    }

    /// Whether other processes may write to this database too.
    pub fn is_shared(&self) -> bool {
        self.reads.get_database_backend() != DbBackend::Sqlite
    }

    /// Asks the database for an answer.
    ///
    /// # Errors
    /// Where it gives none.
    pub async fn ping(&self) -> Result<(), StoreError> {
        Ok(self.reads.ping().await?)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("backend", &self.reads.get_database_backend()).finish_non_exhaustive()
    }
}

/// Brings the tables up to date. Servers that start at the same moment do so one after the other: the lock belongs to
/// the connection, so there is one, and it is given back with it.
async fn migrate_alone(url: &str) -> Result<(), StoreError> {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).acquire_timeout(PATIENCE).connect_timeout(PATIENCE).sqlx_logging(false);
    let connection = Database::connect(options).await?;
    // Nobody waits longer than a minute, whatever became of the server that holds the lock.
    let lock = match connection.get_database_backend() {
        DbBackend::Postgres => "SET lock_timeout = '60s'; SELECT pg_advisory_lock(7521903348)",
        _ => "SELECT GET_LOCK(CONCAT('legwork.', SHA1(DATABASE())), 60)",
    };
    connection.execute_unprepared(lock).await?;
    Migrator::up(&connection, None).await?;
    Ok(connection.close().await?)
}

/// A node that freezes in the middle of a transaction must not keep the others from taking over its runs: its
/// transactions end after a few seconds, and nobody waits longer for a lock. And MySQL would show a transaction the past,
/// so that a change which lost a race could not see to what.
async fn prepare_mysql(connection: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    connection.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED").await?;
    connection.execute("SET SESSION innodb_lock_wait_timeout = 5").await?;
    // Only MariaDB has it; elsewhere the server's own settings for dead clients have to do.
    let _ = connection.execute("SET SESSION idle_transaction_timeout = 5").await;
    Ok(())
}

/// The same for Postgres, which shows no past by default.
async fn prepare_postgres(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    connection.execute("SET idle_in_transaction_session_timeout = '5s'").await?;
    connection.execute("SET lock_timeout = '5s'").await?;
    Ok(())
}

/// For the connections that read, and that bring the tables up to date before anything else happens.
fn sqlite_options(url: &str) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options.max_connections(SQLITE_READERS).min_connections(1).acquire_timeout(PATIENCE).sqlx_logging(false);
    // A connection to a file is never stale, and testing it costs each statement a round trip.
    options.test_before_acquire(false);
    options.map_sqlx_sqlite_opts(|sqlite| {
        sqlite
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(false)
            .busy_timeout(LOCK_PATIENCE)
    });
    options
}
