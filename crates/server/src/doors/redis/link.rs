//! The way to Redis, and whether it is open.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ::redis::aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection, PubSub};
use ::redis::{AsyncConnectionConfig, Client, FromRedisValue, Pipeline, RedisError, RedisResult, ScriptInvocation};
use tokio::sync::watch;

/// How long a connection or an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long to leave Redis alone after it failed, at first and at most.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A connection for short commands that comes back by itself, and what is made from the same address.
#[derive(Clone)]
pub struct Link {
    client: Client,
    commands: ConnectionManager,
    /// Whether Redis answered last.
    open: Arc<watch::Sender<bool>>,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("open", &*self.open.borrow()).finish_non_exhaustive()
    }
}

impl Link {
    /// A link to the Redis at `url`. Nothing is connected yet.
    pub(super) fn new(url: &str) -> RedisResult<Self> {
        let client = Client::open(url)?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE))
            .set_number_of_retries(1)
            .set_max_delay(SHORTEST_PAUSE);
        let commands = client.get_connection_manager_lazy(config)?;
        Ok(Self { client, commands, open: Arc::new(watch::Sender::new(false)) })
    }

    /// Whether Redis answered when it was last asked.
    pub(super) fn is_open(&self) -> bool {
        *self.open.borrow()
    }

    /// Waits until Redis answers.
    pub(super) async fn opened(&self) {
        // The sender is `self`, so the channel can't close while this waits.
        let _ = self.open.subscribe().wait_for(|open| *open).await;
    }

    /// Asks Redis whether it is there, and remembers the answer.
    pub(super) async fn look(&self) -> RedisResult<()> {
        let answer: RedisResult<()> = ::redis::cmd("PING").query_async(&mut self.commands.clone()).await;
        let changed = self.open.send_if_modified(|open| {
            let changed = *open != answer.is_ok();
            *open = answer.is_ok();
            changed
        });
        match &answer {
            Ok(()) if changed => tracing::info!("connected to Redis"),
            Err(error) if changed => tracing::warn!(%error, "lost Redis; trying again until it is back"),
            _ => {}
        }
        answer
    }

    pub(super) async fn run<T: FromRedisValue>(&self, command: &::redis::Cmd) -> RedisResult<T> {
        command.query_async(&mut self.commands.clone()).await
    }

    pub(super) async fn run_all(&self, commands: &Pipeline) -> RedisResult<()> {
        commands.query_async(&mut self.commands.clone()).await
    }

    pub(super) async fn invoke<T: FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> RedisResult<T> {
        script.invoke_async(&mut self.commands.clone()).await
    }

    /// A connection of one's own that waits for what comes, up to `longest`.
    pub(super) async fn waiting_connection(&self, longest: Duration) -> RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(longest + PATIENCE));
        self.client.get_multiplexed_async_connection_with_config(&config).await
    }

    pub(super) async fn subscription(&self, channel: &str) -> RedisResult<PubSub> {
        let subscribe = async {
            let mut subscription = self.client.get_async_pubsub().await?;
            subscription.subscribe(channel).await?;
            Ok(subscription)
        };
        tokio::time::timeout(PATIENCE, subscribe).await.unwrap_or_else(|_| Err(timed_out()))
    }
}

pub(super) fn timed_out() -> RedisError {
    std::io::Error::from(std::io::ErrorKind::TimedOut).into()
}

/// Pauses that grow.
#[derive(Debug)]
pub(super) struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Self {
        Self(SHORTEST_PAUSE)
    }
}

impl Backoff {
    pub(super) async fn pause(&mut self) {
        tokio::time::sleep(self.0).await;
        self.0 = (self.0 * 2).min(LONGEST_PAUSE);
    }

    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }
}
