//! Calls over Redis: requests go into a stream or a channel, answers come on a channel.

mod correspondent;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use legwork_model::{Clock, Ids};
use redis::Client;
use tokio::sync::{mpsc, oneshot};
use ulid::Ulid;

use crate::settings::patience;
use crate::{Call, Error, Executing, Executor, InvalidSettings, Output, Settings};
use correspondent::{Correspondent, Letter, Reply};

/// How many letters may wait for the correspondent while it connects.
const LETTERS: usize = 64;

/// How a request goes to the service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Delivery {
    /// By the stream `claude:cli:requests:stream`, which keeps it until a server has recorded it.
    #[default]
    Stream,
    /// By the channel `claude:cli:requests`, for servers that know nothing else. Lost where nobody listens.
    Channel,
}

/// Calls the agent over Redis.
///
/// A connection that breaks is made anew, and what was asked is asked again by the same id: the service runs an id once and
/// answers it as often as it is asked. A call that never left fails at once. Giving a call up does not end its run.
pub struct RedisExecutor {
    letters: mpsc::Sender<Letter>,
    names: Names,
    timeout: Duration,
    delivery: Delivery,
}

/// Makes ids.
struct Names {
    ids: Ids,
    clock: Arc<dyn Clock>,
}

impl RedisExecutor {
    /// An executor for that Redis, which is connected to by the first call. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// Where the address is not of Redis.
    pub fn new(settings: &Settings, clock: Arc<dyn Clock>, ids: Ids) -> Result<Self, InvalidSettings> {
        let wrong = InvalidSettings { name: "CLAUDE_SERVICE_URL", message: "must be an address of Redis" };
        let client = Client::open(settings.url.reveal()).map_err(|_| wrong)?;
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (letters, inbox) = mpsc::channel(LETTERS);
        tokio::spawn(Correspondent::new(client, inbox).run());
        let names = Names { ids, clock };
        Ok(Self { letters, names, timeout: settings.timeout, delivery: settings.delivery })
    }

    /// Runs a call under an id of the caller's. An id that ran, or runs, is not run again, but answered; the call must be
    /// the same.
    ///
    /// # Errors
    /// As [`Executor::execute`].
    pub async fn execute_as(&self, id: &str, call: &Call) -> Result<Output, Error> {
        let (reply, answer) = oneshot::channel();
        let patience = patience(self.timeout(call));
        self.send(id, call, self.delivery, Reply::Answer(reply), answer, patience).await
    }

    /// Leaves a call in the durable stream and gives its id. [`Self::execute_as`] with this id gives its output.
    ///
    /// # Errors
    /// Where Redis does not take it.
    pub async fn enqueue(&self, call: &Call) -> Result<String, Error> {
        let id = self.names.next();
        let (reply, taken) = oneshot::channel();
        self.send(&id, call, Delivery::Stream, Reply::Taken(reply), taken, correspondent::PATIENCE).await?;
        Ok(id)
    }

    fn timeout(&self, call: &Call) -> Duration {
        call.timeout.unwrap_or(self.timeout)
    }

    async fn send<T>(
        &self,
        id: &str,
        call: &Call,
        delivery: Delivery,
        reply: Reply,
        answer: oneshot::Receiver<Result<T, Error>>,
        patience: Duration,
    ) -> Result<T, Error> {
        let letter =
            Letter { id: id.to_owned(), payload: wire::request(id, call, self.timeout(call)), delivery, reply };
        let exchange = async {
            let gone = || Error::Transport("the executor's runtime has ended".into());
            self.letters.send(letter).await.map_err(|_| gone())?;
            answer.await.map_err(|_| gone())?
        };
        tokio::time::timeout(patience, exchange).await.unwrap_or(Err(Error::TimedOut(patience)))
    }
}

impl Executor for RedisExecutor {
    fn execute<'a>(&'a self, call: &'a Call) -> Executing<'a> {
        Box::pin(async move { self.execute_as(&self.names.next(), call).await })
    }
}

impl Names {
    /// A new ULID.
    fn next(&self) -> String {
        let millis = u64::try_from(self.clock.now().as_millis()).unwrap_or(0);
        let random = self.ids.secret();
        let random = random.iter().fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
        Ulid::from_parts(millis, random).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use legwork_model::{TestClock, Timestamp};

    #[test]
    fn names_are_ulids_and_differ() {
        let clock = Arc::new(TestClock::at(Timestamp::from_millis(1_772_366_400_000)));
        let names = Names { ids: Ids::from_seed([7; 32]), clock };
        let (one, other) = (names.next(), names.next());
        assert_ne!(one, other);
        for name in [one, other] {
            assert_eq!(Ulid::from_string(&name).unwrap().timestamp_ms(), 1_772_366_400_000, "{name}");
        }
    }
}
